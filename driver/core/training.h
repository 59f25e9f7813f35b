/* SPDX-License-Identifier: MIT
 *
 * training: the master of one training job: its state vector, its rounds, its
 * history. Pure logic: no sockets, clocks, files or threads; the shell
 * (driver/) passes in what arrived and looks at what changed. A simulation
 * drives any number of these in one process.
 *
 * Semantics are those of docs/PROTOCOL.md section 5. The shell calls
 * training_join(), training_update() and training_validation() as messages
 * come in, asks training_gate_step() and training_gate_epoch() for readers
 * that wait, and after each call looks whether training_version(),
 * training_epochs_done() or training_finished() changed.
 *
 * Sums over partitions are exact (fixsum.h), so the result does not depend on
 * the order in which workers answer, nor memory on their number. An error
 * leaves the job as it was.
 */
#ifndef DRIVER_CORE_TRAINING_H
#define DRIVER_CORE_TRAINING_H

#include "common/buf.h"
#include "common/err.h"
#include "common/model/metric.h"
#include "common/model/model.h"
#include "common/model/model_wire.h"
#include "driver/core/delta.h"
#include "driver/core/staleness.h"

#include <stdbool.h>
#include <stdint.h>

struct training;

enum training_mode {
    TRAINING_SYNCHRONOUS,
    TRAINING_ASYNCHRONOUS,
    TRAINING_HOGWILD,
    TRAINING_EASGD /* asynchronous, deltas are elastic differences */
};
enum training_frequency { TRAINING_EPOCH, TRAINING_BATCH };

struct training_options {
    enum training_mode mode;
    enum training_frequency frequency;
    uint32_t partitions; /* > 0 */
    uint32_t epochs;     /* > 0 */
    uint32_t batch_size; /* > 0 */
    bool uniform;        /* plain mean instead of weighted by samples */
    bool validation;     /* workers report validation results */
    /* asynchronous: what a delta is multiplied by before it is applied; 0:
     * its partition's share of all (docs/PARAMETER_SERVER.md) */
    double delta_scale;
    uint32_t period;      /* batches of a step with TRAINING_BATCH; 0: one */
    bool staleness_scale; /* divide a delta by its staleness + 1 */
    bool bounded;         /* a partition waits rather than be more than ... */
    uint64_t staleness;   /* ... so many steps ahead of the slowest one */
    /* Runs on the mean, or on each delta, as if it was a gradient; borrowed,
     * NULL: none. */
    const struct optimizer *server;
};

/* The model is borrowed and must outlive the training; *state moves in (it is
 * left empty) on success. The model must be compiled. */
int training_create(const struct model *model, struct model_state *state,
                    const struct training_options *options,
                    struct training **out, struct err *err) ERR_CHECKED;
void training_destroy(struct training **training);

struct training_join {
    uint32_t partition;
    uint32_t attempt;
    uint32_t stage;
    uint64_t samples;
    uint64_t validation_samples;
};
struct training_assignment {
    bool stop;
    uint64_t next_step;       /* of this partition */
    uint64_t next_validation; /* first epoch without its result */
    const char *detail;       /* why stop; static */
};
/* ERR_INVALID: no such partition, or other row counts than an earlier attempt
 * of it joined with. When the last partition joins and none has rows, the
 * error is ERR_INVALID too: nothing to train. */
int training_join(struct training *training, const struct training_join *join,
                  struct training_assignment *out, struct err *err) ERR_CHECKED;
/* How many partitions have joined, and their rows together. */
uint32_t training_joined(const struct training *training);
uint64_t training_samples(const struct training *training);

enum training_status {
    TRAINING_APPLIED,
    TRAINING_DUPLICATE,
    TRAINING_SUPERSEDED,
    TRAINING_STOP
};
struct training_update {
    uint32_t partition;
    uint32_t attempt;
    uint32_t stage;
    uint64_t step;
    uint64_t base_version;
    bool gradient;       /* else a delta */
    uint64_t begin, end; /* range of the state vector */
    uint64_t samples;
    uint64_t iterations;
    const double *scalars; /* optimizer scalars after the steps */
    size_t scalar_count;
    double first_loss; /* of its first batch, before any step; 0: unknown */
    const struct totals *metrics; /* of those rows */
    bool keep; /* for the shell: what its round ends with is to be kept */
    const uint8_t *values; /* end - begin floats, any alignment; borrowed */
};
struct training_reply {
    enum training_status status;
    uint64_t version;
    uint64_t next_step;
    const char *detail; /* static */
};
/* ERR_INVALID, ERR_STATE: refused and named, nothing applied. */
int training_update(struct training *training,
                    const struct training_update *update,
                    struct training_reply *out, struct err *err) ERR_CHECKED;

/* How many values an update has; its range begins with 0. */
size_t training_update_count(const struct training *training);

/* A change of the model's parameters by a client without a partition: it is
 * subtracted as it is. ERR_STATE in synchronous mode; ERR_INVALID: an element
 * would not be finite, nothing is applied. */
int training_change(struct training *training, const struct delta *delta,
                    struct err *err) ERR_CHECKED;

/* Validation sums of one partition over its rows, at the end of `epoch`
 * (from 0). */
int training_validation(struct training *training, uint32_t partition,
                        uint64_t epoch, const struct totals *metrics,
                        struct training_reply *out,
                        struct err *err) ERR_CHECKED;

enum training_gate { TRAINING_READY, TRAINING_WAIT, TRAINING_CLOSED };
/* May this partition compute this step from the current version? CLOSED: the
 * step is past the last one. */
enum training_gate training_gate_step(const struct training *training,
                                      uint32_t partition, uint64_t step);
/* Has epoch `epochs` - 1 been completed (and is its end the current version)?
 */
enum training_gate training_gate_epoch(const struct training *training,
                                       uint64_t epochs);

uint64_t training_version(const struct training *training);
/* The next range of the state in [begin, end) that has changed since this
 * version, which was one of this training: see shards_next(). */
bool training_changed_since(const struct training *training, uint64_t since,
                            size_t begin, size_t end, size_t *from, size_t *to);
/* Epochs whose history is complete (validation included). */
uint64_t training_epochs_done(const struct training *training);
/* All epochs are done. */
bool training_finished(const struct training *training);
/* Rounds completed within the current epoch (asynchronous: its steps that the
 * slowest partition has done), and rounds of an epoch (0 while unknown). */
uint64_t training_step(const struct training *training);
uint64_t training_steps_per_epoch(const struct training *training);
/* How stale the updates were that were applied (asynchronous). */
const struct staleness *training_staleness(const struct training *training);
/* What Keras does to the weights when fit() ends (use_ema). For a job that has
 * finished; once more changes nothing. */
void training_finalize(struct training *training);
/* The current state: valid until the next update. */
const struct model_state *training_state(const struct training *training);
const struct model *training_model(const struct training *training);
/* {"loss":[..],"acc":[..],"val_loss":[..]}: a new reference, NULL without
 * memory. */
json_t *training_history(const struct training *training);
/* {"loss":..,...} of a finished epoch, a new reference. */
json_t *training_epoch_metrics(const struct training *training, uint64_t epoch);

/* Whole state at the last completed round, as one message (its file is
 * written by the shell). */
int training_save(const struct training *training, struct buf *out,
                  struct err *err) ERR_CHECKED;
/* Of which version a saved one is. */
int training_saved_version(struct view saved, uint64_t *version,
                           struct err *err) ERR_CHECKED;
/* Puts a new training (just created, same model and options) where the saved
 * one was. Input is untrusted. */
int training_restore(struct training *training, struct view saved,
                     struct err *err) ERR_CHECKED;

#endif
