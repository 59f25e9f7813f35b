/* SPDX-License-Identifier: MIT
 *
 * check_daemon: whole daemons in the process of the test: two side by side,
 * two on one state directory, refusals of the routes, the stop, and refused
 * memory on the way up.
 */
#include "tests/lib/unit.h"
#include "tests/unit/driver/peer.h"

#include "common/mem.h"
#include "driver/daemon.h"
#include "driver/http.h"

#include <stdio.h>

static char *dir;

struct house {
    char state[600];
    struct settings settings;
    struct daemon *d;
};

static void setup(void)
{
    dir = unit_make_dir();
    elog_set_level(ELOG_ERROR);
}

static void teardown(void)
{
    unit_remove_dir(&dir);
}

static int open_house(struct house *h, const char *name, const char *listen,
                      struct err *err)
{
    const char *argv[] = {"elephasd", "--state-dir", h->state, "--listen",
                          listen,     "--log-level", "error",  NULL};
    int rc;

    memset(h, 0, sizeof(*h));
    (void)snprintf(h->state, sizeof(h->state), "%s/%s", dir, name);
    rc = settings_parse(&h->settings, 7, (char **)(uintptr_t)argv, err);
    if (rc == 0) {
        rc = daemon_create(&h->settings, &h->d, err);
    }
    return rc;
}

static void close_house(struct house *h)
{
    daemon_destroy(&h->d);
    settings_deinit(&h->settings);
}

static unsigned port_of(const struct house *h)
{
    return (unsigned)strtoul(strrchr(h->d->address, ':') + 1, NULL, 10);
}

static void ask(struct peer *p, const struct house *h, const char *request)
{
    peer_dial(p, h->d->base, port_of(h));
    peer_say(p, request);
    peer_expect_end(p);
}

#define CLOSE "Host: localhost\r\nConnection: close\r\n"

START_TEST(two_live_side_by_side)
{
    struct house a;
    struct house b;
    struct house c;
    struct peer p;
    struct err err = {0};

    unit_ok(open_house(&a, "a", "127.0.0.1:0", &err), &err);
    unit_ok(open_house(&b, "b", "127.0.0.1:0", &err), &err);
    ck_assert_str_ne(a.d->address, b.d->address);
    ck_assert_str_ne(a.d->token, b.d->token);
    ck_assert_int_eq(open_house(&c, "a", "127.0.0.1:0", &err), ERR_STATE);
    ck_assert_ptr_nonnull(strstr(err.msg, "another elephasd (pid "));
    ck_assert_ptr_null(c.d);
    close_house(&c);
    ask(&p, &a, "GET /healthz HTTP/1.1\r\n" CLOSE "\r\n");
    peer_has(&p, "\r\n\r\nok\n");
    peer_hang_up(&p);
    ask(&p, &b, "GET /v1/jobs HTTP/1.1\r\n" CLOSE "\r\n");
    peer_has(&p, "{\"jobs\":[]}");
    peer_hang_up(&p);
    /* the port of one is taken for the other */
    ck_assert_int_eq(open_house(&c, "c", a.d->address, &err), ERR_STATE);
    ck_assert_ptr_nonnull(strstr(err.msg, "in use"));
    close_house(&c);
    close_house(&a);
    /* and the directory is free again */
    unit_ok(open_house(&a, "a", "127.0.0.1:0", &err), &err);
    close_house(&a);
    close_house(&b);
}
END_TEST

static const struct {
    const char *request;
    const char *status;
    const char *says;
} refusals[] = {
    {"GET /x HTTP/1.1\r\n" CLOSE, "404", "\"code\":\"not_found\""},
    {"GET /v1/jobs/ HTTP/1.1\r\n" CLOSE, "200", "{\"jobs\":[]}"},
    {"GET /v1/jobs//events HTTP/1.1\r\n" CLOSE, "404", "there is no job"},
    {"DELETE /v1/jobs HTTP/1.1\r\n" CLOSE, "405", "Allow: POST, GET"},
    {"HEAD /v1/models HTTP/1.1\r\n" CLOSE, "405", "Allow: POST"},
    {"POST /v1/jobs HTTP/1.1\r\n" CLOSE, "415", "application/json"},
    {"POST /v1/jobs HTTP/1.1\r\nContent-Type: application/jsonx\r\n" CLOSE,
     "415", "application/json"},
    {"POST /v1/jobs HTTP/1.1\r\nContent-Type: application/json\r\n"
     "Content-Length: 16777217\r\n" CLOSE,
     "413", "16777216"},
    {"POST /v1/jobs HTTP/1.1\r\nContent-Type: application/json; a=b\r\n" CLOSE,
     "400", "not valid JSON"},
    {"GET /v1/jobs HTTP/1.1\r\nAuthorization: Bearer x\r\n" CLOSE, "401",
     "WWW-Authenticate: Bearer"},
    {"GET /v1/jobs/j HTTP/1.1\r\nAuthorization: Bearer x\r\n" CLOSE, "401",
     "the token is wrong"},
    {"GET /v1/jobs HTTP/1.1\r\nOrigin: http://x.example\r\n" CLOSE, "403",
     "another site"},
    {"POST /v1/models HTTP/1.1\r\nContent-Type: application/x-protobuf\r\n"
     "Content-Length: 3\r\n" CLOSE "\r\n\xff\xff\xff",
     "400", "model: "},
};

START_TEST(refuses)
{
    struct house h;
    struct peer p;
    struct err err = {0};
    char request[600];
    char status[32];

    unit_ok(open_house(&h, "a", "127.0.0.1:0", &err), &err);
    (void)snprintf(request, sizeof(request), "%s%s", refusals[_i].request,
                   strstr(refusals[_i].request, "\r\n\r\n") != NULL ? ""
                                                                    : "\r\n");
    ask(&p, &h, request);
    (void)snprintf(status, sizeof(status), "HTTP/1.1 %s ", refusals[_i].status);
    ck_assert_msg(strstr(p.in, status) == p.in, "%s: %s", request, p.in);
    peer_has(&p, refusals[_i].says);
    peer_hang_up(&p);
    close_house(&h);
}
END_TEST

START_TEST(wants_a_token_off_loopback)
{
    struct house h;
    struct peer p;
    struct err err = {0};
    char request[300];

    unit_ok(open_house(&h, "a", "0.0.0.0:0", &err), &err);
    ck_assert_ptr_eq(strstr(h.d->local_url, "http://127.0.0.1:"),
                     h.d->local_url);
    ask(&p, &h, "GET /v1/jobs HTTP/1.1\r\n" CLOSE "\r\n");
    peer_has(&p, "HTTP/1.1 401 ");
    peer_hang_up(&p);
    (void)snprintf(request, sizeof(request),
                   "GET /v1/jobs HTTP/1.1\r\nAuthorization: Bearer %s\r\n" CLOSE
                   "\r\n",
                   h.d->token);
    ask(&p, &h, request);
    peer_has(&p, "HTTP/1.1 200 ");
    peer_hang_up(&p);
    close_house(&h);
}
END_TEST

START_TEST(counts_what_it_answered)
{
    struct house h;
    struct peer p;
    struct err err = {0};

    unit_ok(open_house(&h, "a", "127.0.0.1:0", &err), &err);
    ask(&p, &h, "GET /healthz HTTP/1.1\r\n" CLOSE "\r\n");
    peer_hang_up(&p);
    ask(&p, &h, "GET /nowhere HTTP/1.1\r\n" CLOSE "\r\n");
    peer_hang_up(&p);
    ask(&p, &h, "GET /metrics HTTP/1.1\r\n" CLOSE "\r\n");
    peer_has(&p, "route=\"/healthz\",status=\"200\"} 1\n");
    peer_has(&p, "route=\"-\",status=\"404\"} 1\n");
    peer_has(&p, "# TYPE elephasd_jobs gauge\n");
    peer_has(&p, "elephasd_jobs{state=\"queued\"} 0\n");
    peer_hang_up(&p);
    close_house(&h);
}
END_TEST

START_TEST(stops_in_order)
{
    struct house h;
    struct peer half;
    struct peer p;
    struct err err = {0};
    int64_t began;

    unit_ok(open_house(&h, "a", "127.0.0.1:0", &err), &err);
    peer_dial(&half, h.d->base, port_of(&h));
    peer_say(&half, "GET /v1/jobs HTTP/1.1\r\nHost:");
    peer_pump(h.d->base, 20);
    daemon_stop(h.d);
    daemon_stop(h.d);
    peer_pump(h.d->base, 30);
    /* it waits for that half request, and says so to others */
    ask(&p, &h, "GET /readyz HTTP/1.1\r\n" CLOSE "\r\n");
    peer_has(&p, "HTTP/1.1 503 ");
    peer_hang_up(&p);
    ask(&p, &h,
        "POST /v1/jobs HTTP/1.1\r\nContent-Type: application/json\r\n"
        "Content-Length: 2\r\n" CLOSE "\r\n{}");
    peer_has(&p, "stopping");
    peer_hang_up(&p);
    began = peer_now();
    unit_ok(daemon_run(h.d, &err), &err);
    ck_assert_int_lt(peer_now() - began, 4000);
    close_house(&h);
    (void)close(half.fd);
    free(half.in);
}
END_TEST

static int live(void *state, struct err *err)
{
    struct house h;
    int rc = open_house(&h, "oom", "127.0.0.1:0", err);

    (void)state;
    close_house(&h);
    return rc;
}

START_TEST(survives_refused_memory)
{
    ck_assert_int_ge(unit_oom_sweep(live, NULL), 20);
}
END_TEST

static TCase *all(void)
{
    TCase *tc = tcase_create("daemon");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, two_live_side_by_side);
    tcase_add_loop_test(tc, refuses, 0,
                        (int)(sizeof(refusals) / sizeof(refusals[0])));
    tcase_add_test(tc, wants_a_token_off_loopback);
    tcase_add_test(tc, counts_what_it_answered);
    tcase_add_test(tc, stops_in_order);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("daemon", all)
