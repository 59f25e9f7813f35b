/* SPDX-License-Identifier: MIT
 *
 * errand: what an elephasd has done at the other servers of a training, because
 * it speaks to nobody by itself (elephas-worker shards): at the end their parts
 * of the parameters are fetched and brought to it; when all is over, they are
 * told.
 */
#ifndef WORKER_ERRAND_H
#define WORKER_ERRAND_H

#include "common/err.h"

/* Reads the order from fd, one JSON object:
 *   {"errand": "gather" | "done" | "cancel",
 *    "server": URL, "job": ID, "token": T,
 *    "vectors": of the state vector, of as many floats as parameters each,
 *    "shards": [{"server":, "job":, "token":, "begin":, "end":}, ...]}
 * The last error of several servers is returned, after all were tried.
 * ERR_INVALID: a job that has ended has nothing to be fetched. */
int errand_run(int fd, struct err *err) ERR_CHECKED;

#endif
