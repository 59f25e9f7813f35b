/* SPDX-License-Identifier: MIT
 *
 * check_process: children: what they inherit, how their end is told, that
 * they die when they should; and the lines they say.
 */
#include "tests/lib/unit.h"

#include "driver/lines.h"
#include "driver/process.h"

#include <event2/event.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct fixture {
    struct event_base *base;
    struct process *process;
    struct lines *lines;
    int exits;
    int status;
    char said[16384];
    int count;
} f;

static void setup(void)
{
    memset(&f, 0, sizeof(f));
    f.base = event_base_new();
}

static void teardown(void)
{
    process_destroy(&f.process);
    lines_destroy(&f.lines);
    event_base_free(f.base);
}

static void on_end(void *context, struct process *process, int status)
{
    ck_assert_ptr_eq(context, &f);
    (void)process;
    f.exits++;
    f.status = status;
}

static void on_line(void *context, const char *line)
{
    ck_assert_ptr_eq(context, &f);
    (void)strncat(f.said, line, sizeof(f.said) - strlen(f.said) - 1);
    (void)strcat(f.said, "|");
    f.count++;
}

/* Runs sh -c script with standard output and error in lines. */
static int start(const char *script, int input, const int *keep, size_t keeps,
                 struct err *err)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    struct process_spec spec = {.path = "/bin/sh",
                                .argv = argv,
                                .fds = {input, -1, -1},
                                .keep = keep,
                                .keep_count = keeps,
                                .on_exit = on_end,
                                .context = &f};
    int rc = lines_create(f.base, on_line, &f, &f.lines, &spec.fds[1], err);

    spec.fds[2] = spec.fds[1];
    if (rc == 0) {
        rc = process_start(f.base, &spec, &f.process, err);
    }
    (void)close(spec.fds[1]);
    return rc;
}

static void wait_for_end(void)
{
    struct timespec nap = {0, 1000000};

    for (int i = 0; i < 5000 && f.exits == 0; i++) {
        (void)event_base_loop(f.base, EVLOOP_NONBLOCK);
        (void)nanosleep(&nap, NULL);
    }
    ck_assert_int_eq(f.exits, 1);
    lines_drain(f.lines);
}

START_TEST(tells_the_exit_status)
{
    struct err err = {0};
    char text[64];

    unit_ok(start("echo one; echo two >&2; printf three; exit 7", -1, NULL, 0,
                  &err),
            &err);
    ck_assert(!process_has_ended(f.process));
    wait_for_end();
    ck_assert(process_has_ended(f.process));
    ck_assert(WIFEXITED(f.status));
    ck_assert_int_eq(WEXITSTATUS(f.status), 7);
    ck_assert_str_eq(f.said, "one|two|three|");
    ck_assert_str_eq(process_status_text(f.status, text, sizeof(text)),
                     "exit status 7");
}
END_TEST

START_TEST(kills_the_whole_group)
{
    struct err err = {0};
    char text[64];
    int gone = 0;
    pid_t grandchild;

    unit_ok(start("trap '' TERM; sleep 1000 & echo $!; wait; wait", -1, NULL, 0,
                  &err),
            &err);
    while (f.count == 0) {
        (void)event_base_loop(f.base, EVLOOP_ONCE);
    }
    grandchild = (pid_t)strtol(f.said, NULL, 10);
    ck_assert_int_eq(getpgid(process_pid(f.process)), process_pid(f.process));
    ck_assert_int_eq(getpgid(grandchild), process_pid(f.process));
    process_kill(f.process, SIGKILL);
    wait_for_end();
    ck_assert_str_eq(process_status_text(f.status, text, sizeof(text)),
                     "killed by signal 9 (Killed)");
    for (int i = 0; i < 2000 && !gone; i++) {
        struct timespec nap = {0, 1000000};
        char path[64];
        char state[64] = "";
        FILE *stat;

        /* it may stay for a moment as a zombie of init */
        (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)grandchild);
        stat = fopen(path, "r");
        gone = stat == NULL || fscanf(stat, "%*d %*s %63s", state) != 1 ||
               state[0] == 'Z';
        if (stat != NULL) {
            (void)fclose(stat);
        }
        (void)nanosleep(&nap, NULL);
    }
    ck_assert(gone);
    process_kill(f.process, SIGKILL); /* a pid that may be someone else's */
}
END_TEST

START_TEST(passes_on_only_what_is_named)
{
    struct err err = {0};
    int kept[2];
    int other[2];
    int fds = 0;
    char script[200];

    ck_assert_int_eq(pipe(kept), 0); /* without O_CLOEXEC, on purpose */
    ck_assert_int_eq(pipe(other), 0);
    (void)snprintf(script, sizeof(script),
                   "echo hello >&%d; cat; ls /proc/self/fd | tr '\\n' ' '",
                   kept[1]);
    ck_assert_int_eq((int)write(other[1], "input\n", 6), 6);
    (void)close(other[1]);
    unit_ok(start(script, other[0], &kept[1], 1, &err), &err);
    (void)close(kept[1]);
    wait_for_end();
    ck_assert_int_eq(WEXITSTATUS(f.status), 0);
    (void)snprintf(script, sizeof(script), "input|0 1 2 ");
    ck_assert_msg(strncmp(f.said, script, strlen(script)) == 0, "%s", f.said);
    memset(script, 0, sizeof(script));
    ck_assert_int_eq((int)read(kept[0], script, sizeof(script) - 1), 6);
    ck_assert_str_eq(script, "hello\n");
    /* besides 0, 1, 2 there are the kept one and ls's own, no more */
    for (const char *p = strchr(f.said, '|'); *p != '\0'; p++) {
        fds += *p == ' ';
    }
    ck_assert_msg(fds == 5, "%s", f.said);
    (void)close(kept[0]);
    (void)close(other[0]);
}
END_TEST

START_TEST(gives_an_environment)
{
    static const char *const env[] = {"UNIT_A=new", "UNIT_C=", NULL};
    const char *argv[] = {"env", NULL};
    struct process_spec spec = {.path = "/usr/bin/env",
                                .argv = argv,
                                .env = env,
                                .fds = {-1, -1, -1},
                                .on_exit = on_end,
                                .context = &f};
    struct err err = {0};

    ck_assert_int_eq(clearenv(), 0);
    ck_assert_int_eq(setenv("UNIT_A", "old", 1), 0);
    ck_assert_int_eq(setenv("UNIT_AB", "kept", 1), 0);
    unit_ok(lines_create(f.base, on_line, &f, &f.lines, &spec.fds[1], &err),
            &err);
    unit_ok(process_start(f.base, &spec, &f.process, &err), &err);
    (void)close(spec.fds[1]);
    wait_for_end();
    ck_assert_str_eq(f.said, "UNIT_AB=kept|UNIT_A=new|UNIT_C=|");
    ck_assert_str_eq(getenv("UNIT_A"), "old");
}
END_TEST

START_TEST(names_a_program_that_cannot_run)
{
    const char *argv[] = {"x", NULL};
    struct process_spec spec = {.path = "/no/such/program",
                                .argv = argv,
                                .fds = {-1, -1, -1},
                                .on_exit = on_end,
                                .context = &f};
    struct err err = {0};

    ck_assert_int_eq(process_start(f.base, &spec, &f.process, &err),
                     ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.msg, "/no/such/program"));
    ck_assert_ptr_null(f.process);
    spec.path = "/etc/passwd";
    ck_assert_int_eq(process_start(f.base, &spec, &f.process, &err),
                     ERR_DENIED);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); /* no zombie */
}
END_TEST

START_TEST(destroys_what_runs)
{
    struct err err = {0};
    pid_t pid;

    unit_ok(start("trap '' TERM; while :; do sleep 1; done", -1, NULL, 0, &err),
            &err);
    pid = process_pid(f.process);
    process_destroy(&f.process);
    ck_assert_ptr_null(f.process);
    ck_assert_int_eq(kill(pid, 0), -1);
    ck_assert_int_eq(f.exits, 0);
}
END_TEST

START_TEST(cuts_and_cleans_lines)
{
    struct err err = {0};

    unit_ok(start("printf 'a\\001b\\r\\n\\n\\tc\\033[31m\\n'; "
                  "head -c 5000 /dev/zero | tr '\\0' x",
                  -1, NULL, 0, &err),
            &err);
    wait_for_end();
    ck_assert_int_eq(f.count, 4);
    ck_assert_ptr_eq(strstr(f.said, "a b|\tc [31m|xxx"), f.said);
    ck_assert_uint_eq(strlen(f.said), 3 + 1 + 7 + 1 + 5000 + 2);
}
END_TEST

static int start_and_end(void *state, struct err *err)
{
    int rc = start("exit 0", -1, NULL, 0, err);

    (void)state;
    process_destroy(&f.process);
    lines_destroy(&f.lines);
    return rc;
}

START_TEST(survives_refused_memory)
{
    ck_assert_int_ge(unit_oom_sweep(start_and_end, NULL), 2);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
}
END_TEST

static double cpu_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* The least of some tries, ms of a processor. */
static double start_cost(void)
{
    double least = 1e9;

    for (int i = 0; i < 7; i++) {
        double began = cpu_ms();
        double took;

        ck_assert_int_eq(start("exit 0", -1, NULL, 0, NULL), 0);
        took = cpu_ms() - began;
        least = took < least ? took : least;
        process_destroy(&f.process);
        lines_destroy(&f.lines);
    }
    return least;
}

/* Starting a child takes no longer beside much memory. */
START_TEST(does_not_copy_the_tables_of_memory)
{
    size_t size = (size_t)768 << 20;
    double before = start_cost();
    double beside;
    char *much = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    ck_assert_ptr_ne(much, MAP_FAILED);
    (void)madvise(much, size, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < size; i += 4096) {
        much[i] = 1;
    }
    beside = start_cost();
    (void)munmap(much, size);
    ck_assert_msg(beside < before + 2, "%.2f ms, and %.2f ms beside 768 MiB",
                  before, beside);
}
END_TEST

static TCase *all(void)
{
    TCase *tc = tcase_create("process");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, tells_the_exit_status);
    tcase_add_test(tc, kills_the_whole_group);
    tcase_add_test(tc, passes_on_only_what_is_named);
    tcase_add_test(tc, gives_an_environment);
    tcase_add_test(tc, names_a_program_that_cannot_run);
    tcase_add_test(tc, destroys_what_runs);
    tcase_add_test(tc, cuts_and_cleans_lines);
#ifndef __SANITIZE_THREAD__ /* makes a fork of it */
    tcase_add_test(tc, does_not_copy_the_tables_of_memory);
#else
    (void)does_not_copy_the_tables_of_memory;
#endif
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("process", all)
