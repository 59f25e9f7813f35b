/* SPDX-License-Identifier: MIT
 *
 * script_server: an HTTP server of one thread that gives prepared answers, one
 * after the other, each on a connection of its own, and keeps what it was
 * asked. For tests of the client's side.
 */
#ifndef TESTS_UNIT_SUBMIT_SCRIPT_SERVER_H
#define TESTS_UNIT_SUBMIT_SCRIPT_SERVER_H

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SCRIPT_MAX 16

struct script_server {
    const char *const *answers;   /* whole HTTP messages; NULL ends the list */
    char asked[SCRIPT_MAX][4096]; /* heads and bodies */
    size_t count;                 /* of them */
    char url[64];
    int listener;
    pthread_t thread;
};

/* Reads a request with its Content-Length. */
static inline void script_read(int fd, char *text, size_t size)
{
    size_t used = 0;

    while (used < size - 1) {
        ssize_t n = read(fd, text + used, size - 1 - used);
        char *end;
        char *length;

        if (n <= 0) {
            break;
        }
        used += (size_t)n;
        text[used] = '\0';
        end = strstr(text, "\r\n\r\n");
        length = strcasestr(text, "content-length:");
        if (end != NULL &&
            (length == NULL || used >= (size_t)(end + 4 - text) +
                                           strtoul(length + 15, NULL, 10))) {
            break;
        }
    }
    text[used] = '\0';
}

static inline void *script_run(void *context)
{
    struct script_server *s = context;

    for (size_t i = 0; s->answers[i] != NULL; i++) {
        int fd = accept(s->listener, NULL, NULL);
        const char *answer = s->answers[i];

        if (fd < 0) {
            break;
        }
        script_read(fd, s->asked[i], sizeof(s->asked[i]));
        s->count = i + 1;
        (void)!write(fd, answer, strlen(answer));
        if (strstr(answer, "keep-open") != NULL) {
            struct pollfd p = {.fd = fd, .events = POLLIN};

            (void)poll(&p, 1, 20000); /* until the client hangs up */
        }
        (void)close(fd);
    }
    return NULL;
}

static inline void script_start(struct script_server *s,
                                const char *const *answers)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t len = sizeof(a);

    (void)signal(SIGPIPE, SIG_IGN);
    s->answers = answers;
    s->count = 0;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(s->listener, 0);
    ck_assert_int_eq(bind(s->listener, (struct sockaddr *)&a, sizeof(a)), 0);
    ck_assert_int_eq(listen(s->listener, 16), 0);
    ck_assert_int_eq(getsockname(s->listener, (struct sockaddr *)&a, &len), 0);
    (void)snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%u",
                   ntohs(a.sin_port));
    ck_assert_int_eq(pthread_create(&s->thread, NULL, script_run, s), 0);
}

/* All answers must have been asked for. */
static inline void script_stop(struct script_server *s)
{
    (void)shutdown(s->listener, SHUT_RDWR);
    ck_assert_int_eq(pthread_join(s->thread, NULL), 0);
    (void)close(s->listener);
    ck_assert_msg(s->answers[s->count] == NULL, "answer %zu was not wanted",
                  s->count);
}

#define SCRIPT_JSON(status, body)                                              \
    "HTTP/1.1 " status "\r\nContent-Type: application/json\r\n"                \
    "Connection: close\r\n\r\n" body
#define SCRIPT_STREAM(body)                                                    \
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"                   \
    "Connection: close\r\n\r\n" body
#define SCRIPT_OPEN_STREAM(body)                                               \
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"                   \
    "X-Test: keep-open\r\nConnection: close\r\n\r\n" body

#endif
