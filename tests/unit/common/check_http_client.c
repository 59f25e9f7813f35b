/* SPDX-License-Identifier: MIT
 *
 * check_http_client: common/http_client against a server in a thread that
 * answers by path and remembers what it was sent.
 */
#include "tests/lib/unit.h"

#include "common/http_client.h"
#include "common/mem.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BIG ((size_t)3 << 20)

struct server {
    int fd;
    char url[64];
    pthread_t thread;
    atomic_bool stop;
    atomic_int connections;
    pthread_mutex_t lock;
    char request[4096]; /* head of the last request */
    size_t body_len;
    uint32_t body_sum;
};

static struct server server;

/* False once the client has gone. */
static bool say(int fd, const char *text)
{
    return send(fd, text, strlen(text), MSG_NOSIGNAL) > 0;
}

static void say_all(int fd, size_t n)
{
    char piece[4096];

    memset(piece, 'x', sizeof(piece));
    for (size_t done = 0; done < n;) {
        ssize_t k =
            send(fd, piece, n - done < sizeof(piece) ? n - done : sizeof(piece),
                 MSG_NOSIGNAL);

        if (k <= 0) {
            return;
        }
        done += (size_t)k;
    }
}

static void answer(int fd, const char *status, const char *type,
                   const char *body)
{
    char head[512];

    (void)snprintf(head, sizeof(head),
                   "HTTP/1.1 %s\r\nContent-Type: %s\r\nETag: \"v7\"\r\n"
                   "Content-Length: %zu\r\n\r\n",
                   status, type, strlen(body));
    say(fd, head);
    say(fd, body);
}

static void pause_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};

    (void)nanosleep(&t, NULL);
}

/* Says nothing until the test is over. */
static void sleep_until_stop(struct server *s)
{
    for (int i = 0; i < 200 && !atomic_load(&s->stop); i++) {
        pause_ms(20);
    }
}

#define PROBLEM "application/problem+json"

/* Returns false when the connection is to be closed. */
static bool respond(struct server *s, int fd, const char *path)
{
    char head[128];

    if (strcmp(path, "/ok") == 0) {
        answer(fd, "200 OK", "text/plain", "hello");
    } else if (strcmp(path, "/not-modified") == 0) {
        say(fd, "HTTP/1.1 304 Not Modified\r\nETag: W/\"v8\"\r\n\r\n");
    } else if (strcmp(path, "/later") == 0) {
        say(fd, "HTTP/1.1 204 No Content\r\n\r\n");
    } else if (strcmp(path, "/problem") == 0) {
        answer(fd, "409 Conflict", PROBLEM,
               "{\"code\":\"state\",\"detail\":\"the job has ended\"}");
    } else if (strcmp(path, "/limit") == 0) {
        answer(fd, "413 Too Large", PROBLEM,
               "{\"code\":\"limit\",\"detail\":\"over 5\"}");
    } else if (strcmp(path, "/gone") == 0) {
        answer(fd, "410 Gone", "text/plain", "gone");
    } else if (strcmp(path, "/html") == 0) {
        answer(fd, "503 Unavailable", "text/html", "<html>");
    } else if (strcmp(path, "/empty") == 0) {
        return false;
    } else if (strcmp(path, "/half") == 0) {
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
        return false;
    } else if (strcmp(path, "/slow") == 0) {
        sleep_until_stop(s);
        return false;
    } else if (strcmp(path, "/close") == 0) {
        answer(fd, "200 OK", "text/plain", "bye"); /* and then it closes */
        return false;
    } else if (strcmp(path, "/garbage") == 0) {
        say(fd, "220 smtp.example ESMTP\r\n");
        return false;
    } else if (strcmp(path, "/big") == 0) {
        (void)snprintf(head, sizeof(head),
                       "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", BIG);
        say(fd, head);
        say_all(fd, BIG);
    } else if (strcmp(path, "/stream") == 0) {
        say(fd, "HTTP/1.1 200 OK\r\n"
                "Content-Type: text/event-stream\r\n\r\n");
        for (int i = 0; i < 8 && say(fd, "data: {}\n\n"); i++) {
            pause_ms(100);
        }
        return false;
    } else if (strcmp(path, "/silent-stream") == 0) {
        say(fd, "HTTP/1.1 200 OK\r\n\r\n: first\n");
        sleep_until_stop(s);
        return false;
    } else {
        answer(fd, "404 Not Found", PROBLEM,
               "{\"code\":\"not_found\",\"detail\":\"no such route\"}");
    }
    return true;
}

/* Reads a request; false at the end of the connection. */
static bool read_request(struct server *s, int fd, char *path, size_t room)
{
    char head[sizeof(s->request)];
    size_t len = 0;
    size_t expected = 0;
    const char *field;

    while (len < 4 || memcmp(head + len - 4, "\r\n\r\n", 4) != 0) {
        if (len == sizeof(head) - 1 || read(fd, head + len, 1) != 1) {
            return false;
        }
        len++;
    }
    head[len] = '\0';
    field = strstr(head, "Content-Length: ");
    expected = field != NULL ? strtoul(field + 16, NULL, 10) : 0;
    pthread_mutex_lock(&s->lock);
    memcpy(s->request, head, len + 1);
    s->body_len = 0;
    s->body_sum = 0;
    while (s->body_len < expected) {
        uint8_t piece[4096];
        ssize_t n = read(fd, piece, sizeof(piece));

        if (n <= 0) {
            break;
        }
        for (ssize_t i = 0; i < n; i++) {
            s->body_sum = s->body_sum * 31 + piece[i];
        }
        s->body_len += (size_t)n;
    }
    pthread_mutex_unlock(&s->lock);
    (void)sscanf(head, "%*s %127s", path);
    (void)room;
    return true;
}

static void *serve(void *context)
{
    struct server *s = context;

    while (!atomic_load(&s->stop)) {
        struct pollfd wait = {.fd = s->fd, .events = POLLIN};
        char path[128];
        int fd;

        if (poll(&wait, 1, 50) != 1) {
            continue;
        }
        fd = accept(s->fd, NULL, NULL);
        if (fd < 0) {
            continue;
        }
        atomic_fetch_add(&s->connections, 1);
        for (;;) {
            struct pollfd ready = {.fd = fd, .events = POLLIN};

            if (poll(&ready, 1, 50) != 1) {
                if (atomic_load(&s->stop)) {
                    break;
                }
                continue;
            }
            if (!read_request(s, fd, path, sizeof(path)) ||
                !respond(s, fd, path)) {
                break;
            }
        }
        (void)close(fd);
    }
    return NULL;
}

static void start(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof(at);

    memset(&server, 0, sizeof(server));
    (void)pthread_mutex_init(&server.lock, NULL);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(server.fd, (struct sockaddr *)&at, sizeof(at)), 0);
    ck_assert_int_eq(listen(server.fd, 8), 0);
    ck_assert_int_eq(getsockname(server.fd, (struct sockaddr *)&at, &len), 0);
    (void)snprintf(server.url, sizeof(server.url), "http://127.0.0.1:%d",
                   ntohs(at.sin_port));
    ck_assert_int_eq(pthread_create(&server.thread, NULL, serve, &server), 0);
}

static void stop(void)
{
    atomic_store(&server.stop, true);
    (void)pthread_join(server.thread, NULL);
    (void)close(server.fd);
    (void)pthread_mutex_destroy(&server.lock);
}

static struct http_client *client(const char *token)
{
    struct http_client *c = NULL;
    struct err err = {0};

    unit_ok(http_client_create(server.url, token, &c, &err), &err);
    return c;
}

/* GET; checks the code and, if not NULL, a part of the message. */
static void expect(struct http_client *c, const char *path, int code,
                   const char *part)
{
    const struct http_request q = {
        .method = "GET", .path = path, .timeout_ms = 500};
    struct http_response r;
    struct err err = {0};
    int rc = http_client_send(c, &q, &r, &err);

    ck_assert_msg(rc == code, "%s: %d instead of %d: %s", path, rc, code,
                  err.msg);
    ck_assert_msg(part == NULL || strstr(err.msg, part) != NULL,
                  "%s: '%s' is not in '%s'", path, part, err.msg);
    http_response_deinit(&r);
}

START_TEST(gets_with_token_and_etag)
{
    struct http_client *c = client("secret");
    struct http_request q = {
        .method = "GET", .path = "/ok", .if_none_match = "v6"};
    struct http_response r;
    struct err err = {0};

    ck_assert_str_eq(http_client_url(c), server.url);
    unit_ok(http_client_send(c, &q, &r, &err), &err);
    ck_assert_int_eq(r.status, 200);
    ck_assert_str_eq(buf_str(&r.body), "hello");
    ck_assert_str_eq(r.etag, "v7");
    ck_assert_ptr_nonnull(strstr(server.request, "GET /ok HTTP/1.1\r\n"));
    ck_assert_ptr_nonnull(
        strstr(server.request, "\r\nAuthorization: Bearer secret\r\n"));
    ck_assert_ptr_nonnull(
        strstr(server.request, "\r\nIf-None-Match: \"v6\"\r\n"));
    http_response_deinit(&r);
    q.path = "/not-modified";
    unit_ok(http_client_send(c, &q, &r, &err), &err);
    ck_assert_int_eq(r.status, 304);
    ck_assert_str_eq(r.etag, "v8");
    http_response_deinit(&r);
    q.path = "/later";
    unit_ok(http_client_send(c, &q, &r, &err), &err);
    ck_assert_int_eq(r.status, 204);
    http_response_deinit(&r);
    ck_assert_int_eq(atomic_load(&server.connections), 1);
    http_client_destroy(&c);
    ck_assert_ptr_null(c);
}
END_TEST

START_TEST(posts_two_views_as_one_body)
{
    struct http_client *c = client(NULL);
    uint8_t *big = mem_alloc(BIG);
    uint32_t sum = 'a' * 31 + 'b';
    struct http_request q = {.method = "POST",
                             .path = "/ok",
                             .content_type = "application/x-protobuf",
                             .body = {{(const uint8_t *)"ab", 2}, {big, BIG}}};
    struct http_response r;
    struct err err = {0};

    for (size_t i = 0; i < BIG; i++) {
        big[i] = (uint8_t)(i * 7 + i / 1000);
        sum = sum * 31 + big[i];
    }
    for (int i = 0; i < 2; i++) {
        unit_ok(http_client_send(c, &q, &r, &err), &err);
        http_response_deinit(&r);
        ck_assert_uint_eq(server.body_len, BIG + 2);
        ck_assert_uint_eq(server.body_sum, sum);
    }
    ck_assert_ptr_null(strstr(server.request, "Expect"));
    ck_assert_ptr_null(strstr(server.request, "Authorization"));
    ck_assert_ptr_nonnull(
        strstr(server.request, "Content-Type: application/x-protobuf\r\n"));
    memset(q.body, 0, sizeof(q.body));
    q.content_type = NULL;
    unit_ok(http_client_send(c, &q, &r, &err), &err);
    http_response_deinit(&r);
    ck_assert_ptr_nonnull(strstr(server.request, "Content-Length: 0\r\n"));
    ck_assert_ptr_null(strstr(server.request, "Content-Type"));
    q.method = "DELETE";
    q.path = "/none";
    ck_assert_int_eq(http_client_send(c, &q, &r, &err), ERR_NOT_FOUND);
    http_response_deinit(&r);
    ck_assert_ptr_nonnull(strstr(server.request, "DELETE /none"));
    mem_free(big);
    http_client_destroy(&c);
}
END_TEST

START_TEST(sends_again_when_a_kept_connection_is_closed)
{
    struct http_client *c = client(NULL);
    struct http_request q = {.method = "POST",
                             .path = "/close",
                             .body = {{(const uint8_t *)"abc", 3}, {NULL, 0}}};
    struct http_response r;
    struct err err = {0};

    for (int i = 0; i < 3; i++) {
        unit_ok(http_client_send(c, &q, &r, &err), &err);
        http_response_deinit(&r);
        ck_assert_uint_eq(server.body_len, 3);
        pause_ms(20);
    }
    ck_assert_int_eq(atomic_load(&server.connections), 3);
    http_client_destroy(&c);
}
END_TEST

START_TEST(maps_errors)
{
    struct http_client *c = client(NULL);

    expect(c, "/problem", ERR_STATE, "the job has ended");
    expect(c, "/limit", ERR_LIMIT, "over 5");
    expect(c, "/none", ERR_NOT_FOUND, "no such route");
    expect(c, "/gone", ERR_STATE, "status 410");
    expect(c, "/html", ERR_UNREACHABLE, "/html: HTTP status 503");
    expect(c, "/empty", ERR_UNREACHABLE, server.url);
    expect(c, "/half", ERR_UNREACHABLE, "/half");
    expect(c, "/garbage", ERR_PROTO, "not an elephasd");
    expect(c, "/ok", 0, NULL); /* and it still works */
    http_client_destroy(&c);
}
END_TEST

START_TEST(waits_no_longer_than_it_is_told)
{
    struct http_client *c = client(NULL);
    struct timespec a;
    struct timespec b;

    (void)clock_gettime(CLOCK_MONOTONIC, &a);
    expect(c, "/slow", ERR_TIMEOUT, "/slow");
    (void)clock_gettime(CLOCK_MONOTONIC, &b);
    ck_assert_int_le(b.tv_sec - a.tv_sec, 2);
    http_client_destroy(&c);
}
END_TEST

START_TEST(nobody_there_is_unreachable)
{
    struct http_client *c = NULL;
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char url[64];
    struct err err = {0};

    /* bound, but nobody listens: the port stays ours */
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    (void)snprintf(url, sizeof(url), "127.0.0.1:%d/", ntohs(at.sin_port));
    unit_ok(http_client_create(url, NULL, &c, &err), &err);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d", ntohs(at.sin_port));
    ck_assert_str_eq(http_client_url(c), url);
    expect(c, "/ok", ERR_UNREACHABLE, url);
    /* proxies of the environment are not asked */
    (void)setenv("http_proxy", server.url, 1);
    expect(c, "/ok", ERR_UNREACHABLE, url);
    (void)unsetenv("http_proxy");
    ck_assert_int_eq(atomic_load(&server.connections), 0);
    http_client_destroy(&c);
    (void)close(fd);
}
END_TEST

START_TEST(limits_the_answer)
{
    struct http_client *c = client(NULL);
    struct http_request q = {
        .method = "GET", .path = "/big", .max_response = BIG - 1};
    struct http_response r;
    struct err err = {0};

    ck_assert_int_eq(http_client_send(c, &q, &r, &err), ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.msg, "/big"));
    http_response_deinit(&r);
    q.max_response = BIG;
    unit_ok(http_client_send(c, &q, &r, &err), &err);
    ck_assert_uint_eq(r.body.len, BIG);
    http_response_deinit(&r);
    http_client_destroy(&c);
}
END_TEST

struct reader {
    size_t bytes;
    size_t limit;
    int asked;
    int give_up;
};

static int take(void *context, struct view piece, struct err *err)
{
    struct reader *reader = context;

    reader->bytes += piece.len;
    if (reader->limit != 0 && reader->bytes >= reader->limit) {
        return err_set(err, ERR_INVALID, "enough");
    }
    return 0;
}

static bool give_up(void *context)
{
    struct reader *reader = context;

    return ++reader->asked > reader->give_up;
}

START_TEST(streams)
{
    struct http_client *c = client(NULL);
    struct reader reader = {0};
    struct http_request q = {.method = "GET",
                             .path = "/stream",
                             .last_event_id = "17",
                             .timeout_ms = 400,
                             .on_data = take,
                             .context = &reader,
                             .stream = true};
    struct http_response r;
    struct err err = {0};

    /* longer in all than timeout_ms, but never silent for so long */
    unit_ok(http_client_send(c, &q, &r, &err), &err);
    http_response_deinit(&r);
    ck_assert_uint_eq(reader.bytes, 80);
    ck_assert_ptr_nonnull(strstr(server.request, "Last-Event-ID: 17\r\n"));
    reader = (struct reader){.limit = 20};
    ck_assert_int_eq(http_client_send(c, &q, &r, &err), ERR_INVALID);
    ck_assert_str_eq(err.msg, "enough");
    http_response_deinit(&r);
    q.path = "/stream";
    q.interrupted = give_up;
    reader.give_up = 3;
    ck_assert_int_eq(http_client_send(c, &q, &r, &err), ERR_CANCELLED);
    http_response_deinit(&r);
    reader.give_up = 1000;
    q.path = "/problem"; /* no data for the reader, but an error */
    reader.bytes = 0;
    ck_assert_int_eq(http_client_send(c, &q, &r, &err), ERR_STATE);
    ck_assert_uint_eq(reader.bytes, 0);
    http_response_deinit(&r);
    q.interrupted = NULL;
    reader = (struct reader){0};
    q.path = "/silent-stream";
    ck_assert_int_eq(http_client_send(c, &q, &r, &err), ERR_TIMEOUT);
    ck_assert_ptr_nonnull(strstr(err.msg, "nothing came"));
    http_response_deinit(&r);
    http_client_destroy(&c);
}
END_TEST

START_TEST(refuses_what_is_no_server)
{
    static const char *const urls[] = {
        "",           "ftp://host",     "http://",
        "http://a b", "http://h:99999", "http://h/?x=1"};
    struct http_client *c = NULL;
    struct err err = {0};

    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        ck_assert_msg(http_client_create(urls[i], NULL, &c, &err) ==
                          ERR_INVALID,
                      "%s is accepted", urls[i]);
        ck_assert_ptr_null(c);
    }
    ck_assert_int_eq(
        http_client_create("http://127.0.0.1:1", "a\r\nX: y", &c, &err),
        ERR_INVALID);
    ck_assert_ptr_null(c);
    http_client_destroy(&c);
}
END_TEST

static int create_and_get(void *state, struct err *err)
{
    struct http_client *c = NULL;
    struct http_request q = {.method = "GET", .path = "/ok"};
    struct http_response r;
    int rc = http_client_create(server.url, state, &c, err);

    if (rc == 0) {
        rc = http_client_send(c, &q, &r, err);
        http_response_deinit(&r);
    }
    http_client_destroy(&c);
    return rc;
}

/* libcurl does without some of its allocations, so a refused one may leave no
 * trace; where it does, it is an error and nothing is lost. */
START_TEST(survives_refused_memory)
{
    char token[] = "t";
    long refused = 1;
    int failed = 0;

    for (int k = 0; refused != 0; k++) {
        struct err err = {0};
        int rc;

        mem_fail_after(k, 0);
        rc = create_and_get(token, &err);
        refused = mem_failures();
        mem_fail_after(-1, 0);
        ck_assert_int_eq(rc, (int)err.code);
        failed += rc != 0;
        ck_assert_msg(rc == 0 || rc == ERR_NOMEM || rc == ERR_UNREACHABLE,
                      "allocation %d refused: %d %s", k, rc, err.msg);
        ck_assert_msg(rc == 0 || refused != 0, "%s", err.msg);
    }
    ck_assert_int_gt(failed, 10);
}
END_TEST

static TCase *requests(void)
{
    TCase *tc = tcase_create("http_client");

    tcase_add_checked_fixture(tc, start, stop);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, gets_with_token_and_etag);
    tcase_add_test(tc, posts_two_views_as_one_body);
    tcase_add_test(tc, sends_again_when_a_kept_connection_is_closed);
    tcase_add_test(tc, maps_errors);
    tcase_add_test(tc, waits_no_longer_than_it_is_told);
    tcase_add_test(tc, nobody_there_is_unreachable);
    tcase_add_test(tc, limits_the_answer);
    tcase_add_test(tc, streams);
    tcase_add_test(tc, refuses_what_is_no_server);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("http_client", requests)
