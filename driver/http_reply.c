/* SPDX-License-Identifier: MIT
 *
 * http_reply: what goes out; see http.h. A reply is put into the connection's
 * output and leaves from the event loop. When memory runs out half way, the
 * connection is ended from the loop: the caller is done in any case.
 */
#include "driver/http.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/wire.h"
#include "driver/http_conn.h"
#include "driver/utf8.h"
#include "elephas/v1/frames.pb-c.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNKNOWN_LENGTH UINT64_MAX
#define FILE_PIECE ((ev_off_t)1 << 20)

static const char *reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } reasons[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {426, "Upgrade Required"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };

    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].status == status) {
            return reasons[i].text;
        }
    }
    return "Status";
}

static struct evbuffer *output(const struct http_exchange *x)
{
    return bufferevent_get_output(x->conn->bev);
}

static bool is_head_request(const struct http_exchange *x)
{
    return strcmp(http_method(x), "HEAD") == 0;
}

/* Whether a body is sent at all. */
static bool sends_body(const struct http_exchange *x)
{
    return !is_head_request(x) && x->status != 204 && x->status != 304;
}

void http_reply_header(struct http_exchange *x, const char *name,
                       const char *value)
{
    size_t len = 0;

    while ((unsigned char)value[len] >= 0x20 && value[len] != 0x7f) {
        len++;
    }
    if (buf_printf(&x->headers, NULL, "%s: %.*s\r\n", name, (int)len, value) !=
        0) {
        x->conn->close_after = true; /* better none than a wrong reply */
    }
}

static void disarm(struct http_exchange *x)
{
    if (x->deadline != NULL) {
        (void)evtimer_del(x->deadline);
    }
}

/* Frames answer whole requests only: none of theirs begins a stream. */
static int put_frame_head(struct http_exchange *x, int status, uint64_t length)
{
    uint8_t header[FRAME_HEADER];

    disarm(x);
    x->status = status;
    frame_put_header((uint32_t)status, sends_body(x) ? length : 0, header);
    return evbuffer_add(output(x), header, sizeof(header));
}

static int put_head(struct http_exchange *x, int status,
                    const char *content_type, uint64_t length)
{
    struct evbuffer *out = output(x);
    bool has_length =
        length != UNKNOWN_LENGTH && status != 204 && status != 304;
    bool failed;

    if (x->conn->frames != NULL) {
        return put_frame_head(x, status, length);
    }
    disarm(x);
    x->status = status;
    failed = evbuffer_add_printf(out, "HTTP/1.1 %d %s\r\n", status,
                                 reason(status)) < 0;
    if (content_type != NULL) {
        failed |= evbuffer_add_printf(out,
                                      "Content-Type: %s\r\n"
                                      "X-Content-Type-Options: nosniff\r\n",
                                      content_type) < 0;
    }
    if (has_length) {
        failed |= evbuffer_add_printf(out, "Content-Length: %llu\r\n",
                                      (unsigned long long)length) < 0;
    }
    if (x->chunked) {
        failed |=
            evbuffer_add_printf(out, "Transfer-Encoding: chunked\r\n") < 0;
    }
    if (x->headers.len != 0) {
        failed |= evbuffer_add(out, x->headers.data, x->headers.len) != 0;
    }
    if (conn_will_close(x->conn)) {
        failed |= evbuffer_add_printf(out, "Connection: close\r\n") < 0;
    } else if (x->head.minor == 0) {
        failed |= evbuffer_add_printf(out, "Connection: keep-alive\r\n") < 0;
    }
    failed |= evbuffer_add(out, "Cache-Control: no-store\r\n\r\n", 27) != 0;
    return failed ? ERR_NOMEM : 0;
}

/* The exchange ends; failed: so does the connection. */
static void finish(struct http_exchange *x, bool failed, uint64_t bytes)
{
    struct conn *c = x->conn;

    x->bytes_out += bytes;
    conn_replied(c);
    if (failed && !c->dead) {
        conn_kill_later(c);
    }
}

void http_reply(struct http_exchange *x, int status, const char *content_type,
                struct view body)
{
    bool failed = put_head(x, status, content_type, body.len) != 0;

    if (!failed && body.len != 0 && sends_body(x)) {
        failed = evbuffer_add(output(x), body.data, body.len) != 0;
    }
    finish(x, failed, body.len);
}

void http_reply_text(struct http_exchange *x, int status, const char *text)
{
    http_reply(x, status, "text/plain; charset=utf-8",
               (struct view){(const uint8_t *)text, strlen(text)});
}

static void release_bytes(const void *data, size_t len, void *argument)
{
    (void)data;
    (void)len;
    mem_free(argument);
}

void http_reply_buf(struct http_exchange *x, int status,
                    const char *content_type, struct buf *body)
{
    size_t len = body->len;
    bool failed = put_head(x, status, content_type, len) != 0;

    if (!failed && len != 0 && sends_body(x)) {
        failed = evbuffer_add_reference(output(x), body->data, len,
                                        release_bytes, body->data) != 0;
        if (!failed) {
            body->data = NULL; /* the output owns it now */
        }
    }
    buf_deinit(body);
    finish(x, failed, len);
}

void http_reply_json(struct http_exchange *x, int status, json_t *body)
{
    char *text = body != NULL ? jget_dump(body) : NULL;
    struct buf b;

    json_decref(body);
    if (text == NULL) {
        http_reply_problem(x, 503, "nomem", "out of memory: try again later");
        return;
    }
    buf_init(&b, SIZE_MAX / 2);
    b.data = (uint8_t *)text;
    b.len = strlen(text);
    http_reply_buf(x, status, "application/json", &b);
}

struct release {
    void (*call)(void *argument);
    void *argument;
};

static void release_reference(const void *data, size_t len, void *argument)
{
    struct release *r = argument;

    (void)data;
    (void)len;
    r->call(r->argument);
    mem_free(r);
}

void http_reply_reference(struct http_exchange *x, int status,
                          const char *content_type, struct view head,
                          struct view data, void (*release)(void *argument),
                          void *argument)
{
    struct release *r = mem_alloc(sizeof(*r));
    uint64_t len = (uint64_t)head.len + data.len;
    bool failed = r == NULL || put_head(x, status, content_type, len) != 0;

    if (!failed && sends_body(x)) {
        *r = (struct release){release, argument};
        failed = evbuffer_add(output(x), head.data, head.len) != 0 ||
                 evbuffer_add_reference(output(x), data.data, data.len,
                                        release_reference, r) != 0;
        if (!failed) {
            r = NULL; /* the output calls it */
        }
    }
    if (r != NULL || failed) {
        release(argument);
    }
    mem_free(r);
    finish(x, failed, len);
}

/* All pieces, or none, behind the head; *r passes to the output. */
static bool put_pieces(struct http_exchange *x, const struct view *pieces,
                       size_t count, struct release *r)
{
    struct evbuffer *out = evbuffer_new();
    size_t last = count;
    bool failed = out == NULL;

    while (last > 0 && pieces[last - 1].len == 0) {
        last--;
    }
    for (size_t i = 0; !failed && i + 1 < last; i++) {
        failed = evbuffer_add_reference(out, pieces[i].data, pieces[i].len,
                                        NULL, NULL) != 0;
    }
    if (!failed) {
        failed = last == 0 ||
                 evbuffer_add_reference(out, pieces[last - 1].data,
                                        pieces[last - 1].len, release_reference,
                                        r) != 0 ||
                 evbuffer_add_buffer(output(x), out) != 0;
    }
    if (out != NULL) {
        evbuffer_free(out);
    }
    return !failed;
}

void http_reply_pieces(struct http_exchange *x, int status,
                       const char *content_type, const struct view *pieces,
                       size_t count, void (*release)(void *argument),
                       void *argument)
{
    struct release *r = mem_alloc(sizeof(*r));
    uint64_t len = 0;
    bool failed;

    for (size_t i = 0; i < count; i++) {
        len += pieces[i].len;
    }
    failed = r == NULL || put_head(x, status, content_type, len) != 0;
    if (!failed && sends_body(x)) {
        *r = (struct release){release, argument};
        failed = !put_pieces(x, pieces, count, r);
        if (!failed) {
            r = NULL; /* the output calls it */
        }
    }
    if (r != NULL || failed) {
        release(argument);
    }
    mem_free(r);
    finish(x, failed, len);
}

/* sendfile() takes all that it is told of as long as the client takes it, too:
 * in pieces, so that others have their turn. *fd is -1 once it is the
 * output's. */
static int put_file(struct evbuffer *out, int *fd, ev_off_t begin,
                    ev_off_t size)
{
    struct evbuffer_file_segment *file =
        evbuffer_file_segment_new(*fd, begin, size, EVBUF_FS_CLOSE_ON_FREE);
    int rc = 0;

    if (file == NULL) {
        return -1;
    }
    *fd = -1;
    for (ev_off_t at = 0; rc == 0 && at < size; at += FILE_PIECE) {
        ev_off_t rest = size - at;

        rc = evbuffer_add_file_segment(out, file, at,
                                       rest < FILE_PIECE ? rest : FILE_PIECE);
    }
    evbuffer_file_segment_free(file);
    return rc;
}

void http_reply_file_part(struct http_exchange *x, int status,
                          const char *content_type, struct view head, int fd,
                          uint64_t begin, uint64_t size)
{
    uint64_t length = (uint64_t)head.len + size;
    bool failed = put_head(x, status, content_type, length) != 0;

    if (!failed && sends_body(x)) {
        failed = evbuffer_add(output(x), head.data, head.len) != 0 ||
                 (size != 0 && put_file(output(x), &fd, (ev_off_t)begin,
                                        (ev_off_t)size) != 0);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    finish(x, failed, failed ? 0 : length);
}

void http_reply_file(struct http_exchange *x, int status,
                     const char *content_type, int fd)
{
    struct stat st;

    if (fstat(fd, &st) != 0) {
        (void)close(fd);
        http_reply_problem(x, 500, "io", "the file cannot be read");
        return;
    }
    http_reply_file_part(x, status, content_type, (struct view){NULL, 0}, fd, 0,
                         (uint64_t)st.st_size);
}

/* ---- problems ---- */

static void reply_frame_problem(struct http_exchange *x, int status,
                                const char *code, const char *detail)
{
    Elephas__V1__Problem problem = ELEPHAS__V1__PROBLEM__INIT;
    struct buf body;

    buf_init(&body, 2 * ERR_MSG_SIZE);
    problem.code = (char *)(uintptr_t)code;
    problem.detail = (char *)(uintptr_t)detail;
    if (wire_pack(&problem.base, &body, NULL) != 0) {
        conn_kill_later(x->conn); /* better none than a wrong reply */
    }
    http_reply(x, status, NULL, buf_view(&body));
    buf_deinit(&body);
}

void http_reply_problem(struct http_exchange *x, int status, const char *code,
                        const char *detail)
{
    char shown_detail[ERR_MSG_SIZE];
    json_t *body;
    char *text;
    static const char minimal[] =
        "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\","
        "\"status\":503,\"code\":\"nomem\",\"detail\":\"out of memory\"}";
    const char *shown;

    (void)snprintf(shown_detail, sizeof(shown_detail), "%s", detail);
    utf8_clean(shown_detail);
    if (x->conn->frames != NULL) {
        reply_frame_problem(x, status, code, shown_detail);
        return;
    }
    body = json_pack("{s:s, s:s, s:i, s:s, s:s}", "type", "about:blank",
                     "title", reason(status), "status", status, "code", code,
                     "detail", shown_detail);
    text = body != NULL ? jget_dump(body) : NULL;
    shown = text != NULL ? text : minimal;
    json_decref(body);
    http_reply(x, text != NULL ? status : 503, "application/problem+json",
               (struct view){(const uint8_t *)shown, strlen(shown)});
    mem_free(text);
}

void http_reply_error(struct http_exchange *x, const struct err *err)
{
    http_reply_problem(x, err_http_status((int)err->code),
                       err_word((int)err->code), err->msg);
}

/* ---- later, and in pieces ---- */

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct http_exchange *x = arg;

    (void)fd;
    (void)what;
    x->on_deadline(x->context, x);
}

void http_hold(struct http_exchange *x, unsigned ms,
               void (*deadline)(void *context, struct http_exchange *x),
               void (*gone)(void *context, struct http_exchange *x),
               void *context)
{
    struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};

    x->held = true;
    x->on_deadline = deadline;
    x->on_gone = gone;
    x->context = context;
    disarm(x);
    if (deadline == NULL) {
        return;
    }
    if (x->deadline == NULL) {
        x->deadline = evtimer_new(x->conn->server->base, on_deadline, x);
    }
    if (x->deadline == NULL || evtimer_add(x->deadline, &tv) != 0) {
        conn_kill_later(x->conn); /* it would wait for ever */
    }
}

void http_stream_begin(struct http_exchange *x, int status,
                       const char *content_type,
                       void (*drain)(void *context, struct http_exchange *x),
                       void (*gone)(void *context, struct http_exchange *x),
                       void *context)
{
    x->held = true;
    x->streaming = true;
    x->on_drain = drain;
    x->on_gone = gone;
    x->context = context;
    if (x->head.minor == 0) {
        x->conn->close_after = true; /* the end of the bytes is the end */
    } else {
        x->chunked = !is_head_request(x);
    }
    if (put_head(x, status, content_type, UNKNOWN_LENGTH) != 0) {
        conn_kill_later(x->conn);
    }
}

void http_stream_write(struct http_exchange *x, struct view piece)
{
    struct evbuffer *out = output(x);
    bool failed = false;

    if (piece.len == 0 || !sends_body(x)) {
        return;
    }
    if (x->chunked) {
        failed = evbuffer_add_printf(out, "%zx\r\n", piece.len) < 0;
    }
    failed |= evbuffer_add(out, piece.data, piece.len) != 0;
    if (x->chunked) {
        failed |= evbuffer_add(out, "\r\n", 2) != 0;
    }
    x->bytes_out += piece.len;
    if (failed) {
        conn_kill_later(x->conn);
    }
}

size_t http_stream_pending(const struct http_exchange *x)
{
    return evbuffer_get_length(output(x));
}

void http_stream_end(struct http_exchange *x)
{
    bool failed = x->chunked && evbuffer_add(output(x), "0\r\n\r\n", 5) != 0;

    finish(x, failed, 0);
}
