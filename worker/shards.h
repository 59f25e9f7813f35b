/* SPDX-License-Identifier: MIT
 *
 * shards: the servers that hold the parameters of a training, as one: what a
 * worker asks of the one is asked of all at once, each on a thread of its own,
 * and the parts are put together. With one server, as of most trainings, every
 * call is that of client.h. How updates are encoded, and what is remembered of
 * that, is each server's own (compress.h).
 *
 * Server 0 is the training's own: it has the metrics and the say. The others
 * are told the same and count in step with it (docs/ARCHITECTURE.md).
 *
 * Synchronous: all parts that a step is computed from must be of one version.
 * If they are not, a server has lost rounds (it was started again), or a worker
 * has died between two of them; what is missing can be computed again only if
 * all of them go back to the last version that all have kept, which is asked of
 * them here. Any worker may find out; asking twice does no harm. Whoever is
 * told CLIENT_AGAIN joins again and goes on where the last of the servers is.
 */
#ifndef WORKER_SHARDS_H
#define WORKER_SHARDS_H

#include "common/model/model.h"
#include "worker/client.h"

struct shards;

struct shards_options {
    struct client *home; /* borrowed */
    const Elephas__V1__Task *task;
    const struct model *model; /* borrowed; the whole */
    uint32_t attempt;
    uint32_t stage;
    long retry_ms; /* as of client_options, for the others */
};

/* ERR_PROTO: the parts that the task names are not those of the model. */
int shards_create(const struct shards_options *options, struct shards **out,
                  struct err *err) ERR_CHECKED;
/* Accepts NULL. */
void shards_destroy(struct shards **shards);
/* 1: nothing is spread. */
size_t shards_count(const struct shards *shards);

/* Of all servers together. */
uint64_t shards_interruptions(const struct shards *shards);

/* As those of client.h. The first step and validation that any server lacks;
 * a validation that a server has already, it calls a duplicate. */
int shards_join(struct shards *shards, uint64_t samples,
                uint64_t validation_samples, struct client_assignment *out,
                enum client_outcome *outcome, struct err *err) ERR_CHECKED;
/* The parameters, or the whole state vector. In asynchronous modes the replica,
 * below, takes them over, too. */
int shards_pull(struct shards *shards, struct client_parameters *out,
                enum client_outcome *outcome, struct err *err) ERR_CHECKED;
int shards_pull_step(struct shards *shards, uint64_t step, bool state,
                     struct client_parameters *out,
                     enum client_outcome *outcome, struct err *err) ERR_CHECKED;
int shards_pull_epoch(struct shards *shards, uint64_t epochs,
                      struct client_parameters *out,
                      enum client_outcome *outcome,
                      struct err *err) ERR_CHECKED;
/* In asynchronous modes: the parameters as they were pulled last for a step,
 * each server's part in one whole version of it. */
const float *shards_replica(const struct shards *shards);
/* Makes it that of this step. From each server only what has changed may come.
 * A part is as before if that server's outcome is not CLIENT_OK. */
int shards_pull_replica(struct shards *shards, uint64_t step,
                        enum client_outcome *outcome,
                        struct err *err) ERR_CHECKED;
/* An update, of what was pulled last. */
struct shards_update {
    struct client_update head; /* without values and version */
    float *values;             /* head.count of the whole; are changed */
    bool whole;                /* see compress.h */
};
/* Each server is sent its part, encoded as the task says (compress.h), unless
 * it has counted that step before: then what a step computed again comes to is
 * for the others alone. easgd: values become what was counted of them, 0 where
 * nothing was. */
int shards_push(struct shards *shards, const struct shards_update *update,
                uint64_t *next_step, enum client_outcome *outcome,
                struct err *err) ERR_CHECKED;
int shards_result(struct shards *shards, uint64_t epoch, uint64_t samples,
                  struct totals *metrics, enum client_outcome *outcome,
                  struct err *err) ERR_CHECKED;
/* A running report: to people, and to the other servers that there is somebody
 * (they forget a training that nobody speaks of); as client_progress(). */
void shards_progress(struct shards *shards, uint64_t epoch, uint64_t samples,
                     struct totals *metrics);
/* Waits until all servers are through and have kept the end: before that, one
 * may come back and ask for what it has lost. With one server: at once. */
int shards_end(struct shards *shards, enum client_outcome *outcome,
               struct err *err) ERR_CHECKED;

#endif
