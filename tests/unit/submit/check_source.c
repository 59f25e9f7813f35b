/* SPDX-License-Identifier: MIT
 *
 * check_source: data sources: made absolute, found missing, left to Spark.
 */
#include "tests/lib/unit.h"

#include "common/mem.h"
#include "driver/submit/source.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char *dir;
static char before[PATH_MAX];

static void enter_dir(void)
{
    FILE *f;

    dir = unit_make_dir();
    ck_assert_ptr_nonnull(getcwd(before, sizeof(before)));
    ck_assert_int_eq(chdir(dir), 0);
    f = fopen("a.csv", "w");
    ck_assert_ptr_nonnull(f);
    (void)fclose(f);
    f = fopen("odd[1].csv", "w");
    ck_assert_ptr_nonnull(f);
    (void)fclose(f);
}

static void leave_dir(void)
{
    ck_assert_int_eq(chdir(before), 0);
    unit_remove_dir(&dir);
}

static int one(const char *source, bool local, char *out, size_t size,
               struct err *err)
{
    struct opt_list list = {.items = {source}, .count = 1};
    json_t *array = NULL;
    int rc = source_list(&list, "--data", local, &array, err);

    if (rc == 0) {
        ck_assert_uint_eq(json_array_size(array), 1);
        (void)snprintf(out, size, "%s",
                       json_string_value(json_array_get(array, 0)));
        json_decref(array);
    } else {
        ck_assert_ptr_null(array);
    }
    return rc;
}

static void assert_becomes(const char *source, bool local, const char *want)
{
    char got[PATH_MAX + 300];
    char full[PATH_MAX + 300];
    struct err err = {0};

    (void)snprintf(full, sizeof(full), "%s%s", want[0] == '~' ? dir : "",
                   want + (want[0] == '~'));
    unit_ok(one(source, local, got, sizeof(got), &err), &err);
    ck_assert_str_eq(got, full);
}

START_TEST(paths)
{
    assert_becomes("a.csv", true, "~/a.csv");
    assert_becomes("/dev/null", true, "/dev/null");
    assert_becomes("*.csv", true, "~/*.csv");
    assert_becomes("odd[1].csv", true, "~/odd[1].csv");
    assert_becomes(".", true, "~/.");
    assert_becomes("hdfs://h/x", true, "hdfs://h/x");
    assert_becomes("s3a://b/x", false, "s3a://b/x");
    assert_becomes("/not/here", false, "/not/here");
}
END_TEST

static const struct {
    const char *source;
    bool local;
    const char *says;
} refused[] = {
    {"b.csv", true, "b.csv: No such file"},
    {"*.txt", true, "*.txt: no file matches"},
    {"", true, "--data: an empty path"},
    {"a.csv/x", true, "Not a directory"},
    {"a.csv", false, "elephasd is on another machine"},
};

START_TEST(refused_by_name)
{
    char out[PATH_MAX];
    struct err err = {0};

    ck_assert_int_eq(
        one(refused[_i].source, refused[_i].local, out, sizeof(out), &err),
        ERR_INVALID);
    ck_assert_msg(strstr(err.msg, refused[_i].says) != NULL, "%s", err.msg);
    ck_assert_int_eq(strncmp(err.msg, "--data: ", 8), 0);
}
END_TEST

START_TEST(a_path_that_is_no_text)
{
    char out[PATH_MAX];
    struct err err = {0};
    FILE *f = fopen("\xff.csv", "w");

    ck_assert_ptr_nonnull(f);
    (void)fclose(f);
    ck_assert_int_eq(one("\xff.csv", true, out, sizeof(out), &err),
                     ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "not UTF-8"));
}
END_TEST

static int list_with_faults(void *state, struct err *err)
{
    char out[PATH_MAX];

    return one(state, true, out, sizeof(out), err);
}

START_TEST(survives_refused_memory)
{
    char path[] = "a.csv";

    json_set_alloc_funcs(mem_alloc, mem_free);
    ck_assert_int_gt(unit_oom_sweep(list_with_faults, path), 2);
    json_set_alloc_funcs(malloc, free);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("source");

    tcase_add_checked_fixture(tc, enter_dir, leave_dir);
    tcase_add_test(tc, paths);
    tcase_add_loop_test(tc, refused_by_name, 0,
                        sizeof(refused) / sizeof(*refused));
    tcase_add_test(tc, a_path_that_is_no_text);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("source", basic)
