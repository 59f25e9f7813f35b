/* SPDX-License-Identifier: MIT
 *
 * check_file: whole files in and out: ceilings, a disk that is full
 * (/dev/full, and a limit on the size of files), directories that may not be
 * written, and that the old file stays when the new one fails.
 */
#include "tests/lib/unit.h"

#include "common/file.h"
#include "common/mem.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char *dir;
static char path[600];

static void make_dir(void)
{
    dir = unit_make_dir();
    (void)snprintf(path, sizeof(path), "%s/file", dir);
}

static void remove_dir(void)
{
    unit_remove_dir(&dir);
}

static struct view text_view(const char *text)
{
    struct view v = {(const uint8_t *)text, strlen(text)};

    return v;
}

static size_t entries_of(const char *name)
{
    DIR *d = opendir(name);
    size_t n = 0;

    ck_assert_ptr_nonnull(d);
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    }
    (void)closedir(d);
    return n;
}

static void assert_content(const char *want)
{
    struct buf b;
    struct err err = {0};

    buf_init(&b, 1 << 20);
    unit_ok(file_read(path, &b, &err), &err);
    ck_assert_str_eq(buf_str(&b), want);
    buf_deinit(&b);
}

START_TEST(writes_and_reads)
{
    struct err err = {0};
    struct stat st;
    struct buf big;

    unit_ok(file_write(path, text_view("one"), 0600, &err), &err);
    assert_content("one");
    unit_ok(file_write(path, text_view("second"), 0640, &err), &err);
    assert_content("second");
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0640);
    unit_ok(file_write(path, text_view(""), 0600, &err), &err);
    assert_content("");
    buf_init(&big, 1 << 20);
    unit_ok(buf_printf(&big, &err, "%0200000d", 7), &err);
    unit_ok(file_write(path, buf_view(&big), 0600, &err), &err);
    assert_content(buf_str(&big));
    buf_deinit(&big);
    ck_assert_uint_eq(entries_of(dir), 1); /* no temporary file is left */
}
END_TEST

START_TEST(reading_has_faults)
{
    struct buf b;
    struct err err = {0};

    buf_init(&b, 4);
    ck_assert_int_eq(file_read(path, &b, &err), ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.msg, path));
    ck_assert_int_eq(file_read(dir, &b, &err), ERR_INVALID);
    unit_ok(file_write(path, text_view("12345"), 0600, &err), &err);
    ck_assert_int_eq(file_read(path, &b, &err), ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.msg, path));
    buf_deinit(&b);
}
END_TEST

START_TEST(a_stage_that_is_dropped_leaves_nothing)
{
    struct file_stage *stage = NULL;
    struct err err = {0};

    unit_ok(file_write(path, text_view("old"), 0600, &err), &err);
    unit_ok(file_stage_create(path, 0600, &stage, &err), &err);
    ck_assert_int_eq(access(file_stage_path(stage), F_OK), 0);
    ck_assert_int_gt(fputs("new", file_stage_stream(stage)), -1);
    ck_assert_uint_eq(entries_of(dir), 2);
    file_stage_destroy(&stage);
    ck_assert_ptr_null(stage);
    file_stage_destroy(&stage);
    ck_assert_uint_eq(entries_of(dir), 1);
    assert_content("old");
}
END_TEST

START_TEST(two_stages_do_not_mix)
{
    struct file_stage *a = NULL;
    struct file_stage *b = NULL;
    struct err err = {0};

    unit_ok(file_stage_create(path, 0600, &a, &err), &err);
    unit_ok(file_stage_create(path, 0600, &b, &err), &err);
    (void)fputs("aaaa", file_stage_stream(a));
    (void)fputs("b", file_stage_stream(b));
    unit_ok(file_stage_commit(&a, &err), &err);
    assert_content("aaaa");
    unit_ok(file_stage_commit(&b, &err), &err);
    assert_content("b");
    ck_assert_uint_eq(entries_of(dir), 1);
}
END_TEST

START_TEST(places_that_cannot_be_written)
{
    struct err err = {0};
    char below[700];

    (void)snprintf(below, sizeof(below), "%s/no/such", dir);
    ck_assert_int_eq(file_check_writable(below, &err), ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.msg, below));
    ck_assert_int_eq(file_check_writable(dir, &err), ERR_INVALID);
    ck_assert_int_eq(file_check_writable("/dev/null", &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "no regular file"));
    unit_ok(file_write(path, text_view("old"), 0600, &err), &err);
    (void)snprintf(below, sizeof(below), "%s/x", path);
    ck_assert_int_eq(file_check_writable(below, &err), ERR_NOT_FOUND);
    unit_ok(file_check_writable(path, &err), &err);
    assert_content("old");
    ck_assert_uint_eq(entries_of(dir), 1);
}
END_TEST

/* In a process of its own, which may give up its rights: root may write
 * everywhere. */
START_TEST(no_permission)
{
    struct err err = {0};
    pid_t child;
    int status = 0;

    unit_ok(file_write(path, text_view("old"), 0600, &err), &err);
    ck_assert_int_eq(chmod(dir, 0555), 0);
    ck_assert_int_eq(chmod(path, 0), 0);
    child = fork();
    if (child == 0) {
        struct buf b;
        int bad;

        if (geteuid() == 0 && setuid(65534) != 0) {
            _exit(9);
        }
        buf_init(&b, 100);
        bad = file_check_writable(path, &err) != ERR_DENIED;
        bad |= (file_read(path, &b, &err) != ERR_DENIED) << 1;
        bad |= (file_write(path, text_view("x"), 0600, &err) != ERR_DENIED)
               << 2;
        _exit(bad);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(chmod(dir, 0755), 0);
    ck_assert_int_eq(chmod(path, 0600), 0);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
    assert_content("old");
}
END_TEST

/* No file grows past 8192 bytes: what a full disk looks like to a writer. */
START_TEST(a_full_disk_keeps_the_old_file)
{
    struct err err = {0};
    struct rlimit before;
    struct rlimit small = {8192, 8192};
    struct file_stage *stage = NULL;
    struct buf big;

    unit_ok(file_write(path, text_view("old"), 0600, &err), &err);
    buf_init(&big, 1 << 20);
    unit_ok(buf_printf(&big, &err, "%0100000d", 7), &err);
    (void)signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    ck_assert_int_eq(file_write(path, buf_view(&big), 0600, &err), ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.msg, path));
    assert_content("old");
    ck_assert_uint_eq(entries_of(dir), 1);
    /* found by commit, when the stream's buffer goes out */
    unit_ok(file_stage_create(path, 0600, &stage, &err), &err);
    ck_assert_uint_eq(fwrite(big.data, 1, 8000, file_stage_stream(stage)),
                      8000);
    (void)fwrite(big.data, 1, 2000, file_stage_stream(stage));
    ck_assert_int_eq(file_stage_commit(&stage, &err), ERR_IO);
    ck_assert_ptr_null(stage);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_content("old");
    ck_assert_uint_eq(entries_of(dir), 1);
    buf_deinit(&big);
}
END_TEST

START_TEST(makes_and_removes_trees)
{
    struct err err = {0};
    char deep[700];
    char link_path[700];
    struct stat st;

    (void)snprintf(deep, sizeof(deep), "%s/a/b//c", dir);
    unit_ok(file_make_dirs(deep, 0700, &err), &err);
    unit_ok(file_make_dirs(deep, 0700, &err), &err);
    ck_assert_int_eq(stat(deep, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0700);
    unit_ok(file_write(path, text_view("keep"), 0600, &err), &err);
    ck_assert_int_eq(file_make_dirs(path, 0700, &err), ERR_INVALID);
    (void)snprintf(link_path, sizeof(link_path), "%s/x", path);
    ck_assert_int_ne(file_make_dirs(link_path, 0700, &err), 0);
    /* a link in the tree is removed, what it points to is not */
    (void)snprintf(link_path, sizeof(link_path), "%s/a/b/link", dir);
    ck_assert_int_eq(symlink(path, link_path), 0);
    (void)snprintf(deep, sizeof(deep), "%s/a", dir);
    unit_ok(file_remove_tree(deep, &err), &err);
    ck_assert_int_ne(stat(deep, &st), 0);
    assert_content("keep");
    unit_ok(file_remove_tree(deep, &err), &err); /* missing is no error */
}
END_TEST

static int write_with_faults(void *state, struct err *err)
{
    int rc;

    (void)state;
    rc = file_write(path, text_view("new"), 0600, err);
    if (rc != 0) {
        ck_assert_uint_eq(entries_of(dir), 1);
    }
    return rc;
}

static int read_with_faults(void *state, struct err *err)
{
    struct buf b;
    int rc;

    (void)state;
    buf_init(&b, 100);
    rc = file_read(path, &b, err);
    buf_deinit(&b);
    return rc;
}

static int make_dirs_with_faults(void *state, struct err *err)
{
    return file_make_dirs(state, 0700, err);
}

START_TEST(survives_refused_memory)
{
    struct err err = {0};
    char deep[700];

    unit_ok(file_write(path, text_view("old"), 0600, &err), &err);
    ck_assert_int_gt(unit_oom_sweep(write_with_faults, NULL), 2);
    ck_assert_int_ge(unit_oom_sweep(read_with_faults, NULL), 1);
    (void)snprintf(deep, sizeof(deep), "%s/a/b", dir);
    ck_assert_int_ge(unit_oom_sweep(make_dirs_with_faults, deep), 1);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("file");

    tcase_add_checked_fixture(tc, make_dir, remove_dir);
    tcase_add_test(tc, writes_and_reads);
    tcase_add_test(tc, reading_has_faults);
    tcase_add_test(tc, a_stage_that_is_dropped_leaves_nothing);
    tcase_add_test(tc, two_stages_do_not_mix);
    tcase_add_test(tc, places_that_cannot_be_written);
    tcase_add_test(tc, no_permission);
    tcase_add_test(tc, a_full_disk_keeps_the_old_file);
    tcase_add_test(tc, makes_and_removes_trees);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("file", basic)
