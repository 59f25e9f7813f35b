/* SPDX-License-Identifier: MIT
 *
 * job_life: a job's way through its states. Every end goes through end_job():
 * what the job knows is put down, what it held is released, its workers are
 * ended. The place in the queue is free only when the workers are gone.
 *
 * The work of a job (job->work) must not be released while one of its
 * functions is on the stack: they return at once after job_fail().
 */
#include "driver/jobs.h"

#include "common/elog.h"
#include "common/mem.h"
#include "driver/core/job_spark.h"
#include "driver/courier.h"
#include "driver/daemon.h"
#include "driver/engine.h"
#include "driver/job_save.h"
#include "driver/journal.h"
#include "driver/metrics.h"
#include "driver/train.h"
#include "driver/utf8.h"
#include "driver/work.h"

#include <event2/event.h>

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define GRACE_SECONDS 5

bool job_is_active(const struct job *job)
{
    return job->state == JOB_STARTING || job->state == JOB_RUNNING ||
           job->state == JOB_FINISHING;
}

static void set_state(struct job *job, enum job_state state)
{
    json_t *event;

    assert(job_state_may_follow(job->state, state));
    job->state = state;
    elog(ELOG_INFO, "job.state", E_STR("job", job->id),
         E_STR("state", job_state_name(state)));
    job_store(job);
    event = job_new_event(job, "state");
    if (event != NULL &&
        json_object_set_new(event, "state",
                            json_string(job_state_name(state))) != 0) {
        json_decref(event);
        event = NULL;
    }
    job_event(job, event, true);
    job_log(job, "%s", job_state_name(state));
}

/* ---- ends ---- */

/* What the document shows of an ended job, or of one that waits to go on. */
static void keep_result(struct job *job)
{
    static const char *const keys[] = {
        "epoch",     "version", "samples",      "seconds", "history", "metrics",
        "staleness", "traffic", "partitions",   "http",    "socket",  "updates",
        "reads",     "refused", "last_refused", "range",   "shards"};
    json_t *document = job_json(job);
    json_t *result = json_object();

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        json_t *value = json_object_get(document, keys[i]);

        if (value != NULL && json_object_set(result, keys[i], value) != 0) {
            elog(ELOG_ERROR, "job.result_lost", E_STR("job", job->id),
                 E_STR("key", keys[i]));
        }
    }
    json_decref(document);
    if (result != NULL) {
        json_decref(job->result);
        job->result = result;
    }
}

static void release_work(struct job *job)
{
    if (job->class != NULL) {
        job->class->destroy(job);
    }
    job_save_abandon(job);
    if (job->grace != NULL) {
        event_free(job->grace);
        job->grace = NULL;
    }
    mem_free(job->partitions);
    job->partitions = NULL;
}

static void put_member(json_t *to, const json_t *from, const char *key)
{
    json_t *value = json_object_get(from, key);

    if (to != NULL && value != NULL) {
        (void)json_object_set(to, key, value);
    }
}

static json_t *final_event(const struct job *job)
{
    json_t *event = job_new_event(job, job_state_name(job->state));
    json_t *document = job_json(job);

    if (job->state == JOB_FAILED) {
        put_member(event, document, "error");
        put_member(event, document, "code");
    } else if (job->state == JOB_DONE) {
        put_member(event, document, "history");
        put_member(event, document, "metrics");
        put_member(event, document, "samples");
        put_member(event, document, "seconds");
        put_member(event, document, "updates");
    }
    json_decref(document);
    return event;
}

static void workers_over(struct job *job)
{
    journal_end(job->log);
    jobs_wake(job->daemon->jobs);
}

static void end_job(struct job *job, enum job_state state)
{
    struct err err = {0};

    assert(job_state_may_follow(job->state, state));
    if (state != JOB_DONE && job->work != NULL && job->class->salvage != NULL &&
        job->state != JOB_STARTING && job->class->salvage(job, &err) != 0) {
        elog(ELOG_WARN, "model.not_kept", E_STR("job", job->id),
             E_STR("error", err.msg));
    }
    if (job->finished == 0) {
        job->finished = job_clock();
    }
    keep_result(job);
    job->state = state;
    release_work(job);
    job_store(job);
    job_remove_snapshots(job); /* only now is it not needed */
    elog(state == JOB_FAILED ? ELOG_WARN : ELOG_INFO, "job.ended",
         E_STR("job", job->id), E_STR("state", job_state_name(state)),
         E_STR("error", job->error),
         E_INT("ms", job->started != 0 ? job->finished - job->started : 0));
    job_log(job, "%s%s%s", job_state_name(state),
            job->error != NULL ? ": " : "",
            job->error != NULL ? job->error : "");
    job_event(job, final_event(job), true);
    journal_end(job->events);
    courier_say_end(job, state == JOB_DONE);
    if (job->run != NULL) {
        job->engine->cancel(job->run); /* on_over() does the rest */
    } else {
        workers_over(job);
    }
}

void job_done(struct job *job)
{
    end_job(job, JOB_DONE);
}

void job_fail(struct job *job, const struct err *why)
{
    if (job_state_ended(job->state)) {
        return; /* the first failure counts */
    }
    job->code = why->code;
    mem_free(job->error);
    job->error = mem_strdup(why->msg);
    if (job->error != NULL) {
        utf8_clean(job->error);
    }
    end_job(job, JOB_FAILED);
}

int job_cancel(struct job *job, struct err *err)
{
    if (job_state_ended(job->state)) {
        return err_set(err, ERR_STATE, "job %s has ended: it is %s", job->id,
                       job_state_name(job->state));
    }
    end_job(job, JOB_CANCELLED);
    return 0;
}

/* ---- on the way ---- */

void job_running(struct job *job)
{
    if (job->state == JOB_STARTING) {
        set_state(job, JOB_RUNNING);
    }
}

static void finish(struct job *job)
{
    job_running(job);
    set_state(job, JOB_FINISHING);
    job->class->finish(job);
}

static void on_grace(evutil_socket_t fd, short what, void *arg)
{
    struct job *job = arg;

    (void)fd;
    (void)what;
    if (job->run != NULL) {
        job_log(job, "workers that have nothing left to do are ended");
        job->engine->cancel(job->run);
    }
}

void job_complete(struct job *job)
{
    struct timeval tv = {GRACE_SECONDS, 0};

    if (job->run == NULL) {
        return;
    }
    if (job->grace == NULL) {
        job->grace = evtimer_new(job->daemon->base, on_grace, job);
    }
    if (job->grace == NULL || evtimer_add(job->grace, &tv) != 0) {
        job->engine->cancel(job->run); /* all their work is counted */
    }
}

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
    if (job_is_active(job)) {
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

    return job_is_active(job) && job->class->is_needed(job, partition);
}

static void on_failed(void *context, const struct err *why)
{
    struct job *job = context;

    if (job_is_active(job)) {
        job_fail(job, why);
    }
}

static void on_over(void *context)
{
    struct job *job = context;
    struct err err = {0};

    job->engine->destroy(&job->run);
    if (!job_is_active(job)) {
        workers_over(job);
    } else if (job->work == NULL) {
        (void)err_set(&err, ERR_STATE, "the data has no partition");
        job_fail(job, &err);
    } else if (job->class->all_done(job, &err) != 0) {
        job_fail(job, &err);
    } else {
        finish(job);
    }
}

static int make_partitions(struct job *job, uint32_t n, struct err *err)
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

/* Only now it is known how many workers the job has: its work begins. */
static int on_partitions(void *context, uint32_t count, struct err *err)
{
    struct job *job = context;
    bool complete = false;
    int rc;

    if (!job_is_active(job) || job->work != NULL) {
        return err_set(err, ERR_STATE, "the job has its partitions");
    }
    job->spec->workers = count;
    job->spec->training.partitions = count;
    rc = make_partitions(job, count, err);
    if (rc == 0) {
        rc = job->class->start(job, &complete, err);
    }
    if (rc == 0) {
        job_store(job);
    }
    return rc;
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

/* ---- start and stop ---- */

static int start_engine(struct job *job, struct err *err)
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

static int prepare(struct job *job, bool *complete, struct err *err)
{
    static const struct work_class *const classes[] = {
        [JOB_TRAIN] = &work_train,
        [JOB_EVALUATE] = &work_evaluate,
        [JOB_PREDICT] = &work_predict,
        [JOB_SERVE] = &work_serve,
        [JOB_SHARD] = &work_shard};
    int rc;

    job->class = classes[job->spec->kind];
    if (job->dir == NULL && (job->dir = job_path(job, "")) == NULL) {
        return err_nomem(err);
    }
    if (job->class->alone) {
        rc = job->spec->kind == JOB_SHARD
                 ? make_partitions(job, job->spec->workers, err)
                 : 0;
        return rc == 0 ? job->class->start(job, complete, err) : rc;
    }
    job->engine = engine_find(job->spec->engine);
    if (job->engine == NULL) {
        return err_set(err, ERR_UNSUPPORTED, "there is no engine %s",
                       job->spec->engine);
    }
    rc = job_check_data(job->daemon, job->spec, err);
    if (rc != 0) {
        return rc;
    }
    if (job_spark_keeps_partitions(job->spec)) {
        return 0; /* on_partitions() does the rest */
    }
    rc = make_partitions(job, job->spec->workers, err);
    return rc == 0 ? job->class->start(job, complete, err) : rc;
}

void job_start(struct job *job)
{
    struct err err = {0};
    bool complete = false;
    int rc;

    if (job->started == 0) {
        job->started = job_clock();
    }
    /* numbers of attempts are never used again, whatever happens next */
    job->next_attempt += ENGINE_RETRIES + 1;
    set_state(job, JOB_STARTING);
    rc = prepare(job, &complete, &err);
    if (rc == 0 && complete) {
        finish(job); /* the daemon was ended in the middle of that */
        return;
    }
    if (rc == 0 && job->class->alone) {
        job_running(job);
    } else if (rc == 0) {
        rc = start_engine(job, &err);
    }
    if (rc != 0) {
        job_fail(job, &err);
    }
}

int job_stop(struct job *job, struct err *err)
{
    if (job->class == NULL || job->spec->kind != JOB_SERVE) {
        return err_set(err, ERR_STATE,
                       "job %s %s: only a parameter server is stopped, other "
                       "jobs end by themselves or are cancelled",
                       job->id,
                       job->spec->kind == JOB_SERVE ? "does not run"
                                                    : "is no such job");
    }
    if (job->state != JOB_RUNNING) {
        return err_set(err, ERR_STATE, "job %s is %s", job->id,
                       job_state_name(job->state));
    }
    finish(job);
    return 0;
}

void job_end_shard(struct job *job, bool done)
{
    if (job->spec->kind != JOB_SHARD || job_state_ended(job->state)) {
        return;
    }
    if (done && job->state == JOB_RUNNING) {
        finish(job);
    } else {
        end_job(job, JOB_CANCELLED);
    }
}

void job_suspend(struct job *job)
{
    struct err err = {0};

    if (job->class != NULL && job->class->save != NULL && job->work != NULL &&
        job->class->save(job, &err) != 0) {
        elog(ELOG_ERROR, "snapshot.failed", E_STR("job", job->id),
             E_STR("error", err.msg));
    }
    keep_result(job);
    set_state(job, JOB_QUEUED);
    job_log(job, "elephasd is stopping; the job goes on when it runs again");
    release_work(job);
    if (job->run != NULL) {
        job->engine->cancel(job->run);
    }
}

void job_destroy(struct job **out)
{
    struct job *job = *out;

    if (job == NULL) {
        return;
    }
    if (job->run != NULL) {
        job->engine->destroy(&job->run);
    }
    release_work(job);
    courier_destroy(&job->courier);
    journal_destroy(&job->events);
    journal_destroy(&job->log);
    job_spec_destroy(&job->spec);
    json_decref(job->result);
    mem_free(job->error);
    mem_free(job->dir);
    mem_free(job);
    *out = NULL;
}
