/* SPDX-License-Identifier: MIT
 *
 * compat_socket: the socket side of compat.h. A connection is in one state:
 *   VERB    idle, or the byte that says what comes
 *   LENGTH  `u` came: four bytes, u32 in network order
 *   ROOM    there is no room for so many bytes yet; nothing is read meanwhile
 *   BODY    so many bytes, read straight into their place
 *   WORK    they are applied by the helper; nothing is read meanwhile
 *   ANSWER  weights leave; nothing is read meanwhile
 * Updates have no answer: one that is refused closes the connection, so that
 * the client's next write fails, and is reported. For the same reason, what
 * clients have sent before the server ends is still read, and applied.
 */
#include "driver/compat_parts.h"

#include "common/clock.h"
#include "common/mem.h"
#include "driver/bodies.h"
#include "driver/compat_reader.h"
#include "driver/compat_wire.h"
#include "driver/listen.h"

#include <event2/buffer.h>
#include <event2/event.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STALL_SECONDS 30 /* without a byte, while something is under way */
#define AT_ONCE ((size_t)1 << 20) /* then others have their turn */
#define MAX_CONNECTIONS 16384
/* At the end, a connection on which nothing came for so long is through ... */
#define QUIET_MS 100
/* ... and who sends on and on begins nothing after this. */
#define LAST_MS 2000

enum state {
    STATE_VERB,
    STATE_LENGTH,
    STATE_ROOM,
    STATE_BODY,
    STATE_WORK,
    STATE_ANSWER
};

struct conn {
    struct compat_socket_server *server;
    struct conn *prev;
    struct conn *next;
    int fd;
    enum state state;
    struct event *read;
    struct event *write;
    struct event *retry; /* asks again for a version */
    struct evbuffer *out;
    uint8_t length[4];
    size_t got; /* bytes of it */
    struct buf body;
    struct body_room *room;       /* of the body */
    size_t want;                  /* bytes of it */
    struct compat_reader *reader; /* of it; NULL before its first bytes */
    struct compat_task *task;     /* under way, or NULL */
};

struct compat_socket_server {
    struct compat *compat;
    struct listen_set *listeners;
    struct conn *conns;
    size_t count;
    bool draining;
    int64_t last; /* while draining: when nothing is begun any more */
};

static void conn_close(struct conn *c)
{
    struct compat_socket_server *s = c->server;

    if (c->prev != NULL) {
        c->prev->next = c->next;
    } else if (s->conns == c) {
        s->conns = c->next;
    }
    if (c->next != NULL) {
        c->next->prev = c->prev;
    }
    listen_left(s->listeners);
    if (s->count-- == MAX_CONNECTIONS && !s->draining) {
        listen_pause(s->listeners, false);
    }
    if (c->read != NULL) {
        event_free(c->read);
    }
    if (c->write != NULL) {
        event_free(c->write);
    }
    if (c->retry != NULL) {
        event_free(c->retry);
    }
    if (c->out != NULL) {
        evbuffer_free(c->out);
    }
    if (c->task != NULL) {
        c->task->owner = NULL;
    }
    body_room_leave(&c->room, &c->body);
    compat_reader_destroy(&c->reader);
    (void)close(c->fd);
    mem_free(c);
}

/* What the connection waits for next; idle ones may wait for ever. */
static void enter(struct conn *c, enum state state)
{
    static const struct timeval stall = {STALL_SECONDS, 0};
    static const struct timeval quiet = {0, QUIET_MS * 1000};
    bool idle = state == STATE_VERB && !c->server->draining;
    int rc;

    c->state = state;
    if (state == STATE_ANSWER || state == STATE_ROOM || state == STATE_WORK) {
        (void)event_del(c->read);
        return;
    }
    rc = event_add(c->read, idle                  ? NULL
                            : state == STATE_VERB ? &quiet
                                                  : &stall);
    if (rc == 0 && idle) {
        /* event_add() of a pending event keeps its time-out */
        rc = event_remove_timer(c->read);
    }
    if (rc != 0) {
        event_active(c->read, EV_TIMEOUT, 0); /* it would wait for ever */
    }
}

/* A request is through. Whether the connection goes on. */
static bool next(struct conn *c)
{
    if (c->server->draining && clock_ms() >= c->server->last) {
        conn_close(c);
        return false;
    }
    enter(c, STATE_VERB);
    return true;
}

static void report(const struct conn *c, const struct err *why)
{
    const struct compat_backend *b = &c->server->compat->backend;

    b->refused(b->context, why);
}

/* ---- weights leave ---- */

/* As much as there is room for; the rest when there is a good deal again. */
static void flush(struct conn *c)
{
    static const struct timeval stall = {STALL_SECONDS, 0};
    int n = evbuffer_write(c->out, c->fd);

    if (evbuffer_get_length(c->out) == 0) {
        (void)next(c);
    } else if (n < 0 && errno != EAGAIN && errno != EINTR) {
        conn_close(c);
    } else if (event_add(c->write, &stall) != 0) {
        conn_close(c);
    }
}

static void on_write(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;

    (void)fd;
    if ((what & EV_TIMEOUT) != 0) {
        conn_close(c);
    } else {
        flush(c);
    }
}

static void on_sent(const void *data, size_t len, void *argument)
{
    (void)data;
    (void)len;
    compat_answer_release(argument);
}

/* The length and all pieces; the answer passes to the buffer with the last. */
static int put_answer(struct conn *c, struct compat_answer *a)
{
    uint32_t length =
        htonl((uint32_t)compat_size(c->server->compat->backend.layout));
    int rc = evbuffer_add(c->out, &length, sizeof(length));

    for (size_t i = 0; rc == 0 && i < a->count; i++) {
        bool last = i + 1 == a->count;

        rc = evbuffer_add_reference(c->out, a->pieces[i].data, a->pieces[i].len,
                                    last ? on_sent : NULL, last ? a : NULL);
    }
    return rc;
}

static void have_answer(struct conn *c, int rc, struct compat_answer *a,
                        const struct err *err)
{
    static const struct timeval again = {0, COMPAT_RETRY_MS * 1000};

    if (rc == ERR_STATE && evtimer_add(c->retry, &again) == 0) {
        return;
    }
    if (rc != 0) {
        report(c, err);
        conn_close(c);
        return;
    }
    if (put_answer(c, a) != 0) {
        evbuffer_free(c->out); /* before what it points to */
        c->out = NULL;
        compat_answer_release(a);
        conn_close(c);
        return;
    }
    flush(c);
}

static void on_read_done(void *owner, struct compat_task *task)
{
    struct conn *c = owner;
    struct compat_answer *a = task->answer;

    task->answer = NULL;
    c->task = NULL;
    have_answer(c, task->rc, a, &task->err);
}

static void answer(struct conn *c)
{
    struct compat *compat = c->server->compat;
    struct compat_answer *a = NULL;
    struct err err = {0};
    int rc;

    if (c->state != STATE_ANSWER) {
        enter(c, STATE_ANSWER);
    }
    if (!compat_has_tasks(compat)) {
        rc = compat_answer_create(&compat->backend, &a, &err);
        have_answer(c, rc, a, &err);
        return;
    }
    rc = compat_task_create(compat, true, on_read_done, c, &c->task, &err);
    if (rc == 0) {
        rc = compat_task_start(c->task, &err);
    }
    if (rc != 0) {
        c->task = NULL;
        have_answer(c, rc, NULL, &err);
    }
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    answer(arg);
}

/* ---- a delta comes ---- */

/* Whether the connection goes on. */
static bool reserve_body(struct conn *c)
{
    struct err err = {0};

    if (body_room_reserve(c->room, &c->body, &err) != 0) {
        report(c, &err);
        conn_close(c);
        return false;
    }
    enter(c, STATE_BODY);
    return true;
}

static void on_room(void *context)
{
    (void)reserve_body(context);
}

/* Whether the connection goes on reading. */
static bool begin_body(struct conn *c)
{
    struct compat *compat = c->server->compat;
    const struct compat_layout *l = compat->backend.layout;
    uint32_t length;
    struct err err = {0};
    int rc = 0;

    memcpy(&length, c->length, sizeof(length));
    c->want = ntohl(length);
    if (c->want > compat_size_max(l)) {
        rc = err_set(&err, ERR_LIMIT,
                     "an update of %zu bytes; the weights have %zu", c->want,
                     compat_size(l));
    } else {
        c->body.max = c->want;
        rc = body_room_ask(compat->gate, c->want, on_room, c, &c->room, &err);
    }
    if (rc != 0) {
        report(c, &err);
        conn_close(c);
        return false;
    }
    if (body_room_is_free(c->room)) {
        return reserve_body(c);
    }
    enter(c, STATE_ROOM);
    return false;
}

/* Whether the connection goes on. */
static bool applied(struct conn *c, int rc)
{
    if (rc != 0) {
        conn_close(c);
        return false;
    }
    return next(c);
}

static void on_applied(void *owner, struct compat_task *task)
{
    struct conn *c = owner;

    c->task = NULL;
    (void)applied(c, task->rc);
}

/* Whether the connection goes on reading. */
static bool end_body(struct conn *c)
{
    struct compat *compat = c->server->compat;
    struct err err = {0};
    int rc;

    if (!compat_has_tasks(compat)) {
        rc = compat_apply(&compat->backend, &c->reader, buf_view(&c->body),
                          &err);
        if (rc != 0) {
            report(c, &err);
        }
        body_room_leave(&c->room, &c->body);
        return applied(c, rc);
    }
    rc = compat_task_create(compat, false, on_applied, c, &c->task, &err);
    if (rc == 0) {
        c->task->body = c->body;
        c->task->room = c->room;
        c->task->reader = c->reader;
        buf_init(&c->body, 0);
        c->room = NULL;
        c->reader = NULL;
        enter(c, STATE_WORK);
        rc = compat_task_start(c->task, &err);
    }
    if (rc != 0) {
        c->task = NULL;
        report(c, &err);
        conn_close(c);
    }
    return false;
}

/* ---- input ---- */

/* Where the next bytes go. */
static size_t room(struct conn *c, uint8_t *verb, uint8_t **to)
{
    switch (c->state) {
    case STATE_VERB:
        *to = verb;
        return 1;
    case STATE_LENGTH:
        *to = c->length + c->got;
        return sizeof(c->length) - c->got;
    case STATE_BODY:
        *to = c->body.data + c->body.len;
        return c->want - c->body.len;
    case STATE_ROOM:
    case STATE_WORK:
    case STATE_ANSWER:
        break;
    }
    return 0;
}

/* n bytes came. Whether to read on. */
static bool took(struct conn *c, uint8_t verb, size_t n)
{
    struct err err = {0};

    switch (c->state) {
    case STATE_VERB:
        if (verb == 'g') {
            answer(c);
            return false; /* it may be gone, and reads when it has answered */
        }
        if (verb == 'u') {
            c->got = 0;
            enter(c, STATE_LENGTH);
            return true;
        }
        (void)err_set(&err, ERR_PROTO, "byte 0x%02x: g or u is wanted", verb);
        report(c, &err);
        conn_close(c);
        return false;
    case STATE_LENGTH:
        c->got += n;
        return c->got != sizeof(c->length) || begin_body(c);
    case STATE_BODY:
        c->body.len += n;
        body_room_came(c->room, n, c->body.len == c->want);
        compat_look(&c->server->compat->backend, &c->reader,
                    buf_view(&c->body));
        return c->body.len != c->want || end_body(c);
    case STATE_ROOM:
    case STATE_WORK:
    case STATE_ANSWER:
        break;
    }
    return false;
}

static void gone(struct conn *c)
{
    struct err err = {0};

    if (c->state != STATE_VERB) {
        (void)err_set(&err, ERR_PROTO,
                      "an update was cut off after %zu of %zu bytes",
                      c->body.len, c->want);
        report(c, &err);
    }
    conn_close(c);
}

static void on_read(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;
    size_t at_once = 0;

    /* where many clients push, the loop may be late */
    if ((what & EV_TIMEOUT) != 0 && !listen_has_unread(fd)) {
        gone(c);
        return;
    }
    while (at_once < AT_ONCE) {
        uint8_t verb = 0;
        uint8_t *to = NULL;
        size_t size = room(c, &verb, &to);
        ssize_t n;

        if (size == 0) {
            /* a body of no bytes is no weights */
            if (c->state == STATE_BODY && !end_body(c)) {
                return;
            }
            continue;
        }
        n = read(fd, to, size);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (n <= 0) {
            gone(c);
            return;
        }
        at_once += (size_t)n;
        if (!took(c, verb, (size_t)n)) {
            return;
        }
    }
}

static void on_accept(void *context, int fd)
{
    struct compat_socket_server *s = context;
    struct event_base *base = s->compat->base;
    struct conn *c = mem_zalloc(sizeof(*c));
    int one = 1;

    if (c == NULL) {
        (void)close(fd);
        listen_left(s->listeners);
        return;
    }
    c->server = s;
    c->fd = fd;
    c->next = s->conns;
    if (c->next != NULL) {
        c->next->prev = c;
    }
    s->conns = c;
    if (++s->count == MAX_CONNECTIONS) {
        listen_pause(s->listeners, true);
    }
    buf_init(&c->body, 0);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    c->read = event_new(base, fd, EV_READ | EV_PERSIST, on_read, c);
    c->write = event_new(base, fd, EV_WRITE, on_write, c);
    c->retry = evtimer_new(base, on_retry, c);
    c->out = evbuffer_new();
    if (c->read == NULL || c->write == NULL || c->retry == NULL ||
        c->out == NULL) {
        conn_close(c);
        return;
    }
    enter(c, STATE_VERB);
}

/* ---- the server ---- */

int compat_socket_create(struct compat *c, struct compat_socket_server **out,
                         struct err *err)
{
    struct compat_socket_server *s = mem_zalloc(sizeof(*s));
    int rc;

    if (s == NULL) {
        return err_nomem(err);
    }
    s->compat = c;
    rc = listen_create(c->base, on_accept, s, &s->listeners, err);
    if (rc != 0) {
        mem_free(s);
        return rc;
    }
    *out = s;
    return 0;
}

void compat_socket_destroy(struct compat_socket_server **server)
{
    struct compat_socket_server *s = *server;

    if (s != NULL) {
        s->draining = true;
        while (s->conns != NULL) {
            conn_close(s->conns);
        }
        listen_destroy(&s->listeners);
        mem_free(s);
        *server = NULL;
    }
}

int compat_socket_listen(struct compat_socket_server *s, const char *host,
                         unsigned want_port, unsigned *port, struct err *err)
{
    return listen_add(s->listeners, host, want_port, port, err);
}

int compat_socket_share(struct compat_socket_server *s,
                        const struct compat_socket_server *with,
                        struct err *err)
{
    return listen_share(s->listeners, with->listeners, err);
}

void compat_socket_drain(struct compat_socket_server *s)
{
    s->draining = true;
    s->last = clock_ms() + LAST_MS;
    listen_drain(s->listeners);
    for (struct conn *c = s->conns; c != NULL; c = c->next) {
        if (c->state == STATE_VERB) {
            enter(c, STATE_VERB);
        }
    }
}

size_t compat_socket_busy(const struct compat_socket_server *s)
{
    return s->count;
}
