/* SPDX-License-Identifier: MIT
 *
 * check_data_roots: sources that are not there, and ways out of the roots.
 */
#include "tests/lib/unit.h"

#include "driver/data_roots.h"

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
    return data_roots_check(list, &sources, err);
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

static TCase *all(void)
{
    TCase *tc = tcase_create("data_roots");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, lets_in);
    tcase_add_test(tc, keeps_out);
    tcase_add_test(tc, names_what_is_missing);
    return tc;
}

UNIT_MAIN("data_roots", all)
