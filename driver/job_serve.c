/* SPDX-License-Identifier: MIT
 *
 * job_serve: a parameter server by hand, as a job. It runs until it is stopped
 * (POST /v1/jobs/ID/stop); then the ports are closed, updates on their way are
 * applied, and its result is the model with the parameters of that moment. The
 * values of its model_state are the live parameters: while the threads of the
 * server run, they are touched through struct ps only.
 *
 * A daemon that is started again opens the same ports, with the parameters of
 * the last snapshot: one every few seconds, if there was a change. One that was
 * told to stop is not served again, but stopped.
 */
#include "driver/work.h"

#include "common/elog.h"
#include "common/mem.h"
#include "driver/core/ps.h"
#include "driver/crew.h"
#include "driver/daemon.h"
#include "driver/job_save.h"
#include "driver/jobs.h"
#include "driver/later.h"
#include "driver/offload.h"
#include "driver/ports.h"
#include "driver/ps_server.h"
#include "driver/serve_parts.h"

#include <event2/event.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SAVE_SECONDS 5
#define MAX_THREADS 4

/* ---- what the files share ---- */

void serve_values_put(void *values)
{
    struct serve_values *v = values;

    if (v == NULL || atomic_fetch_sub(&v->refs, 1) != 1) {
        return;
    }
    if (v->ps != NULL) {
        v->state.values = NULL; /* its own */
    }
    ps_destroy(&v->ps);
    model_state_deinit(&v->state);
    model_destroy(&v->model);
    mem_free(v);
}

struct serve_values *serve_values_get(struct serve_values *v)
{
    (void)atomic_fetch_add(&v->refs, 1);
    return v;
}

struct serve *serve_of(const struct job *job)
{
    return (struct serve *)job->work;
}

/* ---- the server ---- */

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    serve_save_sometimes(arg);
}

/* For job_save, which packs it on the helper. */
static struct job_save_model to_save(const struct serve *s)
{
    return (struct job_save_model){.model = s->v->model,
                                   .state = &s->v->state,
                                   .release = serve_values_put,
                                   .handle = serve_values_get(s->v)};
}

/* No thread touches the parameters any more. */
static void save_result(struct job *job)
{
    struct job_save_model save = to_save(serve_of(job));

    job_save_result(job, &save);
}

static void on_drained(void *context)
{
    struct job *job = context;
    struct serve *s = serve_of(job);

    ps_server_counts(s->server, &s->counts);
    ps_server_destroy(&s->server);
    if (job->state == JOB_FINISHING) {
        save_result(job);
    } /* else the daemon stops, and looks */
}

static unsigned threads(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    return cores < 1 ? 1 : cores < MAX_THREADS ? (unsigned)cores : MAX_THREADS;
}

static int open_server(struct job *job, struct err *err)
{
    struct serve *s = serve_of(job);
    unsigned http = (unsigned)job->spec->http_port;
    unsigned socket = (unsigned)job->spec->socket_port;
    struct ps_server_options o = {
        .base = job->daemon->base,
        .model = s->v->model,
        .ps = s->v->ps,
        .host = job->daemon->settings->elephas_host,
        .http_port = http != 0 ? http : ports_former(job, "http"),
        .socket_port = socket != 0 ? socket : ports_former(job, "socket"),
        .threads = threads(),
        .on_drained = on_drained,
        .context = job};
    struct err why = {0};
    int rc = ps_server_create(&o, &s->server, &why);

    if (rc == ERR_STATE && (o.http_port != http || o.socket_port != socket)) {
        job_log(job, "%s: other ports are taken", why.msg);
        o.http_port = http;
        o.socket_port = socket;
        rc = ps_server_create(&o, &s->server, &why);
    }
    if (rc != 0) {
        return err_set(err, why.code, "%s", why.msg);
    }
    s->http_port = ps_server_http_port(s->server);
    s->socket_port = ps_server_socket_port(s->server);
    return 0;
}

static int put_ports(const struct job *job, json_t *document)
{
    const struct serve *s = serve_of(job);

    return ports_put(job, s->http_port, s->socket_port, document);
}

/* Clients may come: says so, and keeps the ports for a restart. */
static int announce(struct job *job, struct err *err)
{
    const struct serve *s = serve_of(job);
    int rc;

    json_decref(job->result);
    job->result = NULL;
    rc = ports_keep(job, s->http_port, s->socket_port, err);
    if (rc != 0) {
        return rc;
    }
    if (s->socket_port != 0) {
        job_log(job, "serves on ports %u (HTTP) and %u (socket)", s->http_port,
                s->socket_port);
    } else {
        job_log(job,
                "serves on port %u (HTTP); the weights are too large for the "
                "socket protocol",
                s->http_port);
    }
    return ports_announce(job, s->http_port, s->socket_port, err);
}

/* ---- the class ---- */

static int serve_load(const struct job *job, void **out, struct err *err)
{
    struct serve_values *l = mem_zalloc(sizeof(*l));
    int rc;

    if (l == NULL) {
        return err_nomem(err);
    }
    atomic_init(&l->refs, 1);
    rc = job_load_model(job, &l->model, &l->state, err);
    if (rc == 0) {
        rc = serve_restore(job, l, err);
    }
    if (rc == 0) {
        rc = ps_create(l->state.values, l->model->parameters,
                       job->spec->training.mode == TRAINING_HOGWILD
                           ? PS_HOGWILD
                           : PS_ASYNCHRONOUS,
                       l->version, &l->ps, err);
    }
    if (rc != 0) {
        serve_values_put(l);
        return rc;
    }
    *out = l;
    return 0;
}

static int serve_start(struct job *job, void *loaded, bool *complete,
                       struct err *err)
{
    struct timeval tv = {SAVE_SECONDS, 0};
    const struct ps_crew crew = {crew_run, crew_size()};
    struct serve *s = mem_zalloc(sizeof(*s));
    struct serve_values *l = loaded;
    int rc;

    *complete = false;
    if (s == NULL) {
        serve_values_put(l);
        return err_nomem(err);
    }
    job->work = s;
    s->v = l;
    s->saved = l->version;
    if (l->restored) {
        job_log(job, "goes on from version %llu",
                (unsigned long long)l->version);
    }
    if (job_is_stopping(job)) {
        job_log(job, "was told to stop, and is not served again");
        *complete = true;
        return 0;
    }
    ps_set_crew(s->v->ps, &crew);
    rc = open_server(job, err);
    if (rc != 0) {
        return rc;
    }
    s->timer = event_new(job->daemon->base, -1, EV_PERSIST, on_timer, job);
    if (s->timer == NULL || event_add(s->timer, &tv) != 0) {
        return err_nomem(err);
    }
    return announce(job, err);
}

static void serve_finish(struct job *job)
{
    if (serve_of(job)->server == NULL) { /* it was stopped in a former run */
        save_result(job);
    } else {
        ps_server_drain(serve_of(job)->server);
    }
}

/* A stop that somebody has asked for is finished too, if that does not take
 * longer. */
static bool serve_quiesce(struct job *job)
{
    struct serve *s = serve_of(job);

    if (job->state == JOB_RUNNING && s->server != NULL && !s->draining) {
        s->draining = true;
        ps_server_drain(s->server);
    }
    return s->server == NULL && job->state != JOB_FINISHING;
}

/* The state with whole parameters of one moment, and the slots as they were
 * uploaded; copied off the loop if there are many. */
struct copying {
    struct later later;
    struct serve_values *v;
    size_t count;
    struct work_model model;
    work_have_model *then;
    int rc;
    struct err err;
};

static void work_copy(struct later *later)
{
    struct copying *c = (struct copying *)later;
    size_t n = ps_count(c->v->ps);
    struct ps_view view;
    float *values;

    c->rc = ps_read(c->v->ps, &view, &c->err);
    if (c->rc != 0) {
        return;
    }
    values = mem_floats(c->count + 1);
    if (values != NULL) {
        memcpy(values, view.values, n * sizeof(float));
        memcpy(values + n, c->v->state.values + n,
               (c->count - n) * sizeof(float));
        c->model.handle = values;
        c->model.version = view.version;
        c->model.release = mem_free_aligned;
        c->model.values =
            (struct view){(const uint8_t *)values, c->count * sizeof(float)};
    } else {
        c->rc = err_nomem(&c->err);
    }
    ps_release(view.handle);
}

static void end_copy(struct later *later)
{
    struct copying *c = (struct copying *)later;

    if (later->x != NULL) {
        c->then(later->daemon, later->x, c->rc == 0 ? &c->model : NULL,
                &c->err);
        if (c->rc == 0) {
            c->model = (struct work_model){0}; /* it has moved */
            buf_init(&c->model.head, 0);
        }
    }
}

static void release_copy(struct later *later)
{
    struct copying *c = (struct copying *)later;

    work_model_deinit(&c->model);
    serve_values_put(c->v);
    mem_free(c);
}

static void serve_current(struct job *job, struct http_exchange *x,
                          work_have_model *then, job_handler *again)
{
    static const struct later_class class = {
        .work = work_copy, .done = end_copy, .release = release_copy};
    const struct serve *s = serve_of(job);
    struct copying *c = mem_zalloc(sizeof(*c));
    struct err err = {0};
    int rc = c != NULL ? 0 : err_nomem(&err);

    (void)again;
    if (rc == 0) {
        c->v = serve_values_get(s->v);
        c->model.job = job;
        c->then = then;
        buf_init(&c->model.head, MODEL_WIRE_HEAD_MAX);
        rc = model_encode_head(c->v->model, &c->v->state, &c->model.head,
                               &c->count, &err);
    }
    if (rc == 0 && c->count * sizeof(float) > LATER_ABOVE) {
        rc = later_compute(&c->later, &class, job->daemon, x, &err);
        if (rc == 0) {
            return;
        }
    } else if (rc == 0) {
        c->later = (struct later){&class, job->daemon, x};
        work_copy(&c->later);
        end_copy(&c->later);
    }
    if (rc != 0) {
        then(job->daemon, x, NULL, &err);
    }
    if (c != NULL) {
        release_copy(&c->later);
    }
}

static int serve_salvage(struct job *job, struct err *err)
{
    struct serve *s = serve_of(job);
    struct job_save_model save;

    (void)err;
    if (s->v == NULL || ps_version(s->v->ps) == 0) {
        return 0; /* nothing was learnt */
    }
    ps_server_destroy(&s->server);
    save = to_save(s);
    job_save_salvage(job, &save);
    return 0;
}

static int serve_save(struct job *job, struct err *err)
{
    struct serve *s = serve_of(job);

    if (s->v == NULL) {
        return 0;
    }
    if (s->server != NULL) {
        ps_server_counts(s->server, &s->counts);
        ps_server_destroy(&s->server); /* what comes later is not in it */
    }
    return ps_version(s->v->ps) != s->saved ? serve_snapshot(job, err) : 0;
}

static int serve_describe(const struct job *job, json_t *document)
{
    struct serve *s = serve_of(job);
    struct ps_server_counts counts = s->counts;

    if (s->v == NULL) {
        return 0;
    }
    if (s->server != NULL) {
        ps_server_counts(s->server, &counts);
    }
    return put_ports(job, document) |
           json_object_set_new(document, "version",
                               json_integer((json_int_t)ps_version(s->v->ps))) |
           json_object_set_new(document, "updates",
                               json_integer((json_int_t)counts.changes)) |
           json_object_set_new(document, "reads",
                               json_integer((json_int_t)counts.reads)) |
           json_object_set_new(document, "refused",
                               json_integer((json_int_t)counts.refused)) |
           json_object_set_new(document, "last_refused",
                               counts.last_refused[0] != '\0'
                                   ? json_string(counts.last_refused)
                                   : json_null());
}

static const struct model *serve_model(const struct job *job)
{
    return serve_of(job)->v->model;
}

static uint64_t serve_version(const struct job *job)
{
    return ps_version(serve_of(job)->v->ps);
}

static void nothing(void *values)
{
    (void)values;
}

/* Much memory takes long to give back. */
static void serve_destroy(struct job *job)
{
    struct serve *s = serve_of(job);

    if (s == NULL) {
        return;
    }
    ps_server_destroy(&s->server);
    if (s->timer != NULL) {
        event_free(s->timer);
    }
    if (s->v != NULL && offload_run(job->daemon->vectors, serve_values_put,
                                    nothing, s->v, NULL) != 0) {
        serve_values_put(s->v);
    }
    mem_free(s);
    job->work = NULL;
}

const struct work_class work_serve = {
    .alone = true,
    .load = serve_load,
    .unload = serve_values_put,
    .start = serve_start,
    .model = serve_model,
    .finish = serve_finish,
    .quiesce = serve_quiesce,
    .save = serve_save,
    .salvage = serve_salvage,
    .current = serve_current,
    .version = serve_version,
    .describe = serve_describe,
    .destroy = serve_destroy,
};
