/* SPDX-License-Identifier: MIT
 *
 * ps_server: see ps_server.h. A thread is told what to do through a word and an
 * eventfd of its loop; that it has ended, it says through an eventfd of the
 * daemon's loop.
 */
#include "driver/ps_server.h"

#include "common/mem.h"
#include "driver/bodies.h"
#include "driver/compat.h"
#include "driver/compat_wire.h"
#include "driver/crew.h"

#include <event2/event.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define DRAIN_TICK_MS 20
#define DRAIN_TICKS 250 /* 5 s */

enum wish { WISH_SERVE, WISH_DRAIN, WISH_END };

struct loop {
    struct ps_server *server;
    struct event_base *base;
    struct compat *compat;
    struct event *told;
    struct event *tick; /* while draining */
    unsigned ticks;
    int fd; /* eventfd; -1: none */
    atomic_int wish;
    pthread_t thread;
    bool runs;
};

struct ps_server {
    struct ps_server_options options;
    struct compat_layout *layout;
    struct bodies *bodies;
    struct loop *loops;
    unsigned http_port;
    unsigned socket_port;
    atomic_ullong reads;
    atomic_ullong changes;
    pthread_mutex_t lock; /* of the two below */
    uint64_t refused;
    char last_refused[256];
    atomic_uint ended; /* loops */
    int ended_fd;
    struct event *ended_event;
    bool draining;
};

/* ---- what the protocols ask for ---- */

static int backend_read(void *context, struct ps_view *out, struct err *err)
{
    struct ps_server *s = context;
    int rc = ps_read(s->options.ps, out, err);

    if (rc == 0) {
        atomic_fetch_add(&s->reads, 1);
    }
    return rc;
}

static int backend_change(void *context, const struct delta *delta,
                          struct err *err)
{
    struct ps_server *s = context;
    size_t at = 0;
    int rc = ps_change(s->options.ps, delta, NULL, &at, err);

    if (rc == 0) {
        atomic_fetch_add(&s->changes, 1);
    }
    return rc;
}

static void backend_refused(void *context, const struct err *why)
{
    struct ps_server *s = context;

    (void)pthread_mutex_lock(&s->lock);
    s->refused++;
    memcpy(s->last_refused, why->msg, sizeof(s->last_refused));
    s->last_refused[sizeof(s->last_refused) - 1] = '\0';
    (void)pthread_mutex_unlock(&s->lock);
}

void ps_server_counts(struct ps_server *s, struct ps_server_counts *out)
{
    out->reads = atomic_load(&s->reads);
    out->changes = atomic_load(&s->changes);
    (void)pthread_mutex_lock(&s->lock);
    out->refused = s->refused;
    memcpy(out->last_refused, s->last_refused, sizeof(out->last_refused));
    (void)pthread_mutex_unlock(&s->lock);
}

unsigned ps_server_http_port(const struct ps_server *s)
{
    return s->http_port;
}

unsigned ps_server_socket_port(const struct ps_server *s)
{
    return s->socket_port;
}

/* ---- a loop ---- */

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct loop *l = arg;

    (void)fd;
    (void)what;
    if (compat_is_idle(l->compat) || ++l->ticks >= DRAIN_TICKS) {
        (void)event_base_loopbreak(l->base);
    }
}

static void on_told(evutil_socket_t fd, short what, void *arg)
{
    struct timeval tv = {0, DRAIN_TICK_MS * 1000};
    struct loop *l = arg;
    uint64_t count;

    (void)what;
    (void)!read(fd, &count, sizeof(count));
    if (atomic_load(&l->wish) == WISH_END) {
        (void)event_base_loopbreak(l->base);
        return;
    }
    compat_drain(l->compat);
    if (event_add(l->tick, &tv) != 0) {
        (void)event_base_loopbreak(l->base);
    }
}

static void tell(struct loop *l, enum wish wish)
{
    uint64_t one = 1;

    atomic_store(&l->wish, wish);
    (void)!write(l->fd, &one, sizeof(one));
}

static void *loop_main(void *arg)
{
    struct loop *l = arg;
    struct ps_server *s = l->server;
    uint64_t one = 1;

    (void)event_base_dispatch(l->base);
    compat_destroy(&l->compat); /* versions are held by its connections */
    atomic_fetch_add(&s->ended, 1);
    (void)!write(s->ended_fd, &one, sizeof(one));
    return NULL;
}

static int loop_create(struct ps_server *s, struct loop *l, struct err *err)
{
    const struct compat_backend backend = {.read = backend_read,
                                           .release = ps_release,
                                           .change = backend_change,
                                           .refused = backend_refused,
                                           .context = s,
                                           .layout = s->layout,
                                           .bodies = s->bodies,
                                           .any_thread = true};

    l->server = s;
    l->base = event_base_new();
    l->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->base == NULL || l->fd < 0) {
        return err_nomem(err);
    }
    l->told = event_new(l->base, l->fd, EV_READ | EV_PERSIST, on_told, l);
    l->tick = event_new(l->base, -1, EV_PERSIST, on_tick, l);
    if (l->told == NULL || l->tick == NULL || event_add(l->told, NULL) != 0) {
        return err_nomem(err);
    }
    return compat_create(l->base, &backend, &l->compat, err);
}

static void loop_destroy(struct loop *l)
{
    if (l->runs) {
        tell(l, WISH_END);
        (void)pthread_join(l->thread, NULL);
    }
    compat_destroy(&l->compat);
    if (l->told != NULL) {
        event_free(l->told);
    }
    if (l->tick != NULL) {
        event_free(l->tick);
    }
    if (l->base != NULL) {
        event_base_free(l->base);
    }
    if (l->fd >= 0) {
        (void)close(l->fd);
    }
}

/* ---- the server ---- */

static void on_ended(evutil_socket_t fd, short what, void *arg)
{
    struct ps_server *s = arg;
    uint64_t count;

    (void)what;
    (void)!read(fd, &count, sizeof(count));
    if (s->draining && atomic_load(&s->ended) == s->options.threads) {
        s->draining = false;
        s->options.on_drained(s->options.context);
    }
}

static int open_ports(struct ps_server *s, struct err *err)
{
    const struct ps_server_options *o = &s->options;
    struct compat *first = s->loops[0].compat;
    struct err why = {0};
    int rc =
        compat_listen_http(first, o->host, o->http_port, &s->http_port, err);

    if (rc == 0) {
        rc = compat_listen_socket(first, o->host, o->socket_port,
                                  &s->socket_port, &why);
        if (rc == ERR_UNSUPPORTED && o->socket_port == 0) {
            rc = 0; /* it was not asked for by name */
        } else if (rc != 0) {
            rc = err_set(err, why.code, "%s", why.msg);
        }
    }
    for (unsigned i = 1; rc == 0 && i < o->threads; i++) {
        rc = compat_share(s->loops[i].compat, first, err);
    }
    return rc;
}

static int start_threads(struct ps_server *s, struct err *err)
{
    int number = 0;

    for (unsigned i = 0; number == 0 && i < s->options.threads; i++) {
        number = crew_thread(&s->loops[i].thread, loop_main, &s->loops[i]);
        s->loops[i].runs = number == 0;
    }
    return number == 0 ? 0
                       : err_errno(err, ERR_IO, number,
                                   "starting a thread of the parameter server");
}

static int build(struct ps_server *s, struct err *err)
{
    const struct ps_server_options *o = &s->options;
    int rc = compat_layout_create(o->model, &s->layout, err);

    if (rc == 0) {
        rc = compat_bodies(s->layout, &s->bodies, err);
    }
    if (rc != 0) {
        return rc;
    }
    s->loops = mem_zarray(o->threads, sizeof(*s->loops));
    s->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->loops == NULL || s->ended_fd < 0) {
        return err_nomem(err);
    }
    for (unsigned i = 0; i < o->threads; i++) {
        s->loops[i].fd = -1;
    }
    s->ended_event =
        event_new(o->base, s->ended_fd, EV_READ | EV_PERSIST, on_ended, s);
    if (s->ended_event == NULL || event_add(s->ended_event, NULL) != 0) {
        return err_nomem(err);
    }
    for (unsigned i = 0; rc == 0 && i < o->threads; i++) {
        rc = loop_create(s, &s->loops[i], err);
    }
    if (rc == 0) {
        rc = open_ports(s, err);
    }
    return rc == 0 ? start_threads(s, err) : rc;
}

int ps_server_create(const struct ps_server_options *options,
                     struct ps_server **out, struct err *err)
{
    struct ps_server *s = mem_zalloc(sizeof(*s));
    int rc;

    if (s == NULL) {
        return err_nomem(err);
    }
    if (pthread_mutex_init(&s->lock, NULL) != 0) {
        mem_free(s);
        return err_nomem(err);
    }
    s->options = *options;
    s->ended_fd = -1;
    rc = build(s, err);
    if (rc != 0) {
        ps_server_destroy(&s);
        return rc;
    }
    *out = s;
    return 0;
}

void ps_server_drain(struct ps_server *s)
{
    s->draining = true;
    for (unsigned i = 0; i < s->options.threads; i++) {
        tell(&s->loops[i], WISH_DRAIN);
    }
}

void ps_server_destroy(struct ps_server **server)
{
    struct ps_server *s = *server;

    if (s == NULL) {
        return;
    }
    for (unsigned i = 0; s->loops != NULL && i < s->options.threads; i++) {
        if (s->loops[i].server != NULL) {
            loop_destroy(&s->loops[i]);
        }
    }
    if (s->ended_event != NULL) {
        event_free(s->ended_event);
    }
    if (s->ended_fd >= 0) {
        (void)close(s->ended_fd);
    }
    mem_free(s->loops);
    bodies_destroy(&s->bodies);
    compat_layout_destroy(&s->layout);
    (void)pthread_mutex_destroy(&s->lock);
    mem_free(s);
    *server = NULL;
}
