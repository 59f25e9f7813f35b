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

bool job_was_resumed(const struct job *job)
{
    return job->next_attempt > ENGINE_RETRIES + 1;
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

#define STOPPING "stopping" /* a key of the result, until the job has ended */

bool job_is_stopping(const struct job *job)
{
    return json_is_true(json_object_get(job->result, STOPPING));
}

static int mark_stopping(struct job *job, struct err *err)
{
    if (job->result == NULL) {
        job->result = json_object();
    }
    return json_object_set_new(job->result, STOPPING, json_true()) == 0
               ? 0
               : err_nomem(err);
}

static void release_work(struct job *job)
{
    job_load_abandon(job);
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
    job_handle_parked(job);
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

void job_workers_over(struct job *job)
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
        job_workers_over(job);
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

void job_finish(struct job *job)
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

/* ---- start and stop ---- */

/* The work has begun, or is to begin when the engine has partitions. */
static void go_on(struct job *job, bool complete)
{
    struct err err = {0};

    if (complete) {
        job_finish(job); /* the daemon was ended in the middle of that */
    } else if (job->class->alone) {
        job_running(job);
    } else if (job_start_engine(job, &err) != 0) {
        job_fail(job, &err);
    }
}

static int prepare(struct job *job, struct err *err)
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
    if (job->spec->kind == JOB_SERVE) {
        return 0;
    }
    if (!job->class->alone) {
        job->engine = engine_find(job->spec->engine);
        if (job->engine == NULL) {
            return err_set(err, ERR_UNSUPPORTED, "there is no engine %s",
                           job->spec->engine);
        }
        rc = job_check_data(job->daemon, job->spec, err);
        if (rc != 0) {
            return rc;
        }
    }
    return job_spark_keeps_partitions(job->spec)
               ? 0 /* the engine says how many */
               : job_make_partitions(job, job->spec->workers, err);
}

void job_start(struct job *job)
{
    struct err err = {0};
    int rc;

    if (job->started == 0) {
        job->started = job_clock();
    }
    /* numbers of attempts are never used again, whatever happens next */
    job->next_attempt += ENGINE_RETRIES + 1;
    set_state(job, JOB_STARTING);
    rc = prepare(job, &err);
    if (rc == 0 && job_spark_keeps_partitions(job->spec)) {
        go_on(job, false);
    } else if (rc == 0) {
        rc = job_load(job, go_on, &err);
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
    if (mark_stopping(job, err) != 0) {
        return ERR_NOMEM;
    }
    job_finish(job);
    return 0;
}

void job_end_shard(struct job *job, bool done)
{
    if (job->spec->kind != JOB_SHARD || job_state_ended(job->state)) {
        return;
    }
    if (done && job->state == JOB_RUNNING) {
        job_finish(job);
    } else {
        end_job(job, JOB_CANCELLED);
    }
}

bool job_quiesce(struct job *job)
{
    return !job_is_active(job) || job->work == NULL ||
           job->class->quiesce == NULL || job->class->quiesce(job);
}

void job_suspend(struct job *job)
{
    bool stopping = job_is_stopping(job);
    struct err err = {0};

    if (job->class != NULL && job->class->save != NULL && job->work != NULL &&
        job->class->save(job, &err) != 0) {
        elog(ELOG_ERROR, "snapshot.failed", E_STR("job", job->id),
             E_STR("error", err.msg));
    }
    keep_result(job);
    if (stopping && mark_stopping(job, &err) != 0) {
        elog(ELOG_ERROR, "job.result_lost", E_STR("job", job->id),
             E_STR("key", STOPPING));
    }
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
    job_end_parked(job);
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
