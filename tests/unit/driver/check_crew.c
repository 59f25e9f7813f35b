/* SPDX-License-Identifier: MIT
 *
 * check_crew: each part is done once, by several threads at a time, and none of
 * them takes a signal.
 */
#include "tests/lib/unit.h"

#include "driver/crew.h"

#include <signal.h>
#include <stdatomic.h>

#define MOST (3 * CREW_MAX)

static atomic_int done[MOST];
static atomic_int together; /* parts that are under way and wait for another */
static atomic_int unblocked;

static void count(void *arg, size_t i)
{
    ck_assert_ptr_eq(arg, done);
    atomic_fetch_add(&done[i], 1);
}

static void check_count(size_t parts)
{
    for (size_t i = 0; i < MOST; i++) {
        atomic_store(&done[i], 0);
    }
    crew_run(count, done, parts);
    for (size_t i = 0; i < MOST; i++) {
        ck_assert_int_eq(atomic_load(&done[i]), i < parts);
    }
}

START_TEST(every_part_is_done_once)
{
    check_count(0);
    check_count(1);
    check_count(2);
    check_count(CREW_MAX);
    check_count(MOST);
}
END_TEST

/* Ends only if the other part runs at the same time. */
static void meet(void *arg, size_t i)
{
    sigset_t blocked;

    (void)arg;
    (void)pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    if (i != 0 && !sigismember(&blocked, SIGTERM)) {
        atomic_store(&unblocked, 1);
    }
    atomic_fetch_add(&together, 1);
    while (atomic_load(&together) < 2) {
    }
}

START_TEST(parts_run_at_the_same_time)
{
    sigset_t blocked;

    crew_run(meet, NULL, 2);
    ck_assert_int_eq(atomic_load(&unblocked), 0);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    ck_assert(!sigismember(&blocked, SIGTERM)); /* of the caller: as before */
}
END_TEST

START_TEST(there_is_at_least_one_processor)
{
    ck_assert_uint_ge(crew_size(), 1);
    ck_assert_uint_le(crew_size(), CREW_MAX);
}
END_TEST

static TCase *all(void)
{
    TCase *tc = tcase_create("crew");

    tcase_add_test(tc, every_part_is_done_once);
    tcase_add_test(tc, parts_run_at_the_same_time);
    tcase_add_test(tc, there_is_at_least_one_processor);
    return tc;
}

UNIT_MAIN("crew", all)
