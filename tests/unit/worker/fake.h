/* SPDX-License-Identifier: MIT
 *
 * fake: an HTTP server in a thread, on a loopback port of the system's choice,
 * that answers with what a test's function says: one request after the other,
 * on any of a few connections.
 */
#ifndef TESTS_UNIT_WORKER_FAKE_H
#define TESTS_UNIT_WORKER_FAKE_H

#include "tests/lib/unit.h"

#include "common/buf.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FAKE_MAX 16

struct fake_request {
    char method[8];
    char path[512];
    char token[128]; /* of "Authorization: Bearer", or empty */
    struct view body;
};

struct fake_reply {
    int status;      /* 200 at first; 0: hang up */
    struct buf body; /* empty at first */
};

typedef void (*fake_fn)(void *context, const struct fake_request *request,
                        struct fake_reply *reply);

struct fake {
    int fd;
    char url[64];
    pthread_t thread;
    atomic_bool stop;
    fake_fn answer;
    void *context;
};

/* Reads until `want` bytes are there; false at the end. */
static inline bool fake_fill(struct fake *f, int fd, char **data, size_t *len,
                             size_t want)
{
    *data = realloc(*data, want + 1);
    while (*len < want) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        ssize_t n;

        if (poll(&ready, 1, 20) == 0) {
            if (atomic_load(&f->stop)) {
                return false;
            }
            continue;
        }
        n = read(fd, *data + *len, want - *len);
        if (n <= 0) {
            return false;
        }
        *len += (size_t)n;
    }
    (*data)[*len] = '\0';
    return true;
}

static inline void fake_send(int fd, const void *data, size_t len)
{
    const char *p = data;

    while (len > 0) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

        if (n <= 0) {
            return;
        }
        p += n;
        len -= (size_t)n;
    }
}

static inline bool fake_serve_one(struct fake *f, int fd)
{
    struct fake_request request = {0};
    struct fake_reply reply = {.status = 200};
    char *data = NULL;
    size_t len = 0;
    size_t head;
    const char *field;
    size_t body = 0;
    char line[128];
    bool good = false;

    do {
        if (!fake_fill(f, fd, &data, &len, len + 1)) {
            goto out;
        }
    } while (len < 4 || memcmp(data + len - 4, "\r\n\r\n", 4) != 0);
    head = len;
    (void)sscanf(data, "%7s %511s", request.method, request.path);
    field = strstr(data, "Authorization: Bearer ");
    if (field != NULL) {
        (void)sscanf(field + 22, "%127[^\r]", request.token);
    }
    field = strstr(data, "Content-Length: ");
    if (field != NULL) {
        body = strtoul(field + 16, NULL, 10);
    }
    if (!fake_fill(f, fd, &data, &len, head + body)) {
        goto out;
    }
    request.body = (struct view){(const uint8_t *)data + head, body};
    buf_init(&reply.body, (size_t)64 << 20);
    f->answer(f->context, &request, &reply);
    if (reply.status != 0) {
        (void)snprintf(line, sizeof(line),
                       reply.status == 204
                           ? "HTTP/1.1 %d X\r\n\r\n"
                           : "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n\r\n",
                       reply.status, reply.body.len);
        fake_send(fd, line, strlen(line));
        fake_send(fd, reply.body.data, reply.body.len);
        good = true;
    }
    buf_deinit(&reply.body);
out:
    free(data);
    return good;
}

/* Takes a connection, if there is room for one more. */
static inline void fake_accept(struct fake *f, struct pollfd *at)
{
    const int on = 1; /* or each answer waits for an acknowledgement */
    int fd = accept(f->fd, NULL, NULL);

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    for (int i = 1; i < FAKE_MAX; i++) {
        if (at[i].fd < 0) {
            at[i].fd = fd;
            return;
        }
    }
    (void)close(fd);
}

static inline void *fake_serve(void *context)
{
    struct fake *f = context;
    struct pollfd at[FAKE_MAX]; /* the first one listens */

    for (int i = 0; i < FAKE_MAX; i++) {
        at[i] = (struct pollfd){.fd = i == 0 ? f->fd : -1, .events = POLLIN};
    }
    while (!atomic_load(&f->stop)) {
        if (poll(at, FAKE_MAX, 20) <= 0) {
            continue;
        }
        for (int i = 1; i < FAKE_MAX; i++) {
            if (at[i].fd >= 0 && at[i].revents != 0 &&
                !fake_serve_one(f, at[i].fd)) {
                (void)close(at[i].fd);
                at[i].fd = -1;
            }
        }
        if (at[0].revents != 0) {
            fake_accept(f, at);
        }
    }
    for (int i = 1; i < FAKE_MAX; i++) {
        if (at[i].fd >= 0) {
            (void)close(at[i].fd);
        }
    }
    return NULL;
}

static inline void fake_start(struct fake *f, fake_fn answer, void *context)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof(at);

    memset(f, 0, sizeof(*f));
    f->answer = answer;
    f->context = context;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    f->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(f->fd, (struct sockaddr *)&at, sizeof(at)), 0);
    ck_assert_int_eq(listen(f->fd, 8), 0);
    ck_assert_int_eq(getsockname(f->fd, (struct sockaddr *)&at, &len), 0);
    (void)snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%d",
                   ntohs(at.sin_port));
    ck_assert_int_eq(pthread_create(&f->thread, NULL, fake_serve, f), 0);
}

static inline void fake_stop(struct fake *f)
{
    atomic_store(&f->stop, true);
    (void)pthread_join(f->thread, NULL);
    (void)close(f->fd);
}

#endif
