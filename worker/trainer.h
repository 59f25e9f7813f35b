/* SPDX-License-Identifier: MIT
 *
 * trainer: what train.c (the course of a partition) and train_steps.c (its
 * steps) have of each other, and nobody else.
 */
#ifndef WORKER_TRAINER_H
#define WORKER_TRAINER_H

#include "common/model/optimizer.h"
#include "common/model/round.h"
#include "worker/batch.h"
#include "worker/client.h"
#include "worker/dataset.h"
#include "worker/nn/net.h"
#include "worker/session.h"
#include "worker/shards.h"

#include <stdbool.h>
#include <stdint.h>

struct trainer {
    struct session *session;
    struct shards *shards; /* the servers of the job */
    const Elephas__V1__Task *task;
    struct dataset *rows;       /* training part */
    struct dataset *validation; /* validation part */
    struct net *net;
    struct batch *batch;
    struct round_layout layout; /* of what is said in rounds of batches */
    struct totals *totals;
    bool asynchronous;
    bool elastic; /* asynchronous, with weights of its own */
    bool by_epoch;
    uint64_t batches; /* of an epoch; 0 without rows */
    uint64_t period;  /* batches of a step, but for the last of an epoch */
    uint64_t epoch_steps;
    uint64_t steps; /* of the partition in all */
    uint64_t end;   /* the step at which this run ends */
    size_t vector;  /* floats of the state vector */
    float *state;   /* parameters and slots */
    float *gradient;
    bool has_slots; /* asynchronous: the slots are in state already, and
                     * elastic: weights that the servers have counted, too */
    struct optimizer_state optimizer;
    double first_loss;           /* of the first batch of the step */
    uint64_t *order;             /* rows of the epoch in `ordered` */
    uint64_t ordered;            /* epoch + 1; 0: none */
    int64_t last_progress;       /* ms */
    struct client_assignment at; /* what comes next */
    uint64_t interruptions;      /* of the servers, when we joined */
    enum client_outcome outcome;
};

/* ---- train.c ---- */

/* Says what this partition holds and asks where it goes on, in t->at. */
int trainer_join(struct trainer *t, struct err *err) ERR_CHECKED;

/* ---- train_steps.c ----
 *
 * One step of the partition: pulls, computes, pushes. *next: the step that the
 * daemon wants then. t->outcome other than CLIENT_OK: nothing was computed, or
 * nothing more is wanted. */

/* The delta of several batches, for a synchronous round. */
int trainer_delta_step(struct trainer *t, uint64_t step, uint64_t *next,
                       struct err *err) ERR_CHECKED;
/* The delta of one batch or several, with slots of its own. */
int trainer_async_step(struct trainer *t, uint64_t step, uint64_t *next,
                       struct err *err) ERR_CHECKED;
/* Elastic averaging: batches with weights of its own, then an exchange with
 * the centre. */
int trainer_elastic_step(struct trainer *t, uint64_t step, uint64_t *next,
                         struct err *err) ERR_CHECKED;
/* The gradient of one batch, for a synchronous round. */
int trainer_gradient_step(struct trainer *t, uint64_t step, uint64_t *next,
                          struct err *err) ERR_CHECKED;

#endif
