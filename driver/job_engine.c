/* SPDX-License-Identifier: MIT
 *
 * job_engine: a job and its engine: how it is started, and what it tells.
 *
 * The work of a job (job->work) must not be released while one of its
 * functions is on the stack: they return at once after job_fail().
 */
#include "driver/jobs.h"

#include "common/elog.h"
#include "common/mem.h"
#include "driver/daemon.h"
#include "driver/engine.h"
#include "driver/metrics.h"
#include "driver/train.h"
#include "driver/work.h"

/* ---- what the engine tells ---- */

static bool is_local(const struct job *job)
{
    return job->engine == &engine_local;
}

static void on_worker(void *context, uint32_t partition, uint32_t attempt,
                      uint64_t pid)
{
    struct job *job = context;
    struct job_partition *p = &job->partitions[partition];

    p->attempt = attempt;
    p->pid = pid;
    job_log(job, "worker %u: started as attempt %u, pid %llu", partition,
            attempt, (unsigned long long)pid);
}

static void on_lost(void *context, uint32_t partition, uint32_t attempt,
                    const char *why)
{
    struct job *job = context;
    json_t *event = job_new_event(job, "worker");

    job->daemon->metrics->workers_restarted++;
    if (job->partitions != NULL) {
        job->partitions[partition].state = "restarting";
    }
    elog(ELOG_WARN, "worker.lost", E_STR("job", job->id),
         E_INT("partition", partition), E_STR("why", why));
    job_log(job, "worker %u: %s", partition, why);
    if (event != NULL &&
        (json_object_set_new(event, "partition", json_integer(partition)) |
         json_object_set_new(event, "attempt", json_integer(attempt)) |
         json_object_set_new(event, "detail", json_string(why))) != 0) {
        json_decref(event);
        event = NULL;
    }
    job_event(job, event, true);
}

static void on_done(void *context, uint32_t partition)
{
    struct job *job = context;
    struct err err = {0};

    if (!job_is_active(job)) {
        return;
    }
    if (job->work == NULL) {
        (void)err_set(&err, ERR_STATE,
                      "partition %u: the worker ended before its work began",
                      partition);
        job_fail(job, &err);
        return;
    }
    if (job->class->worker_done(job, partition, &err) != 0) {
        job_fail(job, &err);
        return;
    }
    job->partitions[partition].state = "done";
}

static void on_rows(void *context, uint64_t rows, uint64_t validation_rows)
{
    struct job *job = context;

    job_log(job, "data: %llu rows%s", (unsigned long long)rows,
            validation_rows != 0 ? ", and rows for validation" : "");
    if (job_is_active(job) && job->work != NULL) {
        job->class->rows(job, rows);
    }
}

static void on_line(void *context, int64_t partition, const char *line)
{
    struct job *job = context;

    if (partition < 0) {
        job_log(job, "%s: %s", is_local(job) ? "data" : job->engine->name,
                line);
    } else {
        job_log(job, "worker %lld: %s", (long long)partition, line);
    }
}

static bool is_needed(void *context, uint32_t partition)
{
    const struct job *job = context;

    return job_is_active(job) &&
           (job->work == NULL || job->class->is_needed(job, partition));
}

static void on_failed(void *context, const struct err *why)
{
    struct job *job = context;

    if (job_is_active(job)) {
        struct err told = *why;

        if (job->diverged && told.code == ERR_IO) {
            told.code = ERR_DIVERGED; /* a worker's exit status says less */
        }
        job_fail(job, &told);
    }
}

static void on_over(void *context)
{
    struct job *job = context;
    struct err err = {0};

    job->engine->destroy(&job->run);
    if (!job_is_active(job)) {
        job_workers_over(job);
    } else if (job->work == NULL) {
        (void)err_set(&err, ERR_STATE, "%s",
                      job->loading != NULL
                          ? "all workers have ended before their work began"
                          : "the data has no partition");
        job_fail(job, &err);
    } else if (job->class->all_done(job, &err) != 0) {
        job_fail(job, &err);
    } else {
        job_finish(job);
    }
}

int job_make_partitions(struct job *job, uint32_t n, struct err *err)
{
    job->partitions = mem_zarray(n, sizeof(*job->partitions));
    if (job->partitions == NULL) {
        return err_nomem(err);
    }
    for (uint32_t i = 0; i < n; i++) {
        job->partitions[i].state = "starting";
    }
    return 0;
}

static void begun(struct job *job, bool complete)
{
    (void)complete; /* the engine finds out */
    job_store(job);
}

/* Only now it is known how many workers the job has: its work begins. */
static int on_partitions(void *context, uint32_t count, struct err *err)
{
    struct job *job = context;
    int rc;

    if (!job_is_active(job) || job->work != NULL || job->loading != NULL) {
        return err_set(err, ERR_STATE, "the job has its partitions");
    }
    job->spec->workers = count;
    job->spec->training.partitions = count;
    rc = job_make_partitions(job, count, err);
    return rc == 0 ? job_load(job, begun, err) : rc;
}

static void on_progress(void *context, uint64_t rows)
{
    struct job *job = context;
    json_t *event = job_is_active(job) ? job_new_event(job, "progress") : NULL;

    if (event != NULL &&
        json_object_set_new(event, "done", json_integer((json_int_t)rows)) !=
            0) {
        json_decref(event);
        event = NULL;
    }
    if (event != NULL) {
        job_event(job, event, false);
    }
}

static void where(void *context, struct engine_position *out)
{
    job_position(context, out);
}

void job_position(const struct job *job, struct engine_position *out)
{
    *out = (struct engine_position){.finished = !job_is_active(job)};
    if (job->spec->kind == JOB_TRAIN && job->work != NULL) {
        train_position(job, out);
    }
}

static const struct engine_hooks hooks = {.on_worker = on_worker,
                                          .on_lost = on_lost,
                                          .on_done = on_done,
                                          .on_rows = on_rows,
                                          .on_line = on_line,
                                          .is_needed = is_needed,
                                          .on_failed = on_failed,
                                          .on_over = on_over,
                                          .on_partitions = on_partitions,
                                          .on_progress = on_progress,
                                          .where = where};

int job_start_engine(struct job *job, struct err *err)
{
    const struct daemon *d = job->daemon;
    struct model *model = NULL;
    /* the architecture, while the job's work has not begun */
    int rc = job->work == NULL
                 ? job_load_architecture(d, job->model, &model, NULL, err)
                 : 0;
    const struct engine_order order = {
        .base = d->base,
        .job = job->id,
        .token = job->token,
        .url = is_local(job) ? d->local_url : d->public_url,
        .local_url = d->local_url,
        .spark_home = d->settings->spark_home,
        .spark_worker = d->settings->spark_worker,
        .plugin_dirs = &d->settings->plugin_dirs,
        .plugins = &d->settings->custom_objects,
        .model = job->work != NULL ? job->class->model(job) : model,
        .workers_dir = d->settings->workers_dir,
        .job_dir = job->dir,
        .stuck_ms = d->settings->worker_timeout * 1000,
        .spec = job->spec,
        .attempt = job->next_attempt - (ENGINE_RETRIES + 1),
        .hooks = &hooks,
        .context = job};

    if (rc == 0) {
        rc = job->engine->start(&order, &job->run, err);
    }
    model_destroy(&model);
    return rc;
}
