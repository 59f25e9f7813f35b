/* SPDX-License-Identifier: MIT
 *
 * http: the server, and what a request says; see http.h.
 */
#include "driver/http.h"

#include "common/mem.h"
#include "driver/bodies.h"
#include "driver/http_conn.h"
#include "driver/listen.h"

#include <event2/event.h>

#include <stdlib.h>
#include <string.h>

void http_options_init(struct http_options *options)
{
    memset(options, 0, sizeof(*options));
    options->max_head = 32768;
    options->max_body = (uint64_t)1 << 30;
    options->head_ms = 10000;
    options->idle_ms = 300000;
    options->stall_ms = 30000;
    options->max_connections = 16384;
    options->gate_above = BODIES_SMALL;
}

static void on_accept(void *context, int fd)
{
    struct http_server *s = context;

    conn_accept(s, fd);
    http_admit(s);
}

void http_admit(struct http_server *s)
{
    bool full = s->count >= s->options.max_connections;

    if (full != s->full && !s->draining) {
        s->full = full;
        listen_pause(s->listeners, full);
    }
}

int http_server_create(struct event_base *base,
                       const struct http_options *options,
                       struct http_server **out, struct err *err)
{
    struct http_server *s = mem_zalloc(sizeof(*s));
    int rc;

    if (s == NULL) {
        return err_nomem(err);
    }
    s->base = base;
    s->options = *options;
    rc = listen_create(base, on_accept, s, &s->listeners, err);
    if (rc != 0) {
        http_server_destroy(&s);
        return rc;
    }
    *out = s;
    return 0;
}

void http_server_drain(struct http_server *s)
{
    struct conn *next;

    s->draining = true;
    listen_drain(s->listeners);
    for (struct conn *c = s->conns; c != NULL; c = next) {
        next = c->next;
        event_active(c->resume, EV_TIMEOUT, 0); /* idle ones end */
    }
}

void http_server_destroy(struct http_server **server)
{
    struct http_server *s = *server;

    if (s == NULL) {
        return;
    }
    s->draining = true;
    while (s->conns != NULL) {
        conn_kill(s->conns);
    }
    listen_destroy(&s->listeners);
    mem_free(s);
    *server = NULL;
}

int http_server_listen(struct http_server *s, const char *host,
                       unsigned want_port, unsigned *port, struct err *err)
{
    return listen_add(s->listeners, host, want_port, port, err);
}

int http_server_share(struct http_server *s, const struct http_server *with,
                      struct err *err)
{
    return listen_share(s->listeners, with->listeners, err);
}

size_t http_server_reading(const struct http_server *s)
{
    size_t n = 0;

    for (const struct conn *c = s->conns; c != NULL; c = c->next) {
        n += c->state == CONN_ROOM || c->state == CONN_BODY ||
             (c->state == CONN_HEAD && c->head_began);
    }
    return n;
}

size_t http_server_connections(const struct http_server *s)
{
    return s->count;
}

/* ---- the request ---- */

struct http_exchange *exchange_create(struct conn *c, size_t head_len)
{
    struct http_exchange *x = mem_zalloc(sizeof(*x));

    if (x == NULL) {
        return NULL;
    }
    x->conn = c;
    x->text = mem_alloc(head_len + 1);
    x->scratch = mem_alloc(HTTP_SCRATCH(head_len));
    x->max_body = c->server->options.max_body;
    x->limit_name = "--max-body";
    buf_init(&x->body, 0);
    buf_init(&x->headers, 16384);
    http_chunks_init(&x->chunks);
    if (x->text == NULL || x->scratch == NULL) {
        mem_free(x->text);
        mem_free(x->scratch);
        mem_free(x);
        return NULL;
    }
    return x;
}

void exchange_free(struct http_exchange *x)
{
    if (x->deadline != NULL) {
        event_free(x->deadline);
    }
    body_room_leave(&x->room, &x->body);
    buf_deinit(&x->headers);
    mem_free(x->text);
    mem_free(x->scratch);
    mem_free(x);
}

const char *http_method(const struct http_exchange *x)
{
    return x->head.method != NULL ? x->head.method : "";
}

const char *http_target(const struct http_exchange *x)
{
    return x->head.target != NULL ? x->head.target : "";
}

size_t http_segment_count(const struct http_exchange *x)
{
    return x->head.segment_count;
}

const char *http_segment(const struct http_exchange *x, size_t i)
{
    return i < x->head.segment_count ? x->head.segments[i] : "";
}

const char *http_query(const struct http_exchange *x, const char *name)
{
    return http_head_query(&x->head, name);
}

const char *http_header(const struct http_exchange *x, const char *name)
{
    return http_head_header(&x->head, name);
}

bool http_knows(const struct http_exchange *x, const char *etag)
{
    return http_head_knows(&x->head, etag);
}

int http_query_u64(const struct http_exchange *x, const char *name,
                   uint64_t missing, uint64_t *out, struct err *err)
{
    const char *text = http_query(x, name);

    *out = missing;
    if (text == NULL) {
        return 0;
    }
    if (*text == '\0' || text[strspn(text, "0123456789")] != '\0' ||
        strlen(text) > 19) {
        return err_set(err, ERR_INVALID, "%s: a whole number is wanted", name);
    }
    *out = strtoull(text, NULL, 10);
    return 0;
}

struct view http_body(const struct http_exchange *x)
{
    return buf_view(&x->body);
}

void http_take_body(struct http_exchange *x, struct buf *body,
                    struct body_room **room)
{
    *body = x->body;
    *room = x->room;
    buf_init(&x->body, 0);
    x->room = NULL;
}

bool http_has_body(const struct http_exchange *x)
{
    return x->head.chunked || x->head.length != 0;
}

void http_limit_body(struct http_exchange *x, uint64_t max, const char *name)
{
    if (max < x->max_body) {
        x->max_body = max;
        x->limit_name = name;
    }
}

void http_set_data(struct http_exchange *x, int slot, void *data)
{
    x->data[slot] = data;
}

void *http_data(const struct http_exchange *x, int slot)
{
    return x->data[slot];
}

int http_status(const struct http_exchange *x)
{
    return x->status;
}

bool http_is_replied(const struct http_exchange *x)
{
    return x->replied;
}

uint64_t http_bytes_in(const struct http_exchange *x)
{
    return x->bytes_in;
}

uint64_t http_bytes_out(const struct http_exchange *x)
{
    return x->bytes_out;
}
