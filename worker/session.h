/* SPDX-License-Identifier: MIT
 *
 * session: what every verb needs before its first row: who this worker is
 * (options and the first line of the input), the model and how rows are read,
 * from a file or from a job, and the connection to elephasd if there is a
 * job.
 */
#ifndef WORKER_SESSION_H
#define WORKER_SESSION_H

#include "common/err.h"
#include "common/model/model.h"
#include "worker/client.h"
#include "worker/options.h"
#include "worker/rows.h"

struct session {
    struct rows *rows;       /* configured; owned */
    struct client *client;   /* NULL with a model file; owned */
    Elephas__V1__Task *task; /* NULL with a model file, and of a job that has
                                ended; owned */
    struct model *model;     /* NULL if the job has ended and there is nothing
                                to do for it; owned */
    float *values;           /* parameters; NULL for train; owned */
    size_t batch_size;
    uint64_t memory; /* bytes of rows kept in memory */
    bool reports;    /* results go to the job: it is of the verb's kind */
};

/* Reads the first line of fd (borrowed), then model and task; to evaluate
 * and predict also the parameters. A job that has ended can still be used to
 * evaluate and predict; the rows are then as the options say. */
int session_open(const struct worker_options *options, int fd,
                 struct session *out, struct err *err) ERR_CHECKED;
void session_close(struct session *session);

#endif
