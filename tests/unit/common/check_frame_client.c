/* SPDX-License-Identifier: MIT
 *
 * check_frame_client: common/frame_client against a server in a thread. What
 * the server does is a string for each connection it takes, a letter a step:
 *   U  reads the request and upgrades      N  answers it with 404
 *   X  answers it with 503                 G  answers it with no HTTP
 *   E  reads a frame, sends it back        P  reads one, refuses it
 *   A  refuses a frame by its header alone L  announces too much
 *   B  answers with a wrong status         D  sends half of an answer, closes
 *   T  reads a frame and says nothing      C  closes
 */
#include "tests/lib/unit.h"

#include "common/frame_client.h"
#include "common/mem.h"
#include "common/wire.h"
#include "elephas/v1/frames.pb-c.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BIG ((size_t)3 << 20)

static struct server {
    int fd;
    char url[64];
    pthread_t thread;
    const char *const *plans; /* one for each connection, NULL at the end */
    atomic_int connections;
    atomic_bool stop;
    char request[4096]; /* head of the last upgrade */
    uint32_t kind;      /* of the last frame */
} server;

static uint8_t big[BIG];

static bool get(int fd, void *to, size_t n)
{
    return n == 0 || recv(fd, to, n, MSG_WAITALL) == (ssize_t)n;
}

static void put(int fd, const void *from, size_t n)
{
    while (n > 0) {
        ssize_t k = send(fd, from, n, MSG_NOSIGNAL);

        if (k <= 0) {
            return;
        }
        from = (const uint8_t *)from + k;
        n -= (size_t)k;
    }
}

static void put_text(int fd, const char *text)
{
    put(fd, text, strlen(text));
}

static bool read_upgrade(int fd)
{
    size_t len = 0;

    while (len + 1 < sizeof(server.request) &&
           get(fd, server.request + len, 1)) {
        server.request[++len] = '\0';
        if (len >= 4 && strcmp(server.request + len - 4, "\r\n\r\n") == 0) {
            return true;
        }
    }
    return false;
}

static bool read_frame(int fd, uint64_t *length)
{
    uint8_t header[FRAME_HEADER];

    if (!get(fd, header, sizeof(header))) {
        return false;
    }
    frame_get_header(header, &server.kind, length);
    return *length <= sizeof(big) && get(fd, big, (size_t)*length);
}

static void put_header(int fd, uint32_t status, uint64_t length)
{
    uint8_t header[FRAME_HEADER];

    frame_put_header(status, length, header);
    put(fd, header, sizeof(header));
}

static void refuse(int fd, uint32_t status)
{
    Elephas__V1__Problem problem = ELEPHAS__V1__PROBLEM__INIT;
    struct buf body;

    buf_init(&body, 4096);
    problem.code = (char *)(uintptr_t) "state";
    problem.detail = (char *)(uintptr_t) "the job has ended";
    if (wire_pack(&problem.base, &body, NULL) != 0) {
        abort();
    }
    put_header(fd, status, body.len);
    put(fd, body.data, body.len);
    buf_deinit(&body);
}

static void be_silent(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLRDHUP};

    while (!atomic_load(&server.stop) && poll(&p, 1, 20) == 0) {
    }
}

/* One step; false: the connection is closed. */
static bool act(int fd, char what)
{
    uint64_t n = 0;

    switch (what) {
    case 'U':
        if (!read_upgrade(fd)) {
            return false;
        }
        put_text(fd, "HTTP/1.1 101 Switching Protocols\r\nConnection: "
                     "Upgrade\r\nUpgrade: elephas.v1\r\n\r\n");
        return true;
    case 'N':
    case 'X':
    case 'G':
        (void)read_upgrade(fd);
        put_text(fd, what == 'N'   ? "HTTP/1.1 404 Not Found\r\n\r\n"
                     : what == 'X' ? "HTTP/1.1 503 Not Now\r\n\r\n"
                                   : "220 smtp.example ready\r\n\r\n");
        return false;
    case 'A':
        (void)get(fd, big, FRAME_HEADER);
        refuse(fd, 413);
        (void)shutdown(fd, SHUT_WR);
        while (recv(fd, big, sizeof(big), 0) > 0) {
        }
        return false;
    case 'C':
        return false;
    default:
        break;
    }
    if (!read_frame(fd, &n)) {
        return false;
    }
    if (what == 'E') {
        put_header(fd, n != 0 ? 200 : 204, n);
        put(fd, big, (size_t)n);
    } else if (what == 'P') {
        refuse(fd, 410);
    } else if (what == 'L') {
        put_header(fd, 200, UINT64_MAX);
    } else if (what == 'B') {
        put_header(fd, 7, 0);
    } else if (what == 'D') {
        put_header(fd, 200, n);
        put(fd, big, (size_t)n / 2);
        return false;
    } else {
        be_silent(fd);
    }
    return true;
}

static void *serve(void *unused)
{
    (void)unused;
    for (int i = 0; server.plans[i] != NULL; i++) {
        int fd = accept(server.fd, NULL, NULL);
        bool open = fd >= 0;

        if (!open) {
            break;
        }

        atomic_fetch_add(&server.connections, 1);
        for (const char *p = server.plans[i]; open && *p != '\0'; p++) {
            open = act(fd, *p);
        }
        if (open) {
            be_silent(fd);
        }
        (void)close(fd);
    }
    return NULL;
}

static struct http_client *http;
static struct frame_client *client;
static struct http_response response;
static bool refused;

static void begin(const char *const *plans)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t size = sizeof(a);
    struct err err = {0};

    memset(&server, 0, sizeof(server));
    server.plans = plans;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(server.fd, (struct sockaddr *)&a, sizeof(a)), 0);
    ck_assert_int_eq(listen(server.fd, 8), 0);
    ck_assert_int_eq(getsockname(server.fd, (struct sockaddr *)&a, &size), 0);
    (void)snprintf(server.url, sizeof(server.url), "http://127.0.0.1:%d/pre",
                   ntohs(a.sin_port));
    ck_assert_int_eq(pthread_create(&server.thread, NULL, serve, NULL), 0);
    ck_assert_int_eq(http_client_create(server.url, "sesame", &http, &err), 0);
    ck_assert_int_eq(
        frame_client_create(http, "sesame", "/v1/jobs/j1", &client, &err), 0);
}

static void end(void)
{
    atomic_store(&server.stop, true);
    frame_client_destroy(&client);
    http_client_destroy(&http);
    (void)shutdown(server.fd, SHUT_RDWR);
    (void)pthread_join(server.thread, NULL);
    (void)close(server.fd);
}

static int ask(size_t first, size_t second, long timeout_ms, struct err *err)
{
    const struct frame_request q = {
        .kind = FRAME_UPDATE,
        .body = {{(const uint8_t *)"abcdefgh", first}, {big, second}},
        .timeout_ms = timeout_ms,
        .max_response = BIG + 8};

    memset(err, 0, sizeof(*err));
    return frame_client_send(client, &q, &response, &refused, err);
}

/* Asks, and forgets the answer. */
static int result(size_t first, size_t second, struct err *err)
{
    int rc = ask(first, second, 20000, err);

    http_response_deinit(&response);
    return rc;
}

START_TEST(one_connection_carries_many_frames)
{
    static const char *const plans[] = {"UEEE", NULL};
    struct err err;

    begin(plans);
    ck_assert_int_eq(ask(3, 0, 20000, &err), 0);
    ck_assert_int_eq(response.status, 200);
    ck_assert_mem_eq(response.body.data, "abc", 3);
    http_response_deinit(&response);
    ck_assert_uint_eq(server.kind, FRAME_UPDATE);
    ck_assert_ptr_nonnull(
        strstr(server.request, "GET /pre/v1/jobs/j1/frames HTTP/1.1\r\n"));
    ck_assert_ptr_nonnull(
        strstr(server.request, "Authorization: Bearer sesame\r\n"));
    ck_assert_ptr_nonnull(strstr(server.request, "Upgrade: elephas.v1\r\n"));
    ck_assert_int_eq(ask(8, BIG - 8, 20000, &err), 0); /* both pieces */
    ck_assert_uint_eq(response.body.len, BIG);
    ck_assert_mem_eq(response.body.data, "abcdefgh", 8);
    http_response_deinit(&response);
    ck_assert_int_eq(ask(0, 0, 20000, &err), 0);
    ck_assert_int_eq(response.status, 204);
    http_response_deinit(&response);
    ck_assert_int_eq(atomic_load(&server.connections), 1);
    end();
}
END_TEST

START_TEST(a_refusal_keeps_the_connection)
{
    static const char *const plans[] = {"UPE", NULL};
    struct err err;

    begin(plans);
    ck_assert_int_eq(ask(1, 0, 20000, &err), ERR_STATE);
    ck_assert_str_eq(err.msg, "the job has ended");
    ck_assert_int_eq(response.status, 410);
    http_response_deinit(&response);
    ck_assert_int_eq(result(1, 0, &err), 0);
    ck_assert_int_eq(atomic_load(&server.connections), 1);
    end();
}
END_TEST

START_TEST(a_refusal_before_the_end_is_heard)
{
    static const char *const plans[] = {"UA", "UE", NULL};
    struct err err;

    begin(plans);
    ck_assert_int_eq(ask(8, BIG, 20000, &err), ERR_STATE);
    ck_assert_int_eq(response.status, 413);
    http_response_deinit(&response);
    ck_assert_int_eq(result(1, 0, &err), 0); /* on a new one */
    ck_assert_int_eq(atomic_load(&server.connections), 2);
    end();
}
END_TEST

START_TEST(who_does_not_upgrade_is_asked_by_http)
{
    static const char *const plans[] = {"N", "G", "C", NULL};
    struct err err;

    begin(plans);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_ne(result(1, 0, &err), 0);
        ck_assert(refused);
    }
    end();
}
END_TEST

START_TEST(a_busy_server_is_asked_again)
{
    static const char *const plans[] = {"X", "UE", NULL};
    struct err err;

    begin(plans);
    ck_assert_int_eq(ask(1, 0, 20000, &err), ERR_UNREACHABLE);
    ck_assert_int_eq(response.status, 503);
    ck_assert(!refused);
    http_response_deinit(&response);
    ck_assert_int_eq(result(1, 0, &err), 0);
    end();
}
END_TEST

START_TEST(a_kept_connection_that_was_closed_is_made_again)
{
    static const char *const plans[] = {"UEC", "UEC", "UC", NULL};
    struct err err;

    begin(plans);
    ck_assert_int_eq(result(1, 0, &err), 0);
    ck_assert_int_eq(result(2, 0, &err), 0); /* on the second one */
    ck_assert_int_eq(atomic_load(&server.connections), 2);
    /* a new one that breaks at once is not tried for ever */
    ck_assert_int_eq(result(3, 0, &err), ERR_UNREACHABLE);
    ck_assert(!refused);
    ck_assert_int_eq(atomic_load(&server.connections), 3);
    end();
}
END_TEST

START_TEST(wrong_answers_end_the_connection)
{
    static const char *const plans[] = {"UL", "UB", "UD", "UE", NULL};
    struct err err;

    begin(plans);
    ck_assert_int_eq(result(1, 0, &err), ERR_LIMIT);
    ck_assert_int_eq(result(1, 0, &err), ERR_PROTO);
    ck_assert_ptr_nonnull(strstr(err.msg, "status 7"));
    ck_assert_int_eq(result(8, 0, &err), ERR_UNREACHABLE);
    ck_assert_ptr_nonnull(strstr(err.msg, "it was closed"));
    ck_assert_int_eq(result(1, 0, &err), 0);
    ck_assert_int_eq(atomic_load(&server.connections), 4);
    end();
}
END_TEST

START_TEST(silence_has_an_end)
{
    static const char *const plans[] = {"UT", NULL};
    struct err err;

    begin(plans);
    ck_assert_int_eq(ask(1, 0, 50, &err), ERR_TIMEOUT);
    http_response_deinit(&response);
    end();
}
END_TEST

START_TEST(nobody_there)
{
    struct err err = {0};

    ck_assert_int_eq(
        http_client_create("http://127.0.0.1:1", NULL, &http, &err), 0);
    ck_assert_int_eq(frame_client_create(http, NULL, "/j", &client, &err), 0);
    ck_assert_int_eq(result(1, 0, &err), ERR_UNREACHABLE);
    ck_assert(!refused);
    ck_assert_ptr_nonnull(strstr(err.msg, "no elephasd answers at http"));
    frame_client_destroy(&client);
    http_client_destroy(&http);
    /* frames are not for TLS */
    ck_assert_int_eq(
        http_client_create("https://127.0.0.1:1", NULL, &http, &err), 0);
    ck_assert_int_eq(frame_client_create(http, NULL, "/j", &client, &err), 0);
    ck_assert_ptr_null(client);
    http_client_destroy(&http);
}
END_TEST

static TCase *frames(void)
{
    TCase *tc = tcase_create("frame_client");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, one_connection_carries_many_frames);
    tcase_add_test(tc, a_refusal_keeps_the_connection);
    tcase_add_test(tc, a_refusal_before_the_end_is_heard);
    tcase_add_test(tc, who_does_not_upgrade_is_asked_by_http);
    tcase_add_test(tc, a_busy_server_is_asked_again);
    tcase_add_test(tc, a_kept_connection_that_was_closed_is_made_again);
    tcase_add_test(tc, wrong_answers_end_the_connection);
    tcase_add_test(tc, silence_has_an_end);
    tcase_add_test(tc, nobody_there);
    return tc;
}

UNIT_MAIN("frame_client", frames)
