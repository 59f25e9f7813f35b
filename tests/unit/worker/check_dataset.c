/* SPDX-License-Identifier: MIT
 *
 * check_dataset: rows in memory and in the file, at every limit, and what
 * happens when the disk has no room.
 */
#include "tests/unit/worker/fixture.h"

#include "worker/dataset.h"

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>

#define WIDTH 1000

static float element(size_t row, size_t k)
{
    return (float)(row * 3 + k);
}

static int fill(struct dataset *d, size_t rows, struct err *err)
{
    for (size_t r = dataset_rows(d); r < rows; r++) {
        float *row;
        int rc = dataset_append(d, &row, err);

        if (rc != 0) {
            return rc;
        }
        for (size_t k = 0; k < WIDTH; k++) {
            row[k] = element(r, k);
        }
    }
    return 0;
}

static void check(const struct dataset *d, size_t rows)
{
    ck_assert_uint_eq(dataset_rows(d), rows);
    for (size_t i = 0; i < rows; i++) {
        size_t r = i * 7919 % rows;
        const float *row = dataset_row(d, r);

        for (size_t k = 0; k < WIDTH; k += 111) {
            ck_assert_msg(row[k] == element(r, k), "row %zu, %zu: %g", r, k,
                          (double)row[k]);
        }
    }
}

static size_t count_files(const char *path)
{
    DIR *dir = opendir(path);
    size_t n = 0;

    ck_assert_ptr_nonnull(dir);
    while (readdir(dir) != NULL) {
        n++;
    }
    (void)closedir(dir);
    return n - 2;
}

START_TEST(keeps_rows_in_memory)
{
    struct dataset *d = NULL;
    struct err err = {0};

    unit_ok(dataset_create(WIDTH, (size_t)64 << 20, "/nonexistent", &d, &err),
            &err);
    ck_assert_uint_eq(dataset_rows(d), 0);
    unit_ok(fill(d, 3000, &err), &err);
    check(d, 3000);
    ck_assert(!dataset_is_spilled(d));
    ck_assert_uint_ge(dataset_memory(d), (size_t)3000 * WIDTH * 4);
    dataset_destroy(&d);
    ck_assert_ptr_null(d);
    dataset_destroy(&d);
}
END_TEST

/* Never more memory than the limit, whatever it is; no file has a name. */
START_TEST(spills_past_the_limit)
{
    static const size_t limits[] = {0, 1, 4000, 1 << 20, 3000000, 9000000};
    char *dir = unit_make_dir();
    struct err err = {0};

    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        struct dataset *d = NULL;

        unit_ok(dataset_create(WIDTH, limits[i], dir, &d, &err), &err);
        for (size_t rows = 100; rows <= 3000; rows += 100) {
            unit_ok(fill(d, rows, &err), &err);
            ck_assert_uint_le(dataset_memory(d), limits[i]);
        }
        ck_assert(dataset_is_spilled(d));
        ck_assert_uint_eq(dataset_memory(d), 0);
        check(d, 3000);
        ck_assert_uint_eq(count_files(dir), 0);
        dataset_destroy(&d);
    }
    unit_remove_dir(&dir);
}
END_TEST

START_TEST(a_limit_that_is_just_enough_is_enough)
{
    struct dataset *d = NULL;
    struct err err = {0};

    unit_ok(dataset_create(WIDTH, (size_t)500 * WIDTH * 4, "/nonexistent", &d,
                           &err),
            &err);
    unit_ok(fill(d, 500, &err), &err);
    ck_assert(!dataset_is_spilled(d));
    ck_assert_int_eq(fill(d, 501, &err), ERR_IO);
    fixture_contains(err.msg, "/nonexistent");
    fixture_contains(err.msg, "TMPDIR");
    check(d, 500);
    dataset_destroy(&d);
}
END_TEST

/* A file size limit stands in for a full disk. */
START_TEST(a_full_disk_is_an_error)
{
    const struct rlimit small = {2000000, RLIM_INFINITY};
    struct rlimit old;
    char *dir = unit_make_dir();
    struct dataset *d = NULL;
    struct err err = {0};
    size_t rows;

    (void)signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    unit_ok(dataset_create(WIDTH, 0, dir, &d, &err), &err);
    ck_assert_int_eq(fill(d, 3000, &err), ERR_IO);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
    fixture_contains(err.msg, dir);
    fixture_contains(err.msg, "--memory");
    rows = dataset_rows(d);
    ck_assert_uint_gt(rows, 100);
    check(d, rows); /* what was there stays */
    dataset_destroy(&d);
    (void)signal(SIGXFSZ, SIG_DFL);
    unit_remove_dir(&dir);
}
END_TEST

START_TEST(tmpdir_says_where)
{
    char *dir = unit_make_dir();
    struct dataset *d = NULL;
    struct err err = {0};

    (void)setenv("TMPDIR", "/nonexistent-tmp", 1);
    unit_ok(dataset_create(WIDTH, 0, NULL, &d, &err), &err);
    ck_assert_int_eq(fill(d, 1, &err), ERR_IO);
    fixture_contains(err.msg, "/nonexistent-tmp");
    dataset_destroy(&d);
    (void)setenv("TMPDIR", dir, 1);
    unit_ok(dataset_create(WIDTH, 0, NULL, &d, &err), &err);
    unit_ok(fill(d, 10, &err), &err);
    check(d, 10);
    dataset_destroy(&d);
    (void)unsetenv("TMPDIR");
    unit_remove_dir(&dir);
}
END_TEST

static int fill_and_spill(void *state, struct err *err)
{
    struct dataset *d = NULL;
    int rc = dataset_create(WIDTH, 3000000, state, &d, err);

    if (rc == 0) {
        rc = fill(d, 2000, err);
    }
    dataset_destroy(&d);
    return rc;
}

START_TEST(survives_refused_memory)
{
    char *dir = unit_make_dir();

    ck_assert_int_gt(unit_oom_sweep(fill_and_spill, dir), 2);
    unit_remove_dir(&dir);
}
END_TEST

static TCase *all(void)
{
    TCase *tc = tcase_create("dataset");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, keeps_rows_in_memory);
    tcase_add_test(tc, spills_past_the_limit);
    tcase_add_test(tc, a_limit_that_is_just_enough_is_enough);
    tcase_add_test(tc, a_full_disk_is_an_error);
    tcase_add_test(tc, tmpdir_says_where);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("dataset", all)
