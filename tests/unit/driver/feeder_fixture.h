/* SPDX-License-Identifier: MIT
 *
 * feeder_fixture: a directory with files, a feeder process on pipes, and what
 * came out of it.
 */
#ifndef TESTS_UNIT_DRIVER_FEEDER_FIXTURE_H
#define TESTS_UNIT_DRIVER_FEEDER_FIXTURE_H

#include "tests/lib/unit.h"

#include "common/buf.h"
#include "driver/feeder.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_PARTS 4
#define OUT MAX_PARTS          /* slot of standard output */
#define ERRORS (MAX_PARTS + 1) /* slot of standard error */

static char *dir;

static void setup(void)
{
    dir = unit_make_dir();
}

static void teardown(void)
{
    unit_remove_dir(&dir);
}

static const char *path(const char *name)
{
    static char text[4][512];
    static int turn;

    turn = (turn + 1) % 4;
    (void)snprintf(text[turn], sizeof(text[turn]), "%s/%s", dir, name);
    return text[turn];
}

static void write_file(const char *name, const void *data, size_t len)
{
    FILE *file = fopen(path(name), "wb");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(data, 1, len, file), len);
    ck_assert_int_eq(fclose(file), 0);
}

static void write_text(const char *name, const char *text)
{
    write_file(name, text, strlen(text));
}

/* What came out of a run. */
struct outcome {
    int status;
    struct buf text[MAX_PARTS + 2]; /* of each pipe, stdout, stderr */
};

static void outcome_deinit(struct outcome *o)
{
    for (int i = 0; i < MAX_PARTS + 2; i++) {
        buf_deinit(&o->text[i]);
    }
}

static void make_pipe(int ends[2])
{
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
}

/* Reads all pipes until they are closed. */
static void read_all(int *fds, struct outcome *o)
{
    struct pollfd polls[MAX_PARTS + 2];
    int open = 0;

    for (int i = 0; i < MAX_PARTS + 2; i++) {
        polls[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
        open += fds[i] >= 0;
    }
    while (open > 0) {
        ck_assert_int_gt(poll(polls, MAX_PARTS + 2, 20000), 0);
        for (int i = 0; i < MAX_PARTS + 2; i++) {
            struct err err = {0};
            ssize_t n;

            if (polls[i].revents == 0) {
                continue;
            }
            unit_ok(buf_reserve(&o->text[i], 1 << 16, &err), &err);
            n = read(polls[i].fd, o->text[i].data + o->text[i].len, 1 << 16);
            ck_assert_int_ge((int)n, 0);
            o->text[i].len += (size_t)n;
            o->text[i].data[o->text[i].len] = '\0';
            if (n == 0) {
                (void)close(polls[i].fd);
                polls[i].fd = -1;
                open--;
            }
        }
    }
}

/* Runs the feeder for n partitions; those of `skipped` (a bit set) are left
 * out, those of `deaf` have nobody who reads. `rest` is JSON text for the
 * other members of the order, beginning with a comma. */
static struct outcome run_mask(int n, unsigned skipped, unsigned deaf,
                               const char *rest)
{
    struct outcome o = {0};
    int ends[MAX_PARTS + 2][2];
    int reads[MAX_PARTS + 2];
    int in[2];
    char order[4096];
    int len = snprintf(order, sizeof(order), "{\"partitions\":%d,\"fds\":[", n);
    pid_t pid;

    for (int i = 0; i < MAX_PARTS + 2; i++) {
        buf_init(&o.text[i], (size_t)1 << 30);
        reads[i] = -1;
        ends[i][1] = -1;
        if (i >= MAX_PARTS || (i < n && (skipped >> i & 1) == 0)) {
            make_pipe(ends[i]);
            reads[i] = ends[i][0];
        }
        if (i < n) {
            len += snprintf(order + len, sizeof(order) - (size_t)len, "%s%d",
                            i == 0 ? "" : ",", ends[i][1]);
        }
    }
    len += snprintf(order + len, sizeof(order) - (size_t)len,
                    "],\"first_lines\":[");
    for (int i = 0; i < n; i++) {
        len += snprintf(order + len, sizeof(order) - (size_t)len,
                        "%s\"#elephas/1 partition=%d\"", i == 0 ? "" : ",", i);
    }
    len += snprintf(order + len, sizeof(order) - (size_t)len, "]%s}", rest);
    ck_assert_int_lt(len, (int)sizeof(order));
    make_pipe(in);
    ck_assert_int_eq((int)write(in[1], order, (size_t)len), len);
    (void)close(in[1]);
    for (int i = 0; i < n; i++) {
        if ((deaf >> i & 1) != 0) {
            (void)close(reads[i]);
            reads[i] = -1;
        }
    }
    (void)fflush(NULL);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        (void)dup2(in[0], STDIN_FILENO);
        (void)dup2(ends[OUT][1], STDOUT_FILENO);
        (void)dup2(ends[ERRORS][1], STDERR_FILENO);
        for (int i = 0; i < MAX_PARTS + 2; i++) {
            if (reads[i] >= 0) {
                (void)close(reads[i]);
            }
        }
        _exit(feeder_main());
    }
    (void)close(in[0]);
    for (int i = 0; i < MAX_PARTS + 2; i++) {
        if (ends[i][1] >= 0) {
            (void)close(ends[i][1]);
        }
    }
    read_all(reads, &o);
    ck_assert_int_eq(waitpid(pid, &o.status, 0), pid);
    ck_assert(WIFEXITED(o.status));
    o.status = WEXITSTATUS(o.status);
    return o;
}

static struct outcome run(int n, const char *rest)
{
    return run_mask(n, 0, 0, rest);
}

static const char *source(const char *name, const char *more)
{
    static char text[1024];

    (void)snprintf(text, sizeof(text), ",\"source\":[\"%s\"]%s", path(name),
                   more);
    return text;
}

static void expect(const struct outcome *o, int i, const char *want)
{
    ck_assert_str_eq(buf_str(&o->text[i]), want);
}

#endif
