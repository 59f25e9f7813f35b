/* SPDX-License-Identifier: MIT
 *
 * train_parts: the inside of a training job, for the files that share it:
 * job_train.c (start, messages, end), train_decode.c (updates in fewer bytes),
 * train_serve.c (parameters and those who wait for them), train_changes.c
 * (parts of them), train_report.c (events), train_save.c (snapshots),
 * train_shards.c (a part of the parameters), job_gather.c (the parts put
 * together), train_off.c (large models: work off the loop).
 */
#ifndef DRIVER_TRAIN_PARTS_H
#define DRIVER_TRAIN_PARTS_H

#include "driver/jobs.h"
#include "driver/traffic.h"
#include "driver/train.h"

/* One copy of the state, or of its beginning, at one version. Readers hold
 * references while their bytes are on the way. */
struct version {
    unsigned refs;
    struct daemon *daemon; /* whose helper frees it, if it is large; or NULL */
    uint64_t version;
    float *values;
    size_t count;
};

struct waiter {
    struct waiter *prev;
    struct waiter *next;
    struct job *job;
    struct http_exchange *x;
    struct train_query query;
};

/* What is known of a partition beside struct training. */
struct train_partition {
    bool joined;
    uint64_t samples;
    uint64_t validation_samples;
    uint64_t next_step;
    uint64_t next_validation;
    /* of the epoch it is in, for progress */
    uint64_t epoch;
    uint64_t done; /* rows */
    struct totals *totals;
};

struct compat;
struct event;
struct gather;
struct compat_layout;
struct offload;

struct train {
    const struct job_spec *spec; /* borrowed from the job */
    struct model *model;
    struct training *training;
    struct train_partition *partitions;
    struct version *current; /* of the version now, or NULL */
    struct waiter *waiters;
    float *decoded; /* an update, of training_update_count(); or NULL */
    struct traffic traffic;
    uint64_t lineage; /* of versions: drawn whenever a job is taken up */
    bool relived;     /* in another one, they may have had other values */
    uint64_t version; /* last seen */
    uint64_t epochs_reported;
    uint64_t first_kept; /* epochs before it are in the event log already */
    bool complete;
    /* off the loop */
    bool large;
    struct train_task *task; /* that runs, or NULL */
    json_t *shown;           /* facts, while it changes the training */
    bool want_save;          /* when it is over */
    bool want_finish;        /* likewise */
    bool salvage;            /* the job ends: what was learnt is to be kept */
    bool suspended;          /* the job goes on later, from what it is now */
    struct compat *compat;   /* ports of the Elephas protocol, or NULL */
    struct port_task *port_tasks; /* what they have under way */
    struct port_task *port_task;  /* of them, the job's task; or NULL */
    struct compat_layout *layout;
    unsigned http_port; /* 0: none */
    unsigned socket_port;
    /* monotonic ms; 0: not yet */
    int64_t began; /* the first worker's start of work */
    int64_t epoch_began;
    int64_t ended;     /* the last epoch's end */
    int64_t before_ms; /* spent by former runs */
    int64_t last_progress;
    /* snapshots */
    int64_t last_save;
    unsigned saving; /* on their way to the disk */
    /* a part of the parameters */
    uint64_t kept[2]; /* versions of the snapshots on disk, the last first */
    size_t kept_count;
    bool keep;           /* the round in the making is to end in a snapshot */
    bool ask_keep;       /* workers are told so */
    bool kept_end;       /* the end is on disk */
    int64_t round_began; /* monotonic ms; 0: not known */
    int64_t heard;       /* when a worker said something, likewise */
    struct event *watch; /* of work_shard */
    struct gather *gather;
};

static inline struct train *train_of(const struct job *job)
{
    return (struct train *)job->work;
}

/* ---- job_train.c ---- */

/* Something may have changed: tells those who wait, keeps what is new. */
void train_changed(struct job *job);

/* 62 bits, so that any program can write it as a number, and not 0. */
int train_draw_lineage(struct train *t, struct err *err) ERR_CHECKED;
/* What is read before the work begins. */
struct train_loaded {
    struct model *model;
    struct training *training;
    bool restored; /* from the snapshot of a former run */
    uint64_t first_kept;
    int64_t before_ms;
    bool kept_before; /* there is a snapshot before the last one ... */
    uint64_t before;  /* ... of this version */
};
int train_load(const struct job *job, void **out, struct err *err) ERR_CHECKED;
void train_unload(void *loaded);
int train_start(struct job *job, void *loaded, bool *complete,
                struct err *err) ERR_CHECKED;
int train_result(struct job *job, const struct work_result *r,
                 struct training_reply *reply, struct err *err) ERR_CHECKED;
const struct model *train_model_of(const struct job *job);
int train_describe(const struct job *job, json_t *document);
/* What the document says of struct training; NULL without memory. */
json_t *train_facts(const struct job *job, const struct training *training);
void train_destroy(struct job *job);

/* ---- train_shards.c: nothing of it is done to a training on one server ----
 */

/* The model and its values become the job's part. */
int train_narrow(const struct job *job, struct model *model,
                 struct model_state *state, struct err *err) ERR_CHECKED;
/* After train_restore(): what is kept of it beside the last snapshot. */
int train_shards_load(const struct job *job, struct train_loaded *loaded,
                      struct err *err) ERR_CHECKED;
void train_shards_begin(struct job *job, const struct train_loaded *loaded);
/* Whether snapshots are of the rounds that workers name, on all servers the
 * same. */
bool train_keeps_rounds(const struct job *job);
/* The version has changed. */
void train_shards_moved(struct job *job);
/* All is counted: keeps it. */
void train_keep_end(struct job *job);
void train_kept(struct job *job, uint64_t version, bool written);
int train_shards_describe(const struct job *job, json_t *document);

/* ---- job_gather.c ---- */

/* Fetches the parts of the other servers; then the job is done, or failed. */
void train_gather(struct job *job);
void gather_destroy(struct gather **gather);

/* ---- train_ports.c ---- */

/* Opens the ports that the job is to have. */
int train_ports_open(struct job *job, struct err *err) ERR_CHECKED;
void train_ports_close(struct train *t);

/* ---- train_serve.c ---- */

/* A reference to the current version with at least `count` values, which is
 * copied if need be; NULL without memory. */
struct version *train_version(struct train *t, size_t count);
/* Whether it is there already. */
bool train_is_copied(const struct train *t, size_t count);
/* A new one, held once. Touches nothing but the training and may run off the
 * loop. */
struct version *train_copy_version(const struct training *training,
                                   size_t count);
/* The copy is of the version now: it is shared from here on, and held once
 * more.
 */
void train_share_version(struct job *job, struct version *v);

/* What has changed since a version: ranges, and the floats in them. */
struct changes {
    uint64_t *bounds; /* begin and end of each; owned */
    size_t count;     /* of bounds */
    size_t values;
};
/* Appends a Parameters message of the range up to its values, which are those
 * of `changes` unless that is NULL. */
int train_head(const struct job *job, uint64_t begin, uint64_t end,
               const struct changes *changes, struct buf *out,
               struct err *err) ERR_CHECKED;
/* Counts the bytes of an answer. */
void train_pulled(struct job *job, size_t bytes);

/* Answers those whose version is there now. */
void train_wake(struct job *job);
/* Answers all: the job takes no more. */
void train_dismiss(struct job *job);
/* Answers all: ask again. */
void train_send_back(struct job *job);
void version_put(void *version);

/* Adds the ETag of the current version to a reply. */
void train_put_etag(const struct job *job, struct http_exchange *x);
/* Answers: the job takes no more. */
void train_say_closed(struct http_exchange *x);
/* As train_task_class.drop, of a task that only reads. */
void train_drop_reader(struct train_task *task, bool kept);

/* ---- train_changes.c ---- */

/* Answers with what has changed since the version that the asker has. False: it
 * is to be sent the whole range, because it has none of this lineage or would
 * be sent nearly all of it; it was not answered. Much of a large model is put
 * together off the loop: the answer comes later. */
bool train_send_changes(struct job *job, struct http_exchange *x,
                        const struct train_query *q, uint64_t begin,
                        uint64_t end);

/* ---- train_report.c ---- */

/* Notes rows of a partition's epoch: all so far (total) or a further part. */
void train_note(struct job *job, uint32_t partition, uint64_t epoch,
                uint64_t rows, const struct totals *metrics, bool total);
/* Tells of epochs that were completed. */
void train_report_epochs(struct job *job);
/* Seconds of training so far. */
double train_seconds(const struct train *t);

/* ---- train_save.c ---- */

/* Takes up the snapshot of a former run, if there is one. */
int train_restore(const struct job *job, struct train_loaded *loaded,
                  struct err *err) ERR_CHECKED;
/* Saves when it is time to; epoch: one was just completed. */
void train_save_sometimes(struct job *job, bool epoch);
/* Saves what is now: of a large model when the task that runs, if one does, is
 * over, and before any further update. What fails is logged. */
void train_save(struct job *job);
/* The daemon stops: the job goes on later. */
int train_suspend(struct job *job, struct err *err) ERR_CHECKED;
/* Makes the result: the Model goes to the store; then job_done() or
 * job_fail(). */
void train_finish(struct job *job);
/* Whether something was learnt that may be kept. */
bool train_is_worth(const struct training *training);
/* The Model of a job that did not get to its end, now or when it is released.
 */
int train_salvage(struct job *job, struct err *err) ERR_CHECKED;

/* ---- train_off.c ---- */

/* Parameters: 1 MiB. A model of so many is worked on on the loop. */
#define TRAIN_LARGE ((size_t)256 << 10)

/* The job's work ends: answers the owner of the task that runs, from which
 * nothing follows any more. */
void train_off_end(struct job *job);
/* Frees t, which is no job's work any more; of a large model when its task is
 * over, and what was learnt is kept. Until then the job is occupied. */
void train_off_free(struct job *job, struct train *t);
/* Waits until the task that runs, if one does, no longer touches the training.
 * What follows from it comes later, as ever. */
void train_rest(const struct job *job);

#endif
