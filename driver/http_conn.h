/* SPDX-License-Identifier: MIT
 *
 * http_conn: what the files of the HTTP server share: http.c (server,
 * listeners, reading a request's fields), http_conn.c (the life of a
 * connection), http_body.c (bodies that come in) and http_reply.c (what goes
 * out). Nobody else includes this.
 *
 * A connection is in one state:
 *   HEAD    idle, or a head is coming
 *   ROOM    a body is to come, but there is no room for it yet: not read
 *   BODY    a body is coming
 *   BUSY    the exchange belongs to the user, or its reply is being made
 *   FLUSH   the reply is complete but much of it has not left: no new request
 *   CLOSING the same, and the connection ends with it
 *   LINGER  the reply has left; what still comes is read over, so that the
 *           client can read the reply before it sees a reset
 */
#ifndef DRIVER_HTTP_CONN_H
#define DRIVER_HTTP_CONN_H

#include "driver/http.h"
#include "driver/http_frame.h"
#include "driver/http_head.h"

#include <event2/event.h>

struct bufferevent;
struct listen_set;

struct http_server {
    struct event_base *base; /* borrowed */
    struct http_options options;
    struct listen_set *listeners;
    struct conn *conns; /* list of all connections */
    size_t count;
    bool full; /* takes no further ones for now */
    bool draining;
};

enum conn_state {
    CONN_HEAD,
    CONN_ROOM,
    CONN_BODY,
    CONN_BUSY,
    CONN_FLUSH,
    CONN_CLOSING,
    CONN_LINGER
};

struct conn {
    struct http_server *server;
    struct conn *prev;
    struct conn *next;
    struct bufferevent *bev;
    struct event *timer;  /* of the state: idle, head, body, linger */
    struct event *resume; /* to go on with input that is there already */
    struct event *direct; /* reads a long body; NULL while bev reads */
    enum conn_state state;
    struct http_exchange *x; /* the one being served, or NULL */
    unsigned depth;          /* of conn_advance(): who frees it */
    bool dead;
    bool eof;              /* the client sends no more */
    bool broken;           /* nothing can be sent any more */
    bool close_after;      /* no request after this one */
    bool linger;           /* part of a body was not read */
    bool head_began;       /* the head timer runs */
    uint64_t progress;     /* bytes of body at the last look of the timer */
    struct frames *frames; /* since the upgrade; NULL: HTTP. Owned */
};

/* What every frame of a connection has in common. */
struct frames {
    char *path; /* of its job */
    char *more; /* header lines: who asks */
};

struct http_exchange {
    struct conn *conn;
    char *text;    /* the head, cut up; owned */
    char *scratch; /* owned */
    struct http_head head;
    struct buf body;
    struct body_room *room; /* of a large body; owned */
    struct http_chunks chunks;
    bool body_done;
    uint64_t max_body;
    const char *limit_name;
    struct buf headers; /* further reply headers, each with its line end */
    int status;
    bool replied;   /* nothing more may be said */
    bool held;      /* the reply comes later */
    bool streaming; /* the head is out, pieces follow */
    bool chunked;   /* they are sent as chunks */
    struct event *deadline;
    void (*on_deadline)(void *context, struct http_exchange *x);
    void (*on_gone)(void *context, struct http_exchange *x);
    void (*on_drain)(void *context, struct http_exchange *x);
    void *context;
    void *data[2];
    uint64_t bytes_in;
    uint64_t bytes_out;
};

/* With room for a head; NULL without memory. */
struct http_exchange *exchange_create(struct conn *c, size_t head_len);
void exchange_free(struct http_exchange *x);
/* Looks whether there is room for further connections. */
void http_admit(struct http_server *server);
/* Takes over an accepted socket; closes it if there is no memory. */
void conn_accept(struct http_server *server, int fd);
/* Ends it at once; its exchange, if the user holds it, is gone. */
void conn_kill(struct conn *c);
/* Ends it from the event loop, not from within this call. */
void conn_kill_later(struct conn *c);
/* The exchange's reply is complete. */
void conn_replied(struct conn *c);
/* Looks at input and output, and goes on with what is there. */
void conn_advance(struct conn *c);
/* The body of the exchange may come now. */
void conn_has_room(struct conn *c);
/* Whether the reply must say that the connection closes. */
bool conn_will_close(const struct conn *c);

/* ---- http_body.c ---- */

/* Asks for room for the body of c->x, before any of it is read. Where it has to
 * wait, *now is false and conn_has_room() is called later. ERR_LIMIT,
 * ERR_NOMEM. */
int body_prepare(struct conn *c, bool *now, struct err *err) ERR_CHECKED;
/* There is: takes the memory, and tells a client that asked first to send it.
 * ERR_NOMEM. */
int body_begin(struct conn *c, struct err *err) ERR_CHECKED;
/* Takes what has come of it; x->body_done says whether that is all. What comes
 * later makes conn_advance() be called. ERR_PROTO, ERR_LIMIT, ERR_NOMEM. */
int body_take(struct conn *c, struct err *err) ERR_CHECKED;
/* Back to reading through the bufferevent. */
void body_end_direct(struct conn *c);

/* ---- http_upgrade.c ---- */

void frames_destroy(struct frames **frames);
/* Takes the beginning of the next frame from the input, and appends the head
 * that it stands for; nothing while it has not come. Errors as frame_head(). */
int frames_next(struct conn *c, struct buf *head, struct err *err) ERR_CHECKED;

#endif
