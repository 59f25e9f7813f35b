/* SPDX-License-Identifier: MIT
 *
 * check_elog: what a log line looks like, read back from a pipe that takes the
 * place of standard error.
 */
#include "tests/lib/unit.h"

#include "common/elog.h"

#include <regex.h>
#include <string.h>
#include <unistd.h>

static int saved = -1;
static int ends[2];

static void capture(void)
{
    ck_assert_int_eq(pipe(ends), 0);
    saved = dup(STDERR_FILENO);
    ck_assert_int_ge(dup2(ends[1], STDERR_FILENO), 0);
}

static void release(void)
{
    (void)dup2(saved, STDERR_FILENO);
    (void)close(saved);
    (void)close(ends[0]);
    (void)close(ends[1]);
    elog_set_level(ELOG_INFO);
}

/* What has been written so far; the write end stays open, so a mark is put
 * behind it. */
static const char *written(char *text, size_t size)
{
    ssize_t n;

    ck_assert_int_eq(write(ends[1], "#", 1), 1);
    n = read(ends[0], text, size - 1);
    ck_assert_int_gt(n, 0);
    ck_assert_int_eq(text[n - 1], '#');
    text[n - 1] = '\0';
    return text;
}

START_TEST(a_line_has_time_level_event_and_fields)
{
    char text[4096];
    regex_t pattern;

    elog(ELOG_WARN, "job.started", E_STR("job", "j7k2"), E_INT("workers", -2),
         E_NUM("seconds", 1.25));
    ck_assert_int_eq(
        regcomp(&pattern,
                "^20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:"
                "[0-6][0-9]\\.[0-9]{3}Z warn job\\.started job=j7k2 "
                "workers=-2 seconds=1\\.25\n$",
                REG_EXTENDED | REG_NOSUB),
        0);
    ck_assert_msg(regexec(&pattern, written(text, sizeof(text)), 0, NULL, 0) ==
                      0,
                  "%s", text);
    regfree(&pattern);
}
END_TEST

START_TEST(strings_cannot_forge_fields_or_lines)
{
    char text[4096];

    elog(ELOG_INFO, "e", E_STR("a", "x y"), E_STR("b", "q\"\\"),
         E_STR("c", "l\n2026 info forged\r\t"), E_STR("d", "k=v"),
         E_STR("e", ""), E_STR("f", NULL));
    ck_assert_ptr_nonnull(
        strstr(written(text, sizeof(text)),
               " info e a=\"x y\" b=\"q\\\"\\\\\" "
               "c=\"l\\n2026 info forged  \" d=\"k=v\" e=\"\" f=\"\"\n"));
    ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
}
END_TEST

START_TEST(a_long_line_is_cut_not_split)
{
    char text[8192];
    char value[4000];

    memset(value, 'x', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    elog(ELOG_ERROR, "e", E_STR("a", value), E_INT("b", 1));
    (void)written(text, sizeof(text));
    ck_assert_uint_eq(strlen(text), 2048);
    ck_assert_int_eq(text[2047], '\n');
    ck_assert_ptr_eq(strchr(text, '\n'), text + 2047);
}
END_TEST

START_TEST(levels_filter)
{
    char text[4096];

    elog(ELOG_DEBUG, "hidden", E_INT("a", 1));
    ck_assert_str_eq(written(text, sizeof(text)), "");
    elog_set_level(ELOG_DEBUG);
    elog(ELOG_DEBUG, "shown", E_INT("a", 1));
    ck_assert_ptr_nonnull(strstr(written(text, sizeof(text)), "debug shown"));
    elog_set_level(ELOG_ERROR);
    elog(ELOG_WARN, "hidden", E_INT("a", 1));
    ck_assert_str_eq(written(text, sizeof(text)), "");
}
END_TEST

START_TEST(levels_have_names)
{
    enum elog_level level = ELOG_INFO;

    ck_assert(elog_parse_level("debug", &level) && level == ELOG_DEBUG);
    ck_assert(elog_parse_level("error", &level) && level == ELOG_ERROR);
    ck_assert(!elog_parse_level("loud", &level));
    ck_assert(!elog_parse_level("", &level));
    ck_assert_int_eq(level, ELOG_ERROR);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("elog");

    tcase_add_checked_fixture(tc, capture, release);
    tcase_add_test(tc, a_line_has_time_level_event_and_fields);
    tcase_add_test(tc, strings_cannot_forge_fields_or_lines);
    tcase_add_test(tc, a_long_line_is_cut_not_split);
    tcase_add_test(tc, levels_filter);
    tcase_add_test(tc, levels_have_names);
    return tc;
}

UNIT_MAIN("elog", basic)
