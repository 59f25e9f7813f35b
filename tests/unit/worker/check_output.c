/* SPDX-License-Identifier: MIT
 *
 * check_output: what is written arrives, and what cannot be is an error.
 */
#include "tests/unit/worker/fixture.h"

#include "common/mem.h"
#include "worker/output.h"

#include <fcntl.h>
#include <signal.h>

START_TEST(writes_rows_and_text)
{
    static const char want[] = "1,0.5,-3e-09\n{}\n2\n";
    char got[64] = "";
    struct output o;
    struct err err = {0};
    int fds[2];

    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
    output_init(&o, fds[1]);
    unit_ok(output_row(&o, (const float[]){1, 0.5F, -3e-9F}, 3, &err), &err);
    unit_ok(output_text(&o, "{}\n", &err), &err);
    unit_ok(output_row(&o, (const float[]){2}, 1, &err), &err);
    unit_ok(output_flush(&o, &err), &err);
    unit_ok(output_flush(&o, &err), &err);
    ck_assert_int_eq((int)read(fds[0], got, sizeof(got)),
                     (int)sizeof(want) - 1);
    ck_assert_str_eq(got, want);
    output_deinit(&o);
    (void)close(fds[0]);
    (void)close(fds[1]);
}
END_TEST

START_TEST(memory_does_not_grow_with_rows)
{
    struct output o;
    struct err err = {0};
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    float row[100] = {0};

    output_init(&o, fd);
    for (int i = 0; i < 10000; i++) {
        unit_ok(output_row(&o, row, 100, &err), &err);
        ck_assert_uint_lt(o.buf.size, (size_t)1 << 20);
    }
    output_deinit(&o);
    (void)close(fd);
}
END_TEST

START_TEST(reports_closed_pipes_and_full_disks)
{
    struct output o;
    struct err err = {0};
    int fds[2];
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

    (void)signal(SIGPIPE, SIG_IGN);
    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
    (void)close(fds[0]);
    output_init(&o, fds[1]);
    unit_ok(output_text(&o, "x\n", &err), &err);
    ck_assert_int_eq(output_flush(&o, &err), ERR_IO);
    fixture_contains(err.msg, "standard output");
    output_deinit(&o);
    (void)close(fds[1]);
    output_init(&o, full);
    unit_ok(output_text(&o, "x\n", &err), &err);
    ck_assert_int_eq(output_flush(&o, &err), ERR_IO);
    fixture_contains(err.msg, "No space left");
    output_deinit(&o);
    (void)close(full);
    (void)signal(SIGPIPE, SIG_DFL);
}
END_TEST

static int write_row(void *state, struct err *err)
{
    struct output o;
    int rc;

    output_init(&o, *(int *)state);
    rc = output_row(&o, (const float[]){1}, 1, err);
    output_deinit(&o);
    return rc;
}

START_TEST(survives_refused_memory)
{
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

    ck_assert_int_eq(unit_oom_sweep(write_row, &fd), 1);
    (void)close(fd);
}
END_TEST

static TCase *all(void)
{
    TCase *tc = tcase_create("output");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, writes_rows_and_text);
    tcase_add_test(tc, memory_does_not_grow_with_rows);
    tcase_add_test(tc, reports_closed_pipes_and_full_disks);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("output", all)
