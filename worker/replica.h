/* SPDX-License-Identifier: MIT
 *
 * replica: the parameters of a server as this worker has pulled them last, so
 * that of a later version only what has changed need come. They are always
 * those of one whole version.
 */
#ifndef WORKER_REPLICA_H
#define WORKER_REPLICA_H

#include "worker/client.h"

struct replica;

/* values: room for the parameters; borrowed. */
int replica_create(float *values, size_t parameters, struct replica **out,
                   struct err *err) ERR_CHECKED;
/* Accepts NULL. */
void replica_destroy(struct replica **replica);

/* Takes over parameters that came whole, with or without slots behind them. */
void replica_take(struct replica *replica,
                  const struct client_parameters *parameters);
/* Pulls the version that this step is to be computed from: as
 * client_pull_step(). The replica is as before unless *outcome is CLIENT_OK. */
int replica_pull_step(struct replica *replica, struct client *client,
                      uint64_t step, enum client_outcome *outcome,
                      struct err *err) ERR_CHECKED;

uint64_t replica_version(const struct replica *replica);

#endif
