/* SPDX-License-Identifier: MIT
 *
 * check_clock: common/clock: it does not go back, and a pause is not shorter
 * for a signal.
 */
#include "tests/lib/unit.h"

#include "common/clock.h"

#include <signal.h>
#include <string.h>
#include <sys/time.h>

static void on_alarm(int sig)
{
    (void)sig;
}

START_TEST(a_pause_takes_its_time)
{
    struct itimerval often = {{0, 5000}, {0, 5000}};
    const struct itimerval never = {{0, 0}, {0, 0}};
    struct sigaction action;
    int64_t began = clock_ms();

    memset(&action, 0, sizeof(action));
    action.sa_handler = on_alarm; /* without SA_RESTART */
    ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
    ck_assert_int_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
    clock_pause_ms(60);
    ck_assert_int_eq(setitimer(ITIMER_REAL, &never, NULL), 0);
    ck_assert_int_ge(clock_ms() - began, 59);
    began = clock_ms();
    clock_pause_ms(0);
    ck_assert_int_ge(clock_ms() - began, 0);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("clock");

    tcase_add_test(tc, a_pause_takes_its_time);
    return tc;
}

UNIT_MAIN("clock", basic)
