/* SPDX-License-Identifier: MIT
 *
 * job_predict: a prediction job: workers write a file for each partition; when
 * all have ended, the helper thread puts the rows into the order of the data.
 */
#include "common/buf.h"
#include "common/mem.h"
#include "common/model/model_wire.h"
#include "driver/core/job_spark.h"
#include "driver/daemon.h"
#include "driver/interleave.h"
#include "driver/jobs.h"
#include "driver/offload.h"
#include "driver/store.h"
#include "driver/work.h"

#include <stdio.h>
#include <unistd.h>

#define HEADER_MAX ((size_t)256 << 20)

/* The helper's part; it outlives the job's work when that is cancelled. */
struct merge {
    struct job *job;
    char **parts;
    uint32_t count;
    uint64_t rows;
    bool in_runs; /* partitions are runs of rows, not dealt in turn */
    char *header;
    char *out;
    atomic_bool cancelled;
    struct err err;
};

struct predict {
    struct model *model;
    struct merge *merge; /* while it runs; not owned then */
    bool *done;          /* by partition */
    uint64_t rows;
    bool counted;
};

static struct predict *predict_of(const struct job *job)
{
    return (struct predict *)job->work;
}

static int predict_start(struct job *job, void *loaded, bool *complete,
                         struct err *err)
{
    struct predict *p = mem_zalloc(sizeof(*p));
    int rc;

    (void)loaded;
    *complete = false;
    if (p == NULL) {
        return err_nomem(err);
    }
    job->work = p;
    p->done = mem_zarray(job->spec->workers, sizeof(*p->done));
    rc = p->done != NULL ? job_load_architecture(job->daemon, job->model,
                                                 &p->model, NULL, err)
                         : err_nomem(err);
    return rc;
}

static void remove_parts(const struct job *job)
{
    for (uint32_t i = 0; i < job->spec->workers; i++) {
        char name[32];
        char *path;

        (void)snprintf(name, sizeof(name), "part-%u", i);
        path = job_path(job, name);
        if (path != NULL) {
            (void)unlink(path);
        }
        mem_free(path);
    }
}

static void predict_destroy(struct job *job)
{
    struct predict *p = predict_of(job);

    if (p == NULL) {
        return;
    }
    if (p->merge != NULL) {
        atomic_store(&p->merge->cancelled, true); /* it removes the parts */
    } else {
        remove_parts(job);
    }
    model_destroy(&p->model);
    mem_free(p->done);
    mem_free(p);
    job->work = NULL;
}

static int predict_result(struct job *job, const struct work_result *r,
                          struct training_reply *reply, struct err *err)
{
    *reply = (struct training_reply){.status = TRAINING_APPLIED};
    if (r->partition >= job->spec->workers) {
        return err_set(err, ERR_INVALID, "partition %u: the job has %u",
                       r->partition, job->spec->workers);
    }
    job->partitions[r->partition].done = r->samples;
    if (!r->progress) {
        job->partitions[r->partition].samples = r->samples;
    }
    return 0;
}

static const struct model *predict_model_of(const struct job *job)
{
    return predict_of(job)->model;
}

static bool predict_is_needed(const struct job *job, uint32_t partition)
{
    return !predict_of(job)->done[partition];
}

static int predict_worker_done(struct job *job, uint32_t partition,
                               struct err *err)
{
    (void)err;
    predict_of(job)->done[partition] = true;
    return 0;
}

static void predict_rows(struct job *job, uint64_t rows)
{
    struct predict *p = predict_of(job);

    p->rows = rows;
    p->counted = true;
}

static int predict_all_done(struct job *job, struct err *err)
{
    const struct predict *p = predict_of(job);

    if (!p->counted) {
        return err_set(err, ERR_STATE, "the data was not read to its end");
    }
    if (p->rows == 0) {
        return err_set(err, ERR_INVALID, "the data has not a single row");
    }
    return 0;
}

static void merge_destroy(struct merge *m)
{
    if (m == NULL) {
        return;
    }
    for (uint32_t i = 0; m->parts != NULL && i < m->count; i++) {
        mem_free(m->parts[i]);
    }
    mem_free(m->parts);
    mem_free(m->header);
    mem_free(m->out);
    mem_free(m);
}

static char *make_header(const struct model *model)
{
    size_t n = model_prediction_count(model);
    struct buf b;
    char *text = NULL;
    int rc = 0;

    if (n == 1) {
        return mem_strdup("prediction");
    }
    buf_init(&b, HEADER_MAX);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = buf_printf(&b, NULL, "%sprediction_%zu", i != 0 ? "," : "", i);
    }
    if (rc == 0) {
        text = buf_take(&b, NULL);
    }
    buf_deinit(&b);
    return text;
}

static struct merge *merge_create(struct job *job)
{
    const struct predict *p = predict_of(job);
    struct merge *m = mem_zalloc(sizeof(*m));
    bool failed;

    if (m == NULL) {
        return NULL;
    }
    m->job = job;
    m->count = job->spec->workers;
    m->rows = p->rows;
    m->in_runs = job_spark_is(job->spec);
    m->header = make_header(p->model);
    m->out = job_path(job, "predictions.csv");
    m->parts = mem_zarray(m->count, sizeof(*m->parts));
    failed = m->header == NULL || m->out == NULL || m->parts == NULL;
    for (uint32_t i = 0; !failed && i < m->count; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "part-%u", i);
        m->parts[i] = job_path(job, name);
        failed = m->parts[i] == NULL;
    }
    if (failed) {
        merge_destroy(m);
        return NULL;
    }
    return m;
}

static void run_merge(void *argument)
{
    struct merge *m = argument;
    int rc = (m->in_runs ? interleave_runs : interleave)(
        (const char *const *)m->parts, m->count, m->rows, m->header, m->out,
        &m->cancelled, &m->err);

    m->err.code = (enum err_code)rc;
    for (uint32_t i = 0; i < m->count; i++) {
        (void)unlink(m->parts[i]);
    }
}

static void merge_done(void *argument)
{
    struct merge *m = argument;
    struct job *job = m->job;

    if (job->state == JOB_FINISHING) {
        predict_of(job)->merge = NULL;
        if (m->err.code == ERR_OK) {
            job_done(job);
        } else {
            job_fail(job, &m->err);
        }
    }
    merge_destroy(m);
}

static void predict_finish(struct job *job)
{
    struct merge *m = NULL;
    struct err err = {0};
    int rc;

    if (job_spark_has_output(job->spec->engine_options)) {
        job_done(job); /* Spark has written them */
        return;
    }
    m = merge_create(job);
    rc = m != NULL
             ? offload_run(job->daemon->merger, run_merge, merge_done, m, &err)
             : err_nomem(&err);

    if (rc != 0) {
        merge_destroy(m);
        job_fail(job, &err);
    } else {
        predict_of(job)->merge = m;
    }
}

static int predict_describe(const struct job *job, json_t *document)
{
    const struct predict *p = predict_of(job);

    return p != NULL && p->counted
               ? json_object_set_new(document, "samples",
                                     json_integer((json_int_t)p->rows))
               : 0;
}

const struct work_class work_predict = {
    .start = predict_start,
    .result = predict_result,
    .model = predict_model_of,
    .is_needed = predict_is_needed,
    .worker_done = predict_worker_done,
    .rows = predict_rows,
    .all_done = predict_all_done,
    .finish = predict_finish,
    .describe = predict_describe,
    .destroy = predict_destroy,
};
