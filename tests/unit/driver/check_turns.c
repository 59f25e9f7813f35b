/* SPDX-License-Identifier: MIT
 *
 * Tests of driver/turns.h.
 */
#include "driver/turns.h"

#include "tests/lib/unit.h"

#include <event2/event.h>

#include <string.h>
#include <time.h>

static bool has(const struct turns *t, const char *line)
{
    struct buf text;
    bool found;

    buf_init(&text, 65536);
    ck_assert_int_eq(turns_write(t, &text, NULL), 0);
    found = strstr(buf_str(&text), line) != NULL;
    buf_deinit(&text);
    return found;
}

START_TEST(counts_by_length)
{
    struct turns t = {0};

    turns_add(&t, 0);
    turns_add(&t, 1000000);
    turns_add(&t, 1000001);
    turns_add(&t, 20000000);
    turns_add(&t, 20000001);
    turns_add(&t, 3000000000);
    ck_assert(has(&t, "_bucket{le=\"0.001\"} 2\n"));
    ck_assert(has(&t, "_bucket{le=\"0.002\"} 3\n"));
    ck_assert(has(&t, "_bucket{le=\"0.01\"} 3\n"));
    ck_assert(has(&t, "_bucket{le=\"0.02\"} 4\n"));
    ck_assert(has(&t, "_bucket{le=\"0.05\"} 5\n"));
    ck_assert(has(&t, "_bucket{le=\"0.5\"} 5\n"));
    ck_assert(has(&t, "_bucket{le=\"+Inf\"} 6\n"));
    ck_assert(has(&t, "_count 6\n"));
    ck_assert(has(&t, "_sum 3.042000\n"));
}
END_TEST

struct busy {
    struct event_base *base;
    int left;
};

static uint64_t cpu_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Burns 30 ms the first time, and sleeps as long the second time. */
static void on_time(evutil_socket_t fd, short what, void *arg)
{
    struct timespec nap = {0, 30000000};
    struct busy *b = arg;
    uint64_t began = cpu_ms();

    (void)fd;
    (void)what;
    if (b->left-- == 2) {
        while (cpu_ms() - began < 31) {
        }
    } else {
        (void)nanosleep(&nap, NULL);
        (void)event_base_loopbreak(b->base);
    }
}

START_TEST(measures_what_turns_burn)
{
    struct event_base *base = event_base_new();
    struct busy busy = {base, 2};
    struct timeval soon = {0, 1000};
    struct event *timer = event_new(base, -1, EV_PERSIST, on_time, &busy);
    struct turns t = {0};

    ck_assert_int_eq(event_add(timer, &soon), 0);
    ck_assert_int_eq(turns_dispatch(&t, base), 0);
    ck_assert_int_eq(busy.left, 0);
    ck_assert_uint_eq(t.counts[5] + t.counts[6], 1); /* 20 to 100 ms */
    ck_assert_uint_lt(t.ns, UINT64_C(200000000));
    event_free(timer);
    event_base_free(base);
}
END_TEST

static TCase *all(void)
{
    TCase *tc = tcase_create("turns");

    tcase_add_test(tc, counts_by_length);
    tcase_add_test(tc, measures_what_turns_burn);
    return tc;
}

UNIT_MAIN("turns", all)
