/* SPDX-License-Identifier: MIT
 *
 * job_eval: an evaluation job: the sums of its partitions (driver/core/
 * evaluation.h) until all are in, then the metrics.
 */
#include "common/mem.h"
#include "common/model/model_wire.h"
#include "driver/core/evaluation.h"
#include "driver/daemon.h"
#include "driver/jobs.h"
#include "driver/store.h"
#include "driver/work.h"

#include <string.h>

struct eval {
    struct model *model;
    struct evaluation *evaluation;
    bool *counted;   /* by partition */
    json_t *metrics; /* NULL until all are in */
};

static struct eval *eval_of(const struct job *job)
{
    return (struct eval *)job->work;
}

static int eval_start(struct job *job, void *loaded, bool *complete,
                      struct err *err)
{
    struct eval *e = mem_zalloc(sizeof(*e));
    int rc;

    (void)loaded;
    *complete = false;
    if (e == NULL) {
        return err_nomem(err);
    }
    job->work = e;
    e->counted = mem_zarray(job->spec->workers, sizeof(*e->counted));
    rc = e->counted != NULL ? job_load_architecture(job->daemon, job->model,
                                                    &e->model, NULL, err)
                            : err_nomem(err);
    if (rc == 0) {
        rc = evaluation_create(e->model, job->spec->workers, &e->evaluation,
                               err);
    }
    return rc;
}

static void eval_destroy(struct job *job)
{
    struct eval *e = eval_of(job);

    if (e != NULL) {
        evaluation_destroy(&e->evaluation);
        model_destroy(&e->model);
        json_decref(e->metrics);
        mem_free(e->counted);
        mem_free(e);
        job->work = NULL;
    }
}

static int eval_result(struct job *job, const struct work_result *r,
                       struct training_reply *reply, struct err *err)
{
    struct eval *e = eval_of(job);
    bool duplicate = false;
    int rc;

    *reply = (struct training_reply){.status = TRAINING_APPLIED};
    if (r->partition >= job->spec->workers) {
        return err_set(err, ERR_INVALID, "partition %u: the job has %u",
                       r->partition, job->spec->workers);
    }
    if (r->progress) {
        job->partitions[r->partition].done = r->samples;
        return 0;
    }
    if (r->metrics == NULL) {
        return err_set(err, ERR_INVALID, "metrics: missing");
    }
    rc = evaluation_add(e->evaluation, r->partition, r->samples, r->metrics,
                        &duplicate, err);
    if (rc != 0) {
        return rc;
    }
    if (duplicate) {
        reply->status = TRAINING_DUPLICATE;
        reply->detail = "this partition was counted before";
        return 0;
    }
    e->counted[r->partition] = true;
    job->partitions[r->partition].samples = r->samples;
    job->partitions[r->partition].done = r->samples;
    if (evaluation_complete(e->evaluation)) {
        job_complete(job);
    }
    return 0;
}

static const struct model *eval_model_of(const struct job *job)
{
    return eval_of(job)->model;
}

static bool eval_is_needed(const struct job *job, uint32_t partition)
{
    return !eval_of(job)->counted[partition];
}

static int eval_worker_done(struct job *job, uint32_t partition,
                            struct err *err)
{
    if (eval_is_needed(job, partition)) {
        return err_set(err, ERR_STATE,
                       "partition %u: the worker ended without a result",
                       partition);
    }
    return 0;
}

static int eval_all_done(struct job *job, struct err *err)
{
    struct eval *e = eval_of(job);

    if (!evaluation_complete(e->evaluation)) {
        return err_set(err, ERR_STATE,
                       "all workers have ended, but results are missing");
    }
    return evaluation_result(e->evaluation, &e->metrics, err);
}

static int eval_describe(const struct job *job, json_t *document)
{
    const struct eval *e = eval_of(job);

    if (e == NULL || e->evaluation == NULL) {
        return 0;
    }
    if (json_object_set_new(
            document, "samples",
            json_integer((json_int_t)evaluation_samples(e->evaluation))) != 0) {
        return -1;
    }
    return e->metrics != NULL ? json_object_set(document, "metrics", e->metrics)
                              : 0;
}

static void eval_rows(struct job *job, uint64_t rows)
{
    (void)job;
    (void)rows; /* the results say how many they are of */
}

const struct work_class work_evaluate = {
    .start = eval_start,
    .result = eval_result,
    .model = eval_model_of,
    .is_needed = eval_is_needed,
    .worker_done = eval_worker_done,
    .rows = eval_rows,
    .all_done = eval_all_done,
    .finish = job_done,
    .describe = eval_describe,
    .destroy = eval_destroy,
};
