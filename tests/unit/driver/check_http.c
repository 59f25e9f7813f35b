/* SPDX-License-Identifier: MIT
 *
 * check_http: the HTTP server against raw sockets: replies, held and streamed
 * exchanges, clients that go away, refused memory.
 */
#include "tests/unit/driver/http_fixture.h"

#include "common/mem.h"

/* ---- requests and replies ---- */

START_TEST(answers_and_keeps_the_connection)
{
    struct peer c;

    dial(&c);
    peer_say(&c, "GET /a HTTP/1.1\r\n" H);
    peer_expect(&c, "{\"path\":\"a\",\"len\":0}");
    peer_has(&c, "HTTP/1.1 200 OK\r\n");
    peer_has(&c, "Content-Length: 20\r\n");
    peer_has(&c, "X-Test: yes\r\n");
    peer_lacks(&c, "Injected");
    peer_lacks(&c, "Connection: close");
    /* three at once, one of them held up by a body */
    peer_say(&c, "\r\nGET /b HTTP/1.1\r\n" H
                 "POST /c HTTP/1.1\r\nContent-Length: 5\r\n" H "hel");
    peer_expect(&c, "{\"path\":\"b\",\"len\":0}");
    peer_say(&c, "loGET /d HTTP/1.1\r\nConnection: close\r\n" H);
    peer_expect(&c, "{\"path\":\"c\",\"len\":5}");
    ck_assert_str_eq(f.body, "hello");
    peer_expect_end(&c);
    peer_has(&c, "{\"path\":\"d\",\"len\":0}");
    peer_has(&c, "Connection: close");
    ck_assert_int_eq(f.over, 4);
    peer_hang_up(&c);
}
END_TEST

START_TEST(takes_chunks_and_continues)
{
    struct peer c;

    dial(&c);
    peer_say(&c, "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" H
                 "3\r\nabc\r\n2");
    peer_pump(f.base, 10);
    peer_say(&c, "\r\nde\r\n0\r\n\r\n");
    peer_expect(&c, "\"len\":5}");
    ck_assert_str_eq(f.body, "abcde");
    peer_say(
        &c,
        "POST /b HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n" H);
    peer_expect(&c, "HTTP/1.1 100 Continue\r\n\r\n");
    peer_say(&c, "xy");
    peer_expect(&c, "\"len\":2}");
    ck_assert_str_eq(f.body, "xy");
    peer_hang_up(&c);
}
END_TEST

/* Sends n bytes of a body, turning the loop while the socket is full. */
static void pour(struct peer *p, size_t n)
{
    static const char data[65536] = {'x'};

    while (n != 0) {
        ssize_t sent = send(p->fd, data, n < sizeof(data) ? n : sizeof(data),
                            MSG_NOSIGNAL);

        if (sent > 0) {
            n -= (size_t)sent;
        } else {
            ck_assert_int_eq(errno, EAGAIN);
        }
        peer_pump(f.base, 0);
    }
}

START_TEST(takes_long_bodies)
{
    struct peer c;

    dial(&c);
    peer_say(&c, "POST /a HTTP/1.1\r\nContent-Length: 1048576\r\n" H "abc");
    pour(&c, 500000);
    peer_pump(f.base, 20);
    pour(&c, 1048576 - 500003 - 1);
    ck_assert_uint_eq(http_server_reading(f.server), 1);
    /* its last byte, and the next request behind it */
    peer_say(&c, "zGET /b HTTP/1.1\r\n" H);
    peer_expect(&c, "{\"path\":\"a\",\"len\":1048576}");
    ck_assert_ptr_eq(strstr(f.body, "abcx"), f.body);
    peer_expect(&c, "\"path\":\"b\"");
    /* one that goes away in the middle, and one that stops to send */
    peer_say(&c, "POST /a HTTP/1.1\r\nContent-Length: 1048576\r\n" H);
    pour(&c, 300000);
    peer_hang_up(&c);
    peer_pump(f.base, 10);
    ck_assert_uint_eq(http_server_connections(f.server), 0);
    dial(&c);
    peer_say(&c, "POST /a HTTP/1.1\r\nContent-Length: 1048576\r\n" H);
    pour(&c, 300000);
    peer_expect(&c, "HTTP/1.1 408 ");
    peer_expect_end(&c);
    peer_hang_up(&c);
}
END_TEST

START_TEST(answers_a_head_request_without_a_body)
{
    struct peer c;

    dial(&c);
    peer_say(&c, "HEAD /a HTTP/1.1\r\n" H "HEAD /stream HTTP/1.1\r\n" H);
    peer_expect(&c, "Content-Length: 20\r\n");
    peer_pump(f.base, 10);
    ck_assert_ptr_nonnull(f.held);
    http_stream_end(f.held);
    f.held = NULL;
    peer_say(&c, "GET /forget HTTP/1.1\r\nConnection: close\r\n" H);
    peer_expect_end(&c);
    peer_has(&c, "500 Internal");
    peer_lacks(&c, "one");
    peer_lacks(&c, "\"path\"");
    peer_hang_up(&c);
}
END_TEST

START_TEST(serves_http_1_0)
{
    struct peer c;

    dial(&c);
    peer_say(&c, "GET /stream HTTP/1.0\r\n\r\n");
    peer_expect(&c, "\r\n\r\none");
    http_stream_end(f.held);
    f.held = NULL;
    peer_expect_end(&c);
    peer_lacks(&c, "chunked");
    peer_hang_up(&c);
    /* a client that shuts its side down still gets its reply */
    dial(&c);
    peer_say(&c, "GET /a HTTP/1.0\r\n\r\n");
    (void)shutdown(c.fd, SHUT_WR);
    peer_expect_end(&c);
    peer_has(&c, "\"path\":\"a\"");
    peer_hang_up(&c);
}
END_TEST

START_TEST(sends_large_bodies)
{
    struct peer c;
    const char *body;

    dial(&c);
    peer_say(&c, "GET /big HTTP/1.1\r\n" H);
    peer_expect(&c, "\r\n\r\nHEAD");
    while (c.len < f.big_size + 4) {
        peer_pump(f.base, 1);
        peer_take(&c);
        ck_assert(!c.eof);
    }
    peer_pump(f.base, 5);
    ck_assert_int_eq(f.released, 1);
    peer_forget(&c);
    peer_say(&c, "GET /file HTTP/1.1\r\nConnection: close\r\n" H);
    peer_expect_end(&c);
    peer_has(&c, "\r\n\r\nstart");
    body = strstr(c.in, "\r\n\r\n") + 4;
    ck_assert_uint_eq((size_t)(c.in + c.len - body), f.big_size);
    ck_assert_mem_eq(body + (1 << 20) - 3, "middle", 6);
    ck_assert_mem_eq(body + f.big_size - 3, "end", 3);
    peer_hang_up(&c);
    dial(&c);
    peer_say(&c, "GET /file?part=1 HTTP/1.1\r\nConnection: close\r\n" H);
    peer_expect_end(&c);
    peer_has(&c, "Content-Length: 1048580\r\n");
    body = strstr(c.in, "\r\n\r\n") + 4;
    ck_assert_uint_eq((size_t)(c.in + c.len - body), (1 << 20) + 4);
    ck_assert_mem_eq(body, "HEADmiddle", 11);
    peer_hang_up(&c);
    /* a client that leaves in the middle releases it too */
    dial(&c);
    peer_say(&c, "GET /big HTTP/1.1\r\n" H);
    peer_pump(f.base, 5);
    peer_hang_up(&c);
    peer_pump(f.base, 20);
    ck_assert_int_eq(f.released, 2);
    ck_assert_uint_eq(http_server_connections(f.server), 0);
}
END_TEST

/* ---- held and streamed ---- */

/* Goes away at once, as a process that is killed with something unread. */
static void reset(struct peer *p)
{
    struct linger none = {1, 0};

    (void)setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    peer_hang_up(p);
}

START_TEST(tells_who_holds_that_the_client_is_gone)
{
    struct peer c;

    dial(&c);
    peer_say(&c, "GET /hold HTTP/1.1\r\n" H);
    peer_pump(f.base, 10);
    ck_assert_ptr_nonnull(f.held);
    /* a byte too much is no reason to end anything */
    peer_say(&c, "GET /next HTTP/1.1\r\n" H);
    peer_pump(f.base, 10);
    ck_assert_int_eq(f.gone, 0);
    http_reply_text(f.held, 200, "late");
    f.held = NULL;
    peer_expect(&c, "late");
    peer_expect(&c, "\"path\":\"next\"");
    peer_say(&c, "GET /hold HTTP/1.1\r\n" H);
    peer_pump(f.base, 10);
    ck_assert_ptr_nonnull(f.held);
    reset(&c);
    peer_pump(f.base, 10);
    ck_assert_int_eq(f.gone, 1);
    ck_assert_int_eq(f.last_status, 0);
    ck_assert_uint_eq(http_server_connections(f.server), 0);
    /* the end of what it sends is not its end: the reply tells */
    dial(&c);
    peer_say(&c, "GET /hold HTTP/1.1\r\n" H);
    peer_pump(f.base, 10);
    peer_hang_up(&c);
    peer_pump(f.base, 10);
    ck_assert_int_eq(f.gone, 1);
    http_reply_text(f.held, 200, "to nobody");
    f.held = NULL;
    peer_pump(f.base, 10);
    ck_assert_uint_eq(http_server_connections(f.server), 0);
}
END_TEST

/* Clients that send all they have, say that this was it, and read to the end.
 */
START_TEST(answers_all_that_came_before_the_end)
{
    struct peer c;
    int64_t began;

    dial(&c);
    peer_say(&c, "GET /a HTTP/1.1\r\n" H
                 "POST /b HTTP/1.1\r\nContent-Length: 2\r\n" H "xy"
                 "GET /hold HTTP/1.1\r\n" H
                 "POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" H
                 "3\r\nabc\r\n0\r\n\r\nGET /d HTTP/1.1\r\n" H);
    (void)shutdown(c.fd, SHUT_WR);
    peer_expect(&c, "{\"path\":\"b\",\"len\":2}");
    peer_pump(f.base, 10);
    ck_assert_ptr_nonnull(f.held); /* by what is worked on elsewhere */
    peer_lacks(&c, "Connection: close");
    http_reply_text(f.held, 200, "late");
    f.held = NULL;
    peer_expect_end(&c);
    peer_has(&c, "{\"path\":\"a\",\"len\":0}");
    peer_has(&c, "late");
    peer_has(&c, "{\"path\":\"c\",\"len\":3}");
    peer_has(&c, "{\"path\":\"d\",\"len\":0}");
    peer_has(&c, "Connection: close");
    ck_assert_int_eq(f.over, 5);
    peer_hang_up(&c);
    /* one that waits for something to happen is told that it has not */
    dial(&c);
    began = peer_now();
    peer_say(&c, "GET /hold?ms=1 HTTP/1.1\r\n" H "GET /a HTTP/1.1\r\n" H);
    (void)shutdown(c.fd, SHUT_WR);
    peer_expect(&c, "HTTP/1.1 204 ");
    ck_assert_int_lt(peer_now() - began, 90);
    peer_expect(&c, "\"path\":\"a\"");
    peer_expect_end(&c);
    peer_hang_up(&c);
    /* a stream goes on while there is something */
    dial(&c);
    peer_say(&c, "GET /drain HTTP/1.1\r\n" H);
    (void)shutdown(c.fd, SHUT_WR);
    peer_expect_end(&c);
    ck_assert_uint_gt(c.len, (size_t)4 << 20);
    ck_assert_mem_eq(c.in + c.len - 7, "\r\n0\r\n\r\n", 7);
    peer_hang_up(&c);
}
END_TEST

START_TEST(drops_what_is_cut_off)
{
    static const char *const beginnings[] = {
        "GET /b HTTP/1.1\r\nHos", "POST /b HTTP/1.1\r\nContent-Length: 9\r\n" H,
        "POST /b HTTP/1.1\r\nContent-Length: 9\r\n" H "1234",
        "POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" H "5\r\nab"};
    struct peer c;

    for (size_t i = 0; i < sizeof(beginnings) / sizeof(*beginnings); i++) {
        int64_t began = peer_now();

        dial(&c);
        peer_say(&c, "GET /a HTTP/1.1\r\n" H);
        peer_say(&c, beginnings[i]);
        (void)shutdown(c.fd, SHUT_WR);
        peer_expect(&c, "\"path\":\"a\"");
        peer_expect_end(&c);
        peer_lacks(&c, "\"path\":\"b\"");
        ck_assert_int_lt(peer_now() - began, 100); /* no time-out is needed */
        peer_hang_up(&c);
    }
    ck_assert_uint_eq(http_server_connections(f.server), 0);
}
END_TEST

START_TEST(holds_until_a_deadline)
{
    struct peer c;
    int64_t began = peer_now();

    dial(&c);
    peer_say(&c, "GET /hold?ms=1 HTTP/1.1\r\n" H);
    peer_expect(&c, "HTTP/1.1 204 No Content\r\n");
    ck_assert_int_ge(peer_now() - began, 95);
    peer_lacks(&c, "Content-Length");
    peer_say(&c, "GET /a HTTP/1.1\r\n" H);
    peer_expect(&c, "\"path\":\"a\"");
    peer_hang_up(&c);
}
END_TEST

START_TEST(streams_pieces)
{
    struct peer c;

    dial(&c);
    peer_say(&c, "GET /stream HTTP/1.1\r\n" H);
    peer_expect(&c, "\r\n\r\n3\r\none\r\n");
    /* longer than every time-out but the idle one */
    peer_pump(f.base, 300);
    ck_assert_int_eq(f.gone, 0);
    http_stream_write(f.held, (struct view){(const uint8_t *)"twelve", 6});
    http_stream_end(f.held);
    f.held = NULL;
    peer_expect(&c, "6\r\ntwelve\r\n0\r\n\r\n");
    peer_say(&c, "GET /stream HTTP/1.1\r\n" H);
    peer_pump(f.base, 10);
    peer_hang_up(&c);
    peer_pump(f.base, 10);
    ck_assert_int_eq(f.gone, 1);
}
END_TEST

START_TEST(says_when_a_stream_has_drained)
{
    struct peer c;

    dial(&c);
    peer_say(&c, "GET /drain HTTP/1.1\r\nConnection: close\r\n" H);
    peer_expect_end(&c);
    ck_assert_uint_gt(c.len, (size_t)4 << 20);
    ck_assert_uint_eq(f.big_size, 0);
    peer_hang_up(&c);
}
END_TEST

START_TEST(ends_with_exchanges_open)
{
    struct peer c;
    struct peer idle;

    dial(&c);
    dial(&idle);
    peer_say(&c, "GET /hold HTTP/1.1\r\n" H);
    peer_pump(f.base, 10);
    http_server_drain(f.server);
    peer_expect_end(&idle);
    ck_assert_uint_eq(http_server_connections(f.server), 1);
    http_reply_text(f.held, 200, "last");
    f.held = NULL;
    peer_expect_end(&c);
    peer_has(&c, "Connection: close");
    ck_assert_uint_eq(http_server_connections(f.server), 0);
    peer_hang_up(&c);
    peer_hang_up(&idle);
}
END_TEST

START_TEST(answers_what_came_before_the_drain)
{
    struct peer c;
    struct peer late;

    dial(&c);
    peer_say(&c, "GET /a HTTP/1.1\r\n" H);
    peer_expect(&c, "\"path\":\"a\"");
    peer_say(&c, "GET /b HTTP/1.1\r\n" H "GET /c HTTP/1.1\r\n" H);
    dial(&late); /* is not even accepted yet */
    peer_say(&late, "POST /d HTTP/1.1\r\nContent-Length: 3\r\n" H "abc");
    http_server_drain(f.server);
    peer_expect_end(&c);
    peer_has(&c, "\"path\":\"b\"");
    peer_has(&c, "Connection: close"); /* c was not looked at */
    peer_lacks(&c, "\"path\":\"c\"");
    peer_expect_end(&late);
    peer_has(&late, "\"path\":\"d\",\"len\":3");
    peer_hang_up(&c);
    peer_hang_up(&late);
    peer_pump(f.base, 10);
    ck_assert_uint_eq(http_server_connections(f.server), 0);
}
END_TEST

START_TEST(destroys_with_exchanges_open)
{
    struct peer c;

    dial(&c);
    peer_say(&c, "GET /hold HTTP/1.1\r\n" H);
    peer_pump(f.base, 10);
    http_server_destroy(&f.server);
    ck_assert_int_eq(f.gone, 1);
    ck_assert_int_eq(f.over, 1);
    peer_expect_end(&c);
    peer_hang_up(&c);
}
END_TEST

/* ---- faults ---- */

static int create(void *state, struct err *err)
{
    struct http_server *server = NULL;
    int rc = http_server_create(f.base, &f.options, &server, err);

    (void)state;
    http_server_destroy(&server);
    return rc;
}

START_TEST(survives_refused_memory)
{
    long refused = 1;

    ck_assert_int_ge(unit_oom_sweep(create, NULL), 1);
    for (long k = 0; refused != 0; k++) {
        struct peer c;

        ck_assert_int_lt(k, 1000);
        dial(&c);
        mem_fail_after(k, 0);
        peer_say(&c, "POST /a HTTP/1.1\r\nContent-Length: 3\r\n"
                     "Connection: close\r\n" H "abc");
        peer_expect_end(&c);
        refused = mem_failures();
        mem_fail_after(-1, 0);
        /* an answer, or the end of the connection: never silence */
        ck_assert(refused != 0 || strstr(c.in, "200 OK") != NULL);
        peer_hang_up(&c);
    }
    ck_assert_uint_eq(http_server_connections(f.server), 0);
}
END_TEST

START_TEST(refuses_a_port_in_use)
{
    struct err err = {0};
    struct http_server *other = NULL;
    unsigned port;

    unit_ok(http_server_create(f.base, &f.options, &other, &err), &err);
    ck_assert_int_eq(
        http_server_listen(other, "127.0.0.1", f.port, &port, &err), ERR_STATE);
    ck_assert_ptr_nonnull(strstr(err.msg, "in use"));
    ck_assert_int_eq(http_server_listen(other, "no such host.", 0, &port, &err),
                     ERR_INVALID);
    http_server_destroy(&other);
}
END_TEST

static TCase *replies(void)
{
    TCase *tc = with_server("replies");

    tcase_add_test(tc, answers_and_keeps_the_connection);
    tcase_add_test(tc, takes_chunks_and_continues);
    tcase_add_test(tc, takes_long_bodies);
    tcase_add_test(tc, answers_a_head_request_without_a_body);
    tcase_add_test(tc, serves_http_1_0);
    tcase_add_test(tc, sends_large_bodies);
    return tc;
}

static TCase *later(void)
{
    TCase *tc = with_server("later");

    tcase_add_test(tc, tells_who_holds_that_the_client_is_gone);
    tcase_add_test(tc, answers_all_that_came_before_the_end);
    tcase_add_test(tc, drops_what_is_cut_off);
    tcase_add_test(tc, holds_until_a_deadline);
    tcase_add_test(tc, streams_pieces);
    tcase_add_test(tc, says_when_a_stream_has_drained);
    tcase_add_test(tc, ends_with_exchanges_open);
    tcase_add_test(tc, answers_what_came_before_the_drain);
    tcase_add_test(tc, destroys_with_exchanges_open);
    return tc;
}

static TCase *faults(void)
{
    TCase *tc = with_server("faults");

    tcase_add_test(tc, survives_refused_memory);
    tcase_add_test(tc, refuses_a_port_in_use);
    return tc;
}

UNIT_MAIN("http", replies, later, faults)
