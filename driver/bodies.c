/* SPDX-License-Identifier: MIT
 *
 * bodies: see bodies.h. All rooms are in one of three lists under one lock: of
 * those that wait, those that may go on but were not told yet (by gate), and
 * those that are held. A gate is woken through an eventfd of its loop.
 */
#include "driver/bodies.h"

#include "common/clock.h"
#include "common/mem.h"

#include <event2/event.h>

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SECOND_MS 1000
#define SPARES 8

struct room_list {
    struct body_room *first;
    struct body_room *last;
};

struct bodies {
    pthread_mutex_t lock; /* of all below, and of the rooms */
    size_t budget;
    bool keeps; /* spares */
    size_t used;
    struct room_list waiting;
    struct room_list held;
    struct buf spares[SPARES]; /* those without memory are free places */
    size_t spare_bytes;
};

struct body_gate {
    struct bodies *bodies;
    struct room_list granted;
    size_t waiting; /* rooms of this gate */
    int fd;
    struct event *woken;
    struct event *tick; /* while rooms wait */
};

struct body_room {
    struct body_gate *gate;
    struct room_list *list; /* it is in */
    struct body_room *prev;
    struct body_room *next;
    size_t bytes;
    bool counted; /* in `used` */
    bool complete;
    size_t came;
    size_t seen;    /* of `came`, when its second began */
    uint64_t since; /* in ms */
    void (*on_room)(void *context);
    void *context;
};

static void list_remove(struct body_room *r)
{
    struct room_list *l = r->list;

    *(r->prev != NULL ? &r->prev->next : &l->first) = r->next;
    *(r->next != NULL ? &r->next->prev : &l->last) = r->prev;
    r->list = NULL;
    r->prev = NULL;
    r->next = NULL;
}

static void list_add(struct room_list *l, struct body_room *r)
{
    r->list = l;
    r->prev = l->last;
    *(l->last != NULL ? &l->last->next : &l->first) = r;
    l->last = r;
}

/* ---- with the lock held ---- */

static bool fits(const struct bodies *b, size_t bytes)
{
    return b->used == 0 ||
           (b->used <= b->budget && bytes <= b->budget - b->used);
}

static void count(struct body_room *r, bool counted)
{
    struct bodies *b = r->gate->bodies;

    if (counted && !r->counted) {
        b->used += r->bytes;
    } else if (!counted && r->counted) {
        b->used -= r->bytes;
    }
    r->counted = counted;
}

/* Whether so much more memory keeps to the budget; each has a byte of its own
 * behind the body. */
static bool has_place(const struct bodies *b, size_t bytes)
{
    return b->used + b->spare_bytes + bytes <= b->budget + SPARES;
}

static struct buf take_spare(struct bodies *b, struct buf *spare)
{
    struct buf taken = *spare;

    b->spare_bytes -= taken.size;
    buf_init(spare, 0);
    return taken;
}

/* The smallest spare memory with room for so many bytes, and not for more than
 * twice as many, or NULL. */
static struct buf *find_spare(struct bodies *b, size_t bytes)
{
    struct buf *found = NULL;

    for (size_t i = 0; i < SPARES; i++) {
        struct buf *s = &b->spares[i];

        if (s->size > bytes && s->size / 2 <= bytes &&
            (found == NULL || s->size < found->size)) {
            found = s;
        }
    }
    return found;
}

/* Keeps the memory of *body if there is a place. */
static void keep_spare(struct bodies *b, struct buf *body)
{
    if (!b->keeps || body->size <= BODIES_SMALL || !has_place(b, body->size)) {
        return;
    }
    for (size_t i = 0; i < SPARES; i++) {
        if (b->spares[i].size == 0) {
            b->spares[i] = *body;
            b->spare_bytes += body->size;
            buf_init(body, 0);
            return;
        }
    }
}

/* Those that have waited longest may go on. */
static void grant(struct bodies *b)
{
    uint64_t one = 1;

    while (b->waiting.first != NULL && fits(b, b->waiting.first->bytes)) {
        struct body_room *r = b->waiting.first;

        list_remove(r);
        r->gate->waiting--;
        list_add(&r->gate->granted, r);
        count(r, true);
        (void)!write(r->gate->fd, &one, sizeof(one));
    }
}

static void begin_second(struct body_room *r, uint64_t now)
{
    r->seen = r->came;
    r->since = now;
}

/* Who made no progress in his second no longer counts. */
static void look(struct bodies *b)
{
    uint64_t now = (uint64_t)clock_ms();

    for (struct body_room *r = b->held.first; r != NULL; r = r->next) {
        if (now - r->since >= SECOND_MS * 9 / 10) { /* ticks are not exact */
            if (!r->complete && r->came - r->seen < BODIES_PROGRESS) {
                count(r, false);
            }
            begin_second(r, now);
        }
    }
    grant(b);
}

/* ---- shared ---- */

int bodies_create(size_t budget, struct bodies **out, struct err *err)
{
    struct bodies *b = mem_zalloc(sizeof(*b));

    if (b == NULL) {
        return err_nomem(err);
    }
    if (pthread_mutex_init(&b->lock, NULL) != 0) {
        mem_free(b);
        return err_nomem(err);
    }
    b->budget = budget;
    b->keeps = true;
    for (size_t i = 0; i < SPARES; i++) {
        buf_init(&b->spares[i], 0);
    }
    *out = b;
    return 0;
}

void bodies_keep_none(struct bodies *b)
{
    b->keeps = false;
}

void bodies_destroy(struct bodies **bodies)
{
    struct bodies *b = *bodies;

    if (b != NULL) {
        for (size_t i = 0; i < SPARES; i++) {
            buf_deinit(&b->spares[i]);
        }
        (void)pthread_mutex_destroy(&b->lock);
        mem_free(b);
        *bodies = NULL;
    }
}

/* ---- gates ---- */

static void on_woken(evutil_socket_t fd, short what, void *arg)
{
    struct body_gate *g = arg;
    uint64_t times;

    (void)what;
    (void)!read(fd, &times, sizeof(times));
    for (;;) {
        struct body_room *r;

        (void)pthread_mutex_lock(&g->bodies->lock);
        r = g->granted.first;
        if (r != NULL) {
            list_remove(r);
            begin_second(r, (uint64_t)clock_ms());
            list_add(&g->bodies->held, r);
        }
        (void)pthread_mutex_unlock(&g->bodies->lock);
        if (r == NULL) {
            return;
        }
        r->on_room(r->context);
    }
}

static int start_tick(struct body_gate *g)
{
    static const struct timeval second = {SECOND_MS / 1000, 0};

    return evtimer_pending(g->tick, NULL) ? 0 : evtimer_add(g->tick, &second);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct body_gate *g = arg;
    struct bodies *b = g->bodies;
    bool waits;

    (void)fd;
    (void)what;
    (void)pthread_mutex_lock(&b->lock);
    if (b->waiting.first != NULL) {
        look(b);
    }
    waits = g->waiting != 0;
    (void)pthread_mutex_unlock(&b->lock);
    if (waits) {
        (void)start_tick(g); /* it worked before */
    }
}

int body_gate_create(struct bodies *bodies, struct event_base *base,
                     struct body_gate **out, struct err *err)
{
    struct body_gate *g = mem_zalloc(sizeof(*g));

    if (g == NULL) {
        return err_nomem(err);
    }
    g->bodies = bodies;
    g->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (g->fd < 0) {
        int number = errno;

        body_gate_destroy(&g);
        return err_errno(err, ERR_IO, number, "eventfd");
    }
    g->woken = event_new(base, g->fd, EV_READ | EV_PERSIST, on_woken, g);
    g->tick = evtimer_new(base, on_tick, g);
    if (g->woken == NULL || g->tick == NULL || event_add(g->woken, NULL) != 0) {
        body_gate_destroy(&g);
        return err_nomem(err);
    }
    *out = g;
    return 0;
}

void body_gate_destroy(struct body_gate **gate)
{
    struct body_gate *g = *gate;

    if (g == NULL) {
        return;
    }
    if (g->woken != NULL) {
        event_free(g->woken);
    }
    if (g->tick != NULL) {
        event_free(g->tick);
    }
    if (g->fd >= 0) {
        (void)close(g->fd);
    }
    mem_free(g);
    *gate = NULL;
}

/* ---- rooms ---- */

/* With the lock held. */
static int wait_for_room(struct body_room *r)
{
    struct bodies *b = r->gate->bodies;

    if (start_tick(r->gate) != 0) {
        return ERR_NOMEM;
    }
    if (b->waiting.first == NULL) {
        uint64_t now = (uint64_t)clock_ms();

        for (struct body_room *h = b->held.first; h != NULL; h = h->next) {
            begin_second(h, now);
        }
    }
    list_add(&b->waiting, r);
    r->gate->waiting++;
    return 0;
}

int body_room_ask(struct body_gate *g, size_t bytes,
                  void (*on_room)(void *context), void *context,
                  struct body_room **out, struct err *err)
{
    struct bodies *b = g->bodies;
    struct body_room *r = mem_zalloc(sizeof(*r));
    int rc = 0;

    if (r == NULL) {
        return err_nomem(err);
    }
    r->gate = g;
    r->bytes = bytes;
    r->on_room = on_room;
    r->context = context;
    (void)pthread_mutex_lock(&b->lock);
    if (b->waiting.first == NULL && fits(b, bytes)) {
        count(r, true);
        list_add(&b->held, r);
    } else {
        rc = wait_for_room(r);
    }
    (void)pthread_mutex_unlock(&b->lock);
    if (rc != 0) {
        mem_free(r);
        return err_nomem(err);
    }
    *out = r;
    return 0;
}

bool body_room_is_free(const struct body_room *r)
{
    struct bodies *b = r->gate->bodies;
    bool is_free;

    (void)pthread_mutex_lock(&b->lock);
    is_free = r->list == &b->held;
    (void)pthread_mutex_unlock(&b->lock);
    return is_free;
}

int body_room_reserve(struct body_room *r, struct buf *body, struct err *err)
{
    struct bodies *b = r->gate->bodies;
    struct buf drop[SPARES];
    struct buf *found;
    size_t max = body->max;

    (void)pthread_mutex_lock(&b->lock);
    found = find_spare(b, r->bytes);
    if (found != NULL) {
        *body = take_spare(b, found);
    }
    for (size_t i = 0; i < SPARES; i++) { /* those that are in the way */
        buf_init(&drop[i], 0);
        if (b->spares[i].size != 0 && !has_place(b, 0)) {
            drop[i] = take_spare(b, &b->spares[i]);
        }
    }
    (void)pthread_mutex_unlock(&b->lock);
    for (size_t i = 0; i < SPARES; i++) {
        buf_deinit(&drop[i]);
    }
    body->max = max;
    buf_clear(body);
    return buf_reserve(body, r->bytes, err);
}

void body_room_came(struct body_room *r, size_t bytes, bool complete)
{
    struct bodies *b = r->gate->bodies;

    (void)pthread_mutex_lock(&b->lock);
    r->came += bytes;
    r->complete = complete;
    (void)pthread_mutex_unlock(&b->lock);
}

void body_room_leave(struct body_room **room, struct buf *body)
{
    struct body_room *r = *room;

    if (r != NULL) {
        struct bodies *b = r->gate->bodies;

        (void)pthread_mutex_lock(&b->lock);
        if (r->list == &b->waiting) {
            r->gate->waiting--;
        }
        list_remove(r);
        count(r, false);
        keep_spare(b, body);
        grant(b);
        (void)pthread_mutex_unlock(&b->lock);
        mem_free(r);
        *room = NULL;
    }
    buf_deinit(body);
}
