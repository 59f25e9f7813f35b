/* SPDX-License-Identifier: MIT
 *
 * job_view: what people and programs see of a job: its document, its events,
 * its log, and its row in the store.
 */
#include "driver/jobs.h"

#include "common/elog.h"
#include "common/jget.h"
#include "common/mem.h"
#include "driver/daemon.h"
#include "driver/http.h"
#include "driver/journal.h"
#include "driver/store.h"
#include "driver/work.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define TIME_SIZE 32

int64_t job_clock(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

char *job_path(const struct job *job, const char *name)
{
    return store_job_path(job->daemon->store, job->id, name);
}

/* ---- the document ---- */

static const char *time_text(int64_t ms, char text[TIME_SIZE])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    size_t n;

    (void)gmtime_r(&seconds, &tm);
    n = strftime(text, TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(text + n, TIME_SIZE - n, ".%03dZ", (int)(ms % 1000));
    return text;
}

static int put(json_t *object, const char *key, json_t *value)
{
    return value != NULL ? json_object_set_new(object, key, value) : -1;
}

static int put_text(json_t *object, const char *key, const char *text)
{
    return put(object, key, text != NULL ? json_string(text) : json_null());
}

static int put_time(json_t *object, const char *key, int64_t ms)
{
    char text[TIME_SIZE];

    return put_text(object, key, ms != 0 ? time_text(ms, text) : NULL);
}

static json_t *partition_json(const struct job_partition *p, uint32_t index)
{
    json_t *o = json_object();

    if (o == NULL || put(o, "partition", json_integer(index)) != 0 ||
        put(o, "attempt", json_integer(p->attempt)) != 0 ||
        put_text(o, "state", p->state) != 0 ||
        put(o, "samples", json_integer((json_int_t)p->samples)) != 0 ||
        put(o, "done", json_integer((json_int_t)p->done)) != 0 ||
        put_text(o, "host", p->host[0] != '\0' ? p->host : NULL) != 0 ||
        put(o, "pid",
            p->pid != 0 ? json_integer((json_int_t)p->pid) : json_null()) !=
            0) {
        json_decref(o);
        return NULL;
    }
    return o;
}

static int put_partitions(const struct job *job, json_t *document)
{
    json_t *list = json_array();

    if (put(document, "partitions", list) != 0) {
        return -1;
    }
    for (uint32_t i = 0; i < job->spec->workers; i++) {
        json_t *p = partition_json(&job->partitions[i], i);

        if (p == NULL || json_array_append_new(list, p) != 0) {
            return -1;
        }
    }
    return 0;
}

static int put_identity(const struct job *job, json_t *o)
{
    bool failed = job->state == JOB_FAILED;
    const struct job_spec *spec = job->spec;

    if (put_text(o, "id", job->id) != 0 ||
        put_text(o, "kind", job_kind_name(spec->kind)) != 0 ||
        put_text(o, "name", spec->name) != 0 ||
        put_text(o, "state", job_state_name(job->state)) != 0 ||
        put_time(o, "created", job->created) != 0 ||
        put_time(o, "started", job->started) != 0 ||
        put_time(o, "finished", job->finished) != 0 ||
        put_text(o, "error", failed ? job->error : NULL) != 0 ||
        put_text(o, "code", failed ? err_word((int)job->code) : NULL) != 0 ||
        put(o, "workers", json_integer(spec->workers)) != 0 ||
        put_text(o, "engine", spec->engine) != 0 ||
        put_text(o, "model", job->model) != 0) {
        return -1;
    }
    if (spec->source_job != NULL &&
        put_text(o, "source_job", spec->source_job) != 0) {
        return -1;
    }
    if (!job_spec_trains(spec)) {
        return 0;
    }
    return put(o, "seed", json_integer((json_int_t)spec->seed)) |
           put(o, "epoch", json_integer(0)) |
           put(o, "version", json_integer(0)) |
           put(o, "epochs", json_integer(spec->training.epochs));
}

json_t *job_json(const struct job *job)
{
    json_t *o = json_object();
    int rc = o != NULL ? put_identity(job, o) : -1;

    if (rc == 0 && job->result != NULL) {
        rc = json_object_update(o, job->result);
    }
    if (rc == 0 && job->work != NULL) {
        rc = job->class->describe(job, o);
    }
    if (rc == 0 && job->partitions != NULL) {
        rc = put_partitions(job, o);
    }
    if (rc != 0) {
        json_decref(o);
        return NULL;
    }
    return o;
}

const char *job_etag(uint64_t version, const char *mark,
                     char out[JOB_ETAG_SIZE])
{
    (void)snprintf(out, JOB_ETAG_SIZE, "\"%llu%s%.20s\"",
                   (unsigned long long)version, mark != NULL ? "-" : "",
                   mark != NULL ? mark : "");
    return out;
}

/* ---- events and the log ---- */

json_t *job_new_event(const struct job *job, const char *name)
{
    json_t *event = json_object();

    if (event == NULL || put_text(event, "event", name) != 0 ||
        put_text(event, "job", job->id) != 0) {
        json_decref(event);
        return NULL;
    }
    return event;
}

void job_event(struct job *job, json_t *event, bool keep)
{
    char *text = event != NULL ? jget_dump(event) : NULL;
    struct err err = {0};

    if (text == NULL) {
        elog(ELOG_ERROR, "job.event_lost", E_STR("job", job->id),
             E_STR("error", "out of memory"));
    } else if (!keep) {
        journal_send(job->events, text);
    } else if (journal_append(job->events, text, &err) != 0) {
        elog(ELOG_ERROR, "job.event_lost", E_STR("job", job->id),
             E_STR("error", err.msg));
    }
    mem_free(text);
    json_decref(event);
}

void job_log(struct job *job, const char *format, ...)
{
    char stamp[TIME_SIZE];
    char text[4600];
    va_list ap;
    struct err err = {0};
    int n = snprintf(text, sizeof(text), "%s ", time_text(job_clock(), stamp));

    va_start(ap, format);
    (void)vsnprintf(text + n, sizeof(text) - (size_t)n, format, ap);
    va_end(ap);
    if (journal_append(job->log, text, &err) != 0) {
        elog(ELOG_ERROR, "job.log_lost", E_STR("job", job->id),
             E_STR("error", err.msg));
    }
}

/* ---- the store ---- */

void job_store(struct job *job)
{
    json_t *spec = job_spec_json(job->spec);
    char *spec_text = spec != NULL ? jget_dump(spec) : NULL;
    char *result = job->result != NULL ? jget_dump(job->result) : NULL;
    struct store_job row = {
        .id = job->id,
        .spec = spec_text,
        .state = job_state_name(job->state),
        .code = job->state == JOB_FAILED ? err_word((int)job->code) : NULL,
        .error = job->error,
        .result = result,
        .token = job->token,
        .model = job->model,
        .output = job->output[0] != '\0' ? job->output : NULL,
        .created = job->created,
        .started = job->started,
        .finished = job->finished,
        .attempt = job->next_attempt};
    struct err err = {0};
    int rc = spec_text != NULL && (job->result == NULL || result != NULL)
                 ? store_update_job(job->daemon->store, &row, &err)
                 : err_nomem(&err);

    if (rc != 0) {
        elog(ELOG_ERROR, "job.not_stored", E_STR("job", job->id),
             E_STR("error", err.msg));
    }
    mem_free(result);
    mem_free(spec_text);
    json_decref(spec);
}
