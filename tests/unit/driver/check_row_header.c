/* SPDX-License-Identifier: MIT
 *
 * check_row_header: which first lines of csv files name the columns.
 */
#include "tests/lib/unit.h"

#include "driver/row_header.h"

#include <string.h>

static const struct {
    const char *line;
    enum row_header_guess guess;
} cases[] = {
    {"a,b,c", ROW_HEADER_NAMES},
    {"a", ROW_HEADER_NAMES},
    {"", ROW_HEADER_NAMES},
    {",,", ROW_HEADER_NAMES},
    {"1,2,3", ROW_HEADER_VALUES},
    {"-1.5e-3;+2;.5;5.", ROW_HEADER_VALUES},
    {" 1 \t,\t2 ", ROW_HEADER_VALUES},
    {"\"1\",\" 2 \"", ROW_HEADER_VALUES},
    {"nan,INF,-Infinity", ROW_HEADER_VALUES},
    {"1\t2\t3", ROW_HEADER_VALUES},
    {"0x10,2", ROW_HEADER_MIXED},
    {"x,2", ROW_HEADER_MIXED},
    {"label,0,1,2", ROW_HEADER_MIXED},
    {"1e,1e+,.,-,+-1", ROW_HEADER_NAMES},
    {"1e5x", ROW_HEADER_NAMES},
    {"nano,infinit,e5", ROW_HEADER_NAMES},
    /* a comma within quotes is no border */
    {"\"a,1\",b", ROW_HEADER_NAMES},
    {"\"1,2\",\"3;4\"", ROW_HEADER_NAMES},
    {"\"unclosed,1,2", ROW_HEADER_NAMES},
    {"1,", ROW_HEADER_MIXED},
};

START_TEST(guesses)
{
    struct view line = {(const uint8_t *)cases[_i].line,
                        strlen(cases[_i].line)};

    ck_assert_msg(row_header_guess(line) == cases[_i].guess, "'%s': %d",
                  cases[_i].line, (int)row_header_guess(line));
}
END_TEST

START_TEST(reads_no_further_than_the_line)
{
    const char text[] = {'1', ',', '2', 'x'}; /* without an end */
    struct view line = {(const uint8_t *)text, 3};

    ck_assert_int_eq(row_header_guess(line), ROW_HEADER_VALUES);
    line.len = 4;
    ck_assert_int_eq(row_header_guess(line), ROW_HEADER_MIXED);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("row_header");

    tcase_add_loop_test(tc, guesses, 0,
                        (int)(sizeof(cases) / sizeof(cases[0])));
    tcase_add_test(tc, reads_no_further_than_the_line);
    return tc;
}

UNIT_MAIN("row_header", basic)
