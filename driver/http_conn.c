/* SPDX-License-Identifier: MIT
 *
 * http_conn: the life of a connection; states in http_conn.h. conn_advance()
 * is the only place that looks at input. User callbacks may end the exchange,
 * or the whole server may kill the connection, while conn_advance() is on the
 * stack: `depth` then leaves the freeing to its end.
 */
#include "driver/http_conn.h"

#include "common/mem.h"
#include "driver/listen.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#define READ_WATERMARK ((size_t)256 << 10)
#define READ_SINGLE ((size_t)256 << 10)
#define WRITE_SINGLE ((size_t)1 << 20) /* then others have their turn */
#define FLUSH_ABOVE ((size_t)256 << 10)
#define LINGER_MS 2000
#define BODY_MIN_PROGRESS 4096 /* bytes in each stall_ms */

static struct timeval ms_tv(unsigned ms)
{
    return (struct timeval){(time_t)(ms / 1000),
                            (suseconds_t)(ms % 1000 * 1000)};
}

static void set_timer(struct conn *c, unsigned ms)
{
    struct timeval tv = ms_tv(ms);

    (void)evtimer_add(c->timer, &tv);
}

static size_t output_length(const struct conn *c)
{
    return evbuffer_get_length(bufferevent_get_output(c->bev));
}

static size_t input_length(const struct conn *c)
{
    return evbuffer_get_length(bufferevent_get_input(c->bev));
}

static bool has_unread(const struct conn *c)
{
    return listen_has_unread(bufferevent_getfd(c->bev));
}

/* ---- exchanges ---- */

/* Takes the exchange off the connection, says so, and frees it. */
static void drop_exchange(struct conn *c, bool gone)
{
    const struct http_options *o = &c->server->options;
    struct http_exchange *x = c->x;

    c->x = NULL;
    if (gone && !x->replied && x->on_gone != NULL) {
        x->on_gone(x->context, x);
    }
    if (gone && !x->replied) {
        x->status = 0;
    }
    if (o->on_over != NULL) {
        o->on_over(o->context, x);
    }
    exchange_free(x);
}

/* ---- ends ---- */

static void free_event(struct event *e)
{
    if (e != NULL) {
        event_free(e);
    }
}

static void conn_free(struct conn *c)
{
    struct http_server *s = c->server;

    if (c->prev != NULL) {
        c->prev->next = c->next;
    } else if (s->conns == c) {
        s->conns = c->next;
    }
    if (c->next != NULL) {
        c->next->prev = c->prev;
    }
    s->count--;
    listen_left(s->listeners);
    free_event(c->timer);
    free_event(c->resume);
    free_event(c->direct);
    if (c->bev != NULL) {
        bufferevent_free(c->bev);
    }
    frames_destroy(&c->frames);
    mem_free(c);
    http_admit(s);
}

void conn_kill(struct conn *c)
{
    if (c->dead) {
        return;
    }
    c->dead = true;
    if (c->x != NULL) {
        drop_exchange(c, true);
    }
    if (c->depth == 0) {
        conn_free(c);
    }
}

void conn_kill_later(struct conn *c)
{
    c->eof = true;
    c->broken = true;
    c->close_after = true;
    if (c->x == NULL || c->x->replied) {
        c->state = CONN_LINGER; /* the resume event ends it */
    }
    c->linger = false;
    event_active(c->resume, EV_TIMEOUT, 0);
}

bool conn_will_close(const struct conn *c)
{
    return c->close_after || (c->eof && input_length(c) == 0) ||
           c->server->draining || !c->x->head.keep_alive || !c->x->body_done;
}

void conn_replied(struct conn *c)
{
    bool close_it = conn_will_close(c);

    c->linger = !c->x->body_done;
    c->x->replied = true;
    drop_exchange(c, false);
    c->head_began = false;
    if (c->dead) {
        return;
    }
    if (close_it) {
        c->state = CONN_CLOSING;
    } else if (output_length(c) > FLUSH_ABOVE) {
        c->state = CONN_FLUSH;
    } else {
        c->state = CONN_HEAD;
        set_timer(c, c->server->options.idle_ms);
    }
    if (c->depth == 0) {
        event_active(c->resume, EV_TIMEOUT, 0);
    }
}

/* ---- input ---- */

/* Answers a request that could not even be read. */
static void refuse(struct conn *c, int status, const struct err *err)
{
    c->state = CONN_BUSY;
    c->close_after = true;
    http_reply_problem(c->x, status, err_word((int)err->code), err->msg);
}

/* Gives the request to the user, who must do something with it. */
static void hand_over(struct conn *c)
{
    struct http_exchange *x = c->x;
    const struct http_options *o = &c->server->options;

    c->state = CONN_BUSY;
    (void)event_del(c->timer);
    o->on_request(o->context, x);
    if (c->x == x && !x->held && !x->streaming) {
        http_reply_problem(x, 500, "io", "the request was not answered");
    }
}

/* There is room for the body: it may come. */
static void begin_body(struct conn *c)
{
    struct err err = {0};
    int rc = body_begin(c, &err);

    if (rc != 0) {
        refuse(c, err_http_status(rc), &err);
        return;
    }
    c->state = CONN_BODY;
    c->progress = 0;
    set_timer(c, c->server->options.stall_ms);
}

/* Room for the body, before any of it is read. */
static void prepare_body(struct conn *c)
{
    struct err err = {0};
    bool now = true;
    int rc = body_prepare(c, &now, &err);

    if (rc != 0) {
        refuse(c, err_http_status(rc), &err);
    } else if (now) {
        begin_body(c);
    } else if (bufferevent_disable(c->bev, EV_READ) == 0) {
        (void)event_del(c->timer);
        c->state = CONN_ROOM;
    } else {
        conn_kill(c);
    }
}

void conn_has_room(struct conn *c)
{
    if (bufferevent_enable(c->bev, EV_READ) != 0) {
        conn_kill(c);
        return;
    }
    c->depth++;
    begin_body(c);
    c->depth--;
    conn_advance(c);
}

/* A request whose head of len bytes is in x->text. */
static void begin_exchange(struct conn *c, struct http_exchange *x, size_t len)
{
    const struct http_options *o = &c->server->options;
    struct err err = {0};
    int status = 400;

    c->x = x;
    c->linger = false;
    c->state = CONN_BUSY;
    x->text[len] = '\0';
    if (http_head_parse(x->text, x->scratch, len, &x->head, &status, &err) !=
        0) {
        refuse(c, status, &err);
        return;
    }
    x->body_done = !x->head.chunked && x->head.length == 0;
    if (o->on_head != NULL) {
        o->on_head(o->context, x);
    }
    if (c->dead || c->x != x) {
        return; /* refused */
    }
    if (x->body_done) {
        hand_over(c);
    } else {
        prepare_body(c);
    }
}

/* The head of len bytes is there. */
static void take_head(struct conn *c, size_t len)
{
    struct http_exchange *x = exchange_create(c, len);

    if (x == NULL) {
        conn_kill(c);
        return;
    }
    if (evbuffer_remove(bufferevent_get_input(c->bev), x->text, len) !=
        (int)len) {
        exchange_free(x);
        conn_kill(c);
        return;
    }
    begin_exchange(c, x, len);
}

/* Refuses what did not become a request. */
static bool refuse_bytes(struct conn *c, int status, const struct err *err)
{
    c->x = exchange_create(c, 0);
    if (c->x == NULL) {
        conn_kill(c);
        return false;
    }
    refuse(c, status, err);
    return true;
}

/* The time in which a head must be complete begins. */
static void expect_rest(struct conn *c)
{
    if (!c->head_began) {
        c->head_began = true;
        set_timer(c, c->server->options.head_ms);
    }
}

/* The same for a connection of frames; whether the state changed. */
static bool advance_frame(struct conn *c)
{
    struct http_exchange *x = NULL;
    struct err err = {0};
    struct buf head;
    int rc;

    if (input_length(c) == 0) {
        return false;
    }
    buf_init(&head, c->server->options.max_head);
    rc = frames_next(c, &head, &err);
    if (rc == 0 && head.len == 0) {
        expect_rest(c);
        return false;
    }
    if (rc == 0 && (x = exchange_create(c, head.len)) == NULL) {
        rc = err_nomem(&err);
    }
    if (rc != 0) {
        buf_deinit(&head);
        return refuse_bytes(c, err_http_status(rc), &err);
    }
    memcpy(x->text, head.data, head.len);
    begin_exchange(c, x, head.len);
    buf_deinit(&head);
    return !c->dead;
}

/* Whether the state changed. */
static bool advance_head(struct conn *c)
{
    const struct http_options *o = &c->server->options;
    struct evbuffer *in = bufferevent_get_input(c->bev);
    size_t have = evbuffer_get_length(in);
    size_t look = have < o->max_head + 1 ? have : o->max_head + 1;
    const unsigned char *data;
    struct err err = {0};
    size_t len;

    if (have == 0) {
        return false;
    }
    data = evbuffer_pullup(in, (ev_ssize_t)look);
    if (data == NULL) {
        conn_kill(c);
        return false;
    }
    if (*data == '\r' || *data == '\n') {
        /* blank lines before a request are read over (RFC 9112, 2.2) */
        (void)evbuffer_drain(in, 1);
        return true;
    }
    if (*data <= ' ' || *data >= 0x7f) {
        (void)err_set(&err, ERR_PROTO,
                      "this is no HTTP request; TLS is not spoken here");
        return refuse_bytes(c, 400, &err);
    }
    len = http_head_length((const char *)data, look);
    if (len != 0 && len <= o->max_head) {
        take_head(c, len);
        return true;
    }
    if (have > o->max_head) {
        (void)err_set(&err, ERR_LIMIT,
                      "the head of the request is longer than %zu bytes",
                      o->max_head);
        return refuse_bytes(c, 431, &err);
    }
    expect_rest(c);
    return false;
}

static bool advance_body(struct conn *c)
{
    struct err err = {0};
    int rc = body_take(c, &err);

    if (rc != 0) {
        refuse(c, err_http_status(rc), &err);
        return true;
    }
    if (c->x->body_done) {
        hand_over(c);
        return true;
    }
    if (c->eof) {
        conn_kill(c); /* the rest never comes */
    }
    return false;
}

/* The client sends no more. It may still wait for what it has asked for, or be
 * gone: that is told only by sending. So what is worked on is answered, what
 * waits for something to happen is answered at once, with nothing, and a stream
 * ends when there is nothing to be sent. Whether the state changed. */
static bool advance_half_closed(struct conn *c)
{
    struct http_exchange *x = c->x;

    if (c->broken || (x->streaming && output_length(c) == 0)) {
        conn_kill(c);
        return false;
    }
    if (x->streaming || x->on_deadline == NULL) {
        return false;
    }
    x->on_deadline(x->context, x);
    return c->x != x;
}

/* A finished reply has left as far as it can for now. */
static bool advance_output(struct conn *c)
{
    if (c->state == CONN_FLUSH && output_length(c) <= FLUSH_ABOVE) {
        c->state = CONN_HEAD;
        set_timer(c, c->server->options.idle_ms);
        return true;
    }
    if (c->state == CONN_CLOSING && output_length(c) == 0) {
        /* the kernel resets what is closed with something unread */
        c->linger = c->linger || input_length(c) != 0 || has_unread(c);
        if (c->linger && !c->eof) {
            (void)shutdown(bufferevent_getfd(c->bev), SHUT_WR);
            set_timer(c, LINGER_MS);
        }
        c->state = CONN_LINGER;
        return true;
    }
    return false;
}

static bool advance_once(struct conn *c)
{
    switch (c->state) {
    case CONN_HEAD:
        if (c->frames != NULL ? advance_frame(c) : advance_head(c)) {
            return true;
        }
        if (!c->dead && (c->eof || (c->server->draining && !c->head_began &&
                                    !has_unread(c)))) {
            c->linger = false;
            c->state = CONN_CLOSING;
            return true;
        }
        return false;
    case CONN_ROOM:
        return false; /* goes on with conn_has_room() */
    case CONN_BODY:
        return advance_body(c);
    case CONN_FLUSH:
    case CONN_CLOSING:
        return advance_output(c);
    case CONN_LINGER:
        (void)evbuffer_drain(bufferevent_get_input(c->bev), input_length(c));
        if (!c->linger || c->eof) {
            conn_kill(c);
        }
        return false;
    case CONN_BUSY:
        return c->eof && advance_half_closed(c);
    }
    return false;
}

void conn_advance(struct conn *c)
{
    c->depth++;
    while (!c->dead && advance_once(c)) {
    }
    c->depth--;
    if (c->dead && c->depth == 0) {
        conn_free(c);
    }
}

/* ---- events ---- */

static void on_read(struct bufferevent *bev, void *arg)
{
    (void)bev;
    conn_advance(arg);
}

static void on_write(struct bufferevent *bev, void *arg)
{
    struct conn *c = arg;

    (void)bev;
    c->depth++;
    if (c->x != NULL && c->x->streaming && c->x->on_drain != NULL) {
        c->x->on_drain(c->x->context, c->x);
    }
    c->depth--;
    conn_advance(c);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct conn *c = arg;

    (void)bev;
    if ((what & BEV_EVENT_EOF) != 0) {
        c->eof = true;
        conn_advance(c);
    } else if ((what & (BEV_EVENT_ERROR | BEV_EVENT_TIMEOUT)) != 0) {
        conn_kill(c);
    }
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    conn_advance(arg);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;
    struct err err = {0};

    (void)fd;
    (void)what;
    if (c->state == CONN_BODY &&
        c->x->bytes_in >= c->progress + BODY_MIN_PROGRESS) {
        c->progress = c->x->bytes_in;
        set_timer(c, c->server->options.stall_ms);
        return;
    }
    if (c->state == CONN_BODY) {
        body_end_direct(c);
        c->depth++;
        (void)err_set(&err, ERR_TIMEOUT, "the body does not come");
        refuse(c, 408, &err);
        c->depth--;
        conn_advance(c);
        return;
    }
    conn_kill(c);
}

void conn_accept(struct http_server *server, int fd)
{
    struct conn *c = mem_zalloc(sizeof(*c));
    struct timeval stall = ms_tv(server->options.stall_ms);
    int one = 1;

    if (c == NULL) {
        (void)evutil_closesocket(fd);
        listen_left(server->listeners);
        return;
    }
    c->server = server;
    c->next = server->conns;
    if (c->next != NULL) {
        c->next->prev = c;
    }
    server->conns = c;
    server->count++;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    c->bev = bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE);
    c->timer = evtimer_new(server->base, on_timer, c);
    c->resume = event_new(server->base, -1, 0, on_resume, c);
    if (c->bev == NULL) {
        (void)evutil_closesocket(fd);
    }
    if (c->bev == NULL || c->timer == NULL || c->resume == NULL) {
        conn_kill(c);
        return;
    }
    bufferevent_setcb(c->bev, on_read, on_write, on_event, c);
    bufferevent_setwatermark(c->bev, EV_READ, 0, READ_WATERMARK);
    (void)bufferevent_set_max_single_read(c->bev, READ_SINGLE);
    (void)bufferevent_set_max_single_write(c->bev, WRITE_SINGLE);
    (void)bufferevent_set_timeouts(c->bev, NULL, &stall);
    set_timer(c, server->options.idle_ms);
    if (bufferevent_enable(c->bev, EV_READ | EV_WRITE) != 0) {
        conn_kill(c);
    }
}
