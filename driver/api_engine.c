/* SPDX-License-Identifier: MIT
 *
 * api_engine: what a bridge and its executors say (docs/PROTOCOL.md section
 * 7.3): reports on the run, and lines of predictions.
 */
#include "driver/api.h"

#include "common/jget.h"
#include "driver/daemon.h"
#include "driver/engine.h"
#include "driver/http.h"
#include "driver/jobs.h"

#include <string.h>

static void reply_position(struct http_exchange *x, const struct job *job,
                           bool stop)
{
    struct engine_position at = {0};

    job_position(job, &at);
    http_reply_json(x, 200,
                    json_pack("{s:b, s:I, s:I, s:b}", "stop", stop, "trained",
                              (json_int_t)at.trained, "step",
                              (json_int_t)at.step, "finished", at.finished));
}

/* Where the training is, is known when nothing works on it. While it is being
 * loaded, reports are what it may wait for. */
static bool is_parked(struct job *job, struct http_exchange *x,
                      job_handler *handler)
{
    return job->work != NULL && job_park(job, x, handler);
}

void api_job_engine(struct daemon *d, struct http_exchange *x, struct job *job)
{
    (void)d;
    if (is_parked(job, x, api_job_engine)) {
        return;
    }
    reply_position(x, job, job->run == NULL || !job_is_active(job));
}

void api_job_report(struct daemon *d, struct http_exchange *x, struct job *job)
{
    struct view body = http_body(x);
    json_t *report = NULL;
    struct err err = {0};
    bool stop = true;
    int rc;

    (void)d;
    if (is_parked(job, x, api_job_report)) {
        return;
    }
    rc = jget_parse((const char *)body.data, body.len, &report, &err);
    if (rc == 0 && job->run != NULL && job->engine->report == NULL) {
        rc = err_set(&err, ERR_STATE, "engine %s takes no reports",
                     job->engine->name);
    }
    if (rc == 0 && job->run != NULL) {
        rc = job->engine->report(job->run, report, &stop, &err);
    }
    json_decref(report);
    if (rc != 0) {
        http_reply_error(x, &err);
        return;
    }
    reply_position(x, job, stop || !job_is_active(job));
}

void api_job_rows(struct daemon *d, struct http_exchange *x, struct job *job)
{
    struct engine_rows rows = {.lines = http_body(x)};
    uint64_t partition = 0;
    uint64_t attempt = 0;
    uint64_t last = 0;
    struct err err = {0};
    int rc;

    (void)d;
    if (job->run == NULL || !job_is_active(job) || job->work == NULL ||
        job->spec->kind != JOB_PREDICT || job->engine->rows == NULL) {
        http_reply_problem(x, job_state_ended(job->state) ? 410 : 409, "state",
                           "the job takes no predictions");
        return;
    }
    if ((rc = http_query_u64(x, "partition", 0, &partition, &err)) == 0 &&
        (rc = http_query_u64(x, "attempt", 0, &attempt, &err)) == 0 &&
        (rc = http_query_u64(x, "first", 0, &rows.first, &err)) == 0 &&
        (rc = http_query_u64(x, "last", 0, &last, &err)) == 0 &&
        (partition >= job->spec->workers || attempt > UINT32_MAX)) {
        rc = err_set(&err, ERR_INVALID, "partition: the job has %u",
                     job->spec->workers);
    }
    if (rc == 0) {
        rows.partition = (uint32_t)partition;
        rows.attempt = (uint32_t)attempt;
        rows.last = last != 0;
        rc = job->engine->rows(job->run, &rows, &err);
    }
    if (rc != 0) {
        http_reply_error(x, &err);
        return;
    }
    http_reply_json(x, 200, json_object());
}
