/* SPDX-License-Identifier: MIT
 *
 * check_listen: how sets that share a port deal its connections out, and what
 * becomes of those that a set was given and never took. The loops, which
 * belong to threads in a server, are run in turn here.
 */
#include "tests/lib/unit.h"
#include "tests/unit/driver/peer.h"

#include "driver/listen.h"

#include <event2/event.h>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SETS 3
#define MOST 32

struct side {
    struct event_base *base;
    struct listen_set *set;
    int fds[MOST];
    int count;
};

static struct fixture {
    struct side sides[SETS];
    unsigned port;
    int clients[MOST];
    int count;
} f;

static void on_accept(void *context, int fd)
{
    struct side *side = context;

    side->fds[side->count++] = fd;
}

static void setup(void)
{
    struct err err = {0};

    memset(&f, 0, sizeof(f));
    for (int i = 0; i < SETS; i++) {
        struct side *s = &f.sides[i];

        s->base = event_base_new();
        unit_ok(listen_create(s->base, on_accept, s, &s->set, &err), &err);
    }
    unit_ok(listen_add(f.sides[0].set, "127.0.0.1", 0, &f.port, &err), &err);
    for (int i = 1; i < SETS; i++) {
        unit_ok(listen_share(f.sides[i].set, f.sides[0].set, &err), &err);
    }
}

static void teardown(void)
{
    for (int i = 0; i < SETS; i++) {
        struct side *s = &f.sides[i];

        while (s->count > 0) {
            (void)close(s->fds[--s->count]);
        }
        listen_destroy(&s->set);
        event_base_free(s->base);
    }
    while (f.count > 0) {
        (void)close(f.clients[--f.count]);
    }
}

static void pump(void)
{
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < SETS; i++) {
            peer_pump(f.sides[i].base, 3);
        }
    }
}

/* A further client; its connection waits to be accepted. */
static int join(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)f.port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)(void *)&to, sizeof(to)),
                     0);
    f.clients[f.count++] = fd;
    return fd;
}

static void join_many(int n)
{
    for (int i = 0; i < n; i++) {
        (void)join();
    }
}

static void leave(int i, int n)
{
    struct side *s = &f.sides[i];

    while (n-- > 0) {
        (void)close(s->fds[--s->count]);
        listen_left(s->set);
    }
}

static void check_counts(int a, int b, int c)
{
    pump();
    ck_assert_int_eq(f.sides[0].count, a);
    ck_assert_int_eq(f.sides[1].count, b);
    ck_assert_int_eq(f.sides[2].count, c);
}

START_TEST(connections_are_dealt_out)
{
    join_many(9);
    /* one loop alone accepts all, and gives two thirds away */
    peer_pump(f.sides[1].base, 3);
    ck_assert_int_eq(f.sides[1].count, 3);
    check_counts(3, 3, 3);
}
END_TEST

START_TEST(who_has_fewest_gets_the_next)
{
    join_many(9);
    check_counts(3, 3, 3);
    leave(2, 3);
    leave(1, 1);
    join_many(3);
    check_counts(3, 3, 2);
    (void)join();
    check_counts(3, 3, 3);
}
END_TEST

START_TEST(who_is_full_gets_none)
{
    listen_pause(f.sides[0].set, true);
    join_many(4);
    check_counts(0, 2, 2);
    listen_pause(f.sides[0].set, false);
    join_many(2);
    check_counts(2, 2, 2);
}
END_TEST

START_TEST(who_has_closed_gets_none)
{
    listen_close(f.sides[1].set);
    join_many(4);
    check_counts(2, 0, 2);
    listen_left(f.sides[1].set); /* of one from before: harmless */
    listen_close(f.sides[0].set);
    join_many(2);
    check_counts(2, 0, 4);
}
END_TEST

START_TEST(what_was_given_and_not_taken_is_closed)
{
    char byte;
    int closed = 0;

    join_many(3);
    peer_pump(f.sides[0].base, 3);
    listen_close(f.sides[1].set);
    for (int i = 0; i < 3; i++) {
        closed += recv(f.clients[i], &byte, 1, MSG_DONTWAIT) == 0;
    }
    ck_assert_int_eq(closed, 1);
    check_counts(1, 0, 1);
}
END_TEST

START_TEST(a_drain_takes_all_who_have_connected)
{
    join_many(3);
    peer_pump(f.sides[0].base, 3); /* gives two away */
    join_many(3);                  /* not even accepted */
    listen_drain(f.sides[1].set);
    ck_assert_int_ge(f.sides[1].count, 2);
    listen_drain(f.sides[2].set);
    listen_drain(f.sides[0].set);
    ck_assert_int_eq(f.sides[0].count + f.sides[1].count + f.sides[2].count, 6);
}
END_TEST

/* ---- names of several addresses ---- */

typedef int look_up(const char *host, const char *service,
                    const struct addrinfo *hints, struct addrinfo **found);

/* As on most machines "localhost" has them: in this order, and twice where
 * /etc/hosts says so. "half" has one that is of no machine (RFC 5737). */
int getaddrinfo(const char *host, const char *service,
                const struct addrinfo *hints, struct addrinfo **found)
{
    static const char *const both[] = {"127.0.0.1", "127.0.0.1", "::1", NULL};
    static const char *const half[] = {"192.0.2.1", "127.0.0.1", NULL};
    union {
        void *object;
        look_up *call;
    } real = {dlsym(RTLD_NEXT, "getaddrinfo")};
    const char *const *names = strcmp(host, "both") == 0   ? both
                               : strcmp(host, "half") == 0 ? half
                                                           : NULL;
    int rc = 0;

    if (names == NULL) {
        return real.call(host, service, hints, found);
    }
    for (; rc == 0 && *names != NULL; names++) {
        rc = real.call(*names, service, hints, found);
        while (rc == 0 && *found != NULL) {
            found = &(*found)->ai_next;
        }
    }
    return rc;
}

static int listens_at(const struct sockaddr *to, socklen_t len)
{
    int fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc = connect(fd, to, len);

    (void)close(fd);
    return rc == 0;
}

static struct sockaddr_in6 loopback6(unsigned port)
{
    return (struct sockaddr_in6){.sin6_family = AF_INET6,
                                 .sin6_port = htons((uint16_t)port),
                                 .sin6_addr = in6addr_loopback};
}

static int listens(int family, unsigned port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 v6 = loopback6(port);

    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return family == AF_INET
               ? listens_at((struct sockaddr *)(void *)&v4, sizeof(v4))
               : listens_at((struct sockaddr *)(void *)&v6, sizeof(v6));
}

START_TEST(a_port_is_open_on_all_addresses_or_on_none)
{
    struct sockaddr_in6 v6 = loopback6(0);
    socklen_t len = sizeof(v6);
    struct side *s = &f.sides[0];
    struct err err = {0};
    unsigned port;
    int busy = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (busy < 0 ||
        bind(busy, (struct sockaddr *)(void *)&v6, sizeof(v6)) != 0) {
        return; /* a machine without IPv6 */
    }
    ck_assert_int_eq(listen(busy, 1), 0);
    ck_assert_int_eq(getsockname(busy, (struct sockaddr *)(void *)&v6, &len),
                     0);
    ck_assert_int_eq(
        listen_add(s->set, "both", ntohs(v6.sin6_port), &port, &err),
        ERR_STATE);
    ck_assert_ptr_nonnull(strstr(err.msg, "in use"));
    ck_assert(!listens(AF_INET, ntohs(v6.sin6_port)));
    unit_ok(listen_add(s->set, "both", 0, &port, &err), &err);
    ck_assert(listens(AF_INET, port) && listens(AF_INET6, port));
    (void)close(busy);
}
END_TEST

START_TEST(an_address_that_is_not_there_is_passed_over)
{
    struct side *s = &f.sides[0];
    struct err err = {0};
    unsigned port;

    unit_ok(listen_add(s->set, "half", 0, &port, &err), &err);
    ck_assert(listens(AF_INET, port));
    ck_assert_int_eq(listen_add(s->set, "192.0.2.1", 0, &port, &err), ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.msg, "192.0.2.1"));
}
END_TEST

static int sweep(void *state, struct err *err)
{
    struct listen_set *sets[2] = {NULL, NULL};
    unsigned port;
    int rc = 0;

    (void)state;
    for (int i = 0; rc == 0 && i < 2; i++) {
        rc = listen_create(f.sides[i].base, on_accept, &f.sides[i], &sets[i],
                           err);
    }
    if (rc == 0) {
        rc = listen_add(sets[0], "127.0.0.1", 0, &port, err);
    }
    if (rc == 0) {
        rc = listen_share(sets[1], sets[0], err);
    }
    listen_destroy(&sets[0]);
    listen_destroy(&sets[1]);
    return rc;
}

START_TEST(survives_no_memory)
{
    ck_assert_int_ge(unit_oom_sweep(sweep, NULL), 3);
}
END_TEST

static TCase *addresses(void)
{
    TCase *tc = tcase_create("addresses");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_port_is_open_on_all_addresses_or_on_none);
    tcase_add_test(tc, an_address_that_is_not_there_is_passed_over);
    return tc;
}

static TCase *sharing(void)
{
    TCase *tc = tcase_create("sharing");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, connections_are_dealt_out);
    tcase_add_test(tc, who_has_fewest_gets_the_next);
    tcase_add_test(tc, who_is_full_gets_none);
    tcase_add_test(tc, who_has_closed_gets_none);
    tcase_add_test(tc, what_was_given_and_not_taken_is_closed);
    tcase_add_test(tc, a_drain_takes_all_who_have_connected);
    tcase_add_test(tc, survives_no_memory);
    return tc;
}

UNIT_MAIN("listen", sharing, addresses)
