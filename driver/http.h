/* SPDX-License-Identifier: MIT
 *
 * http: the daemon's HTTP/1.1 server on libevent's bufferevents. One exchange
 * is one request and its reply; requests of a connection are served one after
 * the other. Everything runs on the thread of the event base.
 *
 * Why not evhttp (2.1): it tells of a client that went away during a held
 * request only while it reads, and then ends the process when that client
 * sends a byte too much; it takes whole bodies before anyone may refuse them;
 * and its own errors are HTML pages. Here
 *  - on_head runs before any of the body is read: who may not, or sends too
 *    much, is refused first;
 *  - a body of known length lies in one piece and is copied once from the
 *    socket's buffer; large ones can be made to wait for each other
 *    (bodies.h);
 *  - a held exchange (a long poll, an event stream) learns that its client is
 *    gone, and one that only sends no more gets the answers to all that it has
 *    asked for;
 *  - a head must be complete within a time, a body must keep coming, a reply
 *    must be taken: slow clients hold a connection, never the daemon.
 *
 * Lifetime: an exchange is valid until its reply is complete (http_reply_*,
 * http_stream_end) or its on_gone callback was called. Replies never fail for
 * the caller: without memory the connection is closed.
 */
#ifndef DRIVER_HTTP_H
#define DRIVER_HTTP_H

#include "common/buf.h"
#include "common/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct body_gate;
struct body_room;
struct event_base;
struct http_server;
struct http_exchange;

struct http_options {
    size_t max_head;        /* bytes of a head */
    uint64_t max_body;      /* bytes of any body */
    unsigned head_ms;       /* a head, from its first byte to its last */
    unsigned idle_ms;       /* a kept connection without a request */
    unsigned stall_ms;      /* a body or reply without progress */
    size_t max_connections; /* further ones wait in the listen queue */
    struct body_gate *gate; /* room for large bodies; NULL: at once. Borrowed */
    size_t gate_above;      /* bytes: these are large */
    /* The head is read: may reply (an error), or set http_limit_body(). */
    void (*on_head)(void *context, struct http_exchange *x);
    /* More of the body has come, http_body() is what there is: only to look.
     * NULL: nobody wants to. */
    void (*on_body)(void *context, struct http_exchange *x);
    /* The body is there too: reply, hold, or begin a stream. */
    void (*on_request)(void *context, struct http_exchange *x);
    /* The exchange is over: http_status() is what was answered, 0 if the
     * client went away before. */
    void (*on_over)(void *context, struct http_exchange *x);
    void *context;
};

/* Defaults for all but the callbacks. */
void http_options_init(struct http_options *options);

int http_server_create(struct event_base *base,
                       const struct http_options *options,
                       struct http_server **out, struct err *err) ERR_CHECKED;
/* Ends all connections (on_gone of held exchanges is called); accepts NULL. */
void http_server_destroy(struct http_server **server);
/* Binds and listens. Port 0 takes a free one; *port is what was taken. One
 * call for one address. ERR_INVALID (no such address), ERR_STATE (in use),
 * ERR_DENIED. */
int http_server_listen(struct http_server *server, const char *host,
                       unsigned want_port, unsigned *port,
                       struct err *err) ERR_CHECKED;
/* Takes no more connections, and ends kept ones after the request they are
 * in, or that has come by now. */
void http_server_drain(struct http_server *server);
/* Connections whose request is being read, and all. */
size_t http_server_reading(const struct http_server *server);
size_t http_server_connections(const struct http_server *server);
/* Accepts from the listeners of another server too, which may be on another
 * thread's loop. Before both loops run. */
int http_server_share(struct http_server *server,
                      const struct http_server *with,
                      struct err *err) ERR_CHECKED;

/* ---- the request ---- */

const char *http_method(const struct http_exchange *x);
const char *http_target(const struct http_exchange *x);
size_t http_segment_count(const struct http_exchange *x);
const char *http_segment(const struct http_exchange *x, size_t i);
/* NULL if absent. Header names in lower case. */
const char *http_query(const struct http_exchange *x, const char *name);
const char *http_header(const struct http_exchange *x, const char *name);
/* Whether the asker says (If-None-Match) that he has this ETag. */
bool http_knows(const struct http_exchange *x, const char *etag);
/* A query parameter as a whole number; `missing` if absent. ERR_INVALID names
 * it. */
int http_query_u64(const struct http_exchange *x, const char *name,
                   uint64_t missing, uint64_t *out,
                   struct err *err) ERR_CHECKED;
/* The body, until the exchange is over; in on_body it lies where it lies until
 * more comes. */
struct view http_body(const struct http_exchange *x);
/* The same; its memory passes to the caller, as does its room (or NULL), which
 * is to be left with it. */
void http_take_body(struct http_exchange *x, struct buf *body,
                    struct body_room **room);
/* Whether a body follows the head (for on_head). */
bool http_has_body(const struct http_exchange *x);
/* For on_head: the largest body this request may have; what names it is said
 * in the refusal ("--max-body"), static. */
void http_limit_body(struct http_exchange *x, uint64_t max, const char *name);
/* Two pointers for the user. */
void http_set_data(struct http_exchange *x, int slot, void *data);
void *http_data(const struct http_exchange *x, int slot);
/* What was answered so far. */
int http_status(const struct http_exchange *x);
bool http_is_replied(const struct http_exchange *x);
/* Bytes of body that came and bytes of reply handed over, for counting. */
uint64_t http_bytes_in(const struct http_exchange *x);
uint64_t http_bytes_out(const struct http_exchange *x);

/* ---- frames instead of HTTP ---- */

/* Whether the client asks to go on in this protocol (RFC 9110, 7.8). */
bool http_wants_upgrade(const struct http_exchange *x, const char *protocol);
/* Answers 101: from here on the connection carries frames (http_frame.h) about
 * the job at this path, sent by him who sent this request. */
void http_reply_upgrade(struct http_exchange *x, const char *path);

/* ---- holding ---- */

/* The reply comes later. on_gone: the client went away (or the server ends);
 * x is invalid after it. on_deadline (may be NULL: something is worked on, and
 * the reply will come) after ms, or as soon as the client sends no more: it may
 * reply. A later call replaces the former. */
void http_hold(struct http_exchange *x, unsigned ms,
               void (*on_deadline)(void *context, struct http_exchange *x),
               void (*on_gone)(void *context, struct http_exchange *x),
               void *context);

/* ---- the reply ---- */

/* Adds a header to the reply; before it. The strings are copied; control
 * characters end the value. */
void http_reply_header(struct http_exchange *x, const char *name,
                       const char *value);
/* A whole reply; content_type NULL for none. The body is copied. */
void http_reply(struct http_exchange *x, int status, const char *content_type,
                struct view body);
void http_reply_text(struct http_exchange *x, int status, const char *text);
/* Takes the reference; NULL (no memory) becomes a 503. */
void http_reply_json(struct http_exchange *x, int status, json_t *body);
/* Takes the bytes of body, which is left empty. */
void http_reply_buf(struct http_exchange *x, int status,
                    const char *content_type, struct buf *body);
/* head (copied), then data, which is not: release(argument) is called once the
 * bytes are sent, or never will be. */
void http_reply_reference(struct http_exchange *x, int status,
                          const char *content_type, struct view head,
                          struct view data, void (*release)(void *argument),
                          void *argument);
/* The same for data in pieces that lie in different places. */
void http_reply_pieces(struct http_exchange *x, int status,
                       const char *content_type, const struct view *pieces,
                       size_t count, void (*release)(void *argument),
                       void *argument);
/* The rest of an open file, which is closed here in any case. */
void http_reply_file(struct http_exchange *x, int status,
                     const char *content_type, int fd);
/* head (copied), then a part of an open file, which is closed likewise. */
void http_reply_file_part(struct http_exchange *x, int status,
                          const char *content_type, struct view head, int fd,
                          uint64_t begin, uint64_t size);
/* A problem document. code: a word of docs/PROTOCOL.md section 1. */
void http_reply_problem(struct http_exchange *x, int status, const char *code,
                        const char *detail);
/* The problem of an error, with its code's status. */
void http_reply_error(struct http_exchange *x, const struct err *err);

/* ---- a reply in pieces ---- */

/* Like http_hold(), and the head goes out. on_drain (may be NULL): everything
 * handed over so far has left. If nothing is handed over then and the client
 * sends no more, it is taken to be gone. */
void http_stream_begin(struct http_exchange *x, int status,
                       const char *content_type,
                       void (*on_drain)(void *context, struct http_exchange *x),
                       void (*on_gone)(void *context, struct http_exchange *x),
                       void *context);
void http_stream_write(struct http_exchange *x, struct view piece);
/* Bytes handed over that have not left yet. */
size_t http_stream_pending(const struct http_exchange *x);
/* The reply is complete; x is invalid after it. */
void http_stream_end(struct http_exchange *x);

#endif
