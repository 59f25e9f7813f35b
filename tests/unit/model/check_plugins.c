/* SPDX-License-Identifier: MIT
 *
 * check_plugins: which libraries are refused, and why. Loading a real one is
 * tested with the programs (tests/integration/test_plugin.sh).
 */
#include "common/mem.h"
#include "common/model/plugins.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];

static void make_dir(void)
{
    (void)strcpy(dir, "/tmp/check_plugins.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    ck_assert_int_eq(chmod(dir, 0755), 0);
}

static void path_of(const char *name, char path[128])
{
    (void)snprintf(path, 128, "%s/%s", dir, name);
}

static void put_file(const char *name, mode_t mode)
{
    char path[128];
    FILE *f;

    path_of(name, path);
    f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    (void)fputs("text", f);
    (void)fclose(f);
    ck_assert_int_eq(chmod(path, mode), 0);
}

static void remove_all(const char *name)
{
    char path[128];

    path_of(name, path);
    (void)unlink(path);
    (void)rmdir(dir);
}

/* Loading `name` from `from` fails with the code, saying the word. */
static void refused(const char *name, const char *from, int code,
                    const char *word)
{
    struct opt_list dirs = {{from}, 1};
    struct opt_list names = {{name}, 1};
    struct err err = {0};

    ck_assert_int_eq(plugins_load(&dirs, &names, &err), code);
    ck_assert_msg(strstr(err.msg, word) != NULL, "%s", err.msg);
}

START_TEST(what_is_no_library)
{
    make_dir();
    put_file("a.so", 0644);
    refused("a.so", dir, ERR_INVALID, "a.so");
    refused("b.so", dir, ERR_NOT_FOUND, "in none of the 1 directories");
    refused("../a.so", dir, ERR_INVALID, "the file name alone");
    refused("", dir, ERR_INVALID, "the file name alone");
    remove_all("a.so");
}
END_TEST

START_TEST(what_others_can_write)
{
    make_dir();
    put_file("a.so", 0666);
    refused("a.so", dir, ERR_DENIED, "library");
    put_file("a.so", 0644);
    ck_assert_int_eq(chmod(dir, 0777), 0);
    refused("a.so", dir, ERR_DENIED, "directory");
    remove_all("a.so");
}
END_TEST

START_TEST(a_link_to_elsewhere)
{
    char path[128];

    make_dir();
    path_of("a.so", path);
    ck_assert_int_eq(symlink("/proc/self/exe", path), 0);
    refused("a.so", dir, ERR_DENIED, "is a link that leaves");
    remove_all("a.so");
}
END_TEST

START_TEST(lists_from_the_environment)
{
    struct opt_list none = {{NULL}, 0};
    struct opt_list dirs = {{"/nowhere", "/nothing"}, 2};
    struct opt_list names = {{"a.so"}, 1};
    struct err err = {0};

    unit_ok(plugins_load(&none, &none, &err), &err);
    unit_ok(plugins_export(&dirs, &names, &err), &err);
    ck_assert_str_eq(getenv(PLUGINS_DIRS_ENV), "/nowhere:/nothing");
    ck_assert_int_eq(plugins_load(&none, &none, &err), ERR_NOT_FOUND);
    ck_assert_msg(strstr(err.msg, "in none of the 2") != NULL, "%s", err.msg);
    (void)unsetenv(PLUGINS_DIRS_ENV);
    (void)unsetenv(PLUGINS_NAMES_ENV);
}
END_TEST

START_TEST(names_that_nobody_has)
{
    char name[600];

    memset(name, 'x', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    ck_assert_ptr_null(plugins_layer("my_package>Nothing"));
    ck_assert_ptr_null(plugins_layer(""));
    ck_assert_ptr_null(plugins_layer(name));
    ck_assert_ptr_null(plugins_activation("my_package>nothing"));
    ck_assert_ptr_null(plugins_loss("my_package>nothing"));
    ck_assert_ptr_null(plugins_metric("my_package>nothing"));
}
END_TEST

/* As a library would define them. */
static double zero(const void *state, const struct elephas_unit *unit)
{
    (void)state;
    (void)unit;
    return 0.0;
}

extern const struct elephas_loss elephas_loss_my_package_zero;
const struct elephas_loss elephas_loss_my_package_zero = {
    .abi = ELEPHAS_PLUGIN_ABI, .name = "my_package>zero", .value = zero};
extern const struct elephas_loss elephas_loss_my_package_old;
const struct elephas_loss elephas_loss_my_package_old = {
    .abi = ELEPHAS_PLUGIN_ABI + 1, .name = "my_package>old", .value = zero};

START_TEST(names_are_whole_and_versions_equal)
{
    ck_assert_ptr_eq(plugins_loss("my_package>zero"),
                     &elephas_loss_my_package_zero);
    ck_assert_ptr_null(plugins_loss("my.package>zero"));
    ck_assert_ptr_null(plugins_loss("my_package>old"));
    ck_assert_ptr_null(plugins_metric("my_package>zero"));
}
END_TEST

START_TEST(where_they_are)
{
    struct opt_list dirs = {{"/nowhere", dir}, 2};
    struct opt_list names = {{"a.so", "a.so"}, 2};
    struct opt_list none = {{NULL}, 0};
    struct err err = {0};
    char want[160];
    char *paths;

    make_dir();
    put_file("a.so", 0644);
    unit_ok(plugins_paths(&dirs, &names, ',', &paths, &err), &err);
    (void)snprintf(want, sizeof(want), "%s/a.so,%s/a.so", dir, dir);
    ck_assert_str_eq(paths, want);
    mem_free(paths);
    unit_ok(plugins_paths(&dirs, &none, ',', &paths, &err), &err);
    ck_assert_str_eq(paths, "");
    mem_free(paths);
    put_file("a.so", 0666);
    ck_assert_int_eq(plugins_paths(&dirs, &names, ',', &paths, &err),
                     ERR_DENIED);
    remove_all("a.so");
}
END_TEST

START_TEST(names_of_ones_own)
{
    struct err err = {0};

    ck_assert(plugins_is_custom("my_package>zero"));
    ck_assert(!plugins_is_custom("zero"));
    ck_assert_str_eq(plugins_bare_name("my_package>zero"), "zero");
    ck_assert_str_eq(plugins_bare_name("zero"), "zero");
    ck_assert_int_eq(plugins_missing("loss", "a>b", &err), ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "custom loss a>b"));
    ck_assert_ptr_nonnull(strstr(err.msg, "--custom-objects"));
}
END_TEST

static TCase *plugins(void)
{
    TCase *tc = tcase_create("plugins");

    tcase_add_test(tc, what_is_no_library);
    tcase_add_test(tc, what_others_can_write);
    tcase_add_test(tc, a_link_to_elsewhere);
    tcase_add_test(tc, lists_from_the_environment);
    tcase_add_test(tc, names_that_nobody_has);
    tcase_add_test(tc, names_are_whole_and_versions_equal);
    tcase_add_test(tc, where_they_are);
    tcase_add_test(tc, names_of_ones_own);
    return tc;
}

UNIT_MAIN("plugins", plugins)
