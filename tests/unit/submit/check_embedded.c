/* SPDX-License-Identifier: MIT
 *
 * check_embedded: the life of a private daemon, with a shell script in its
 * place: it starts, does not start, is slow, ignores SIGTERM's hurry, and is
 * gone afterwards with its directory, whatever happens to those who hold it.
 */
#include "tests/lib/unit.h"

#include "common/file.h"
#include "driver/submit/embedded.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char *dir; /* TMPDIR of the daemons; dir/bin has the program */
static char *old_path;
static char *old_tmp; /* or NULL */

static void sleep_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};

    (void)nanosleep(&t, NULL);
}

static void make_dir(void)
{
    const char *tmp = getenv("TMPDIR");
    char path[600];

    old_path = strdup(getenv("PATH"));
    old_tmp = tmp != NULL ? strdup(tmp) : NULL;
    dir = unit_make_dir();
    (void)snprintf(path, sizeof(path), "%s/bin", dir);
    ck_assert_int_eq(mkdir(path, 0755), 0);
    (void)snprintf(path, sizeof(path), "%s/bin:/usr/bin:/bin", dir);
    ck_assert_int_eq(setenv("PATH", path, 1), 0);
    ck_assert_int_eq(setenv("TMPDIR", dir, 1), 0);
}

static void remove_dir(void)
{
    (void)setenv("PATH", old_path, 1);
    if (old_tmp != NULL) {
        (void)setenv("TMPDIR", old_tmp, 1);
    } else {
        (void)unsetenv("TMPDIR");
    }
    free(old_path);
    free(old_tmp);
    unit_remove_dir(&dir);
}

/* The script gets the state directory in $dir and writes its id to pid. */
static void program(const char *script)
{
    char path[600];
    char text[2000];
    struct err err = {0};
    struct view v = {(const uint8_t *)text, 0};

    (void)snprintf(path, sizeof(path), "%s/bin/elephasd", dir);
    (void)snprintf(text, sizeof(text),
                   "#!/bin/sh\ndir=$2\n[ \"$1 $3 $4\" = '--state-dir --listen "
                   "127.0.0.1:0' ] || exit 9\necho $$ >%s/pid\n%s\n",
                   dir, script);
    v.len = strlen(text);
    unit_ok(file_write(path, v, 0755, &err), &err);
}

#define ANSWER                                                                 \
    "echo 127.0.0.1:7 >$dir/address.x; mv $dir/address.x $dir/address\n"
#define WAIT "exec sleep 100"

static pid_t daemon_pid(void)
{
    char path[600];
    struct buf b;
    struct err err = {0};
    pid_t pid;

    (void)snprintf(path, sizeof(path), "%s/pid", dir);
    buf_init(&b, 100);
    unit_ok(file_read(path, &b, &err), &err);
    pid = (pid_t)strtol(buf_str(&b), NULL, 10);
    buf_deinit(&b);
    ck_assert_int_gt(pid, 1);
    return pid;
}

static bool gone_in(pid_t pid, int ms)
{
    for (int waited = 0; waited < ms; waited += 20) {
        if (kill(pid, 0) != 0 && errno == ESRCH) {
            return true;
        }
        sleep_ms(20);
    }
    return false;
}

/* Only bin and pid are left in TMPDIR. */
static bool is_clean(void)
{
    char command[700];

    (void)snprintf(command, sizeof(command),
                   "test \"$(ls -1 %s | grep -c elephas-)\" = 0", dir);
    return system(command) == 0;
}

static bool clean_in(int ms)
{
    for (int waited = 0; waited < ms; waited += 50) {
        if (is_clean()) {
            return true;
        }
        sleep_ms(50);
    }
    return false;
}

START_TEST(starts_and_stops)
{
    struct embedded *e = NULL;
    struct err err = {0};
    pid_t pid;

    program(ANSWER WAIT);
    unit_ok(embedded_start(NULL, NULL, &e, &err), &err);
    ck_assert_str_eq(embedded_url(e), "http://127.0.0.1:7");
    ck_assert_ptr_nonnull(strstr(embedded_token_file(e), "/token"));
    ck_assert(!embedded_ended(e));
    ck_assert(!is_clean());
    pid = daemon_pid();
    ck_assert_int_eq(kill(pid, 0), 0);
    ck_assert_int_ne(getpgid(pid), getpgid(0)); /* Ctrl-C is not for it */
    embedded_stop(&e);
    ck_assert_ptr_null(e);
    ck_assert(gone_in(pid, 0 + 20));
    ck_assert(is_clean());
    embedded_stop(&e);
}
END_TEST

START_TEST(says_why_it_does_not_start)
{
    struct embedded *e = NULL;
    struct err err = {0};

    program("echo first >&2; echo 'the last words' >&2; exit 1");
    ck_assert_int_eq(embedded_start(NULL, NULL, &e, &err), ERR_UNREACHABLE);
    ck_assert_ptr_null(e);
    ck_assert_ptr_nonnull(strstr(err.msg, "does not start: the last words"));
    ck_assert(is_clean());
}
END_TEST

START_TEST(no_program)
{
    char path[600];
    struct embedded *e = NULL;
    struct err err = {0};

    ck_assert_int_eq(setenv("PATH", "/no/where", 1), 0);
    ck_assert_int_eq(embedded_start(NULL, NULL, &e, &err), ERR_UNREACHABLE);
    ck_assert_ptr_nonnull(strstr(err.msg, "no elephasd"));
    ck_assert_int_eq(setenv("TMPDIR", "/no/where", 1), 0);
    ck_assert_int_eq(unsetenv("PATH"), 0);
    ck_assert_int_eq(embedded_start(NULL, NULL, &e, &err), ERR_UNREACHABLE);
    program(ANSWER WAIT);
    (void)snprintf(path, sizeof(path), "%s/bin:/bin", dir);
    ck_assert_int_eq(setenv("PATH", path, 1), 0);
    ck_assert_int_eq(setenv("TMPDIR", "/no/where", 1), 0);
    ck_assert_int_eq(embedded_start(NULL, NULL, &e, &err), ERR_UNREACHABLE);
    ck_assert_ptr_nonnull(strstr(err.msg, "--embedded: /no/where/"));
    ck_assert_ptr_null(e);
}
END_TEST

static bool yes(void *context)
{
    (void)context;
    return true;
}

START_TEST(an_interrupt_ends_the_wait)
{
    struct embedded *e = NULL;
    struct err err = {0};

    program("exec sleep 30");
    ck_assert_int_eq(embedded_start(yes, NULL, &e, &err), ERR_CANCELLED);
    ck_assert_ptr_null(e);
    ck_assert(is_clean());
}
END_TEST

START_TEST(its_death_is_noticed)
{
    struct embedded *e = NULL;
    struct err err = {0};

    program(ANSWER WAIT);
    unit_ok(embedded_start(NULL, NULL, &e, &err), &err);
    ck_assert_int_eq(kill(daemon_pid(), SIGKILL), 0);
    for (int i = 0; i < 100 && !embedded_ended(e); i++) {
        sleep_ms(20);
    }
    ck_assert(embedded_ended(e));
    embedded_stop(&e);
    ck_assert(is_clean());
}
END_TEST

/* The command is killed with SIGKILL: a child plays its part. */
START_TEST(a_killed_command_leaves_nothing)
{
    int ends[2];
    char byte;
    pid_t child;
    pid_t pid;

    program(ANSWER WAIT);
    ck_assert_int_eq(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        struct embedded *e = NULL;
        int rc = embedded_start(NULL, NULL, &e, NULL);

        (void)!write(ends[1], rc == 0 ? "y" : "n", 1);
        (void)pause();
        _exit(0);
    }
    ck_assert_int_eq(read(ends[0], &byte, 1), 1);
    ck_assert_int_eq(byte, 'y');
    pid = daemon_pid();
    ck_assert_int_eq(kill(pid, 0), 0);
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    ck_assert(gone_in(pid, 10000));
    ck_assert(clean_in(10000));
    (void)close(ends[0]);
    (void)close(ends[1]);
}
END_TEST

static pid_t parent_of(pid_t pid)
{
    char path[64];
    int parent = 0;
    FILE *f;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fscanf(f, "%*d %*s %*c %d", &parent), 1);
    (void)fclose(f);
    return (pid_t)parent;
}

START_TEST(a_killed_keeper_leaves_nothing)
{
    struct embedded *e = NULL;
    struct err err = {0};
    pid_t pid;

    program(ANSWER WAIT);
    unit_ok(embedded_start(NULL, NULL, &e, &err), &err);
    pid = daemon_pid();
    ck_assert_int_eq(kill(parent_of(pid), SIGKILL), 0);
    for (int i = 0; i < 100 && !embedded_ended(e); i++) {
        sleep_ms(20);
    }
    ck_assert(embedded_ended(e));
    ck_assert(gone_in(pid, 10000));
    embedded_stop(&e);
    ck_assert(is_clean());
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("embedded");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, make_dir, remove_dir);
    tcase_add_test(tc, starts_and_stops);
    tcase_add_test(tc, says_why_it_does_not_start);
    tcase_add_test(tc, no_program);
    tcase_add_test(tc, an_interrupt_ends_the_wait);
    tcase_add_test(tc, its_death_is_noticed);
    tcase_add_test(tc, a_killed_command_leaves_nothing);
    tcase_add_test(tc, a_killed_keeper_leaves_nothing);
    return tc;
}

UNIT_MAIN("embedded", basic)
