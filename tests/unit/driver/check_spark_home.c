/* SPDX-License-Identifier: MIT
 *
 * check_spark_home: which installation is taken, and what is said when there is
 * none, or one that cannot be used.
 */
#include "tests/lib/unit.h"

#include "common/mem.h"
#include "driver/spark_home.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *dir;

static void setup(void)
{
    dir = unit_make_dir();
}

static void teardown(void)
{
    unit_remove_dir(&dir);
}

static void touch(const char *path, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT, mode);

    ck_assert_int_ge(fd, 0);
    (void)close(fd);
}

/* An installation under dir; version NULL: without jars. Owned. */
static char *make_home(const char *name, const char *version)
{
    char path[512];
    char *home = mem_printf("%s/%s", dir, name);

    ck_assert_ptr_nonnull(home);
    (void)mkdir(home, 0700);
    (void)snprintf(path, sizeof(path), "%s/bin", home);
    (void)mkdir(path, 0700);
    (void)snprintf(path, sizeof(path), "%s/bin/spark-submit", home);
    touch(path, 0700);
    if (version != NULL) {
        (void)snprintf(path, sizeof(path), "%s/jars", home);
        (void)mkdir(path, 0700);
        (void)snprintf(path, sizeof(path), "%s/jars/other-1.0.jar", home);
        touch(path, 0600);
        (void)snprintf(path, sizeof(path), "%s/jars/spark-core_2.13-%s.jar",
                       home, version);
        touch(path, 0600);
    }
    return home;
}

START_TEST(the_first_that_is_given_is_taken)
{
    char *a = make_home("a", "4.0.0");
    char *b = make_home("b", "3.5.9");
    char *c = make_home("c", NULL);
    char *path = mem_printf("/nowhere:%s/bin", c);
    struct spark_home home;
    struct err err = {0};

    unit_ok(spark_home_find(a, b, c, path, &home, &err), &err);
    ck_assert_str_eq(home.version, "4.0.0");
    spark_home_deinit(&home);
    unit_ok(spark_home_find(NULL, b, c, path, &home, &err), &err);
    ck_assert_str_eq(home.version, "3.5.9");
    spark_home_deinit(&home);
    unit_ok(spark_home_find(NULL, NULL, a, path, &home, &err), &err);
    ck_assert_ptr_nonnull(strstr(home.submit, "/a/bin/spark-submit"));
    spark_home_deinit(&home);
    unit_ok(spark_home_find(NULL, NULL, "", path, &home, &err), &err);
    ck_assert_ptr_nonnull(strstr(home.submit, "/c/bin/spark-submit"));
    ck_assert_ptr_null(home.version);
    spark_home_deinit(&home);
    mem_free(a);
    mem_free(b);
    mem_free(c);
    mem_free(path);
}
END_TEST

START_TEST(no_spark_says_how_to_get_one)
{
    struct spark_home home;
    struct err err = {0};

    ck_assert_int_eq(spark_home_find(NULL, NULL, NULL, dir, &home, &err),
                     ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "there is no Spark: install"));
    ck_assert_ptr_nonnull(strstr(err.msg, "SPARK_HOME"));
    ck_assert_int_eq(spark_home_find(NULL, NULL, NULL, NULL, &home, &err),
                     ERR_INVALID);
}
END_TEST

START_TEST(a_directory_that_is_no_spark_is_named)
{
    struct spark_home home;
    struct err err = {0};

    ck_assert_int_eq(spark_home_find(dir, NULL, NULL, NULL, &home, &err),
                     ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "--spark-home"));
    ck_assert_ptr_nonnull(strstr(err.msg, dir));
    ck_assert_int_eq(spark_home_find(NULL, NULL, dir, NULL, &home, &err),
                     ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "SPARK_HOME"));
}
END_TEST

START_TEST(old_versions_are_refused)
{
    static const struct {
        const char *version;
        int rc;
    } cases[] = {{"3.4.4", ERR_INVALID}, {"2.4.8", ERR_INVALID}, {"3.5.0", 0},
                 {"4.1.4", 0},           {"10.0.0", 0},          {"x", 0}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *one = make_home(cases[i].version, cases[i].version);
        struct spark_home home;
        struct err err = {0};

        ck_assert_int_eq(spark_home_find(one, NULL, NULL, NULL, &home, &err),
                         cases[i].rc);
        if (cases[i].rc != 0) {
            ck_assert_ptr_nonnull(strstr(err.msg, "too old"));
            ck_assert_ptr_nonnull(strstr(err.msg, cases[i].version));
        }
        spark_home_deinit(&home);
        mem_free(one);
    }
}
END_TEST

static int find(void *state, struct err *err)
{
    struct spark_home home;
    int rc = spark_home_find(NULL, NULL, NULL, state, &home, err);

    spark_home_deinit(&home);
    return rc;
}

START_TEST(memory_may_run_out)
{
    char *one = make_home("a", "4.0.0");
    char *path = mem_printf("/nowhere:%s/bin", one);

    ck_assert_int_ge(unit_oom_sweep(find, path), 4);
    mem_free(path);
    mem_free(one);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("spark_home");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, the_first_that_is_given_is_taken);
    tcase_add_test(tc, no_spark_says_how_to_get_one);
    tcase_add_test(tc, a_directory_that_is_no_spark_is_named);
    tcase_add_test(tc, old_versions_are_refused);
    tcase_add_test(tc, memory_may_run_out);
    return tc;
}

UNIT_MAIN("spark_home", basic)
