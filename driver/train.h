/* SPDX-License-Identifier: MIT
 *
 * train: a training job as the API sees it: the struct training of
 * driver/core, the readers that wait for a version, and the one copy of a
 * version that all its readers share.
 */
#ifndef DRIVER_TRAIN_H
#define DRIVER_TRAIN_H

#include "common/buf.h"
#include "driver/work.h"

struct daemon;
struct engine_position;
struct http_exchange;
struct job;
struct train;

struct train_join {
    struct training_join join;
    const char *host;
    uint64_t pid;
};
int train_join(struct job *job, const struct train_join *join,
               struct training_assignment *out, struct err *err) ERR_CHECKED;
/* An update: values in another encoding than float32 (a number of the Encoding
 * enum) become floats first. Touches nothing but the training and may run off
 * the loop; its end is to be told train_updated(). */
int train_apply(struct train *train, int encoding, struct view bytes,
                struct training_update *update, struct training_reply *out,
                struct err *err) ERR_CHECKED;
/* rc and *err are those of train_apply(); returns rc. After it the job may have
 * ended. */
int train_updated(struct job *job, const struct training_update *update, int rc,
                  const struct training_reply *out,
                  struct err *err) ERR_CHECKED;

/* An update of so many bytes came, whatever will become of it. */
void train_pushed(struct job *job, size_t bytes);

/* The values [begin, end) of an update in another encoding than float32, as
 * floats that are the job's until the next call. Refused and named: an encoding
 * that is not the job's, another range than its updates have, and what is
 * malformed. */
int train_decode(struct train *train, int encoding, struct view bytes,
                 uint64_t begin, uint64_t end, const uint8_t **values,
                 struct err *err) ERR_CHECKED;

/* What a GET of parameters asks for. */
struct train_query {
    bool has_step;
    uint32_t partition;
    uint64_t step;
    bool has_epoch;
    uint64_t epoch;
    unsigned wait_ms;
    bool whole; /* the range is the whole state */
    bool has_range;
    uint64_t begin, end;
    bool has_since; /* only what has changed since this version is wanted, if */
    uint64_t since; /* the asker has it in this ... */
    uint64_t lineage; /* ... lineage */
    bool finished;    /* waits for the end of the training, until it is kept */
};
/* Answers x, now or when the version exists. */
void train_parameters(struct job *job, struct http_exchange *x,
                      const struct train_query *query);

/* As work_class.current. */
void train_current(struct job *job, struct http_exchange *x,
                   work_have_model *then, job_handler *again);
/* Epochs whose rounds are all complete, and rounds of the one after them. */
void train_position(const struct job *job, struct engine_position *out);

/* ---- off the loop (train_off.c) ---- */

struct train_task;
struct train_task_class {
    bool changes; /* the training; else it only reads it */
    void (*work)(struct train_task *task); /* on the helper */
    /* On the loop, as no task of the job. The job may have ended after it. */
    void (*done)(struct train_task *task);
    /* Instead of done: answers the owner, the job goes. kept: the work is over,
     * and what it did is in the snapshot that the job goes on from. NULL: has
     * none, or he is handled again. */
    void (*drop)(struct train_task *task, bool kept);
    void (*release)(struct train_task *task);
};
/* The first member of what the work needs. */
struct train_task {
    const struct train_task_class *class;
    struct job *job;
    struct train *train; /* it is not freed before the task is over */
    struct training *training;
    bool gone;               /* for the loop: it is no job's work any more */
    struct http_exchange *x; /* the owner; NULL: none, or he has left */
    job_handler *again;      /* if the job goes; or NULL */
    bool rested;             /* the work was waited for */
};
/* Whether work on the values is to be done off the loop. */
bool train_is_large(const struct job *job);
/* Begins a task of a job that has none; x (may be NULL) is held. On failure
 * nothing has happened. */
int train_begin(struct job *job, struct train_task *task,
                const struct train_task_class *class, struct http_exchange *x,
                struct err *err) ERR_CHECKED;

/* ---- parts of a training on several servers ---- */

/* Something was heard of those who work with it. */
void train_heard(struct job *job);
/* What a Join is told beside the assignment; life is 0 of a training that is
 * on one server. */
struct train_place {
    uint64_t version;
    uint64_t life;
    uint64_t kept[2];
    size_t kept_count;
};
void train_place(const struct job *job, struct train_place *out);
/* Goes back to the snapshot of a version, if the life is still that one; those
 * who wait are to ask again. ERR_STATE: there is no such snapshot.
 * ERR_UNREACHABLE: not yet, a snapshot is being written. */
int train_go_back(struct job *job, uint64_t version, uint64_t life,
                  struct err *err) ERR_CHECKED;
/* Of a training that gathers its parts: takes one, which begins and ends there.
 */
int train_take_part(struct job *job, uint64_t begin, uint64_t end,
                    struct view values, struct err *err) ERR_CHECKED;

#endif
