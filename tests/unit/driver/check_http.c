/* SPDX-License-Identifier: MIT
 *
 * check_http: the HTTP server against raw sockets: replies, limits, clients
 * that are slow or go away, held and streamed exchanges. Server and client
 * share one thread: the client's reads pump the server's loop.
 */
#include "tests/lib/unit.h"

#include "common/mem.h"
#include "driver/http.h"

#include <event2/event.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

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

static int64_t now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void pump(int ms)
{
    int64_t end = now_ms() + ms;

    do {
        struct timespec nap = {0, 500000};

        (void)event_base_loop(f.base, EVLOOP_NONBLOCK);
        (void)nanosleep(&nap, NULL);
    } while (now_ms() < end);
}

/* ---- handlers, by path ---- */

static void on_gone(void *context, struct http_exchange *x)
{
    (void)context;
    ck_assert_ptr_eq(x, f.held);
    f.held = NULL;
    f.gone++;
}

static void on_deadline(void *context, struct http_exchange *x)
{
    (void)context;
    f.held = NULL;
    http_reply(x, 204, NULL, (struct view){NULL, 0});
}

static void release(void *argument)
{
    ck_assert_ptr_eq(argument, f.big);
    f.released++;
}

static void on_drain(void *context, struct http_exchange *x)
{
    (void)context;
    if (http_stream_pending(x) == 0 && f.big_size != 0) {
        f.big_size = 0; /* the second half */
        http_stream_write(x, (struct view){(const uint8_t *)"end", 3});
        http_stream_end(x);
    }
}

static void on_head(void *context, struct http_exchange *x)
{
    (void)context;
    if (strcmp(http_segment(x, 0), "small") == 0) {
        http_limit_body(x, 10, "the small limit");
    }
    if (strcmp(http_segment(x, 0), "refused") == 0) {
        http_reply_problem(x, 401, "denied", "not you");
    }
}

static void reply_file(struct http_exchange *x)
{
    char path[] = "/tmp/elephas-http-XXXXXX";
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    (void)unlink(path);
    ck_assert_int_eq(ftruncate(fd, (off_t)f.big_size), 0);
    ck_assert_int_eq(pwrite(fd, "start", 5, 0), 5);
    http_reply_file(x, 200, "text/csv", fd);
}

static void on_request(void *context, struct http_exchange *x)
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
    } else if (strcmp(path, "forget") == 0) {
        return;
    } else {
        size_t n =
            body.len < sizeof(f.body) - 1 ? body.len : sizeof(f.body) - 1;

        memcpy(f.body, body.data != NULL ? body.data : (const uint8_t *)"", n);
        f.body[n] = '\0';
        http_reply_header(x, "X-Test", "yes\r\nInjected: no");
        http_reply_json(
            x, 200,
            json_pack("{s:s, s:i}", "path", path, "len", (int)body.len));
    }
}

static void on_over(void *context, struct http_exchange *x)
{
    (void)context;
    f.over++;
    f.last_status = http_status(x);
}

static void setup(void)
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

static void teardown(void)
{
    http_server_destroy(&f.server);
    event_base_free(f.base);
    free(f.big);
}

/* ---- the client ---- */

struct client {
    int fd;
    char in[8192]; /* the first bytes of what came */
    size_t len;    /* of all that came */
    bool eof;
};

static void dial(struct client *c)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)f.port)};

    memset(c, 0, sizeof(*c));
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(c->fd, (struct sockaddr *)&a, sizeof(a)), 0);
    (void)fcntl(c->fd, F_SETFL, O_NONBLOCK);
}

static void say(struct client *c, const char *text)
{
    ssize_t n = send(c->fd, text, strlen(text), MSG_NOSIGNAL);

    ck_assert_int_eq(n, (ssize_t)strlen(text));
}

static void take(struct client *c)
{
    char data[65536];
    ssize_t n;

    while ((n = recv(c->fd, data, sizeof(data), 0)) > 0) {
        if (c->len < sizeof(c->in) - 1) {
            size_t room = sizeof(c->in) - 1 - c->len;

            memcpy(c->in + c->len, data, (size_t)n < room ? (size_t)n : room);
        }
        c->len += (size_t)n;
    }
    if (n == 0 || (n < 0 && errno != EAGAIN)) {
        c->eof = true;
    }
}

/* Until the text came (NULL: until the end); false after 3 s. */
static bool await(struct client *c, const char *text)
{
    int64_t end = now_ms() + 3000;

    while (now_ms() < end) {
        take(c);
        if (text != NULL && strstr(c->in, text) != NULL) {
            return true;
        }
        if (c->eof) {
            return text == NULL;
        }
        pump(1);
    }
    return false;
}

#define expect(c, text)                                                        \
    ck_assert_msg(await((c), (text)), "no %s in: %s", (text), (c)->in)
#define expect_end(c)                                                          \
    ck_assert_msg(await((c), NULL), "is not closed: %s", (c)->in)

static void hang_up(struct client *c)
{
    (void)close(c->fd);
    pump(5);
}

#define H "Host: x\r\n\r\n"

/* ---- requests and replies ---- */

START_TEST(answers_and_keeps_the_connection)
{
    struct client c;

    dial(&c);
    say(&c, "GET /a HTTP/1.1\r\n" H);
    expect(&c, "{\"path\":\"a\",\"len\":0}");
    ck_assert_ptr_nonnull(strstr(c.in, "HTTP/1.1 200 OK\r\n"));
    ck_assert_ptr_nonnull(strstr(c.in, "Content-Length: 20\r\n"));
    ck_assert_ptr_nonnull(strstr(c.in, "X-Test: yes\r\n"));
    ck_assert_ptr_null(strstr(c.in, "Injected"));
    ck_assert_ptr_null(strstr(c.in, "Connection: close"));
    /* three at once, one of them held up by a body */
    say(&c, "\r\nGET /b HTTP/1.1\r\n" H
            "POST /c HTTP/1.1\r\nContent-Length: 5\r\n" H "hel");
    expect(&c, "{\"path\":\"b\",\"len\":0}");
    say(&c, "loGET /d HTTP/1.1\r\nConnection: close\r\n" H);
    expect(&c, "{\"path\":\"c\",\"len\":5}");
    ck_assert_str_eq(f.body, "");
    expect_end(&c);
    ck_assert_ptr_nonnull(strstr(c.in, "{\"path\":\"d\",\"len\":0}"));
    ck_assert_ptr_nonnull(strstr(c.in, "Connection: close"));
    ck_assert_int_eq(f.over, 4);
    hang_up(&c);
}
END_TEST

START_TEST(takes_chunks_and_continues)
{
    struct client c;

    dial(&c);
    say(&c,
        "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" H "3\r\nabc\r\n2");
    pump(10);
    say(&c, "\r\nde\r\n0\r\n\r\n");
    expect(&c, "\"len\":5}");
    ck_assert_str_eq(f.body, "abcde");
    say(&c,
        "POST /b HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n" H);
    expect(&c, "HTTP/1.1 100 Continue\r\n\r\n");
    say(&c, "xy");
    expect(&c, "\"len\":2}");
    ck_assert_str_eq(f.body, "xy");
    hang_up(&c);
}
END_TEST

START_TEST(answers_a_head_request_without_a_body)
{
    struct client c;

    dial(&c);
    say(&c, "HEAD /a HTTP/1.1\r\n" H "HEAD /stream HTTP/1.1\r\n" H);
    expect(&c, "Content-Length: 20\r\n");
    pump(10);
    ck_assert_ptr_nonnull(f.held);
    http_stream_end(f.held);
    f.held = NULL;
    say(&c, "GET /forget HTTP/1.1\r\nConnection: close\r\n" H);
    expect_end(&c);
    ck_assert_ptr_nonnull(strstr(c.in, "500 Internal"));
    ck_assert_ptr_null(strstr(c.in, "one"));
    ck_assert_ptr_null(strstr(c.in, "\"path\""));
    hang_up(&c);
}
END_TEST

START_TEST(serves_http_1_0)
{
    struct client c;

    dial(&c);
    say(&c, "GET /stream HTTP/1.0\r\n\r\n");
    expect(&c, "\r\n\r\none");
    http_stream_end(f.held);
    f.held = NULL;
    expect_end(&c);
    ck_assert_ptr_null(strstr(c.in, "chunked"));
    hang_up(&c);
    /* a client that shuts its side down still gets its reply */
    dial(&c);
    say(&c, "GET /a HTTP/1.0\r\n\r\n");
    (void)shutdown(c.fd, SHUT_WR);
    expect_end(&c);
    ck_assert_ptr_nonnull(strstr(c.in, "\"path\":\"a\""));
    hang_up(&c);
}
END_TEST

START_TEST(sends_large_bodies)
{
    struct client c;

    dial(&c);
    say(&c, "GET /big HTTP/1.1\r\n" H);
    expect(&c, "\r\n\r\nHEAD");
    while (c.len < f.big_size + 4) {
        pump(1);
        take(&c);
        ck_assert(!c.eof);
    }
    pump(5);
    ck_assert_int_eq(f.released, 1);
    c.len = 0;
    memset(c.in, 0, sizeof(c.in));
    say(&c, "GET /file HTTP/1.1\r\nConnection: close\r\n" H);
    expect_end(&c);
    ck_assert_ptr_nonnull(strstr(c.in, "\r\n\r\nstart"));
    ck_assert_uint_gt(c.len, f.big_size);
    hang_up(&c);
    /* a client that leaves in the middle releases it too */
    dial(&c);
    say(&c, "GET /big HTTP/1.1\r\n" H);
    pump(5);
    hang_up(&c);
    pump(20);
    ck_assert_int_eq(f.released, 2);
    ck_assert_uint_eq(http_server_connections(f.server), 0);
}
END_TEST

/* ---- limits ---- */

START_TEST(refuses_before_the_body)
{
    struct client c;

    dial(&c);
    say(&c, "POST /small HTTP/1.1\r\nContent-Length: 11\r\n"
            "Expect: 100-continue\r\n" H);
    expect_end(&c);
    ck_assert_ptr_nonnull(strstr(c.in, "HTTP/1.1 413 "));
    ck_assert_ptr_nonnull(strstr(c.in, "application/problem+json"));
    ck_assert_ptr_nonnull(strstr(c.in, "the small limit"));
    ck_assert_ptr_null(strstr(c.in, "100 Continue"));
    hang_up(&c);
    dial(&c);
    say(&c,
        "POST /refused HTTP/1.1\r\nContent-Length: 999999\r\n" H "some of it");
    expect(&c, "HTTP/1.1 401 ");
    expect(&c, "not you");
    say(&c, "more of it, which is read over so that the reply can be read");
    expect_end(&c);
    hang_up(&c);
    dial(&c);
    say(&c, "POST /x HTTP/1.1\r\nContent-Length: 1048577\r\n" H);
    expect_end(&c);
    ck_assert_ptr_nonnull(strstr(c.in, "--max-body"));
    hang_up(&c);
    dial(&c);
    say(&c, "POST /small HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" H
            "8\r\n12345678\r\n8\r\n12345678\r\n0\r\n\r\n");
    expect_end(&c);
    ck_assert_ptr_nonnull(strstr(c.in, "HTTP/1.1 413 "));
    hang_up(&c);
}
END_TEST

START_TEST(refuses_bad_heads)
{
    struct client c;
    char line[2048];

    dial(&c);
    say(&c, "nonsense\r\n\r\n");
    expect_end(&c);
    ck_assert_ptr_nonnull(strstr(c.in, "HTTP/1.1 400 "));
    ck_assert_ptr_nonnull(strstr(c.in, "\"code\":\"proto\""));
    hang_up(&c);
    (void)snprintf(line, sizeof(line), "GET / HTTP/1.1\r\nA: %01100d", 1);
    dial(&c);
    say(&c, line);
    expect_end(&c);
    ck_assert_ptr_nonnull(strstr(c.in, "HTTP/1.1 431 "));
    hang_up(&c);
    ck_assert_uint_eq(http_server_connections(f.server), 0);
}
END_TEST

START_TEST(ends_slow_clients)
{
    struct client heads;
    struct client bodies;
    struct client idle;
    int64_t began = now_ms();

    dial(&heads);
    dial(&bodies);
    dial(&idle);
    say(&bodies, "POST /x HTTP/1.1\r\nContent-Length: 10000\r\n" H);
    /* a byte now and then does not help */
    for (int i = 0; i < 40 && !heads.eof; i++) {
        (void)send(heads.fd, "G", 1, MSG_NOSIGNAL);
        (void)send(bodies.fd, "b", 1, MSG_NOSIGNAL);
        pump(10);
        take(&heads);
        take(&bodies);
    }
    ck_assert(heads.eof);
    expect(&bodies, "HTTP/1.1 408 ");
    ck_assert_int_ge(now_ms() - began, 140);
    ck_assert(!idle.eof);
    expect_end(&idle);
    ck_assert_int_ge(now_ms() - began, 390);
    hang_up(&heads);
    hang_up(&bodies);
    hang_up(&idle);
}
END_TEST

START_TEST(lets_steady_bodies_come)
{
    struct client c;
    char piece[4000];

    memset(piece, 'x', sizeof(piece) - 1);
    piece[sizeof(piece) - 1] = '\0';
    dial(&c);
    say(&c, "POST /a HTTP/1.1\r\nContent-Length: 39990\r\n" H);
    for (int i = 0; i < 10; i++) { /* longer than stall_ms, together */
        pump(40);
        say(&c, piece);
    }
    expect(&c, "\"len\":39990}");
    hang_up(&c);
}
END_TEST

START_TEST(ends_readers_that_take_nothing)
{
    struct client c;
    int64_t began = now_ms();

    dial(&c);
    say(&c, "GET /big HTTP/1.1\r\n" H);
    while (f.released == 0 && now_ms() - began < 3000) {
        pump(10);
    }
    ck_assert_int_eq(f.released, 1);
    ck_assert_uint_eq(http_server_connections(f.server), 0);
    hang_up(&c);
}
END_TEST

START_TEST(accepts_only_so_many)
{
    struct client c[3];
    struct err err = {0};

    http_server_destroy(&f.server);
    f.options.max_connections = 2;
    unit_ok(http_server_create(f.base, &f.options, &f.server, &err), &err);
    unit_ok(http_server_listen(f.server, "127.0.0.1", 0, &f.port, &err), &err);
    for (int i = 0; i < 3; i++) {
        dial(&c[i]);
        pump(10);
    }
    ck_assert_uint_eq(http_server_connections(f.server), 2);
    say(&c[2], "GET /a HTTP/1.1\r\n" H); /* waits in the listen queue */
    pump(50);
    take(&c[2]);
    ck_assert_uint_eq(c[2].len, 0);
    hang_up(&c[0]);
    expect(&c[2], "\"path\":\"a\"");
    hang_up(&c[1]);
    hang_up(&c[2]);
}
END_TEST

/* ---- held and streamed ---- */

START_TEST(tells_who_holds_that_the_client_is_gone)
{
    struct client c;

    dial(&c);
    say(&c, "GET /hold HTTP/1.1\r\n" H);
    pump(10);
    ck_assert_ptr_nonnull(f.held);
    /* a byte too much is no reason to end anything */
    say(&c, "GET /next HTTP/1.1\r\n" H);
    pump(10);
    ck_assert_int_eq(f.gone, 0);
    http_reply_text(f.held, 200, "late");
    f.held = NULL;
    expect(&c, "late");
    expect(&c, "\"path\":\"next\"");
    say(&c, "GET /hold HTTP/1.1\r\n" H);
    pump(10);
    ck_assert_ptr_nonnull(f.held);
    hang_up(&c);
    pump(10);
    ck_assert_int_eq(f.gone, 1);
    ck_assert_int_eq(f.last_status, 0);
    ck_assert_uint_eq(http_server_connections(f.server), 0);
}
END_TEST

START_TEST(holds_until_a_deadline)
{
    struct client c;
    int64_t began = now_ms();

    dial(&c);
    say(&c, "GET /hold?ms=1 HTTP/1.1\r\n" H);
    expect(&c, "HTTP/1.1 204 No Content\r\n");
    ck_assert_int_ge(now_ms() - began, 95);
    ck_assert_ptr_null(strstr(c.in, "Content-Length"));
    say(&c, "GET /a HTTP/1.1\r\n" H);
    expect(&c, "\"path\":\"a\"");
    hang_up(&c);
}
END_TEST

START_TEST(streams_pieces)
{
    struct client c;

    dial(&c);
    say(&c, "GET /stream HTTP/1.1\r\n" H);
    expect(&c, "\r\n\r\n3\r\none\r\n");
    /* longer than every time-out but the idle one */
    pump(300);
    ck_assert_int_eq(f.gone, 0);
    http_stream_write(f.held, (struct view){(const uint8_t *)"twelve", 6});
    http_stream_end(f.held);
    f.held = NULL;
    expect(&c, "6\r\ntwelve\r\n0\r\n\r\n");
    say(&c, "GET /stream HTTP/1.1\r\n" H);
    pump(10);
    hang_up(&c);
    pump(10);
    ck_assert_int_eq(f.gone, 1);
}
END_TEST

START_TEST(says_when_a_stream_has_drained)
{
    struct client c;

    dial(&c);
    say(&c, "GET /drain HTTP/1.1\r\nConnection: close\r\n" H);
    expect_end(&c);
    ck_assert_uint_gt(c.len, (size_t)4 << 20);
    ck_assert_uint_eq(f.big_size, 0);
    hang_up(&c);
}
END_TEST

START_TEST(ends_with_exchanges_open)
{
    struct client c;
    struct client idle;

    dial(&c);
    dial(&idle);
    say(&c, "GET /hold HTTP/1.1\r\n" H);
    pump(10);
    http_server_drain(f.server);
    expect_end(&idle);
    ck_assert_uint_eq(http_server_connections(f.server), 1);
    http_reply_text(f.held, 200, "last");
    f.held = NULL;
    expect_end(&c);
    ck_assert_ptr_nonnull(strstr(c.in, "Connection: close"));
    ck_assert_uint_eq(http_server_connections(f.server), 0);
    hang_up(&c);
    hang_up(&idle);
}
END_TEST

START_TEST(destroys_with_exchanges_open)
{
    struct client c;

    dial(&c);
    say(&c, "GET /hold HTTP/1.1\r\n" H);
    pump(10);
    http_server_destroy(&f.server);
    ck_assert_int_eq(f.gone, 1);
    ck_assert_int_eq(f.over, 1);
    expect_end(&c);
    hang_up(&c);
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
        struct client c;

        ck_assert_int_lt(k, 1000);
        dial(&c);
        mem_fail_after(k, 0);
        say(&c, "POST /a HTTP/1.1\r\nContent-Length: 3\r\n"
                "Connection: close\r\n" H "abc");
        expect_end(&c);
        refused = mem_failures();
        mem_fail_after(-1, 0);
        /* an answer, or the end of the connection: never silence */
        ck_assert(refused != 0 || strstr(c.in, "200 OK") != NULL);
        hang_up(&c);
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

static TCase *with(const char *name)
{
    TCase *tc = tcase_create(name);

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 30);
    return tc;
}

static TCase *replies(void)
{
    TCase *tc = with("replies");

    tcase_add_test(tc, answers_and_keeps_the_connection);
    tcase_add_test(tc, takes_chunks_and_continues);
    tcase_add_test(tc, answers_a_head_request_without_a_body);
    tcase_add_test(tc, serves_http_1_0);
    tcase_add_test(tc, sends_large_bodies);
    return tc;
}

static TCase *limits(void)
{
    TCase *tc = with("limits");

    tcase_add_test(tc, refuses_before_the_body);
    tcase_add_test(tc, refuses_bad_heads);
    tcase_add_test(tc, ends_slow_clients);
    tcase_add_test(tc, lets_steady_bodies_come);
    tcase_add_test(tc, ends_readers_that_take_nothing);
    tcase_add_test(tc, accepts_only_so_many);
    return tc;
}

static TCase *later(void)
{
    TCase *tc = with("later");

    tcase_add_test(tc, tells_who_holds_that_the_client_is_gone);
    tcase_add_test(tc, holds_until_a_deadline);
    tcase_add_test(tc, streams_pieces);
    tcase_add_test(tc, says_when_a_stream_has_drained);
    tcase_add_test(tc, ends_with_exchanges_open);
    tcase_add_test(tc, destroys_with_exchanges_open);
    return tc;
}

static TCase *faults(void)
{
    TCase *tc = with("faults");

    tcase_add_test(tc, survives_refused_memory);
    tcase_add_test(tc, refuses_a_port_in_use);
    return tc;
}

UNIT_MAIN("http", replies, limits, later, faults)
