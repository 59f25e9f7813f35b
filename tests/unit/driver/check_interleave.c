/* SPDX-License-Identifier: MIT
 *
 * check_interleave: partitions back into the order of the data, and parts
 * that do not fit.
 */
#include "tests/lib/unit.h"

#include "common/buf.h"
#include "common/file.h"
#include "driver/interleave.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char *dir;
static char paths[3][600];
static const char *parts[3];
static char out[600];

static void setup(void)
{
    dir = unit_make_dir();
    for (int i = 0; i < 3; i++) {
        (void)snprintf(paths[i], sizeof(paths[i]), "%s/part-%d", dir, i);
        parts[i] = paths[i];
    }
    (void)snprintf(out, sizeof(out), "%s/out", dir);
}

static void teardown(void)
{
    unit_remove_dir(&dir);
}

static void fill(const char *a, const char *b, const char *c)
{
    const char *texts[] = {a, b, c};

    for (int i = 0; i < 3; i++) {
        struct err err = {0};

        unit_ok(file_write(
                    parts[i],
                    (struct view){(const uint8_t *)texts[i], strlen(texts[i])},
                    0600, &err),
                &err);
    }
}

static void expect(const char *text)
{
    struct buf b;
    struct err err = {0};

    buf_init(&b, 10000);
    unit_ok(file_read(out, &b, &err), &err);
    ck_assert_str_eq(buf_str(&b), text);
    buf_deinit(&b);
}

START_TEST(deals_rows_back)
{
    struct err err = {0};

    fill("0\n3\n6\n", "1\n4\n", "2\n5\n");
    unit_ok(interleave(parts, 3, 7, "prediction", out, NULL, &err), &err);
    expect("prediction\n0\n1\n2\n3\n4\n5\n6\n");
    fill("0,a\n", "1,b\n", "");
    unit_ok(interleave(parts, 3, 2, "p_0,p_1", out, NULL, &err), &err);
    expect("p_0,p_1\n0,a\n1,b\n");
}
END_TEST

static const struct {
    const char *a, *b, *c;
    uint64_t rows;
    const char *says;
} bad[] = {
    {"0\n3\n", "1\n", "2\n", 5, "partition 1 predicted too few"},
    {"0\n3\n", "1\n", "2\n", 3, "partition 0 predicted more"},
    {"0\n", "1\n", "2", 3, "partition 2 predicted too few"},
    {"0\n", "1,1\n", "2\n", 3, "partition 1: row 2 has 2"},
    {"", "", "", 1, "partition 0 predicted too few"},
};

START_TEST(refuses_parts_that_do_not_fit)
{
    struct err err = {0};

    fill(bad[_i].a, bad[_i].b, bad[_i].c);
    ck_assert_int_eq(
        interleave(parts, 3, bad[_i].rows, "prediction", out, NULL, &err),
        ERR_STATE);
    ck_assert_msg(strstr(err.msg, bad[_i].says) != NULL, "%s", err.msg);
    ck_assert_int_eq(access(out, F_OK), -1);
}
END_TEST

START_TEST(can_be_cancelled)
{
    struct err err = {0};
    atomic_bool cancelled = true;

    fill("0\n", "1\n", "2\n");
    ck_assert_int_eq(
        interleave(parts, 3, 3, "prediction", out, &cancelled, &err),
        ERR_CANCELLED);
    ck_assert_int_eq(access(out, F_OK), -1);
}
END_TEST

START_TEST(names_missing_files)
{
    struct err err = {0};

    ck_assert_int_eq(interleave(parts, 3, 3, "prediction", out, NULL, &err),
                     ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.msg, "part-0"));
    fill("0\n", "1\n", "2\n");
    ck_assert_int_ne(
        interleave(parts, 3, 3, "prediction", "/no/such/dir/x", NULL, &err), 0);
}
END_TEST

static int run(void *state, struct err *err)
{
    (void)state;
    return interleave(parts, 3, 3, "prediction", out, NULL, err);
}

START_TEST(survives_refused_memory)
{
    fill("0\n", "1\n", "2\n");
    ck_assert_int_ge(unit_oom_sweep(run, NULL), 3);
}
END_TEST

static TCase *all(void)
{
    TCase *tc = tcase_create("interleave");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, deals_rows_back);
    tcase_add_loop_test(tc, refuses_parts_that_do_not_fit, 0,
                        (int)(sizeof(bad) / sizeof(bad[0])));
    tcase_add_test(tc, can_be_cancelled);
    tcase_add_test(tc, names_missing_files);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("interleave", all)
