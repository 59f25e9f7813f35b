/* SPDX-License-Identifier: MIT
 *
 * job_serve: a parameter server by hand, as a job. It runs until it is stopped
 * (POST /v1/jobs/ID/stop); then the ports are closed, updates on their way are
 * applied, and its result is the model with the parameters of that moment. The
 * values of its model_state are the live parameters: while the threads of the
 * server run, they are touched through struct ps only.
 *
 * A daemon that is started again opens the same ports, with the parameters of
 * the last snapshot: one every few seconds, if there was a change.
 */
#include "driver/work.h"

#include "common/elog.h"
#include "common/mem.h"
#include "common/wire.h"
#include "driver/core/ps.h"
#include "driver/crew.h"
#include "driver/daemon.h"
#include "driver/job_save.h"
#include "driver/jobs.h"
#include "driver/ports.h"
#include "driver/ps_server.h"
#include "elephas/v1/parameters.pb-c.h"

#include <event2/event.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SAVE_SECONDS 5
#define MAX_THREADS 4

struct serve {
    struct model *model;
    struct model_state state;
    struct ps *ps;
    struct ps_server *server;
    struct event *timer;
    uint64_t saved; /* version of the last snapshot */
    bool saving;
    unsigned http_port;
    unsigned socket_port;
    struct ps_server_counts counts; /* when the server has ended */
};

/* What is read before it begins. */
struct serve_loaded {
    struct model *model;
    struct model_state state;
    struct ps *ps;
    uint64_t version;
    bool restored;
};

static struct serve *serve_of(const struct job *job)
{
    return (struct serve *)job->work;
}

/* ---- snapshots: a Parameters message ---- */

static int pack_head(const struct job *job, const struct ps_view *view,
                     struct buf *out, struct err *err)
{
    Elephas__V1__Parameters p = ELEPHAS__V1__PARAMETERS__INIT;
    Elephas__V1__Range range = ELEPHAS__V1__RANGE__INIT;
    uint8_t header[WIRE_HEADER_MAX];
    size_t n = ps_count(serve_of(job)->ps);
    int rc;

    range.end = n;
    p.job = (char *)job->id;
    p.version = view->version;
    p.range = &range;
    p.total = n;
    rc = wire_pack(&p.base, out, err);
    return rc == 0
               ? buf_append(out, header,
                            wire_values_header(n * sizeof(float), header), err)
               : rc;
}

static void saved(struct job *job, uint64_t version, bool written)
{
    (void)version;
    (void)written;
    if (job->class == &work_serve && job->work != NULL) {
        serve_of(job)->saving = false;
    }
}

static int save(struct job *job, struct err *err)
{
    struct serve *s = serve_of(job);
    struct job_snapshot snapshot = {.release = ps_release, .done = saved};
    struct ps_view view;
    int rc = ps_read(s->ps, &view, err);

    if (rc != 0) {
        return rc;
    }
    buf_init(&snapshot.head, 65536);
    rc = pack_head(job, &view, &snapshot.head, err);
    snapshot.values = (struct view){(const uint8_t *)view.values,
                                    ps_count(s->ps) * sizeof(float)};
    snapshot.handle = view.handle;
    if (rc == 0) {
        rc = job_save_snapshot(job, &snapshot, err);
    }
    if (rc != 0) {
        buf_deinit(&snapshot.head);
        ps_release(view.handle);
        return rc;
    }
    s->saving = true;
    s->saved = view.version;
    return 0;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct job *job = arg;
    struct serve *s = serve_of(job);
    struct err err = {0};
    int rc;

    (void)fd;
    (void)what;
    if (s->saving || ps_version(s->ps) == s->saved) {
        return;
    }
    rc = save(job, &err);
    if (rc != 0 && rc != ERR_STATE) { /* else all versions are being read */
        elog(ELOG_ERROR, "snapshot.failed", E_STR("job", job->id),
             E_STR("error", err.msg));
    }
}

static int check_snapshot(const struct serve_loaded *l,
                          const Elephas__V1__Parameters *p, struct view values,
                          struct err *err)
{
    size_t n = l->model->parameters;

    if (p->range == NULL || p->range->begin != 0 || p->range->end != n ||
        values.len != n * sizeof(float)) {
        return err_set(err, ERR_INVALID,
                       "the snapshot is not of this model's %zu parameters", n);
    }
    return 0;
}

/* Goes on from the snapshot, if there is one. */
static int restore(const struct job *job, struct serve_loaded *l,
                   struct err *err)
{
    ProtobufCMessage *message = NULL;
    struct view head;
    struct view values;
    struct buf file;
    int rc;

    buf_init(&file, 0);
    rc = job_load_snapshot(job, false, &file, err);
    if (rc == ERR_NOT_FOUND) {
        buf_deinit(&file);
        return 0;
    }
    if (rc == 0) {
        rc = wire_split(buf_view(&file), &head, &values, err);
    }
    if (rc == 0) {
        rc = wire_unpack(&elephas__v1__parameters__descriptor, head, &message,
                         err);
    }
    if (rc == 0) {
        const Elephas__V1__Parameters *p =
            (const Elephas__V1__Parameters *)message;

        rc = check_snapshot(l, p, values, err);
        if (rc == 0) {
            memcpy(l->state.values, values.data, values.len);
            l->version = p->version;
            l->restored = true;
        }
    }
    wire_free(&message);
    buf_deinit(&file);
    return rc;
}

/* ---- the server ---- */

/* The result: no thread touches the parameters any more. */
static void on_drained(void *context)
{
    struct job *job = context;
    struct serve *s = serve_of(job);
    struct buf model;
    struct err err = {0};

    ps_server_counts(s->server, &s->counts);
    ps_server_destroy(&s->server);
    buf_init(&model, MODEL_WIRE_MAX);
    if (model_encode(s->model, &s->state, &model, &err) == 0) {
        job_save_result(job, &model);
    } else {
        buf_deinit(&model);
        job_fail(job, &err);
    }
}

static unsigned threads(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    return cores < 1 ? 1 : cores < MAX_THREADS ? (unsigned)cores : MAX_THREADS;
}

/* The port of "HOST:PORT" that a former run had, or 0. */
static unsigned former_port(const struct job *job, const char *key)
{
    const char *address = json_string_value(json_object_get(job->result, key));
    const char *colon = address != NULL ? strrchr(address, ':') : NULL;

    return colon != NULL ? (unsigned)strtoul(colon + 1, NULL, 10) : 0;
}

static int open_server(struct job *job, struct err *err)
{
    struct serve *s = serve_of(job);
    unsigned http = (unsigned)job->spec->http_port;
    unsigned socket = (unsigned)job->spec->socket_port;
    struct ps_server_options o = {
        .base = job->daemon->base,
        .model = s->model,
        .ps = s->ps,
        .host = job->daemon->settings->elephas_host,
        .http_port = http != 0 ? http : former_port(job, "http"),
        .socket_port = socket != 0 ? socket : former_port(job, "socket"),
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
    json_t *result = json_object();

    if (result == NULL || put_ports(job, result) != 0) {
        json_decref(result);
        return err_nomem(err);
    }
    json_decref(job->result);
    job->result = result;
    job_store(job);
    job_log(job, "serves on ports %u (HTTP) and %u (socket)", s->http_port,
            s->socket_port);
    return ports_announce(job, s->http_port, s->socket_port, err);
}

/* ---- the class ---- */

static void serve_unload(void *loaded)
{
    struct serve_loaded *l = loaded;

    if (l != NULL) {
        if (l->ps != NULL) {
            l->state.values = NULL; /* its own */
        }
        ps_destroy(&l->ps);
        model_state_deinit(&l->state);
        model_destroy(&l->model);
        mem_free(l);
    }
}

static int serve_load(const struct job *job, void **out, struct err *err)
{
    struct serve_loaded *l = mem_zalloc(sizeof(*l));
    int rc = l != NULL ? job_load_model(job, &l->model, &l->state, err)
                       : err_nomem(err);

    if (rc == 0) {
        rc = restore(job, l, err);
    }
    if (rc == 0) {
        rc = ps_create(l->state.values, l->model->parameters,
                       job->spec->training.mode == TRAINING_HOGWILD
                           ? PS_HOGWILD
                           : PS_ASYNCHRONOUS,
                       l->version, &l->ps, err);
    }
    if (rc != 0) {
        serve_unload(l);
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
    struct serve_loaded *l = loaded;
    int rc;

    *complete = false;
    if (s == NULL) {
        serve_unload(l);
        return err_nomem(err);
    }
    job->work = s;
    s->model = l->model;
    s->state = l->state;
    s->ps = l->ps;
    s->saved = l->version;
    if (l->restored) {
        job_log(job, "goes on from version %llu",
                (unsigned long long)l->version);
    }
    mem_free(l);
    ps_set_crew(s->ps, &crew);
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
    ps_server_drain(serve_of(job)->server);
}

/* The state with whole parameters of one moment, and the slots as they were
 * uploaded. */
static int serve_current(const struct job *job, struct buf *out,
                         struct err *err)
{
    struct serve *s = serve_of(job);
    struct model_state state = s->state;
    size_t n = s->model->parameters;
    struct ps_view view;
    int rc = ps_read(s->ps, &view, err);

    if (rc != 0) {
        return rc;
    }
    state.values = mem_floats(state.count + 1);
    if (state.values != NULL) {
        memcpy(state.values, view.values, n * sizeof(float));
        memcpy(state.values + n, s->state.values + n,
               (state.count - n) * sizeof(float));
        state.optimizer.slots = state.values + n;
        rc = model_encode(s->model, &state, out, err);
        mem_free_aligned(state.values);
    } else {
        rc = err_nomem(err);
    }
    ps_release(view.handle);
    return rc;
}

static int serve_salvage(struct job *job, struct err *err)
{
    struct serve *s = serve_of(job);
    struct buf model;
    int rc;

    if (s->ps == NULL || ps_version(s->ps) == 0) {
        return 0; /* nothing was learnt */
    }
    ps_server_destroy(&s->server);
    buf_init(&model, MODEL_WIRE_MAX);
    rc = model_encode(s->model, &s->state, &model, err);
    if (rc == 0) {
        return job_save_salvage(job, &model, err);
    }
    buf_deinit(&model);
    return rc;
}

static int serve_save(struct job *job, struct err *err)
{
    struct serve *s = serve_of(job);

    if (s->ps == NULL) {
        return 0;
    }
    if (s->server != NULL) {
        ps_server_counts(s->server, &s->counts);
        ps_server_destroy(&s->server); /* what comes later is not in it */
    }
    return ps_version(s->ps) != s->saved ? save(job, err) : 0;
}

static int serve_describe(const struct job *job, json_t *document)
{
    struct serve *s = serve_of(job);
    struct ps_server_counts counts = s->counts;

    if (s->ps == NULL) {
        return 0;
    }
    if (s->server != NULL) {
        ps_server_counts(s->server, &counts);
    }
    return put_ports(job, document) |
           json_object_set_new(document, "version",
                               json_integer((json_int_t)ps_version(s->ps))) |
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
    return serve_of(job)->model;
}

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
    if (s->ps != NULL) {
        s->state.values = NULL; /* its own */
    }
    ps_destroy(&s->ps);
    model_state_deinit(&s->state);
    model_destroy(&s->model);
    mem_free(s);
    job->work = NULL;
}

const struct work_class work_serve = {
    .alone = true,
    .load = serve_load,
    .unload = serve_unload,
    .start = serve_start,
    .model = serve_model,
    .finish = serve_finish,
    .save = serve_save,
    .salvage = serve_salvage,
    .current = serve_current,
    .describe = serve_describe,
    .destroy = serve_destroy,
};
