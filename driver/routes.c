/* SPDX-License-Identifier: MIT
 *
 * routes: the table, and the checks before a handler runs; see routes.h.
 */
#include "driver/routes.h"

#include "common/elog.h"
#include "driver/api.h"
#include "driver/auth.h"
#include "driver/daemon.h"
#include "driver/http.h"
#include "driver/jobs.h"
#include "driver/metrics.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define JSON_BODY_MAX ((uint64_t)16 << 20)
#define MESSAGE_BODY_MAX ((uint64_t)4 << 20)
#define ALLOW_SIZE 64

/* What a body may be. */
enum body { BODY_NONE, BODY_JSON, BODY_MESSAGE, BODY_VALUES, BODY_TEXT };

struct route {
    const char *method;
    const char *path;    /* "*" stands for one segment; the second of
                            v1/jobs/... is a job */
    enum auth_role role; /* who may: AUTH_WORKER: the job's worker too */
    enum body body;
    void (*handler)(struct daemon *d, struct http_exchange *x, struct job *job);
};

static const struct route table[] = {
    {"GET", "", AUTH_ANYONE, BODY_NONE, api_page},
    {"GET", "healthz", AUTH_ANYONE, BODY_NONE, api_healthz},
    {"GET", "readyz", AUTH_ANYONE, BODY_NONE, api_readyz},
    {"GET", "metrics", AUTH_READ, BODY_NONE, api_metrics},
    {"POST", "v1/models", AUTH_SUBMIT, BODY_VALUES, api_model_post},
    {"GET", "v1/models/*", AUTH_WORKER, BODY_NONE, api_model_get},
    {"POST", "v1/jobs", AUTH_SUBMIT, BODY_JSON, api_job_post},
    {"GET", "v1/jobs", AUTH_READ, BODY_NONE, api_job_list},
    {"GET", "v1/jobs/*", AUTH_READ, BODY_NONE, api_job_get},
    {"DELETE", "v1/jobs/*", AUTH_SUBMIT, BODY_NONE, api_job_delete},
    {"POST", "v1/jobs/*/stop", AUTH_SUBMIT, BODY_NONE, api_job_stop},
    {"GET", "v1/jobs/*/events", AUTH_READ, BODY_NONE, api_job_events},
    {"GET", "v1/jobs/*/logs", AUTH_READ, BODY_NONE, api_job_logs},
    {"GET", "v1/jobs/*/history", AUTH_READ, BODY_NONE, api_job_history},
    {"GET", "v1/jobs/*/model", AUTH_READ, BODY_NONE, api_job_model},
    {"GET", "v1/jobs/*/predictions", AUTH_READ, BODY_NONE, api_job_predictions},
    {"GET", "v1/jobs/*/task", AUTH_WORKER, BODY_NONE, api_job_task},
    {"GET", "v1/jobs/*/parameters", AUTH_WORKER, BODY_NONE, api_job_parameters},
    {"GET", "v1/jobs/*/frames", AUTH_WORKER, BODY_NONE, api_job_frames},
    {"POST", "v1/jobs/*/partitions", AUTH_WORKER, BODY_MESSAGE, api_job_join},
    {"POST", "v1/jobs/*/updates", AUTH_WORKER, BODY_VALUES, api_job_update},
    {"POST", "v1/jobs/*/results", AUTH_WORKER, BODY_MESSAGE, api_job_result},
    {"POST", "v1/jobs/*/shard", AUTH_WORKER, BODY_MESSAGE, api_job_shard},
    {"POST", "v1/jobs/*/parts", AUTH_WORKER, BODY_VALUES, api_job_part},
    {"GET", "v1/jobs/*/engine", AUTH_WORKER, BODY_NONE, api_job_engine},
    {"POST", "v1/jobs/*/engine", AUTH_WORKER, BODY_JSON, api_job_report},
    {"POST", "v1/jobs/*/rows", AUTH_WORKER, BODY_TEXT, api_job_rows},
};

#define ROUTE_COUNT (sizeof(table) / sizeof(table[0]))

/* What routes_on_head() found, for routes_on_request(). */
enum { SLOT_ROUTE, SLOT_JOB };

static bool path_fits(const char *path, const struct http_exchange *x)
{
    size_t n = http_segment_count(x);

    for (size_t i = 0; i < n; i++) {
        size_t len = strcspn(path, "/");
        const char *segment = http_segment(x, i);

        if (len == 0 ||
            (!(len == 1 && *path == '*') &&
             (strlen(segment) != len || strncmp(segment, path, len) != 0))) {
            return false;
        }
        path += len + (path[len] == '/');
    }
    return *path == '\0';
}

/* HEAD is a GET without its body. */
static bool method_fits(const char *method, const char *asked)
{
    return strcmp(method, asked) == 0 ||
           (strcmp(asked, "HEAD") == 0 && strcmp(method, "GET") == 0);
}

static const struct route *find_route(struct http_exchange *x)
{
    char allow[ALLOW_SIZE] = "";
    size_t used = 0;

    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        if (!path_fits(table[i].path, x)) {
            continue;
        }
        if (method_fits(table[i].method, http_method(x))) {
            return &table[i];
        }
        used += (size_t)snprintf(allow + used, sizeof(allow) - used, "%s%s%s",
                                 used != 0 ? ", " : "", table[i].method,
                                 strcmp(table[i].method, "GET") == 0 ? ", HEAD"
                                                                     : "");
    }
    if (used != 0) {
        http_reply_header(x, "Allow", allow);
        http_reply_problem(x, 405, "invalid",
                           "this path has other methods: see Allow");
    } else {
        http_reply_problem(x, 404, "not_found",
                           "there is nothing at this path: see the API "
                           "description");
    }
    return NULL;
}

/* The body's type must be said: a browser cannot send these across sites
 * without asking first. */
static bool type_is_right(const struct route *route, struct http_exchange *x)
{
    const char *want = route->body == BODY_JSON   ? "application/json"
                       : route->body == BODY_TEXT ? "text/plain"
                                                  : "application/x-protobuf";
    const char *type = http_header(x, "content-type");
    size_t len = type != NULL ? strcspn(type, "; \t") : 0;
    char text[96];

    if (route->body == BODY_NONE ||
        (len == strlen(want) && strncasecmp(type, want, len) == 0)) {
        return true;
    }
    (void)snprintf(text, sizeof(text), "Content-Type: %s is wanted", want);
    http_reply_problem(x, 415, "invalid", text);
    return false;
}

static void deny(struct http_exchange *x, int status, const char *why)
{
    if (status == 401) {
        http_reply_header(x, "WWW-Authenticate", "Bearer");
    }
    http_reply_problem(x, status, "denied", why);
}

static bool worker_may(struct daemon *d, const struct route *route,
                       const char *token, const struct job *job,
                       struct http_exchange *x)
{
    if (job != NULL) {
        return auth_same(token, job->token);
    }
    return route->handler == api_model_get &&
           jobs_token_may_read(d->jobs, token, http_segment(x, 2));
}

/* Whether he who asks may; if not, it is answered. job may be NULL. */
static bool is_allowed(struct daemon *d, const struct route *route,
                       const struct job *job, struct http_exchange *x)
{
    const char *token = auth_bearer(http_header(x, "authorization"));

    if (token == NULL) {
        if (route->role == AUTH_ANYONE) {
            return true;
        }
        if (!d->open) {
            deny(x, 401,
                 "a token is wanted: Authorization: Bearer, with the content "
                 "of the token file in elephasd's state directory");
            return false;
        }
        if (!auth_is_local(http_header(x, "host"), http_header(x, "origin"),
                           d->address)) {
            deny(x, 403,
                 "a request for another host or from another site needs a "
                 "token");
            return false;
        }
        return true;
    }
    if (auth_same(token, d->token) ||
        (route->role == AUTH_WORKER && worker_may(d, route, token, job, x))) {
        return true;
    }
    if (job != NULL && auth_same(token, job->token)) {
        deny(x, 403, "the token is one of a worker, this is not for workers");
    } else {
        deny(x, 401,
             "the token is wrong: see the token file in elephasd's "
             "state directory");
    }
    return false;
}

/* The job of the path, if it names one. */
static int find_job(struct daemon *d, const struct route *route,
                    struct http_exchange *x, struct job **job, struct err *err)
{
    *job = NULL;
    if (strncmp(route->path, "v1/jobs/*", 9) != 0) {
        return 0;
    }
    return jobs_find(d->jobs, http_segment(x, 2), job, err);
}

static void limit_body(const struct route *route, struct http_exchange *x)
{
    static const struct {
        uint64_t max;
        const char *name;
    } limits[] = {
        [BODY_NONE] = {0, "this request has none"},
        [BODY_JSON] = {JSON_BODY_MAX, "the limit of a JSON request"},
        [BODY_MESSAGE] = {MESSAGE_BODY_MAX, "the limit of this message"},
        [BODY_TEXT] = {JSON_BODY_MAX, "the limit of a piece of rows"},
    };

    if (route->body != BODY_VALUES) {
        http_limit_body(x, limits[route->body].max, limits[route->body].name);
    }
}

void routes_on_head(void *context, struct http_exchange *x)
{
    struct daemon *d = context;
    const struct route *route = find_route(x);
    struct job *job = NULL;
    struct err err = {0};
    int rc;

    if (route == NULL) {
        return;
    }
    http_set_data(x, SLOT_ROUTE, (void *)(uintptr_t)route);
    rc = find_job(d, route, x, &job, &err);
    /* who may not look is not told which jobs there are */
    if (!is_allowed(d, route, job, x)) {
        return;
    }
    if (rc != 0) {
        http_reply_error(x, &err);
        return;
    }
    http_set_data(x, SLOT_JOB, job);
    if (d->stopping && route->role != AUTH_ANYONE) {
        job_say_stopping(x);
        return;
    }
    if (type_is_right(route, x)) {
        limit_body(route, x);
    }
}

void routes_on_request(void *context, struct http_exchange *x)
{
    const struct route *route = http_data(x, SLOT_ROUTE);

    route->handler(context, x, http_data(x, SLOT_JOB));
}

void routes_on_over(void *context, struct http_exchange *x)
{
    struct daemon *d = context;
    const struct route *route = http_data(x, SLOT_ROUTE);
    int status = http_status(x);

    metrics_request(d->metrics, route != NULL ? route->path : NULL,
                    route != NULL ? route->method : "", status,
                    http_bytes_in(x), http_bytes_out(x));
    if (status >= 500) {
        elog(ELOG_WARN, "http.failed", E_STR("method", http_method(x)),
             E_STR("target", http_target(x)), E_INT("status", status));
    } else {
        elog(ELOG_DEBUG, "http.request", E_STR("method", http_method(x)),
             E_STR("target", http_target(x)), E_INT("status", status));
    }
}
