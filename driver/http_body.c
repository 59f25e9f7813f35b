/* SPDX-License-Identifier: MIT
 *
 * http_body: bodies of requests. One of known length has its place made at
 * once (memory that is never touched costs nothing) and, when it is long, is
 * read from the socket straight into it: the bufferevent would take 4 KiB at a
 * time, and copy them. One in chunks grows up to its limit.
 */
#include "common/mem.h"
#include "driver/bodies.h"
#include "driver/http_conn.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define DIRECT_ABOVE ((size_t)128 << 10)
#define DIRECT_AT_ONCE ((size_t)1 << 20) /* then others have their turn */

static void on_room(void *context)
{
    conn_has_room(context);
}

int body_prepare(struct conn *c, bool *now, struct err *err)
{
    struct http_exchange *x = c->x;
    struct body_gate *gate = c->server->options.gate;
    int rc;

    *now = true;
    if (x->head.has_length && x->head.length > x->max_body) {
        return err_set(err, ERR_LIMIT,
                       "the body has %llu bytes, %llu are allowed (%s)",
                       (unsigned long long)x->head.length,
                       (unsigned long long)x->max_body, x->limit_name);
    }
    x->body.max = (size_t)(x->head.has_length ? x->head.length : x->max_body);
    if (gate == NULL || x->body.max <= c->server->options.gate_above) {
        return 0;
    }
    rc = body_room_ask(gate, x->body.max, on_room, c, &x->room, err);
    if (rc == 0) {
        *now = body_room_is_free(x->room);
    }
    return rc;
}

int body_begin(struct conn *c, struct err *err)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct http_exchange *x = c->x;
    size_t waiting = evbuffer_get_length(bufferevent_get_input(c->bev));
    int rc = 0;

    if (x->head.has_length && x->room != NULL) {
        rc = body_room_reserve(x->room, &x->body, err);
    } else if (x->head.has_length) {
        rc = buf_reserve(&x->body, (size_t)x->head.length, err);
    }
    if (rc == 0 && x->head.expect_continue && waiting == 0 &&
        bufferevent_write(c->bev, go_on, sizeof(go_on) - 1) != 0) {
        rc = err_nomem(err);
    }
    return rc;
}

static void came(struct http_exchange *x, size_t bytes)
{
    const struct http_options *o = &x->conn->server->options;

    x->bytes_in += bytes;
    if (x->room != NULL) {
        body_room_came(x->room, bytes, x->body_done);
    }
    if (o->on_body != NULL) {
        o->on_body(o->context, x);
    }
}

/* Takes what is there of a body of known length. */
static int take_length(struct conn *c, struct http_exchange *x, struct err *err)
{
    struct evbuffer *in = bufferevent_get_input(c->bev);
    size_t n = (size_t)x->head.length - x->body.len;
    size_t have = evbuffer_get_length(in);
    int got;

    n = n < have ? n : have;
    n = n < INT32_MAX ? n : INT32_MAX;
    got = evbuffer_remove(in, x->body.data + x->body.len, n);
    if (got < 0) {
        return err_set(err, ERR_IO, "the body cannot be read");
    }
    x->body.len += (size_t)got;
    x->body.data[x->body.len] = '\0';
    x->body_done = x->body.len == x->head.length;
    came(x, (size_t)got);
    return 0;
}

void body_end_direct(struct conn *c)
{
    if (c->direct != NULL) {
        event_free(c->direct);
        c->direct = NULL;
        if (bufferevent_enable(c->bev, EV_READ) != 0) {
            conn_kill_later(c);
        }
    }
}

static void on_direct(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;
    struct http_exchange *x = c->x;
    size_t at_once = 0;
    ssize_t n = 1;

    (void)what;
    while (n > 0 && !x->body_done && at_once < DIRECT_AT_ONCE) {
        size_t rest = (size_t)x->head.length - x->body.len;
        size_t most = DIRECT_AT_ONCE - at_once;

        n = read(fd, x->body.data + x->body.len, rest < most ? rest : most);
        if (n > 0) {
            x->body.len += (size_t)n;
            at_once += (size_t)n;
            x->body_done = x->body.len == x->head.length;
            came(x, (size_t)n);
        }
    }
    if (x->body_done) {
        x->body.data[x->body.len] = '\0';
        body_end_direct(c);
        conn_advance(c);
    } else if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        conn_kill(c);
    }
}

/* The rest of a long body is read straight into its place: the bufferevent
 * takes 4 KiB at a time, and copies them. */
static void begin_direct(struct conn *c)
{
    struct http_exchange *x = c->x;

    if (x->head.chunked || x->head.length - x->body.len < DIRECT_ABOVE) {
        return;
    }
    c->direct = event_new(c->server->base, bufferevent_getfd(c->bev),
                          EV_READ | EV_PERSIST, on_direct, c);
    if (c->direct == NULL) {
        return; /* it works the other way too */
    }
    if (bufferevent_disable(c->bev, EV_READ) != 0 ||
        event_add(c->direct, NULL) != 0) {
        body_end_direct(c);
    }
}

static int take_chunks(struct conn *c, struct http_exchange *x, struct err *err)
{
    struct evbuffer *in = bufferevent_get_input(c->bev);
    size_t have = evbuffer_get_length(in);
    struct view view = {evbuffer_pullup(in, -1), have};
    size_t used = 0;
    int rc;

    if (view.data == NULL) {
        return err_nomem(err);
    }
    rc = http_chunks_feed(&x->chunks, view, &x->body, &used, err);
    (void)evbuffer_drain(in, used);
    x->body_done = x->chunks.state == HTTP_CHUNK_DONE;
    came(x, used);
    if (rc == ERR_LIMIT) {
        rc = err_set(err, ERR_LIMIT,
                     "the body has more than the %llu bytes allowed (%s)",
                     (unsigned long long)x->max_body, x->limit_name);
    }
    return rc;
}

int body_take(struct conn *c, struct err *err)
{
    struct http_exchange *x = c->x;
    size_t have = evbuffer_get_length(bufferevent_get_input(c->bev));
    int rc = 0;

    if (have != 0 && !x->body_done) {
        rc = x->head.chunked ? take_chunks(c, x, err) : take_length(c, x, err);
    }
    if (rc == 0 && !x->body_done && c->direct == NULL) {
        begin_direct(c);
    }
    return rc;
}
