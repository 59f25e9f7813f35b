/* SPDX-License-Identifier: MIT
 *
 * training_parts: the inside of struct training, for the files training*.c
 * and nobody else.
 *
 *   training.c           create, join and updates: what all modes share
 *   training_check.c     what is refused
 *   training_gate.c      who may go on
 *   training_sync.c      rounds: sum, apply, next
 *   training_async.c     updates applied one by one
 *   training_server.c    an optimizer on what was pushed
 *   training_diverge.c   losses that explode
 *   training_history.c   sums of epochs, validation, history
 *   training_snapshot.c  save and restore
 *   training_saved.c     what a saved one is
 *
 * Steps and rounds. In synchronous mode `epoch` epochs and then `round` rounds
 * are complete, and a round is in the making: `contributed` partitions are in
 * its sum. A partition with `steps` steps in an epoch takes part in rounds
 * 0 .. steps - 1; round r of epoch e is its step e * steps + r. next_step
 * counts the round in the making, so a second update of it is a duplicate;
 * a snapshot holds next_step as it was when the last round was completed.
 *
 * In asynchronous mode `epoch` is the number of epochs that all partitions
 * have completed, and `running` has the sums of those from epochs_done on.
 */
#ifndef DRIVER_CORE_TRAINING_PARTS_H
#define DRIVER_CORE_TRAINING_PARTS_H

#include "common/model/round.h"
#include "driver/core/fixsum.h"
#include "driver/core/shards.h"
#include "driver/core/training.h"

#define TRAINING_ELEMENT_SIZE 256

struct partition {
    bool joined;      /* its row counts are known */
    uint32_t attempt; /* the newest one heard of */
    uint32_t stage;
    uint64_t samples;
    uint64_t validation_samples; /* 0 without validation */
    uint64_t steps;              /* of an epoch; 0 without rows */
    uint64_t next_step;          /* first that is not counted */
    uint64_t next_validation;    /* first epoch without its result */
    uint64_t iterations;         /* optimizer steps counted (asynchronous) */
    double start_loss;           /* of its first batch of all; 0: unknown */
    double first_loss;           /* of its first epoch; 0: not complete */
    /* sums, made when it joins: */
    struct totals *epoch;      /* of its current epoch, complete rounds */
    struct totals *round;      /* of the round in the making */
    struct totals *validation; /* of epoch epochs_done (synchronous) */
};

/* Sums of an epoch that some partitions have completed (asynchronous). */
struct running_epoch {
    struct totals *sums;
    struct totals *validation;
    uint32_t complete;  /* partitions that are in sums */
    uint32_t validated; /* and in validation */
};

/* results_count() doubles for each epoch. */
struct history {
    double *train;
    double *validation;
    size_t capacity; /* epochs there is room for */
};

struct training {
    const struct model *model; /* borrowed */
    struct training_options options;
    struct model_state state;
    uint64_t version;
    struct shards shards; /* of the state: when each part has changed */
    uint64_t epoch;
    uint64_t round;
    uint64_t rounds; /* of an epoch; 0 while not all have joined */
    uint64_t epochs_done;
    struct err broken; /* code ERR_OK, or why it cannot go on */

    struct partition *partitions;
    uint32_t joined;
    uint64_t samples;
    uint32_t validating; /* partitions with validation rows */
    uint32_t validated;  /* of them, in for epoch epochs_done (synchronous) */

    /* the round in the making (synchronous) */
    struct fixsum *sum;
    float *mean; /* what an optimizer is to see; NULL: none runs here */
    /* with frequency batch */
    struct round_layout layout;    /* of an update */
    struct gradient_pieces pieces; /* list and scratch are owned */
    uint64_t round_rows;           /* of those that contributed */
    uint32_t contributed;
    uint32_t lead;            /* partition with the most iterations so far */
    uint64_t lead_iterations; /* its number of them */
    double lead_scalars[OPTIMIZER_MAX_SCALARS];

    /* asynchronous: epochs_done .. epochs_done + running_count - 1 */
    uint64_t start_iterations; /* of the optimizer, when training began */
    struct staleness staleness;
    struct optimizer_state server; /* of options.server; its slots are owned */
    struct running_epoch *running;
    size_t running_count;

    struct totals *merged; /* scratch, and the names of all entries */
    struct history history;
};

static inline bool training_is_synchronous(const struct training *t)
{
    return t->options.mode == TRAINING_SYNCHRONOUS;
}

/* Gradients are summed in rounds of one batch; all else are deltas. */
static inline bool training_wants_gradient(const struct training *t)
{
    return training_is_synchronous(t) &&
           t->options.frequency == TRAINING_BATCH && t->options.period <= 1;
}

/* Asynchronous workers keep optimizer slots of their own: sums of changes
 * that were computed side by side are no moments of anything. */
static inline size_t training_update_size(const struct training *t)
{
    if (training_wants_gradient(t)) {
        return t->layout.size;
    }
    return training_is_synchronous(t) ? t->state.count : t->model->parameters;
}

/* training.c */
bool training_all_joined(const struct training *t);
/* Whether a partition may have so many rows beside the others. */
bool training_samples_fit(const struct training *t, uint64_t samples);
/* Gives the partition its row counts and sums; ERR_NOMEM. */
int training_admit(struct training *t, struct partition *p, uint64_t samples,
                   uint64_t validation_samples, struct err *err) ERR_CHECKED;
/* Takes it back. */
void training_dismiss(struct training *t, struct partition *p);
/* Rows of this step of the partition. */
uint64_t training_step_rows(const struct training *t, const struct partition *p,
                            uint64_t step);
/* The state is of this version, and may have changed everywhere. */
void training_set_version(struct training *t, uint64_t version);
/* "dense/kernel, element 12" of the state vector; returns text. */
const char *training_element(const struct training *t, size_t index,
                             char text[TRAINING_ELEMENT_SIZE]);
/* Ends the training: from now on every call fails for this reason, which is
 * also put into err. Returns the code. */
int training_break(struct training *t, const struct err *why, struct err *err);

/* training_check.c: ERR_INVALID, ERR_STATE: refused and named. */
int training_check_update(const struct training *t, const struct partition *p,
                          const struct training_update *u,
                          struct err *err) ERR_CHECKED;

/* training_sync.c: makes what rounds of batches need, and checks that the model
 * can be trained in them; counts a checked update; completes what is complete.
 */
int training_create_round(struct training *t, struct err *err) ERR_CHECKED;
int training_contribute(struct training *t, struct partition *p,
                        const struct training_update *u,
                        struct err *err) ERR_CHECKED;
int training_advance(struct training *t, struct err *err) ERR_CHECKED;
/* Whether the step belongs to the round in the making, or to one before. */
bool training_is_due(const struct training *t, const struct partition *p,
                     uint64_t step);
/* The first step of the partition after the last complete round. */
uint64_t training_round_step(const struct training *t,
                             const struct partition *p);

/* training_async.c */
int training_apply(struct training *t, struct partition *p,
                   const struct training_update *u,
                   struct err *err) ERR_CHECKED;
/* Counts a checked validation result. */
void training_async_validate(struct training *t, struct partition *p,
                             uint64_t epoch, const struct totals *metrics);
/* Moves on past the epochs of which nothing is missing. */
void training_async_advance(struct training *t);
/* Makes room for the sums of `epoch`. */
int training_running_reserve(struct training *t, uint64_t epoch,
                             struct err *err) ERR_CHECKED;
void training_running_clear(struct training *t);

/* Whether the partition may be at this step while others are where they are
 * (options.bounded). */
bool training_is_within_bound(const struct training *t,
                              const struct partition *p, uint64_t step);

/* training_server.c: the server's optimizer. Floats of its slots. */
size_t training_server_count(const struct training *t);
int training_server_init(struct training *t, struct err *err) ERR_CHECKED;
/* One step by t->mean, from which it is taken; what else the state vector has
 * is subtracted (up to `count` floats in all). */
void training_server_step(struct training *t, size_t count);
/* Ends the training if the state is not finite any more. */
int training_check_state(struct training *t, struct err *err) ERR_CHECKED;

/* training_diverge.c */
/* Keeps what the losses of later epochs are measured by. */
void training_note_start(struct partition *p, const struct training_update *u);
/* p->epoch are the sums of a complete epoch of the partition: ends the
 * training if its loss has exploded. */
int training_check_loss(struct training *t, struct partition *p, uint64_t epoch,
                        struct err *err) ERR_CHECKED;

/* training_history.c */
/* Room for the numbers of this epoch. */
int history_reserve(struct training *t, uint64_t epoch,
                    struct err *err) ERR_CHECKED;
void history_deinit(struct history *history);
/* Writes the numbers of an epoch; either sums may be NULL. */
void history_write(struct training *t, uint64_t epoch,
                   const struct totals *train, const struct totals *validation);
/* Synchronous: moves epochs_done on if nothing is missing any more. */
void history_settle(struct training *t);

#endif
