/* SPDX-License-Identifier: MIT
 *
 * check_row_files: what a data source means: files, directories, globs, their
 * order, and what is said about each that cannot be read.
 */
#include "tests/lib/unit.h"

#include "common/mem.h"
#include "driver/row_files.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *dir;

static void touch(const char *name)
{
    char path[600];
    int fd;

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    (void)close(fd);
}

static void make_dir(const char *name)
{
    char path[600];

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void setup(void)
{
    dir = unit_make_dir();
    touch("b.csv");
    touch("a.csv");
    touch("with [x].csv");
    make_dir("data");
    touch("data/part-2");
    touch("data/part-10");
    touch("data/part-1");
    touch("data/_SUCCESS");
    touch("data/.part-1.crc");
    make_dir("data/part-0"); /* a folder */
    touch("data/part-0/inside");
    make_dir("empty");
    touch("empty/_SUCCESS");
}

static void teardown(void)
{
    unit_remove_dir(&dir);
}

static int add(struct row_files *files, const char *name, struct err *err)
{
    char path[600];

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    return row_files_add(files, path, err);
}

/* names: one text, each behind a blank */
static void expect(const struct row_files *files, const char *names)
{
    char got[2000] = "";

    for (size_t i = 0; i < files->count; i++) {
        ck_assert_int_eq(strncmp(files->paths[i], dir, strlen(dir)), 0);
        (void)strcat(got, " ");
        (void)strcat(got, files->paths[i] + strlen(dir) + 1);
    }
    ck_assert_str_eq(got, names);
}

START_TEST(sources_in_the_order_given)
{
    struct row_files files = {0};
    struct err err = {0};

    unit_ok(add(&files, "b.csv", &err), &err);
    unit_ok(add(&files, "data", &err), &err);
    unit_ok(add(&files, "a.csv", &err), &err);
    unit_ok(add(&files, "a.csv", &err), &err);
    expect(&files, " b.csv data/part-1 data/part-10 data/part-2 a.csv a.csv");
    row_files_deinit(&files);
    ck_assert_uint_eq(files.count, 0);
    row_files_deinit(&files);
}
END_TEST

START_TEST(globs)
{
    struct row_files files = {0};
    struct err err = {0};

    unit_ok(add(&files, "*.csv", &err), &err);
    expect(&files, " a.csv b.csv with [x].csv");
    row_files_deinit(&files);
    unit_ok(add(&files, "data/part-?", &err), &err);
    expect(&files, " data/part-0/inside data/part-1 data/part-2");
    row_files_deinit(&files);
    unit_ok(add(&files, "[ab].csv", &err), &err);
    expect(&files, " a.csv b.csv");
    row_files_deinit(&files);
    /* a name that looks like one is a name first */
    unit_ok(add(&files, "with [x].csv", &err), &err);
    expect(&files, " with [x].csv");
    row_files_deinit(&files);
}
END_TEST

START_TEST(what_cannot_be_read_is_named)
{
    struct row_files files = {0};
    struct err err = {0};
    char path[600];

    unit_ok(add(&files, "a.csv", &err), &err);
    ck_assert_int_eq(add(&files, "none.csv", &err), ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.msg, "none.csv"));
    ck_assert_int_eq(add(&files, "none-*.csv", &err), ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.msg, "no match"));
    ck_assert_int_eq(add(&files, "empty", &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "the directory has no files"));
    ck_assert_int_ne(add(&files, "a.csv/x", &err), 0);
    ck_assert_ptr_nonnull(strstr(err.msg, "a.csv/x"));
    (void)snprintf(path, sizeof(path), "%s/fifo", dir);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_eq(add(&files, "fifo", &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "neither a regular file"));
    /* a link to nowhere, found by a glob */
    (void)snprintf(path, sizeof(path), "%s/dead.csv", dir);
    ck_assert_int_eq(symlink("/nowhere/at/all", path), 0);
    ck_assert_int_ne(add(&files, "dead*", &err), 0);
    ck_assert_ptr_nonnull(strstr(err.msg, "dead.csv"));
    expect(&files, " a.csv"); /* what was there is left */
    row_files_deinit(&files);
}
END_TEST

static int whole(void *context, struct err *err)
{
    struct row_files files = {0};
    int rc = add(&files, "a.csv", err);

    (void)context;
    if (rc == 0) {
        rc = add(&files, "data", err);
    }
    if (rc == 0) {
        rc = add(&files, "[ab].csv", err);
    }
    row_files_deinit(&files);
    return rc;
}

START_TEST(memory_may_run_out)
{
    ck_assert_int_ge(unit_oom_sweep(whole, NULL), 12);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("row_files");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, sources_in_the_order_given);
    tcase_add_test(tc, globs);
    tcase_add_test(tc, what_cannot_be_read_is_named);
    tcase_add_test(tc, memory_may_run_out);
    return tc;
}

UNIT_MAIN("row_files", basic)
