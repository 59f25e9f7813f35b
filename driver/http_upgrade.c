/* SPDX-License-Identifier: MIT
 *
 * http_upgrade: a connection goes on in frames (RFC 9110, 7.8 and 15.2.2). What
 * said who asks, and for which host, is kept: it stands for every frame.
 */
#include "common/mem.h"
#include "driver/http_conn.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>

bool http_wants_upgrade(const struct http_exchange *x, const char *protocol)
{
    const char *connection = http_header(x, "connection");
    const char *upgrade = http_header(x, "upgrade");

    return connection != NULL && http_head_has_word(connection, "upgrade") &&
           upgrade != NULL && http_head_has_word(upgrade, protocol) &&
           x->head.minor != 0 && !http_has_body(x);
}

void frames_destroy(struct frames **frames)
{
    struct frames *f = *frames;

    if (f != NULL) {
        mem_free(f->path);
        mem_free(f->more);
        mem_free(f);
        *frames = NULL;
    }
}

static char *header_lines(const struct http_exchange *x)
{
    static const char *const kept[] = {"host", "authorization", "origin"};
    struct buf lines;
    int rc = 0;

    buf_init(&lines, x->conn->server->options.max_head);
    for (size_t i = 0; rc == 0 && i < sizeof(kept) / sizeof(*kept); i++) {
        const char *value = http_header(x, kept[i]);

        if (value != NULL) {
            rc = buf_printf(&lines, NULL, "%s: %s\r\n", kept[i], value);
        }
    }
    if (rc != 0) {
        buf_deinit(&lines);
        return NULL;
    }
    return buf_take(&lines, NULL);
}

static struct frames *frames_create(const struct http_exchange *x,
                                    const char *path)
{
    struct frames *f = mem_zalloc(sizeof(*f));

    if (f == NULL) {
        return NULL;
    }
    f->path = mem_strdup(path);
    f->more = header_lines(x);
    if (f->path == NULL || f->more == NULL) {
        frames_destroy(&f);
    }
    return f;
}

int frames_next(struct conn *c, struct buf *head, struct err *err)
{
    struct evbuffer *in = bufferevent_get_input(c->bev);
    size_t have = evbuffer_get_length(in);
    size_t look = have < FRAME_LOOK ? have : FRAME_LOOK;
    const unsigned char *data = evbuffer_pullup(in, (ev_ssize_t)look);
    size_t used = 0;
    int rc = data != NULL
                 ? frame_head((struct view){data, look}, c->frames->path,
                              c->frames->more, head, &used, err)
                 : err_nomem(err);

    (void)evbuffer_drain(in, used);
    return rc;
}

void http_reply_upgrade(struct http_exchange *x, const char *path)
{
    static const char head[] = "HTTP/1.1 101 Switching Protocols\r\n"
                               "Connection: Upgrade\r\n"
                               "Upgrade: " FRAME_PROTOCOL "\r\n\r\n";
    struct conn *c = x->conn;
    struct frames *f = frames_create(x, path);

    if (f == NULL) {
        http_reply_problem(x, 503, "nomem", "out of memory: try again later");
        return;
    }
    x->status = 101;
    c->frames = f;
    if (evbuffer_add(bufferevent_get_output(c->bev), head, sizeof(head) - 1) !=
        0) {
        conn_kill_later(c);
    }
    conn_replied(c);
}
