/* SPDX-License-Identifier: MIT
 *
 * work: what a kind of job does between its start and its end; one table for
 * each of training, evaluation and prediction. jobs.c calls these while a job
 * runs; the API calls train.h, and work_result(), directly.
 */
#ifndef DRIVER_WORK_H
#define DRIVER_WORK_H

#include "common/buf.h"
#include "common/err.h"
#include "common/model/metric.h"
#include "driver/core/training.h"
#include "driver/jobs.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct daemon;
struct http_exchange;
struct model;

/* Sums that a worker reports. */
struct work_result {
    uint32_t partition;
    uint64_t epoch;
    uint64_t samples;
    struct totals *metrics; /* NULL: none were sent; borrowed */
    bool progress;
};

/* A Model message: its head, and its values, which lie elsewhere. */
struct work_model {
    struct buf head;
    struct view values;
    struct job *job; /* of a parameter server, it and the version; or NULL */
    uint64_t version;
    /* What holds the values; to be called on the loop, once they are not needed
     * any more. */
    void (*release)(void *handle);
    void *handle;
};
void work_model_deinit(struct work_model *model);
/* The model moves in. NULL: there is none, as *err says. */
typedef void work_have_model(struct daemon *d, struct http_exchange *x,
                             struct work_model *model, const struct err *err);

struct work_class {
    /* There are no workers: the job runs until it is told to stop. */
    bool alone;
    /* Reads what the job needs and what takes long, before anything else: runs
     * on a helper if the model is large. *out is for start(), or unload(),
     * which may run there too. NULL: there is nothing. */
    int (*load)(const struct job *job, void **out, struct err *err);
    void (*unload)(void *loaded);
    /* Makes job->work of what was loaded (and owns that in any case), before
     * any worker starts; *complete: nothing is left to be computed, no worker
     * is wanted. */
    int (*start)(struct job *job, void *loaded, bool *complete,
                 struct err *err);
    /* A worker's sums; *reply is what it is told. */
    int (*result)(struct job *job, const struct work_result *result,
                  struct training_reply *reply, struct err *err);
    /* The model that is worked with. */
    const struct model *(*model)(const struct job *job);
    /* Whether the job still waits for this partition. */
    bool (*is_needed)(const struct job *job, uint32_t partition);
    /* The worker of this partition ended well: is that all right? */
    int (*worker_done)(struct job *job, uint32_t partition, struct err *err);
    /* The data was read to its end. */
    void (*rows)(struct job *job, uint64_t rows);
    /* All workers have ended: is the work complete? */
    int (*all_done)(struct job *job, struct err *err);
    /* The state is finishing: makes the result, then calls job_done() or
     * job_fail(), at once or later. */
    void (*finish)(struct job *job);
    /* The daemon is about to stop: finishes what others have begun here.
     * Called until it says that this is done, or there is no more time. May be
     * NULL. */
    bool (*quiesce)(struct job *job);
    /* The job stops for a while (the daemon ends): keep what there is.
     * May be NULL. */
    int (*save)(struct job *job, struct err *err);
    /* The job has failed or was cancelled: keep what is of use to people.
     * May be NULL. */
    int (*salvage)(struct job *job, struct err *err);
    /* Gives the Model with the values of now to `then`: at once, or of a large
     * model later, while x is held; if x leaves before, it is not called, and
     * if the job ends before, x is handled again. NULL: the Model is that which
     * the job was made with. */
    void (*current)(struct job *job, struct http_exchange *x,
                    work_have_model *then, job_handler *again);
    /* Of a parameter server, the version that they have now. NULL: see
     * train.h. */
    uint64_t (*version)(const struct job *job);
    /* Puts "samples", "history" ... into the document. Returns -1 without
     * memory. */
    int (*describe)(const struct job *job, json_t *document);
    /* Releases job->work; held requests are answered. */
    void (*destroy)(struct job *job);
};

extern const struct work_class work_train;
extern const struct work_class work_evaluate;
extern const struct work_class work_predict;
extern const struct work_class work_serve;
extern const struct work_class work_shard;

#endif
