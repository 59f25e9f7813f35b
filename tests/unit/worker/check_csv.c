/* SPDX-License-Identifier: MIT
 *
 * check_csv: the csv format by itself: fields of every shape against what was
 * written, delimiters, quotes, and what is taken for a header.
 */
#include "tests/unit/worker/fixture.h"

#include "common/mem.h"
#include "common/rng.h"
#include "worker/format.h"

#include <math.h>

struct csv_run {
    void *state;
    struct columns columns;
    bool header;
    struct err err;
};

/* A view of text in memory of just that size, so that a sanitizer sees a
 * step past the terminator. */
static struct view view_of(const char *text)
{
    return (struct view){(const uint8_t *)mem_strdup(text), strlen(text)};
}

static void drop(struct view v)
{
    mem_free((void *)(uintptr_t)v.data);
}

static int begin(struct csv_run *r, enum row_header header, bool needs_names,
                 const char *line)
{
    const struct row_hints hints = {.header = header,
                                    .needs_names = needs_names};
    struct view v = view_of(line);
    int rc;

    memset(r, 0, sizeof(*r));
    unit_ok(row_format_csv.create(&hints, &r->state, &r->err), &r->err);
    rc = row_format_csv.begin(r->state, v, &r->columns, &r->header, &r->err);
    drop(v);
    return rc;
}

static void end(struct csv_run *r)
{
    row_format_csv.destroy(&r->state);
    columns_deinit(&r->columns);
}

static void expect_row(struct csv_run *r, const char *line, const float *want,
                       size_t n)
{
    struct row_values values;
    struct view v = view_of(line);
    int rc = row_format_csv.parse(r->state, v, &r->columns, &values, &r->err);

    drop(v);
    ck_assert_msg(rc == 0, "'%s': %s", line, r->err.msg);
    ck_assert_uint_eq(values.rows, 1);
    ck_assert_uint_eq(r->columns.count, n);
    for (size_t i = 0; i < n; i++) {
        ck_assert_msg(values.values[i] == want[i], "'%s': %zu is %.9g", line, i,
                      (double)values.values[i]);
    }
}

#define ROW(r, line, ...)                                                      \
    expect_row((r), (line), (const float[]){__VA_ARGS__},                      \
               sizeof((const float[]){__VA_ARGS__}) / sizeof(float))

static void expect_fault(struct csv_run *r, const char *line, const char *part)
{
    struct row_values values;
    struct view v = view_of(line);
    int rc = row_format_csv.parse(r->state, v, &r->columns, &values, &r->err);

    drop(v);
    ck_assert_msg(rc == ERR_INVALID, "'%s' is accepted", line);
    fixture_contains(r->err.msg, part);
}

START_TEST(reads_fields)
{
    struct csv_run r;

    unit_ok(begin(&r, ROW_HEADER_GUESS, false, "1,2,3"), &r.err);
    ck_assert(!r.header);
    ROW(&r, "1,2,3", 1, 2, 3);
    ROW(&r, "0,00,007", 0, 0, 7);
    ROW(&r, "-1,+2,-0.5", -1, 2, -0.5F);
    ROW(&r, " 1 ,\t2\t, 3 ", 1, 2, 3);
    ROW(&r, "\"1\",\" 2 \",\"3e2\"", 1, 2, 300);
    ROW(&r, "9999999,99999999,999999999", 9999999, 1e8F, 1e9F);
    ROW(&r, "16777217,12345678901234567890,1e-3", 16777216,
        12345678901234567890.F, 1e-3F);
    ROW(&r, "1.,.5,1.25E+2", 1, 0.5F, 125);
    expect_fault(&r, "1,2", "ends after column 1: 2 fields instead of 3");
    expect_fault(&r, "1", "ends after column 0");
    expect_fault(&r, "", "column 0 is empty");
    expect_fault(&r, "1,2,3,", "4 fields instead of 3");
    expect_fault(&r, "1,2,3,4", "after column 2: 4 fields instead of 3");
    expect_fault(&r, "1,2,3,,,", "6 fields");
    expect_fault(&r, ",2,3", "column 0 is empty");
    expect_fault(&r, "1,  ,3", "column 1 is empty");
    expect_fault(&r, "1,2,", "column 2 is empty");
    expect_fault(&r, "1,2 3,4", "column 1: '2 3' is not a number");
    expect_fault(&r, "1,\"2,3", "column 1: '\"2,3' is not a number");
    expect_fault(&r, "1,\"2\"x,3", "column 1");
    expect_fault(&r, "1,\"2", "column 1");
    expect_fault(&r, "1,2,\"", "column 2");
    expect_fault(&r, "1,\"\",3", "column 1");
    expect_fault(&r, "1,0x10,3", "column 1: '0x10'");
    expect_fault(&r, "1,2,Infinity", "column 2: 'Infinity' is not a finite");
    expect_fault(&r, "NAN,2,3", "column 0: 'NAN' is not a finite");
    expect_fault(&r, "1,3.5e38,3", "column 1: '3.5e38' is not a finite");
    end(&r);
}
END_TEST

START_TEST(skips_columns_that_are_not_used)
{
    static const bool needed[] = {false, true, true, false, false};
    struct csv_run r;

    unit_ok(begin(&r, ROW_HEADER_GUESS, false, "id,a,b,name,note"), &r.err);
    ck_assert(r.header);
    unit_ok(row_format_csv.select(r.state, &r.columns, needed, &r.err), &r.err);
    for (int i = 0; i < 2; i++) {
        ROW(&r, "x7,1,2,\"Smith, J.\",nan", 0, 1, 2, 0, 0);
        ROW(&r, "7,1,2,3,4", 0, 1, 2, 0, 0);
        ROW(&r, ",1,2,,", 0, 1, 2, 0, 0);
    }
    expect_fault(&r, "x,1,y,z,", "column 2 (b): 'y'");
    expect_fault(&r, "x,,2,z,", "column 1 (a) is empty");
    expect_fault(&r, "x,1,2,z", "4 fields instead of 5");
    expect_fault(&r, "x,1,2,z,,", "6 fields instead of 5");
    expect_fault(&r, "x", "1 fields instead of 5");
    end(&r);
}
END_TEST

START_TEST(one_column_needs_no_delimiter)
{
    struct csv_run r;

    unit_ok(begin(&r, ROW_HEADER_GUESS, false, "5"), &r.err);
    ROW(&r, "5", 5);
    ROW(&r, "-2.5e3", -2500);
    expect_fault(&r, "5,6", "2 fields instead of 1");
    end(&r);
}
END_TEST

START_TEST(finds_the_delimiter)
{
    static const struct {
        const char *first;
        const char *row;
    } cases[] = {{"1,2,3", "4,5,6"},
                 {"1;2;3", "4; 5 ;6"},
                 {"1\t2\t3", "4\t5 \t6"},
                 {"a;b\tc;d", "4;\t5;6"},
                 {"\"a,b\";c;d", "4;5;6"}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct csv_run r;

        unit_ok(begin(&r, ROW_HEADER_GUESS, false, cases[i].first), &r.err);
        ROW(&r, cases[i].row, 4, 5, 6);
        end(&r);
    }
}
END_TEST

START_TEST(tells_headers_from_rows)
{
    static const struct {
        const char *line;
        enum row_header given;
        bool needs_names;
        bool header;
    } cases[] = {{"a,b", ROW_HEADER_GUESS, false, true},
                 {"\"a\",b c", ROW_HEADER_GUESS, false, true},
                 {"1,2", ROW_HEADER_GUESS, false, false},
                 {"\" 1 \",2.5e1", ROW_HEADER_GUESS, false, false},
                 {"nan,1", ROW_HEADER_GUESS, false, false},
                 {",", ROW_HEADER_GUESS, false, true},
                 {"0,1", ROW_HEADER_PRESENT, false, true},
                 {"a,b", ROW_HEADER_ABSENT, false, false},
                 {"y,0,1", ROW_HEADER_GUESS, true, true}};
    struct csv_run r;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unit_ok(begin(&r, cases[i].given, cases[i].needs_names, cases[i].line),
                &r.err);
        ck_assert_msg(r.header == cases[i].header, "%s", cases[i].line);
        ck_assert_uint_eq(r.columns.name_count, r.header ? r.columns.count : 0);
        end(&r);
    }
    ck_assert_int_eq(begin(&r, ROW_HEADER_GUESS, false, "1,x,3"), ERR_INVALID);
    fixture_contains(r.err.msg, "column 1: 'x'");
    fixture_contains(r.err.msg, "--header");
    end(&r);
}
END_TEST

START_TEST(takes_quotes_off_names)
{
    struct csv_run r;

    unit_ok(begin(&r, ROW_HEADER_GUESS, false,
                  " plain , \"with, comma\",\"with \"\"quotes\"\"\",\"\""),
            &r.err);
    ck_assert_uint_eq(r.columns.count, 4);
    ck_assert_str_eq(r.columns.names[0].name, "plain");
    ck_assert_str_eq(r.columns.names[1].name, "with, comma");
    ck_assert_str_eq(r.columns.names[2].name, "with \"quotes\"");
    ck_assert_str_eq(r.columns.names[3].name, "");
    end(&r);
}
END_TEST

static int write_some_way(uint64_t way, double value, char *out, size_t room)
{
    switch (way) {
    case 0:
        return snprintf(out, room, "%.9g", value);
    case 1:
        return snprintf(out, room, "%.6f", value);
    case 2:
        return snprintf(out, room, "%.0f", value);
    case 3:
        return snprintf(out, room, "%.17g", value);
    case 4:
        return snprintf(out, room, " %g ", value);
    default:
        return snprintf(out, room, "\"%.3e\"", value);
    }
}

/* Whatever printf() writes is read as strtof() reads it. */
START_TEST(reads_what_others_write)
{
    struct rng rng;
    struct csv_run r;

    rng_init(&rng, 3, RNG_NOISE, 0, 0, 0);
    unit_ok(begin(&r, ROW_HEADER_ABSENT, false, "1,2,3,4,5,6,7,8"), &r.err);
    for (int i = 0; i < 5000; i++) {
        char line[1024];
        float want[8];
        size_t n = 0;

        for (size_t k = 0; k < 8; k++) {
            double value = (double)rng_normal(&rng) *
                           pow(10, (double)rng_below(&rng, 12) - 4);
            char *at = line + n;

            n += (size_t)write_some_way(rng_below(&rng, 6), value, at,
                                        sizeof(line) - n);
            want[k] = strtof(at + (*at == '"'), NULL);
            line[n++] = k == 7 ? '\0' : ',';
        }
        expect_row(&r, line, want, 8);
    }
    end(&r);
}
END_TEST

static TCase *all(void)
{
    TCase *tc = tcase_create("csv");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, reads_fields);
    tcase_add_test(tc, skips_columns_that_are_not_used);
    tcase_add_test(tc, one_column_needs_no_delimiter);
    tcase_add_test(tc, finds_the_delimiter);
    tcase_add_test(tc, tells_headers_from_rows);
    tcase_add_test(tc, takes_quotes_off_names);
    tcase_add_test(tc, reads_what_others_write);
    return tc;
}

UNIT_MAIN("csv", all)
