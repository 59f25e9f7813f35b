/* SPDX-License-Identifier: MIT
 *
 * check_settings: options, config file, defaults, and addresses.
 */
#include "tests/lib/unit.h"

#include "common/mem.h"
#include "driver/settings.h"

#include <stdio.h>
#include <string.h>

#define ARGS(...) ((const char *[]){"elephasd", __VA_ARGS__, NULL})
#define COUNT(...) ((int)(sizeof(ARGS(__VA_ARGS__)) / sizeof(char *)) - 1)
#define parse(s, err, ...)                                                     \
    settings_parse((s), COUNT(__VA_ARGS__),                                    \
                   (char **)(uintptr_t)ARGS(__VA_ARGS__), (err))

START_TEST(has_defaults)
{
    struct settings s;
    struct err err = {0};

    unit_ok(settings_parse(&s, 1, (char **)(uintptr_t)ARGS(NULL), &err), &err);
    ck_assert_str_eq(s.host, "127.0.0.1");
    ck_assert_uint_eq(s.port, 4000);
    ck_assert_int_eq(s.max_jobs, 4);
    ck_assert_int_eq(s.max_body, 1 << 30);
    ck_assert_int_eq(s.shard_timeout, 3600);
    ck_assert_int_eq(s.memory, 0);
    ck_assert_int_eq(s.level, ELOG_INFO);
    ck_assert_ptr_nonnull(s.state_dir);
    ck_assert_ptr_nonnull(strstr(s.workers_dir, "/tests/unit/driver"));
    settings_deinit(&s);
    ck_assert_ptr_null(s.host);
}
END_TEST

START_TEST(reads_a_config_file)
{
    char *dir = unit_make_dir();
    char path[600];
    struct settings s;
    struct err err = {0};
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/elephasd.conf", dir);
    f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    (void)fputs("# comment\nmax-jobs = 7\nlisten = [::1]:5000\n"
                "data-roots = /a\ndata-roots = /b\nlog-level = debug\n",
                f);
    (void)fclose(f);
    unit_ok(
        parse(&s, &err, "--config", path, "--max-jobs=2", "--state-dir", "/x"),
        &err);
    ck_assert_int_eq(s.max_jobs, 2); /* the command line wins */
    ck_assert_str_eq(s.host, "::1");
    ck_assert_uint_eq(s.port, 5000);
    ck_assert_uint_eq(s.data_roots.count, 2);
    ck_assert_str_eq(s.data_roots.items[1], "/b");
    ck_assert_int_eq(s.level, ELOG_DEBUG);
    ck_assert_str_eq(s.state_dir, "/x");
    settings_deinit(&s);
    f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    (void)fputs("max-jbos = 7\n", f);
    (void)fclose(f);
    ck_assert_int_eq(parse(&s, &err, "--config", path), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "max-jbos"));
    ck_assert_ptr_nonnull(strstr(err.msg, "elephasd.conf:1"));
    unit_remove_dir(&dir);
}
END_TEST

static const char *const bad[][3] = {
    {"--listen", "4000", "HOST:PORT"},
    {"--listen", "a:", "HOST:PORT"},
    {"--listen", "a:70000", "65535"},
    {"--listen", "a:-1", "port"},
    {"--listen", "::1:4000", "[ADDRESS]"},
    {"--advertise", "nowhere", "--advertise"},
    {"--max-jobs", "0", "--max-jobs"},
    {"--max-body", "1", "--max-body"},
    {"--log-level", "loud", "loud"},
    {"--data-roots", "relative", "relative"},
    {"--state-dir", "", "--state-dir"},
    {"--frobnicate", "x", "--frobnicate"},
    {"operand", "x", "operand"},
    {"--config", "/no/such/file", "/no/such/file"},
};

START_TEST(refuses)
{
    struct settings s;
    struct err err = {0};

    ck_assert_int_ne(parse(&s, &err, bad[_i][0], bad[_i][1]), 0);
    ck_assert_msg(strstr(err.msg, bad[_i][2]) != NULL, "%s: %s", bad[_i][2],
                  err.msg);
    ck_assert_ptr_null(s.host);
}
END_TEST

START_TEST(knows_loopback)
{
    ck_assert(settings_is_loopback("127.0.0.1"));
    ck_assert(settings_is_loopback("127.8.8.8"));
    ck_assert(settings_is_loopback("::1"));
    ck_assert(settings_is_loopback("localhost"));
    ck_assert(!settings_is_loopback("0.0.0.0"));
    ck_assert(!settings_is_loopback("10.0.0.1"));
    ck_assert(!settings_is_loopback("127.0.0.1.example.org"));
    ck_assert(!settings_is_loopback("::"));
}
END_TEST

static int parse_all(void *state, struct err *err)
{
    struct settings s;
    int rc = parse(&s, err, "--listen", "[::1]:0", "--advertise", "h:1");

    (void)state;
    if (rc == 0) {
        settings_deinit(&s);
    }
    return rc;
}

START_TEST(survives_refused_memory)
{
    ck_assert_int_ge(unit_oom_sweep(parse_all, NULL), 4);
}
END_TEST

static TCase *all(void)
{
    TCase *tc = tcase_create("settings");

    tcase_add_test(tc, has_defaults);
    tcase_add_test(tc, reads_a_config_file);
    tcase_add_loop_test(tc, refuses, 0, (int)(sizeof(bad) / sizeof(bad[0])));
    tcase_add_test(tc, knows_loopback);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("settings", all)
