/* SPDX-License-Identifier: MIT
 *
 * check_csv_line: delimiters and fields of a line.
 */
#include "tests/lib/unit.h"

#include "common/csv_line.h"

#include <string.h>

static const struct {
    const char *line;
    char delimiter;
    size_t fields;
} table[] = {
    {"", ',', 1},
    {"7", ',', 1},
    {"1,2,3", ',', 3},
    {"1;2", ';', 2},
    {"1\t2\t", '\t', 3},
    {"a\tb;c", ';', 2},
    {"1;2,3", ',', 2},
    {"\"a,b\";c", ';', 2},
    {"\"a\"\",;\",b", ',', 2},
    {"\"never closed,", ',', 1},
};

START_TEST(divides)
{
    struct view line = {(const uint8_t *)table[_i].line,
                        strlen(table[_i].line)};
    char delimiter = csv_line_delimiter(line);

    ck_assert_int_eq(delimiter, table[_i].delimiter);
    ck_assert_uint_eq(csv_line_fields(line, delimiter), table[_i].fields);
}
END_TEST

static TCase *all(void)
{
    TCase *tc = tcase_create("csv_line");

    tcase_add_loop_test(tc, divides, 0, sizeof(table) / sizeof(table[0]));
    return tc;
}

UNIT_MAIN("csv_line", all)
