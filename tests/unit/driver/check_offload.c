/* SPDX-License-Identifier: MIT
 *
 * check_offload: order of tasks, where their ends are told, and what becomes
 * of them when the helper is destroyed.
 */
#include "tests/lib/unit.h"

#include "driver/offload.h"

#include <event2/event.h>

#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#define TASKS 100

static struct fixture {
    struct event_base *base;
    struct offload *offload;
    pthread_t loop;
    int worked[TASKS];
    int work_count; /* of the helper alone until done */
    int done_count;
    bool on_loop;
} f;

static void setup(void)
{
    struct err err = {0};

    memset(&f, 0, sizeof(f));
    f.loop = pthread_self();
    f.on_loop = true;
    f.base = event_base_new();
    unit_ok(offload_create(f.base, &f.offload, &err), &err);
}

static void teardown(void)
{
    offload_destroy(&f.offload);
    event_base_free(f.base);
}

static void work(void *argument)
{
    int *slot = argument;

    ck_assert(!pthread_equal(pthread_self(), f.loop));
    *slot = ++f.work_count;
}

static void done(void *argument)
{
    f.on_loop = f.on_loop && pthread_equal(pthread_self(), f.loop);
    ck_assert_ptr_eq(argument, &f.worked[f.done_count]);
    f.done_count++;
}

static void give_all(void)
{
    struct err err = {0};

    for (int i = 0; i < TASKS; i++) {
        unit_ok(offload_run(f.offload, work, done, &f.worked[i], &err), &err);
    }
}

START_TEST(works_in_order)
{
    give_all();
    ck_assert_int_eq(f.done_count, 0); /* never from within offload_run() */
    while (f.done_count < TASKS) {
        (void)event_base_loop(f.base, EVLOOP_ONCE);
    }
    ck_assert(f.on_loop);
    for (int i = 0; i < TASKS; i++) {
        ck_assert_int_eq(f.worked[i], i + 1);
    }
}
END_TEST

START_TEST(waits_for_the_work_only)
{
    offload_wait(f.offload); /* for nothing */
    give_all();
    offload_wait(f.offload);
    ck_assert_int_eq(f.work_count, TASKS);
    ck_assert_int_eq(f.done_count, 0); /* is for the loop */
    while (f.done_count < TASKS) {
        (void)event_base_loop(f.base, EVLOOP_ONCE);
    }
    offload_wait(f.offload);
}
END_TEST

START_TEST(finishes_what_it_was_given)
{
    offload_finish(f.offload); /* for nothing */
    give_all();
    offload_finish(f.offload);
    ck_assert_int_eq(f.work_count, TASKS);
    ck_assert_int_eq(f.done_count, TASKS);
}
END_TEST

static void chain_work(void *argument)
{
    ++*(int *)argument;
}

static void chain_done(void *argument)
{
    if (*(int *)argument < 5) {
        ck_assert_int_eq(
            offload_run(f.offload, chain_work, chain_done, argument, NULL), 0);
    }
}

/* What `done` gives to do is done, too. */
START_TEST(goes_on_to_the_end)
{
    int n = 0;

    ck_assert_int_eq(offload_run(f.offload, chain_work, chain_done, &n, NULL),
                     0);
    offload_finish(f.offload);
    ck_assert_int_eq(n, 5);
    n = 0;
    ck_assert_int_eq(offload_run(f.offload, chain_work, chain_done, &n, NULL),
                     0);
    offload_destroy(&f.offload);
    ck_assert_int_eq(n, 5);
}
END_TEST

START_TEST(finishes_before_it_ends)
{
    give_all();
    offload_destroy(&f.offload);
    ck_assert_ptr_null(f.offload);
    ck_assert_int_eq(f.done_count, TASKS);
    ck_assert(f.on_loop);
    ck_assert_int_eq(f.worked[TASKS - 1], TASKS);
}
END_TEST

static int create(void *state, struct err *err)
{
    struct offload *o = NULL;
    int rc = offload_create(f.base, &o, err);

    (void)state;
    if (rc == 0) {
        f.done_count = 0;
        rc = offload_run(o, work, done, &f.worked[0], err);
    }
    offload_destroy(&o);
    return rc;
}

START_TEST(survives_refused_memory)
{
    ck_assert_int_ge(unit_oom_sweep(create, NULL), 2);
}
END_TEST

static TCase *all(void)
{
    TCase *tc = tcase_create("offload");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, works_in_order);
    tcase_add_test(tc, waits_for_the_work_only);
    tcase_add_test(tc, finishes_what_it_was_given);
    tcase_add_test(tc, goes_on_to_the_end);
    tcase_add_test(tc, finishes_before_it_ends);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("offload", all)
