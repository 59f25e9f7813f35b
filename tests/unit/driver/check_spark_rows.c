/* SPDX-License-Identifier: MIT
 *
 * check_spark_rows: the lines of predictions that executors send: pieces in
 * order, again, with gaps; attempts that overlap; a disk that is full.
 */
#include "tests/lib/unit.h"

#include "common/buf.h"
#include "common/file.h"
#include "common/mem.h"
#include "driver/spark_rows.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char *dir;
static struct spark_rows *rows;

static void setup(void)
{
    struct err err = {0};

    dir = unit_make_dir();
    unit_ok(spark_rows_create(dir, &rows, &err), &err);
}

static void teardown(void)
{
    spark_rows_destroy(&rows);
    ck_assert_ptr_null(rows);
    unit_remove_dir(&dir);
}

static int send(uint32_t partition, uint32_t attempt, uint64_t first, bool last,
                const char *lines, struct err *err)
{
    struct engine_rows piece = {
        .partition = partition,
        .attempt = attempt,
        .first = first,
        .last = last,
        .lines = {(const uint8_t *)lines, strlen(lines)}};

    return spark_rows_add(rows, &piece, err);
}

static char *path_of(const char *name)
{
    char *path = mem_printf("%s/%s", dir, name);

    ck_assert_ptr_nonnull(path);
    return path;
}

static void expect_file(const char *name, const char *text)
{
    struct buf content = {0};
    char *path = path_of(name);
    struct err err = {0};

    buf_init(&content, 1 << 20);
    unit_ok(file_read(path, &content, &err), &err);
    ck_assert_str_eq(buf_str(&content), text);
    buf_deinit(&content);
    mem_free(path);
}

static bool exists(const char *name)
{
    char *path = path_of(name);
    bool there = access(path, F_OK) == 0;

    mem_free(path);
    return there;
}

START_TEST(pieces_become_a_partition)
{
    struct err err = {0};

    unit_ok(send(3, 9, 0, false, "a\nb\n", &err), &err);
    ck_assert(!exists("part-3"));
    unit_ok(send(3, 9, 2, false, "c\n", &err), &err);
    unit_ok(send(3, 9, 3, true, "", &err), &err);
    expect_file("part-3", "a\nb\nc\n");
    ck_assert(!exists("part-3.9"));
}
END_TEST

START_TEST(a_partition_may_be_empty)
{
    struct err err = {0};

    unit_ok(send(0, 1, 0, true, "", &err), &err);
    expect_file("part-0", "");
}
END_TEST

START_TEST(what_was_taken_is_taken_again)
{
    struct err err = {0};

    unit_ok(send(0, 1, 0, false, "a\nb\n", &err), &err);
    unit_ok(send(0, 1, 0, false, "a\nb\n", &err), &err);
    unit_ok(send(0, 1, 2, true, "c\n", &err), &err);
    unit_ok(send(0, 1, 2, true, "c\n", &err), &err);
    expect_file("part-0", "a\nb\nc\n");
}
END_TEST

START_TEST(a_gap_is_refused_and_nothing_is_lost)
{
    struct err err = {0};

    unit_ok(send(0, 1, 0, false, "a\n", &err), &err);
    ck_assert_int_eq(send(0, 1, 2, false, "c\n", &err), ERR_STATE);
    ck_assert_ptr_nonnull(strstr(err.msg, "line 1 comes next, not 2"));
    /* overlapping, but not what was there */
    ck_assert_int_eq(send(0, 1, 0, false, "a\nb\n", &err), ERR_STATE);
    unit_ok(send(0, 1, 1, true, "b\n", &err), &err);
    expect_file("part-0", "a\nb\n");
}
END_TEST

START_TEST(a_line_that_is_cut_off_is_refused)
{
    struct err err = {0};

    ck_assert_int_eq(send(0, 1, 0, true, "a\nb", &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "cut off"));
    ck_assert(!exists("part-0"));
}
END_TEST

START_TEST(the_first_attempt_at_the_end_wins)
{
    struct err err = {0};

    unit_ok(send(0, 1, 0, false, "slow a\n", &err), &err);
    unit_ok(send(0, 2, 0, false, "a\n", &err), &err);
    unit_ok(send(1, 3, 0, true, "other\n", &err), &err);
    unit_ok(send(0, 2, 1, true, "b\n", &err), &err);
    /* the slow one goes on, and changes nothing */
    unit_ok(send(0, 1, 1, true, "slow b\n", &err), &err);
    unit_ok(send(0, 4, 7, false, "late\n", &err), &err);
    expect_file("part-0", "a\nb\n");
    expect_file("part-1", "other\n");
}
END_TEST

START_TEST(an_attempt_begins_with_an_empty_file)
{
    struct err err = {0};
    char *stale = path_of("part-0.1");
    FILE *f = fopen(stale, "w");

    ck_assert_ptr_nonnull(f);
    (void)fputs("of a daemon before\n", f);
    (void)fclose(f);
    mem_free(stale);
    unit_ok(send(0, 1, 0, true, "a\n", &err), &err);
    expect_file("part-0", "a\n");
}
END_TEST

START_TEST(a_full_disk_leaves_what_was_there)
{
    struct rlimit was;
    struct rlimit small;
    struct err err = {0};

    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &was), 0);
    small = was;
    small.rlim_cur = 6;
    (void)signal(SIGXFSZ, SIG_IGN);
    unit_ok(send(0, 1, 0, false, "a\nb\n", &err), &err);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    ck_assert_int_eq(send(0, 1, 2, false, "c\nd\n", &err), ERR_IO);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &was), 0);
    ck_assert_ptr_nonnull(strstr(err.msg, "part-0.1"));
    /* sent once more */
    unit_ok(send(0, 1, 2, true, "c\nd\n", &err), &err);
    expect_file("part-0", "a\nb\nc\nd\n");
}
END_TEST

START_TEST(a_directory_that_is_gone_is_named)
{
    struct spark_rows *lost = NULL;
    struct engine_rows piece = {.last = true};
    struct err err = {0};

    unit_ok(spark_rows_create("/nowhere/at/all", &lost, &err), &err);
    ck_assert_int_eq(spark_rows_add(lost, &piece, &err), ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.msg, "/nowhere/at/all/part-0.0"));
    spark_rows_destroy(&lost);
}
END_TEST

START_TEST(a_name_that_is_taken_is_said)
{
    char *taken = path_of("part-0");
    struct err err = {0};

    ck_assert_int_eq(mkdir(taken, 0700), 0);
    ck_assert_int_eq(send(0, 1, 0, true, "a\n", &err), ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.msg, "part-0"));
    mem_free(taken);
}
END_TEST

static int whole(void *state, struct err *err)
{
    static const struct view lines = {(const uint8_t *)"a\n", 2};
    struct spark_rows *some = NULL;
    struct engine_rows piece = {.last = true, .lines = lines};
    int rc = spark_rows_create(dir, &some, err);

    (void)state;
    if (rc == 0) {
        rc = spark_rows_add(some, &piece, err);
    }
    spark_rows_destroy(&some);
    return rc;
}

START_TEST(memory_may_run_out)
{
    ck_assert_int_ge(unit_oom_sweep(whole, NULL), 5);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("spark_rows");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, pieces_become_a_partition);
    tcase_add_test(tc, a_partition_may_be_empty);
    tcase_add_test(tc, what_was_taken_is_taken_again);
    tcase_add_test(tc, a_gap_is_refused_and_nothing_is_lost);
    tcase_add_test(tc, a_line_that_is_cut_off_is_refused);
    tcase_add_test(tc, the_first_attempt_at_the_end_wins);
    tcase_add_test(tc, an_attempt_begins_with_an_empty_file);
    tcase_add_test(tc, a_full_disk_leaves_what_was_there);
    tcase_add_test(tc, a_directory_that_is_gone_is_named);
    tcase_add_test(tc, a_name_that_is_taken_is_said);
    tcase_add_test(tc, memory_may_run_out);
    return tc;
}

UNIT_MAIN("spark_rows", basic)
