/* SPDX-License-Identifier: MIT
 *
 * client: the worker's side of docs/PROTOCOL.md section 5: what one partition
 * asks of elephasd and tells it. Every request has a deadline. A daemon that
 * cannot be reached, or answers 5xx (it is starting again), is asked again
 * with growing pauses for about a minute (a few seconds if it has never
 * answered: the address may be wrong); then the error is returned, so a worker
 * never outlives its daemon for long.
 */
#ifndef WORKER_CLIENT_H
#define WORKER_CLIENT_H

#include "common/buf.h"
#include "common/err.h"
#include "common/model/metric.h"
#include "common/model/model.h"
#include "common/model/model_wire.h"
#include "elephas/v1/parameters.pb-c.h"
#include "elephas/v1/task.pb-c.h"

#include <stdbool.h>
#include <stdint.h>

struct client;

struct client_options {
    const char *server; /* URL */
    const char *token;  /* or NULL */
    const char *job;
    uint32_t partition;
    uint32_t attempt;
    uint32_t stage;
    long retry_ms; /* how long a missing daemon is waited for; 0: 60 s */
    bool known;    /* the address is right: so long also for the first time */
};

/* The strings are copied. */
int client_create(const struct client_options *options, struct client **out,
                  struct err *err) ERR_CHECKED;
/* Accepts NULL. */
void client_destroy(struct client **client);
const char *client_job(const struct client *client);
/* How often the daemon could not be reached, but answered later: it may have
 * been started again, from a snapshot that is behind this partition. */
uint64_t client_interruptions(const struct client *client);
uint32_t client_partition(const struct client *client);
/* How long the daemon lets this client wait for a version; 30 s at first. */
void client_wait_for(struct client *client, unsigned seconds);

/* Frees what the calls below give; accepts NULL. */
void client_free_task(Elephas__V1__Task **task);

/* *out is NULL if the job has ended: it has no work any more. */
int client_task(struct client *client, Elephas__V1__Task **out,
                struct err *err) ERR_CHECKED;
/* The architecture of the model with this hash. */
int client_model(struct client *client, const char *hash, struct model **out,
                 struct err *err) ERR_CHECKED;

/* The model of a job, also of one that has ended, with its values as they are
 * now; *state is to be released with model_state_deinit(). */
int client_job_model(struct client *client, struct model **out,
                     struct model_state *state, struct err *err) ERR_CHECKED;

/* Parameters as they came: values are read where they lie. */
struct client_parameters {
    struct buf body; /* owned */
    Elephas__V1__Parameters *head;
    struct view values; /* into body, any alignment */
};
/* Puts what came, all of it or what has changed, into values[]. */
void client_parameters_patch(const struct client_parameters *parameters,
                             float *values);
/* n floats of what came, which may lie unaligned; and out := what came - out.
 */
void client_parameters_take(const struct client_parameters *parameters,
                            float *out, size_t n);
void client_parameters_subtract(const struct client_parameters *parameters,
                                float *out, size_t n);
void client_parameters_deinit(struct client_parameters *parameters);

/* How a waiting request ended. */
enum client_outcome {
    CLIENT_OK,
    CLIENT_AGAIN,     /* not there yet: ask again */
    CLIENT_STOP,      /* the job has ended or takes no more */
    CLIENT_SUPERSEDED /* a newer attempt has this partition */
};

/* The current values [0, parameters). */
int client_pull(struct client *client, size_t parameters,
                struct client_parameters *out, struct err *err) ERR_CHECKED;
/* Waits, for half a minute, for the version that step `step` is computed from;
 * total is the number of floats wanted (state: with the optimizer's slots). */
int client_pull_step(struct client *client, uint64_t step, bool state,
                     size_t total, struct client_parameters *out,
                     enum client_outcome *outcome, struct err *err) ERR_CHECKED;
/* The same without the slots, for one who has the parameters of version `since`
 * of this lineage: what has changed may be all that comes. */
int client_pull_changes(struct client *client, uint64_t step, uint64_t since,
                        uint64_t lineage, size_t parameters,
                        struct client_parameters *out,
                        enum client_outcome *outcome,
                        struct err *err) ERR_CHECKED;
/* Waits likewise for the end of epoch `epochs` - 1. */
int client_pull_epoch(struct client *client, uint64_t epochs, size_t parameters,
                      struct client_parameters *out,
                      enum client_outcome *outcome,
                      struct err *err) ERR_CHECKED;

struct client_assignment {
    uint64_t next_step;
    uint64_t next_validation;
    /* of a server with a part of the parameters that takes part; else 0 */
    uint64_t version;
    uint64_t life;
    uint64_t kept[2]; /* versions of which it has snapshots */
    size_t kept_count;
};
int client_join(struct client *client, uint64_t samples,
                uint64_t validation_samples, struct client_assignment *out,
                enum client_outcome *outcome, struct err *err) ERR_CHECKED;

struct client_update {
    uint64_t step;
    uint64_t base_version;
    bool gradient; /* else a delta */
    size_t count;  /* floats, from element 0 of the state vector on */
    const float *values;
    int encoding;        /* of the Encoding enum; 0: values are sent ... */
    struct view encoded; /* ... otherwise these bytes */
    uint64_t samples;
    uint64_t iterations;
    const double *scalars; /* of the optimizer, or NULL */
    size_t scalar_count;
    double first_loss; /* of its first batch, before any step */
    struct totals *metrics;
    bool keep; /* see ParameterUpdate */
};
/* *next_step: the step the daemon wants next from this partition. */
int client_push(struct client *client, const struct client_update *update,
                uint64_t *next_step, enum client_outcome *outcome,
                struct err *err) ERR_CHECKED;

/* ---- client_shard.c: servers that have parts of the parameters ---- */

/* Waits likewise for the end of the whole training. state: all of it, of which
 * there are `total` floats; else one float, as a sign. */
int client_pull_end(struct client *client, bool state, size_t total,
                    struct client_parameters *out, enum client_outcome *outcome,
                    struct err *err) ERR_CHECKED;
/* Asks a server, if it is still in that life, to go back to its snapshot of a
 * version. */
int client_go_back(struct client *client, uint64_t version, uint64_t life,
                   struct err *err) ERR_CHECKED;
/* Says that the training has ended: its part is no longer wanted. */
int client_end(struct client *client, bool done, struct err *err) ERR_CHECKED;
/* Brings a part of the model to the job that gathers it. */
int client_put_part(struct client *client, uint64_t begin, uint64_t end,
                    struct view values, struct err *err) ERR_CHECKED;

/* ---- */

/* Sums of rows; metrics is NULL for a prediction. */
int client_result(struct client *client, uint64_t epoch, uint64_t samples,
                  struct totals *metrics, enum client_outcome *outcome,
                  struct err *err) ERR_CHECKED;
/* A running report; whatever happens to it, the work goes on. */
void client_progress(struct client *client, uint64_t epoch, uint64_t samples,
                     struct totals *metrics);

#endif
