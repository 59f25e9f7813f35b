/* SPDX-License-Identifier: MIT
 *
 * peer: the other end of an HTTP connection, for tests whose server runs in
 * the same thread: whoever waits for bytes turns the server's loop.
 */
#ifndef TESTS_UNIT_DRIVER_PEER_H
#define TESTS_UNIT_DRIVER_PEER_H

#include <check.h>
#include <event2/event.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PEER_PATIENCE_MS 20000

struct peer {
    struct event_base *base; /* of the server; borrowed */
    int fd;
    char *in; /* all that came, with a NUL behind */
    size_t len;
    size_t room;
    bool eof;
};

static inline int64_t peer_now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Turns the loop for some time. */
static inline void peer_pump(struct event_base *base, int ms)
{
    int64_t end = peer_now() + ms;

    do {
        struct timespec nap = {0, 500000};

        (void)event_base_loop(base, EVLOOP_NONBLOCK);
        (void)nanosleep(&nap, NULL);
    } while (peer_now() < end);
}

static inline void peer_forget(struct peer *p)
{
    p->len = 0;
    p->in[0] = '\0';
}

static inline void peer_dial(struct peer *p, struct event_base *base,
                             unsigned port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port)};

    memset(p, 0, sizeof(*p));
    p->base = base;
    p->in = calloc(1, 1);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(p->fd, (struct sockaddr *)&a, sizeof(a)), 0);
    (void)fcntl(p->fd, F_SETFL, O_NONBLOCK);
}

static inline void peer_say(struct peer *p, const char *text)
{
    ssize_t n = send(p->fd, text, strlen(text), MSG_NOSIGNAL);

    ck_assert_int_eq(n, (ssize_t)strlen(text));
}

/* Takes what has come. */
static inline void peer_take(struct peer *p)
{
    char data[65536];
    ssize_t n;

    while ((n = recv(p->fd, data, sizeof(data), 0)) > 0) {
        if (p->len + (size_t)n + 1 > p->room) {
            p->room = 2 * (p->len + (size_t)n + 1);
            p->in = realloc(p->in, p->room);
        }
        memcpy(p->in + p->len, data, (size_t)n);
        p->len += (size_t)n;
        p->in[p->len] = '\0';
    }
    p->eof = p->eof || n == 0 || errno != EAGAIN;
}

/* Until the text came (NULL: until the end); false if it does not. */
static inline bool peer_await(struct peer *p, const char *text)
{
    int64_t end = peer_now() + PEER_PATIENCE_MS;

    while (peer_now() < end) {
        peer_take(p);
        if (text != NULL && strstr(p->in, text) != NULL) {
            return true;
        }
        if (p->eof) {
            return text == NULL;
        }
        peer_pump(p->base, 1);
    }
    return false;
}

static inline void peer_hang_up(struct peer *p)
{
    (void)close(p->fd);
    free(p->in);
    peer_pump(p->base, 5);
}

#define peer_expect(p, text)                                                   \
    ck_assert_msg(peer_await((p), (text)), "no %s in: %.300s", (text), (p)->in)
#define peer_expect_end(p)                                                     \
    ck_assert_msg(peer_await((p), NULL), "is not closed: %.300s", (p)->in)
#define peer_has(p, text)                                                      \
    ck_assert_msg(strstr((p)->in, (text)) != NULL, "no %s in: %.300s", (text), \
                  (p)->in)
#define peer_lacks(p, text)                                                    \
    ck_assert_msg(strstr((p)->in, (text)) == NULL, "%s in: %.300s", (text),    \
                  (p)->in)

#endif
