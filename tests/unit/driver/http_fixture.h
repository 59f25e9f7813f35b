/* SPDX-License-Identifier: MIT
 *
 * http_fixture: an HTTP server whose paths do what the tests of http want, in
 * the thread of the test.
 */
#ifndef TESTS_UNIT_DRIVER_HTTP_FIXTURE_H
#define TESTS_UNIT_DRIVER_HTTP_FIXTURE_H

#include "tests/lib/unit.h"
#include "tests/unit/driver/peer.h"

#include "driver/http.h"

#include <stdio.h>

#define H "Host: x\r\n\r\n"

static struct fixture {
    struct event_base *base;
    struct http_server *server;
    struct http_options options;
    unsigned port;
    struct http_exchange *held;
    int gone;
    int over;
    int released;
    int last_status;
    char body[256];
    char *big;
    size_t big_size;
    bool refuse;
} f;

/* ---- handlers, by path ---- */

static inline void on_gone(void *context, struct http_exchange *x)
{
    (void)context;
    ck_assert_ptr_eq(x, f.held);
    f.held = NULL;
    f.gone++;
}

static inline void on_deadline(void *context, struct http_exchange *x)
{
    (void)context;
    f.held = NULL;
    http_reply(x, 204, NULL, (struct view){NULL, 0});
}

static inline void release(void *argument)
{
    ck_assert_ptr_eq(argument, f.big);
    f.released++;
}

static inline void on_drain(void *context, struct http_exchange *x)
{
    (void)context;
    if (http_stream_pending(x) == 0 && f.big_size != 0) {
        f.big_size = 0; /* the second half */
        http_stream_write(x, (struct view){(const uint8_t *)"end", 3});
        http_stream_end(x);
    }
}

static inline void on_head(void *context, struct http_exchange *x)
{
    (void)context;
    if (strcmp(http_segment(x, 0), "small") == 0) {
        http_limit_body(x, 10, "the small limit");
    }
    if (strcmp(http_segment(x, 0), "refused") == 0) {
        http_reply_problem(x, 401, "denied", "not you");
    }
}

static inline void reply_file(struct http_exchange *x)
{
    char path[] = "/tmp/elephas-http-XXXXXX";
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    (void)unlink(path);
    ck_assert_int_eq(ftruncate(fd, (off_t)f.big_size), 0);
    ck_assert_int_eq(pwrite(fd, "start", 5, 0), 5);
    ck_assert_int_eq(pwrite(fd, "middle", 6, (1 << 20) - 3), 6);
    ck_assert_int_eq(pwrite(fd, "end", 3, (off_t)f.big_size - 3), 3);
    if (http_query(x, "part") != NULL) {
        http_reply_file_part(x, 200, "text/csv",
                             (struct view){(const uint8_t *)"HEAD", 4}, fd,
                             (1 << 20) - 3, 1 << 20);
        return;
    }
    http_reply_file(x, 200, "text/csv", fd);
}

static inline void on_request(void *context, struct http_exchange *x)
{
    const char *path = http_segment(x, 0);
    struct view body = http_body(x);

    (void)context;
    if (strcmp(path, "hold") == 0) {
        f.held = x;
        http_hold(x, 100, http_query(x, "ms") != NULL ? on_deadline : NULL,
                  on_gone, &f);
    } else if (strcmp(path, "stream") == 0) {
        f.held = x;
        http_stream_begin(x, 200, "text/plain", NULL, on_gone, &f);
        http_stream_write(x, (struct view){(const uint8_t *)"one", 3});
    } else if (strcmp(path, "drain") == 0) {
        http_stream_begin(x, 200, "text/plain", on_drain, NULL, &f);
        http_stream_write(x, (struct view){(const uint8_t *)f.big, f.big_size});
    } else if (strcmp(path, "big") == 0) {
        http_reply_reference(x, 200, "application/octet-stream",
                             (struct view){(const uint8_t *)"HEAD", 4},
                             (struct view){(const uint8_t *)f.big, f.big_size},
                             release, f.big);
    } else if (strcmp(path, "file") == 0) {
        reply_file(x);
    } else if (strcmp(path, "up") == 0) {
        if (http_wants_upgrade(x, "elephas.v1")) {
            http_reply_upgrade(x, "/v1/jobs/j1");
        } else {
            http_reply_problem(x, 426, "invalid", "upgrade");
        }
    } else if (strcmp(path, "forget") == 0) {
        return;
    } else {
        size_t n =
            body.len < sizeof(f.body) - 1 ? body.len : sizeof(f.body) - 1;

        if (n != 0) {
            memcpy(f.body, body.data, n);
            f.body[n] = '\0';
        }
        http_reply_header(x, "X-Test", "yes\r\nInjected: no");
        http_reply_json(
            x, 200,
            json_pack("{s:s, s:i}", "path", path, "len", (int)body.len));
    }
}

static inline void on_over(void *context, struct http_exchange *x)
{
    (void)context;
    f.over++;
    f.last_status = http_status(x);
}

static inline void setup(void)
{
    struct err err = {0};

    memset(&f, 0, sizeof(f));
    f.base = event_base_new();
    http_options_init(&f.options);
    f.options.max_head = 1024;
    f.options.max_body = 1 << 20;
    f.options.head_ms = 150;
    f.options.idle_ms = 400;
    f.options.stall_ms = 150;
    f.options.on_head = on_head;
    f.options.on_request = on_request;
    f.options.on_over = on_over;
    unit_ok(http_server_create(f.base, &f.options, &f.server, &err), &err);
    unit_ok(http_server_listen(f.server, "127.0.0.1", 0, &f.port, &err), &err);
    f.big_size = 4 << 20;
    f.big = calloc(1, f.big_size);
}

static inline void teardown(void)
{
    http_server_destroy(&f.server);
    event_base_free(f.base);
    free(f.big);
}

static inline void dial(struct peer *p)
{
    peer_dial(p, f.base, f.port);
}

static inline TCase *with_server(const char *name)
{
    TCase *tc = tcase_create(name);

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 30);
    return tc;
}

#endif
