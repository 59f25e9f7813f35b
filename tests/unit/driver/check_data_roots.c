/* SPDX-License-Identifier: MIT
 *
 * check_data_roots: sources that are not there, and ways out of the roots, on
 * the local engine and on Spark.
 */
#include "tests/lib/unit.h"

#include "driver/data_roots.h"
#include "driver/spark_roots.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *dir;
static char root[600];
static struct opt_list roots;
static const struct opt_list none;

static void path_of(const char *name, char out[700])
{
    (void)snprintf(out, 700, "%s/%s", dir, name);
}

static void touch(const char *name)
{
    char path[700];
    FILE *f;

    path_of(name, path);
    f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    (void)fclose(f);
}

static void setup(void)
{
    char path[700];
    char to[700];

    dir = unit_make_dir();
    (void)snprintf(root, sizeof(root), "%s/root", dir);
    roots = (struct opt_list){.items = {root}, .count = 1};
    ck_assert_int_eq(mkdir(root, 0700), 0);
    path_of("root/sub", path);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    path_of("root/leak", path);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    path_of("rootless", path); /* begins like the root */
    ck_assert_int_eq(mkdir(path, 0700), 0);
    touch("root/a.csv");
    touch("root/b.csv");
    touch("root/sub/c.csv");
    touch("secret.csv");
    touch("rootless/d.csv");
    path_of("secret.csv", to);
    path_of("root/leak/link.csv", path);
    ck_assert_int_eq(symlink(to, path), 0);
    path_of("root/a.csv", to);
    path_of("root/inner.csv", path);
    ck_assert_int_eq(symlink(to, path), 0);
}

static void teardown(void)
{
    unit_remove_dir(&dir);
}

static int check(const struct opt_list *list, const char *name, struct err *err)
{
    char path[700];
    char *items[] = {path};
    struct job_strings sources = {items, 1};

    path_of(name, path);
    return data_roots_check(list, &sources, false, err);
}

START_TEST(lets_in)
{
    static const char *const names[] = {
        "root/a.csv", "root/*.csv",        "root",          "root/sub",
        "root/sub/",  "root/sub/../b.csv", "root/inner.csv"};
    struct err err = {0};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        unit_ok(check(&roots, names[i], &err), &err);
        unit_ok(check(&none, names[i], &err), &err);
    }
    unit_ok(check(&none, "secret.csv", &err), &err);
    unit_ok(check(&none, "root/leak", &err), &err);
}
END_TEST

START_TEST(keeps_out)
{
    static const char *const names[] = {
        "secret.csv",        "root/../secret.csv", "root/leak/link.csv",
        "root/leak/*.csv",   "root/leak",          "rootless/d.csv",
        "root/leak/../../s*"};
    struct err err = {0};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        ck_assert_msg(check(&roots, names[i], &err) == ERR_INVALID, "%s",
                      names[i]);
        ck_assert_ptr_nonnull(strstr(err.msg, "--data-roots"));
    }
}
END_TEST

START_TEST(names_what_is_missing)
{
    struct err err = {0};

    ck_assert_int_eq(check(&none, "absent.csv", &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "absent.csv"));
    ck_assert_ptr_nonnull(strstr(err.msg, "No such file"));
    ck_assert_int_eq(check(&none, "absent*.csv", &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "absent*.csv"));
}
END_TEST

/* ---- Spark ---- */

static int check_spark(const char *source, const char *options, struct err *err)
{
    char path[700];
    char *items[] = {path};
    struct job_spec spec = {0};
    int rc;

    if (source[0] == '@') { /* a path of this test */
        path_of(source + 1, path);
    } else {
        (void)snprintf(path, sizeof(path), "%s", source);
    }
    spec.sources = (struct job_strings){items, path[0] != '\0' ? 1 : 0};
    spec.engine_options = json_loads(options, 0, NULL);
    ck_assert_ptr_nonnull(spec.engine_options);
    rc = spark_roots_check(&roots, &spec, err);
    json_decref(spec.engine_options);
    return rc;
}

static int check_output(const char *prefix, const char *name, struct err *err)
{
    char options[1500];

    (void)snprintf(options, sizeof(options),
                   "{\"output\": {\"path\": \"%s%s/%s\"}}", prefix, dir, name);
    return check_spark("@root/a.csv", options, err);
}

START_TEST(spark_reads_under_roots)
{
    static const char *const good[] = {"@root/a.csv",
                                       "@root/*.csv",
                                       "@root/sub",
                                       "hdfs://nn:8020/data",
                                       "hdfs://nn:8020/data/x/*.parquet",
                                       "hdfs://nn:8020/data/a..b"};
    static const char *const bad[] = {"@secret.csv",
                                      "@root/leak",
                                      "@root", /* root/leak/link.csv is in it */
                                      "@root/{a.csv,../secret.csv}",
                                      "hdfs://nn:8020/database/x",
                                      "hdfs://nn:8020/data/../x",
                                      "hdfs://nn:8020/data/{.,}./x",
                                      "hdfs://other:8020/data/x",
                                      "s3a://bucket/data",
                                      "file://host/etc/passwd",
                                      "file:etc"};
    char url[] = "hdfs://nn:8020/data/";
    char name[900];
    struct err err = {0};

    roots.items[roots.count++] = url;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        unit_ok(check_spark(good[i], "{}", &err), &err);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(check_spark(bad[i], "{}", &err) == ERR_INVALID, "%s",
                      bad[i]);
    }
    (void)snprintf(name, sizeof(name), "file://%s/root/a.csv", dir);
    unit_ok(check_spark(name, "{}", &err), &err);
    (void)snprintf(name, sizeof(name), "file:%s/root/../secret.csv", dir);
    ck_assert_int_eq(check_spark(name, "{}", &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "--data-roots"));
}
END_TEST

START_TEST(spark_writes_under_roots)
{
    static const char *const bad[] = {"out", "root/../out", "root/leak/../../o",
                                      "rootless/out"};
    struct err err = {0};

    unit_ok(check_output("", "root/out", &err), &err);
    unit_ok(check_output("file://", "root/sub/new/out", &err), &err);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(check_output("", bad[i], &err) == ERR_INVALID, "%s",
                      bad[i]);
        ck_assert_ptr_nonnull(strstr(err.msg, "output"));
    }
    ck_assert_int_eq(check_output("hdfs://nn:8020", "root/out", &err),
                     ERR_INVALID);
}
END_TEST

START_TEST(spark_queries_nothing_else)
{
    static const char *const bad[] = {"{\"sql\": \"select 1\"}",
                                      "{\"table\": \"csv.`/etc/passwd`\"}",
                                      "{\"table\": \"a b\"}"};
    struct err err = {0};

    unit_ok(check_spark("", "{\"table\": \"lake.digits_1\"}", &err), &err);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(check_spark("", bad[i], &err) == ERR_INVALID, "%s",
                      bad[i]);
    }
    roots.count = 0;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        unit_ok(check_spark("", bad[i], &err), &err);
    }
}
END_TEST

static TCase *all(void)
{
    TCase *tc = tcase_create("data_roots");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, lets_in);
    tcase_add_test(tc, keeps_out);
    tcase_add_test(tc, names_what_is_missing);
    tcase_add_test(tc, spark_reads_under_roots);
    tcase_add_test(tc, spark_writes_under_roots);
    tcase_add_test(tc, spark_queries_nothing_else);
    return tc;
}

UNIT_MAIN("data_roots", all)
