/* SPDX-License-Identifier: MIT
 *
 * check_watchdog: processes that run, sleep, are stopped, and go on.
 */
#include "tests/lib/unit.h"

#include "driver/watchdog.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* A child that burns time, or sleeps. */
static pid_t child(bool busy)
{
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        for (;;) {
            if (!busy) {
                (void)pause();
            }
        }
    }
    return pid;
}

static void end(pid_t pid)
{
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}

/* Until it is (not) stopped, at most 10 s. */
static bool becomes(struct watchdog *w, pid_t pid, bool stopped)
{
    int64_t for_ms = 0;
    int64_t idle;

    for (int i = 0; i < 1000; i++) {
        watchdog_look(w, pid, 1000 + i, &for_ms, &idle);
        if ((w->stopped_ms != 0) == stopped) {
            return true;
        }
        (void)usleep(10000);
    }
    return false;
}

START_TEST(a_stopped_process)
{
    struct watchdog w = {0};
    pid_t pid = child(true);
    int64_t stopped;
    int64_t idle;

    ck_assert(becomes(&w, pid, false));
    ck_assert_int_eq(kill(pid, SIGSTOP), 0);
    ck_assert(becomes(&w, pid, true));
    watchdog_look(&w, pid, 50000, &stopped, &idle);
    ck_assert_int_ge(stopped, 45000);
    ck_assert_int_eq(kill(pid, SIGCONT), 0);
    ck_assert(becomes(&w, pid, false));
    watchdog_look(&w, pid, 90000, &stopped, &idle);
    ck_assert_int_eq(stopped, 0);
    end(pid);
}
END_TEST

START_TEST(one_that_sleeps_and_one_that_runs)
{
    struct watchdog w = {0};
    pid_t sleeper = child(false);
    pid_t runner = child(true);
    int64_t stopped;
    int64_t idle = 0;

    (void)usleep(200000); /* it is asleep by now */
    watchdog_look(&w, sleeper, 1000, &stopped, &idle);
    watchdog_look(&w, sleeper, 61000, &stopped, &idle);
    ck_assert_int_eq(idle, 60000);
    /* another process begins anew */
    watchdog_look(&w, runner, 62000, &stopped, &idle);
    ck_assert_int_eq(idle, 0);
    for (int i = 0; i < 500 && w.since_ms != 99000; i++) {
        (void)usleep(10000);
        watchdog_look(&w, runner, 99000, &stopped, &idle);
    }
    ck_assert_int_eq(idle, 0);
    end(sleeper);
    end(runner);
}
END_TEST

START_TEST(one_that_is_gone)
{
    struct watchdog w = {0};
    pid_t pid = child(false);
    int64_t stopped;
    int64_t idle;

    end(pid);
    watchdog_look(&w, pid, 1000, &stopped, &idle);
    watchdog_look(&w, pid, 500000, &stopped, &idle);
    ck_assert(stopped == 0 && idle == 0);
}
END_TEST

static TCase *all(void)
{
    TCase *tc = tcase_create("watchdog");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_stopped_process);
    tcase_add_test(tc, one_that_sleeps_and_one_that_runs);
    tcase_add_test(tc, one_that_is_gone);
    return tc;
}

UNIT_MAIN("watchdog", all)
