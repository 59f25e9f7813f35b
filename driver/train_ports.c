/* SPDX-License-Identifier: MIT
 *
 * train_ports: the ports of the Elephas protocol that a training job opens when
 * it is asked to (training.http_port, training.socket_port). They are served
 * from the version that all readers share, and what clients push is in the
 * job's snapshots like everything else.
 *
 * Of a large model, what they do with the values is a task of the job as any
 * other (train_off.c): it waits for its turn among the requests of workers.
 */
#include "driver/train_parts.h"

#include "common/mem.h"
#include "driver/compat.h"
#include "driver/compat_wire.h"
#include "driver/daemon.h"
#include "driver/offload.h"
#include "driver/ports.h"

struct port_task {
    struct train_task task;
    struct port_task *next; /* of all that is under way */
    struct job *job;
    bool reads;
    void (*work)(void *argument);
    void (*done)(void *argument); /* NULL: was called */
    void *argument;
    bool changed;
    struct version *version; /* that was copied for a reader, who holds it */
};

static int read_values(void *context, struct ps_view *out, struct err *err)
{
    struct job *job = context;
    struct train *t = train_of(job);
    struct port_task *p = t->port_task;
    struct version *v;

    if (p != NULL) { /* off the loop */
        v = train_copy_version(p->task.training, t->model->parameters);
        p->version = v;
    } else {
        v = train_version(t, t->model->parameters);
    }
    if (v == NULL) {
        return err_nomem(err);
    }
    *out = (struct ps_view){v->values, v->version, v};
    return 0;
}

static int change(void *context, const struct delta *delta, struct err *err)
{
    struct job *job = context;
    struct port_task *p = train_of(job)->port_task;
    int rc = training_change(train_of(job)->training, delta, err);

    if (rc == 0 && p != NULL) {
        p->changed = true; /* the loop sees to it */
    } else if (rc == 0) {
        train_changed(job);
    }
    return rc;
}

static void refused(void *context, const struct err *why)
{
    struct job *job = context;

    job_log(job, "Elephas protocol: %s", why->msg);
}

/* ---- of a large model ---- */

static void list_remove(struct train *t, const struct port_task *p)
{
    struct port_task **at = &t->port_tasks;

    while (*at != p) {
        at = &(*at)->next;
    }
    *at = p->next;
}

/* Once, while the job works. */
static void finish(struct train *t, struct port_task *p)
{
    void (*call)(void *argument) = p->done;

    if (call != NULL) {
        list_remove(t, p);
        p->done = NULL;
        call(p->argument);
    }
}

static void port_work(struct train_task *task)
{
    const struct port_task *p = (const struct port_task *)task;

    p->work(p->argument);
}

static void port_done(struct train_task *task)
{
    struct port_task *p = (struct port_task *)task;
    struct train *t = task->train;

    t->port_task = NULL;
    if (p->version != NULL) {
        train_share_version(p->job, p->version);
    }
    if (p->changed) {
        train_changed(p->job); /* which may end the job, and all that is here */
    }
    if (p->done != NULL) {
        finish(t, p);
    }
}

static void port_release(struct train_task *task)
{
    mem_free(task);
}

static const struct train_task_class read_class = {
    .work = port_work, .done = port_done, .release = port_release};
static const struct train_task_class change_class = {.changes = true,
                                                     .work = port_work,
                                                     .done = port_done,
                                                     .release = port_release};

static int start(struct port_task *p, struct err *err)
{
    struct train *t = train_of(p->job);
    int rc;

    t->port_task = p;
    rc = train_begin(p->job, &p->task, p->reads ? &read_class : &change_class,
                     NULL, err);
    if (rc != 0) {
        t->port_task = NULL;
    }
    return rc;
}

/* Whether all that a reader needs is there: nothing is copied for it. */
static bool is_ready(const struct train *t, bool reads)
{
    return reads && train_is_copied(t, t->model->parameters);
}

/* Its turn has come. */
static void start_parked(void *argument)
{
    struct port_task *p = argument;
    struct train *t;

    if (p->done == NULL) { /* the ports are closed */
        mem_free(p);
        return;
    }
    t = train_of(p->job);
    if (is_ready(t, p->reads)) { /* the reader before it had it copied */
        p->work(p->argument);
    } else if (start(p, NULL) == 0) {
        return;
    }
    finish(t, p);
    mem_free(p);
}

static int run(void *context, bool reads, void (*work)(void *argument),
               void (*done)(void *argument), void *argument, struct err *err)
{
    struct job *job = context;
    struct train *t = train_of(job);
    struct port_task *p;
    int rc;

    if (job->occupied == 0 && is_ready(t, reads)) {
        work(argument);
        done(argument);
        return 0;
    }
    p = mem_zalloc(sizeof(*p));
    if (p == NULL) {
        return err_nomem(err);
    }
    p->job = job;
    p->reads = reads;
    p->work = work;
    p->done = done;
    p->argument = argument;
    rc = job->occupied == 0 ? start(p, err)
                            : job_wait_call(job, start_parked, p, err);
    if (rc != 0) {
        mem_free(p);
        return rc;
    }
    p->next = t->port_tasks;
    t->port_tasks = p;
    return 0;
}

static void settle(void *context)
{
    struct job *job = context;
    struct train *t = train_of(job);

    if (t->port_task != NULL) {
        offload_wait(job->daemon->vectors);
        t->port_task = NULL;
    }
    while (t->port_tasks != NULL) {
        finish(t, t->port_tasks);
    }
}

/* ---- ports ---- */

typedef int listen_one(struct compat *compat, const char *host,
                       unsigned want_port, unsigned *port, struct err *err);

/* A port that is not named stays what it was in a former run, if it can. */
static int open_port(struct job *job, listen_one *listen, const char *key,
                     int32_t named, unsigned *port, struct err *err)
{
    struct compat *compat = train_of(job)->compat;
    const char *host = job->daemon->settings->elephas_host;
    unsigned former = named == 0 ? ports_former(job, key) : 0;
    struct err why = {0};
    int rc;

    if (named < 0) {
        return 0;
    }
    if (former != 0) {
        rc = listen(compat, host, former, port, &why);
        if (rc == 0) {
            return 0;
        }
        job_log(job, "%s: another port is taken", why.msg);
    }
    return listen(compat, host, (unsigned)named, port, err);
}

static int listen_all(struct job *job, struct err *err)
{
    struct train *t = train_of(job);
    const struct job_spec *spec = job->spec;
    int rc = open_port(job, compat_listen_http, "http", spec->http_port,
                       &t->http_port, err);

    if (rc == 0) {
        rc = open_port(job, compat_listen_socket, "socket", spec->socket_port,
                       &t->socket_port, err);
    }
    return rc == 0 ? ports_keep(job, t->http_port, t->socket_port, err) : rc;
}

int train_ports_open(struct job *job, struct err *err)
{
    struct train *t = train_of(job);
    struct compat_backend backend = {.read = read_values,
                                     .release = version_put,
                                     .change = change,
                                     .refused = refused,
                                     .context = job};
    int rc;

    if (t->large) {
        backend.run = run;
        backend.settle = settle;
    }
    if (job->spec->http_port < 0 && job->spec->socket_port < 0) {
        return 0;
    }
    rc = compat_layout_create(t->model, &t->layout, err);
    if (rc == 0) {
        backend.layout = t->layout;
        rc = compat_create(job->daemon->base, &backend, &t->compat, err);
    }
    if (rc == 0) {
        rc = listen_all(job, err);
    }
    return rc == 0 ? ports_announce(job, t->http_port, t->socket_port, err)
                   : rc;
}

void train_ports_close(struct train *t)
{
    compat_destroy(&t->compat);
    compat_layout_destroy(&t->layout);
}
