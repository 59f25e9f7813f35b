/* SPDX-License-Identifier: MIT
 *
 * check_http_frame: frames become the heads of HTTP requests, byte by byte as
 * they come; what cannot be one is refused.
 */
#include "tests/lib/unit.h"

#include "common/frame.h"
#include "common/wire.h"
#include "driver/http_frame.h"
#include "elephas/v1/frames.pb-c.h"

#include <string.h>

#define MORE "host: h\r\n"

/* A frame of a Pull; returns its length. */
static size_t pull_frame(const char *query, const char *known, uint8_t *out)
{
    Elephas__V1__Pull pull = ELEPHAS__V1__PULL__INIT;
    struct buf body;
    size_t len;

    pull.query = (char *)(uintptr_t)query;
    pull.known = (char *)(uintptr_t)known;
    buf_init(&body, 2 * FRAME_PULL_MAX);
    ck_assert_int_eq(wire_pack(&pull.base, &body, NULL), 0);
    frame_put_header(FRAME_PULL, body.len, out);
    if (body.len != 0) {
        memcpy(out + FRAME_HEADER, body.data, body.len);
    }
    len = FRAME_HEADER + body.len;
    buf_deinit(&body);
    return len;
}

static int parse(const uint8_t *bytes, size_t len, struct buf *head,
                 size_t *used, struct err *err)
{
    memset(err, 0, sizeof(*err));
    buf_init(head, 32768);
    return frame_head((struct view){bytes, len}, "/v1/jobs/j1", MORE, head,
                      used, err);
}

static void check_head(const uint8_t *bytes, size_t len, size_t want_used,
                       const char *want)
{
    struct buf head;
    struct err err;
    size_t used;

    for (size_t n = 0; n < want_used; n++) {
        ck_assert_int_eq(parse(bytes, n, &head, &used, &err), 0);
        ck_assert_uint_eq(used, 0);
        ck_assert_uint_eq(head.len, 0);
        buf_deinit(&head);
    }
    ck_assert_int_eq(parse(bytes, len, &head, &used, &err), 0);
    ck_assert_uint_eq(used, want_used);
    ck_assert_str_eq(buf_str(&head), want);
    buf_deinit(&head);
}

START_TEST(frames_are_requests)
{
    uint8_t bytes[256];
    size_t n = pull_frame("step=3&wait=30", "17", bytes);

    check_head(bytes, n, n,
               "GET /v1/jobs/j1/parameters?step=3&wait=30 HTTP/1.1\r\n" MORE
               "If-None-Match: \"17\"\r\n\r\n");
    check_head(bytes, n + 5, n,
               "GET /v1/jobs/j1/parameters?step=3&wait=30 HTTP/1.1\r\n" MORE
               "If-None-Match: \"17\"\r\n\r\n");
    n = pull_frame("", "", bytes);
    ck_assert_uint_eq(n, FRAME_HEADER);
    check_head(bytes, n, n,
               "GET /v1/jobs/j1/parameters HTTP/1.1\r\n" MORE "\r\n");
    frame_put_header(FRAME_UPDATE, 1234567890123, bytes);
    check_head(bytes, FRAME_HEADER, FRAME_HEADER,
               "POST /v1/jobs/j1/updates HTTP/1.1\r\n" MORE
               "Content-Type: application/x-protobuf\r\n"
               "Content-Length: 1234567890123\r\n\r\n");
}
END_TEST

static void check_refused(const uint8_t *bytes, size_t len, int code,
                          const char *word)
{
    struct buf head;
    struct err err;
    size_t used;

    ck_assert_int_eq(parse(bytes, len, &head, &used, &err), code);
    ck_assert_msg(strstr(err.msg, word) != NULL, "%s", err.msg);
    buf_deinit(&head);
}

START_TEST(what_is_no_frame_is_refused)
{
    static const char *const queries[] = {
        "a=1 HTTP/1.1", "a=1\r\nX: y", "a=1#b", "a?b", "a=\x7f", "a=\xc3\xa4"};
    uint8_t bytes[256];

    for (size_t i = 0; i < sizeof(queries) / sizeof(*queries); i++) {
        check_refused(bytes, pull_frame(queries[i], "", bytes), ERR_PROTO,
                      "characters");
        check_refused(bytes, pull_frame("", queries[i], bytes), ERR_PROTO,
                      "characters");
    }
    check_refused(bytes, pull_frame("", "\"", bytes), ERR_PROTO, "characters");
    frame_put_header(3, 0, bytes);
    check_refused(bytes, FRAME_HEADER, ERR_PROTO, "kind 3");
    frame_put_header(FRAME_PULL, FRAME_PULL_MAX + 1, bytes);
    check_refused(bytes, FRAME_HEADER, ERR_LIMIT, "a Pull of 4097 bytes");
    frame_put_header(FRAME_PULL, 3, bytes);
    memset(bytes + FRAME_HEADER, 0xff, 3);
    check_refused(bytes, FRAME_HEADER + 3, ERR_PROTO, "Pull message");
}
END_TEST

static TCase *parsing(void)
{
    TCase *tc = tcase_create("parsing");

    tcase_add_test(tc, frames_are_requests);
    tcase_add_test(tc, what_is_no_frame_is_refused);
    return tc;
}

UNIT_MAIN("http_frame", parsing)
