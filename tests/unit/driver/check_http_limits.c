/* SPDX-License-Identifier: MIT
 *
 * check_http_limits: what the HTTP server does not let clients do: send too
 * much, too slowly or nonsense, take nothing, or come in crowds.
 */
#include "tests/unit/driver/http_fixture.h"

#include "driver/bodies.h"

/* ---- limits ---- */

START_TEST(refuses_before_the_body)
{
    struct peer c;

    dial(&c);
    peer_say(&c, "POST /small HTTP/1.1\r\nContent-Length: 11\r\n"
                 "Expect: 100-continue\r\n" H);
    peer_expect_end(&c);
    peer_has(&c, "HTTP/1.1 413 ");
    peer_has(&c, "application/problem+json");
    peer_has(&c, "the small limit");
    peer_lacks(&c, "100 Continue");
    peer_hang_up(&c);
    dial(&c);
    peer_say(&c, "POST /refused HTTP/1.1\r\nContent-Length: 999999\r\n" H
                 "some of it");
    peer_expect(&c, "HTTP/1.1 401 ");
    peer_expect(&c, "not you");
    peer_say(&c,
             "more of it, which is read over so that the reply can be read");
    peer_expect_end(&c);
    peer_hang_up(&c);
    dial(&c);
    peer_say(&c, "POST /x HTTP/1.1\r\nContent-Length: 1048577\r\n" H);
    peer_expect_end(&c);
    peer_has(&c, "--max-body");
    peer_hang_up(&c);
    dial(&c);
    peer_say(&c, "POST /small HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" H
                 "8\r\n12345678\r\n8\r\n12345678\r\n0\r\n\r\n");
    peer_expect_end(&c);
    peer_has(&c, "HTTP/1.1 413 ");
    peer_hang_up(&c);
}
END_TEST

START_TEST(refuses_bad_heads)
{
    struct peer c;
    char line[2048];

    dial(&c);
    peer_say(&c, "nonsense\r\n\r\n");
    peer_expect_end(&c);
    peer_has(&c, "HTTP/1.1 400 ");
    peer_has(&c, "\"code\":\"proto\"");
    peer_hang_up(&c);
    (void)snprintf(line, sizeof(line), "GET / HTTP/1.1\r\nA: %01100d", 1);
    dial(&c);
    peer_say(&c, line);
    peer_expect_end(&c);
    peer_has(&c, "HTTP/1.1 431 ");
    peer_hang_up(&c);
    ck_assert_uint_eq(http_server_connections(f.server), 0);
}
END_TEST

START_TEST(ends_slow_clients)
{
    struct peer heads;
    struct peer bodies;
    struct peer idle;
    int64_t began = peer_now();

    dial(&heads);
    dial(&bodies);
    dial(&idle);
    peer_say(&bodies, "POST /x HTTP/1.1\r\nContent-Length: 10000\r\n" H);
    /* a byte now and then does not help */
    for (int i = 0; i < 40 && !heads.eof; i++) {
        (void)send(heads.fd, "G", 1, MSG_NOSIGNAL);
        (void)send(bodies.fd, "b", 1, MSG_NOSIGNAL);
        peer_pump(f.base, 10);
        peer_take(&heads);
        peer_take(&bodies);
    }
    ck_assert(heads.eof);
    peer_expect(&bodies, "HTTP/1.1 408 ");
    ck_assert_int_ge(peer_now() - began, 140);
    ck_assert(!idle.eof);
    peer_expect_end(&idle);
    ck_assert_int_ge(peer_now() - began, 390);
    peer_hang_up(&heads);
    peer_hang_up(&bodies);
    peer_hang_up(&idle);
}
END_TEST

START_TEST(lets_steady_bodies_come)
{
    struct peer c;
    char piece[4000];

    memset(piece, 'x', sizeof(piece) - 1);
    piece[sizeof(piece) - 1] = '\0';
    dial(&c);
    peer_say(&c, "POST /a HTTP/1.1\r\nContent-Length: 39990\r\n" H);
    for (int i = 0; i < 10; i++) { /* longer than stall_ms, together */
        peer_pump(f.base, 40);
        peer_say(&c, piece);
    }
    peer_expect(&c, "\"len\":39990}");
    peer_hang_up(&c);
}
END_TEST

START_TEST(ends_readers_that_take_nothing)
{
    struct peer c;
    int64_t began = peer_now();

    dial(&c);
    peer_say(&c, "GET /big HTTP/1.1\r\n" H);
    while (f.released == 0 && peer_now() - began < 3000) {
        peer_pump(f.base, 10);
    }
    ck_assert_int_eq(f.released, 1);
    ck_assert_uint_eq(http_server_connections(f.server), 0);
    peer_hang_up(&c);
}
END_TEST

START_TEST(accepts_only_so_many)
{
    struct peer c[3];
    struct err err = {0};

    http_server_destroy(&f.server);
    f.options.max_connections = 2;
    unit_ok(http_server_create(f.base, &f.options, &f.server, &err), &err);
    unit_ok(http_server_listen(f.server, "127.0.0.1", 0, &f.port, &err), &err);
    for (int i = 0; i < 3; i++) {
        dial(&c[i]);
        peer_pump(f.base, 10);
    }
    ck_assert_uint_eq(http_server_connections(f.server), 2);
    peer_say(&c[2], "GET /a HTTP/1.1\r\n" H); /* waits in the listen queue */
    peer_pump(f.base, 50);
    peer_take(&c[2]);
    ck_assert_uint_eq(c[2].len, 0);
    peer_hang_up(&c[0]);
    peer_expect(&c[2], "\"path\":\"a\"");
    peer_hang_up(&c[1]);
    peer_hang_up(&c[2]);
}
END_TEST

/* A server whose bodies have this budget; ends with it. */
static void with_budget(size_t budget, struct bodies **bodies,
                        struct body_gate **gate)
{
    struct err err = {0};

    unit_ok(bodies_create(budget, bodies, &err), &err);
    unit_ok(body_gate_create(*bodies, f.base, gate, &err), &err);
    http_server_destroy(&f.server);
    f.options.gate = *gate;
    f.options.stall_ms = 5000;
    unit_ok(http_server_create(f.base, &f.options, &f.server, &err), &err);
    unit_ok(http_server_listen(f.server, "127.0.0.1", 0, &f.port, &err), &err);
}

START_TEST(bodies_wait_for_each_other)
{
    static char half[100001];
    struct bodies *bodies = NULL;
    struct body_gate *gate = NULL;
    struct peer c[4];

    memset(half, 'x', sizeof(half) - 1);
    with_budget(300000, &bodies, &gate);
    for (int i = 0; i < 4; i++) {
        dial(&c[i]);
    }
    peer_say(&c[0], "POST /a HTTP/1.1\r\nContent-Length: 200000\r\n" H);
    peer_say(&c[0], half);
    peer_pump(f.base, 10);
    /* no room: not even asked for it */
    peer_say(&c[1], "POST /b HTTP/1.1\r\nExpect: 100-continue\r\n"
                    "Content-Length: 200000\r\n" H);
    peer_pump(f.base, 20);
    peer_take(&c[1]);
    ck_assert_uint_eq(c[1].len, 0);
    ck_assert_uint_eq(http_server_reading(f.server), 2);
    /* it all is there, and is not read */
    peer_say(&c[2], "POST /c HTTP/1.1\r\nContent-Length: 100000\r\n" H);
    peer_say(&c[2], half);
    /* small ones and other requests are not held up */
    peer_say(&c[3], "POST /d HTTP/1.1\r\nContent-Length: 3\r\n" H "abc");
    peer_expect(&c[3], "\"path\":\"d\"");
    peer_take(&c[2]);
    ck_assert_uint_eq(c[2].len, 0);
    peer_say(&c[0], half);
    peer_expect(&c[0], "\"len\":200000");
    peer_expect(&c[1], "100 Continue");
    peer_hang_up(&c[1]); /* gives its place to the next */
    peer_expect(&c[2], "\"len\":100000");
    for (int i = 0; i < 4; i++) {
        if (i != 1) {
            peer_hang_up(&c[i]);
        }
    }
    http_server_destroy(&f.server);
    body_gate_destroy(&gate);
    bodies_destroy(&bodies);
}
END_TEST

static TCase *limits(void)
{
    TCase *tc = with_server("limits");

    tcase_add_test(tc, refuses_before_the_body);
    tcase_add_test(tc, refuses_bad_heads);
    tcase_add_test(tc, ends_slow_clients);
    tcase_add_test(tc, lets_steady_bodies_come);
    tcase_add_test(tc, ends_readers_that_take_nothing);
    tcase_add_test(tc, accepts_only_so_many);
    tcase_add_test(tc, bodies_wait_for_each_other);
    return tc;
}

UNIT_MAIN("http_limits", limits)
