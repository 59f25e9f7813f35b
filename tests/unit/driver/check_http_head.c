/* SPDX-License-Identifier: MIT
 *
 * check_http_head: what a request's head says, what is refused and with which
 * status, and bodies in chunks, also byte by byte.
 */
#include "tests/lib/unit.h"

#include "driver/http_head.h"

#include <stdio.h>
#include <string.h>

struct parsed {
    char text[4096];
    char scratch[HTTP_SCRATCH(4096)];
    struct http_head head;
    int status;
    struct err err;
    int rc;
};

static void parse(struct parsed *p, const char *text)
{
    size_t len = strlen(text);

    memset(p, 0, sizeof(*p));
    ck_assert_uint_lt(len, sizeof(p->text));
    memcpy(p->text, text, len + 1);
    ck_assert_uint_eq(http_head_length(text, len), len);
    p->rc = http_head_parse(p->text, p->scratch, len, &p->head, &p->status,
                            &p->err);
}

START_TEST(reads_a_request)
{
    struct parsed p;

    parse(&p, "GET /v1/jobs/a%20b/events?x=1&y=a%2Fb+c&z&&w= HTTP/1.1\r\n"
              "Host: here:4000\r\nX-Thing:  two words \t\r\n\r\n");
    ck_assert_int_eq(p.rc, 0);
    ck_assert_str_eq(p.head.method, "GET");
    ck_assert_uint_eq(p.head.segment_count, 4);
    ck_assert_str_eq(p.head.segments[0], "v1");
    ck_assert_str_eq(p.head.segments[2], "a b");
    ck_assert_str_eq(p.head.segments[3], "events");
    ck_assert_str_eq(http_head_query(&p.head, "x"), "1");
    ck_assert_str_eq(http_head_query(&p.head, "y"), "a/b c");
    ck_assert_str_eq(http_head_query(&p.head, "z"), "");
    ck_assert_str_eq(http_head_query(&p.head, "w"), "");
    ck_assert_ptr_null(http_head_query(&p.head, "v"));
    ck_assert_str_eq(http_head_header(&p.head, "x-thing"), "two words");
    ck_assert_str_eq(http_head_header(&p.head, "host"), "here:4000");
    ck_assert_ptr_null(http_head_header(&p.head, "x"));
    ck_assert(p.head.keep_alive);
    ck_assert(!p.head.chunked);
    ck_assert_uint_eq(p.head.length, 0);
}
END_TEST

START_TEST(knows_the_body_and_the_connection)
{
    struct parsed p;

    parse(&p, "POST / HTTP/1.1\nHost: x\nContent-Length: 12\n"
              "Expect: 100-Continue\nConnection: foo, Close\n\n");
    ck_assert_int_eq(p.rc, 0);
    ck_assert_uint_eq(p.head.segment_count, 0);
    ck_assert(p.head.has_length);
    ck_assert_uint_eq(p.head.length, 12);
    ck_assert(p.head.expect_continue);
    ck_assert(!p.head.keep_alive);
    parse(&p, "POST /a/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n"
              "\r\n");
    ck_assert_int_eq(p.rc, 0);
    ck_assert_uint_eq(p.head.segment_count, 1);
    ck_assert(p.head.chunked);
    parse(&p, "GET / HTTP/1.0\r\n\r\n");
    ck_assert_int_eq(p.rc, 0);
    ck_assert(!p.head.keep_alive);
    parse(&p, "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
    ck_assert_int_eq(p.rc, 0);
    ck_assert(p.head.keep_alive);
}
END_TEST

START_TEST(a_target_may_name_the_host)
{
    static const struct {
        const char *target;
        const char *host;
        size_t segments;
    } targets[] = {{"http://h:80/a/b?c=d", "h:80", 2},
                   {"HTTP://[::1]:4000", "[::1]:4000", 0},
                   {"http://h?c=d", "h", 0}};

    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        struct parsed p;
        char text[256];

        (void)snprintf(text, sizeof(text),
                       "GET %s HTTP/1.1\r\nHost: other\r\n\r\n",
                       targets[i].target);
        parse(&p, text);
        ck_assert_int_eq(p.rc, 0);
        ck_assert_str_eq(p.head.target, targets[i].target);
        ck_assert_str_eq(http_head_header(&p.head, "host"), targets[i].host);
        ck_assert_uint_eq(p.head.segment_count, targets[i].segments);
        if (strchr(text, '?') != NULL) {
            ck_assert_str_eq(http_head_query(&p.head, "c"), "d");
        }
    }
}
END_TEST

#define H "Host: x\r\n"

static const struct {
    int status;
    const char *text;
} refused[] = {
    {400, "GET /\r\n\r\n"},
    {400, "GET / FTP/1.1\r\n\r\n"},
    {400, "G(T / HTTP/1.1\r\n" H "\r\n"},
    {400, " / HTTP/1.1\r\n" H "\r\n"},
    {505, "GET / HTTP/2.0\r\n" H "\r\n"},
    {505, "GET / HTTP/1.\r\n" H "\r\n"},
    {505, "GET / HTTP/1.x\r\n" H "\r\n"},
    {505, "GET / HTTP/1.10\r\n" H "\r\n"},
    {400, "GET / HTTP/1.1\r\n" H "Host: y\r\n\r\n"},
    {505, "GET / HTTP/1.1 \r\n" H "\r\n"},
    {400, "GET x/ HTTP/1.1\r\n" H "\r\n"},
    {400, "GET ftp://x/ HTTP/1.1\r\n" H "\r\n"},
    {400, "GET http:///a HTTP/1.1\r\n" H "\r\n"},
    {400, "GET http://me@x/a HTTP/1.1\r\n" H "\r\n"},
    {400, "GET http://x/ HTTP/1.1\r\n\r\n"}, /* no Host all the same */
    {400, "GET /%zz HTTP/1.1\r\n" H "\r\n"},
    {400, "GET /%4 HTTP/1.1\r\n" H "\r\n"},
    {400, "GET /%00 HTTP/1.1\r\n" H "\r\n"},
    {400, "GET /?a=%0a HTTP/1.1\r\n" H "\r\n"},
    {404, "GET /a/b/c/d/e/f/g/h/i HTTP/1.1\r\n" H "\r\n"},
    {400, "GET / HTTP/1.1\r\n\r\n"}, /* no Host */
    {400, "GET / HTTP/1.1\r\n" H "no colon\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" H "a : b\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" H " folded: b\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" H "a: b\rc: d\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" H "Content-Length: 1, 1\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" H "Content-Length: 0x1\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" H "Content-Length: 9999999999999999999\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" H "Content-Length: 1\r\nContent-Length: 1\r\n"
          "\r\n"},
    {400, "GET / HTTP/1.1\r\n" H "Content-Length: 1\r\n"
          "Transfer-Encoding: chunked\r\n\r\n"},
    {501, "GET / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n"},
    {501, "GET / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n"
          "Transfer-Encoding: chunked\r\n\r\n"},
    {501, "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"},
    {417, "GET / HTTP/1.1\r\n" H "Expect: miracles\r\n\r\n"},
};

START_TEST(refuses)
{
    struct parsed p;

    parse(&p, refused[_i].text);
    ck_assert_int_eq(p.rc,
                     refused[_i].status == 404 ? ERR_NOT_FOUND : ERR_PROTO);
    ck_assert_int_eq(p.status, refused[_i].status);
    ck_assert_str_ne(p.err.msg, "");
}
END_TEST

START_TEST(knows_what_the_asker_has)
{
    static const struct {
        const char *line;
        bool known;
    } cases[] = {
        {"", false},
        {"If-None-Match: \"12\"\r\n", true},
        {"If-None-Match: \"1\"\r\n", false},
        {"If-None-Match: \"123\"\r\n", false},
        {"If-None-Match: 12\r\n", false},
        {"If-None-Match: \"12\r\n", false},
        {"If-None-Match: W/\"12\"\r\n", true},
        {"If-None-Match: \"a,b\", W/\"1\" ,\"12\"\r\n", true},
        {"If-None-Match: \"a\", \"b\"\r\n", false},
        {"If-None-Match: \"a\",\r\n", false},
        {"If-None-Match: *\r\n", true},
        {"If-None-Match:\r\n", false},
    };
    struct parsed p;
    char text[200];

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        (void)snprintf(text, sizeof(text), "GET / HTTP/1.2\r\n" H "%s\r\n",
                       cases[i].line);
        parse(&p, text);
        ck_assert_int_eq(p.rc, 0);
        ck_assert_int_eq(p.head.minor, 1); /* the highest that we know */
        ck_assert_msg(http_head_knows(&p.head, "\"12\"") == cases[i].known,
                      "%s", cases[i].line);
    }
}
END_TEST

START_TEST(refuses_too_many_of_anything)
{
    struct parsed p;
    char text[4096] = "GET / HTTP/1.1\r\n";

    for (int i = 0; i <= HTTP_MAX_HEADERS; i++) {
        (void)strcat(text, "a: b\r\n");
    }
    (void)strcat(text, "\r\n");
    parse(&p, text);
    ck_assert_int_eq(p.rc, ERR_LIMIT);
    ck_assert_int_eq(p.status, 431);
    /* the most parameters without values, in the shortest head: the decoded
     * copies need more room than the head has */
    (void)strcpy(text, "G /?");
    for (int i = 0; i < HTTP_MAX_QUERY; i++) {
        (void)strcat(text, i == 0 ? "a" : "&a");
    }
    (void)strcat(text, " HTTP/1.0\n\n");
    parse(&p, text);
    ck_assert_int_eq(p.rc, 0);
    ck_assert_uint_eq(p.head.query_count, HTTP_MAX_QUERY);
    (void)strcpy(text, "G /?");
    for (int i = 0; i <= HTTP_MAX_QUERY; i++) {
        (void)strcat(text, i == 0 ? "a" : "&a");
    }
    (void)strcat(text, " HTTP/1.0\n\n");
    parse(&p, text);
    ck_assert_int_eq(p.status, 400);
    ck_assert_int_eq(p.rc, ERR_PROTO);
}
END_TEST

START_TEST(refuses_a_nul)
{
    char text[] = "GET / HTTP/1.0\r\na: b\0c\r\n\r\n";
    size_t len = sizeof(text) - 1;
    char scratch[HTTP_SCRATCH(sizeof(text))];
    struct http_head head;
    int status = 0;

    ck_assert_int_eq(http_head_parse(text, scratch, len, &head, &status, NULL),
                     ERR_PROTO);
    ck_assert_int_eq(status, 400);
}
END_TEST

START_TEST(finds_the_end_of_a_head)
{
    static const char text[] = "GET / HTTP/1.0\r\nA: b\r\n\r\nbody";
    size_t head = sizeof(text) - 5;

    for (size_t n = 0; n < head; n++) {
        ck_assert_uint_eq(http_head_length(text, n), 0);
    }
    for (size_t n = head; n < sizeof(text); n++) {
        ck_assert_uint_eq(http_head_length(text, n), head);
    }
}
END_TEST

/* Feeds the text in pieces of `step` bytes. */
static int feed(const char *text, size_t step, size_t max, char *body,
                size_t *rest, struct err *err)
{
    struct http_chunks chunks;
    struct buf out;
    size_t len = strlen(text);
    size_t at = 0;
    int rc = 0;

    buf_init(&out, max);
    http_chunks_init(&chunks);
    while (rc == 0 && at < len && chunks.state != HTTP_CHUNK_DONE) {
        size_t n = len - at < step ? len - at : step;
        size_t used = 0;

        rc = http_chunks_feed(&chunks,
                              (struct view){(const uint8_t *)text + at, n},
                              &out, &used, err);
        at += used;
    }
    (void)strcpy(body, buf_str(&out));
    *rest = len - at;
    if (rc == 0 && chunks.state != HTTP_CHUNK_DONE) {
        rc = -1;
    }
    buf_deinit(&out);
    return rc;
}

START_TEST(joins_chunks)
{
    static const char text[] =
        "5;ext=1\r\nhello\r\n1\r\n,\r\n0A\n 0123456789\n0\r\n"
        "Trailer: x\r\n\r\nGET";
    char body[64];
    size_t rest;
    struct err err = {0};

    /* the third chunk is one byte longer than it says: refused */
    ck_assert_int_eq(feed(text, (size_t)_i, 100, body, &rest, &err), ERR_PROTO);
    ck_assert_int_eq(feed("5;ext=1\r\nhello\r\n1\r\n,\r\nA\n0123456789\n0\r\n"
                          "Trailer: x\r\n\r\nGET",
                          (size_t)_i, 100, body, &rest, &err),
                     0);
    ck_assert_str_eq(body, "hello,0123456789");
    ck_assert_uint_eq(rest, 3);
    ck_assert_int_eq(
        feed("5\r\nhello\r\n5\r\nworld\r\n", (size_t)_i, 9, body, &rest, &err),
        ERR_LIMIT);
}
END_TEST

START_TEST(refuses_bad_chunks)
{
    static const char *const bad[] = {"\r\n",         "x\r\n",
                                      "-1\r\n",       "11111111111111111\r\n",
                                      "5 hello\r\nx", "1\r\nab"};
    char body[64];
    size_t rest;
    struct err err = {0};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int rc = feed(bad[i], 64, 100, body, &rest, &err);

        ck_assert_msg(rc == ERR_PROTO || rc == -1, "%s: %d", bad[i], rc);
        ck_assert_str_eq(body, i == 5 ? "a" : i == 4 ? "x" : "");
    }
}
END_TEST

static TCase *heads(void)
{
    TCase *tc = tcase_create("heads");

    tcase_add_test(tc, reads_a_request);
    tcase_add_test(tc, knows_the_body_and_the_connection);
    tcase_add_test(tc, a_target_may_name_the_host);
    tcase_add_loop_test(tc, refuses, 0,
                        (int)(sizeof(refused) / sizeof(refused[0])));
    tcase_add_test(tc, knows_what_the_asker_has);
    tcase_add_test(tc, refuses_too_many_of_anything);
    tcase_add_test(tc, refuses_a_nul);
    tcase_add_test(tc, finds_the_end_of_a_head);
    return tc;
}

static TCase *chunks(void)
{
    TCase *tc = tcase_create("chunks");

    tcase_add_loop_test(tc, joins_chunks, 1, 30);
    tcase_add_test(tc, refuses_bad_chunks);
    return tc;
}

UNIT_MAIN("http_head", heads, chunks)
