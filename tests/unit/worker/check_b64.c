/* SPDX-License-Identifier: MIT
 *
 * check_b64: packed rows by themselves: one and many rows a line, every length
 * of padding, what is not whole, what is not finite.
 */
#include "tests/unit/worker/fixture.h"

#include "common/mem.h"
#include "worker/format.h"

#include <math.h>

struct scene {
    void *state;
    struct columns columns;
};

static void begin(struct scene *s, size_t width)
{
    const struct row_hints hints = {.width = width};
    const struct view line = {(const uint8_t *)"", 0};
    bool header = true;
    struct err err = {0};

    memset(s, 0, sizeof(*s));
    unit_ok(row_format_b64.create(&hints, &s->state, &err), &err);
    unit_ok(row_format_b64.begin(s->state, line, &s->columns, &header, &err),
            &err);
    ck_assert(!header);
    ck_assert_uint_eq(s->columns.count, width);
}

static void end(struct scene *s)
{
    row_format_b64.destroy(&s->state);
    ck_assert_ptr_null(s->state);
    columns_deinit(&s->columns);
}

static int parse(const struct scene *s, const char *line,
                 struct row_values *values, struct err *err)
{
    char *copy = mem_strdup(line);
    const struct view v = {(const uint8_t *)copy, strlen(line)};
    int rc = row_format_b64.parse(s->state, v, &s->columns, values, err);

    mem_free(copy);
    return rc;
}

/* RFC 4648 by the letter; owned. */
static char *encoded(const void *data, size_t len)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *p = data;
    char *out = mem_zalloc(len * 4 / 3 + 8);
    size_t n = 0;

    for (size_t bit = 0; bit < 8 * len; bit += 6) {
        unsigned value = 0;

        for (size_t b = bit; b < bit + 6; b++) {
            value =
                value << 1 | (b < 8 * len ? p[b / 8] >> (7 - b % 8) & 1U : 0U);
        }
        out[n++] = digits[value];
    }
    while (n % 4 != 0) {
        out[n++] = '=';
    }
    return out;
}

START_TEST(reads_rows_of_every_padding)
{
    float numbers[24];
    struct err err = {0};

    for (size_t i = 0; i < 24; i++) {
        numbers[i] = ldexpf((float)i - 11.3F, (int)(i % 5) * 20 - 40);
    }
    /* 4, 8, 12 bytes a row: 2, 1, 0 padding characters */
    for (size_t width = 1; width <= 3; width++) {
        for (size_t rows = 1; rows <= 8; rows++) {
            char *line = encoded(numbers, rows * width * sizeof(float));
            struct row_values values;
            struct scene s;

            begin(&s, width);
            unit_ok(parse(&s, line, &values, &err), &err);
            ck_assert_uint_eq(values.rows, rows);
            ck_assert_int_eq(
                memcmp(values.values, numbers, rows * width * sizeof(float)),
                0);
            mem_free(line);
            end(&s);
        }
    }
}
END_TEST

START_TEST(blanks_behind_a_line_do_not_count)
{
    const float numbers[] = {1.5F, -2};
    char *line = encoded(numbers, sizeof(numbers));
    char *longer = mem_printf("%s \t ", line);
    struct row_values values;
    struct scene s;
    struct err err = {0};

    begin(&s, 2);
    unit_ok(parse(&s, longer, &values, &err), &err);
    ck_assert_uint_eq(values.rows, 1);
    ck_assert(values.values[0] == 1.5F && values.values[1] == -2);
    mem_free(line);
    mem_free(longer);
    end(&s);
}
END_TEST

static const struct {
    const char *line;
    const char *says;
} bad[] = {
    {"", "0 bytes are no whole number of rows of 2 columns"},
    {"AAAA", "3 bytes are no whole number"},
    {"AAAAAA==", "4 bytes are no whole number of rows of 2 columns (8 bytes)"},
    {"AAAAAAAAAAAAAAAA", "12 bytes are no whole number"},
    {"AAAAAAAAAAA", ""},   /* padding is missing */
    {"AAAA AAAAAAA=", ""}, /* a blank within */
    {"AAAAAAAAAA*=", ""},  /* no digit of base64 */
    {"AAAA=AAAAAA=", ""},  /* padding within */
    {"AAAAAAAAAAA==", ""}, /* one too many */
    {"========", ""},      /* nothing but padding */
    {"AAAAAAAAAAA=A", ""}, /* behind the padding */
    {"-_-_-_-_-_8=", ""},  /* the alphabet of URLs */
};

START_TEST(what_is_no_row_is_refused)
{
    const float numbers[] = {4, 5};
    char *line = encoded(numbers, sizeof(numbers));
    struct row_values values;
    struct scene s;
    struct err err = {0};

    begin(&s, 2);
    ck_assert_msg(parse(&s, bad[_i].line, &values, &err) == ERR_INVALID,
                  "'%s' is taken", bad[_i].line);
    ck_assert_uint_eq(values.rows, 0);
    fixture_contains(err.msg, bad[_i].says);
    unit_ok(parse(&s, line, &values, &err), &err);
    ck_assert(values.values[1] == 5);
    mem_free(line);
    end(&s);
}
END_TEST

START_TEST(what_is_not_finite_is_named_by_row_and_column)
{
    const float wrong[] = {NAN, INFINITY, -INFINITY};
    struct err err = {0};

    for (size_t i = 0; i < 3; i++) {
        float numbers[] = {0, 1, 2, 3, 4, 5};
        struct row_values values;
        struct scene s;
        char *line;

        numbers[4 + i % 2] = wrong[i];
        line = encoded(numbers, sizeof(numbers));
        begin(&s, 3);
        ck_assert_int_eq(parse(&s, line, &values, &err), ERR_INVALID);
        ck_assert_uint_eq(values.rows, 1); /* the good one before it */
        fixture_contains(err.msg, i % 2 == 0 ? "column 1" : "column 2");
        mem_free(line);
        end(&s);
    }
}
END_TEST

START_TEST(there_is_no_header)
{
    const struct row_hints hints = {.header = ROW_HEADER_PRESENT, .width = 2};
    void *state = NULL;
    struct err err = {0};

    ck_assert_int_eq(row_format_b64.create(&hints, &state, &err), ERR_INVALID);
    fixture_contains(err.msg, "--header");
    ck_assert_ptr_null(state);
}
END_TEST

static int whole(void *line, struct err *err)
{
    const struct row_hints hints = {.width = 2};
    const struct view v = {line, strlen(line)};
    struct columns columns = {.count = 2};
    struct row_values values;
    void *state = NULL;
    int rc = row_format_b64.create(&hints, &state, err);

    if (rc == 0) {
        rc = row_format_b64.parse(state, v, &columns, &values, err);
    }
    row_format_b64.destroy(&state);
    return rc;
}

START_TEST(memory_may_run_out)
{
    const float numbers[] = {4, 5};
    char *line = encoded(numbers, sizeof(numbers));

    ck_assert_int_ge(unit_oom_sweep(whole, line), 2);
    mem_free(line);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("b64");

    tcase_add_test(tc, reads_rows_of_every_padding);
    tcase_add_test(tc, blanks_behind_a_line_do_not_count);
    tcase_add_loop_test(tc, what_is_no_row_is_refused, 0,
                        (int)(sizeof(bad) / sizeof(bad[0])));
    tcase_add_test(tc, what_is_not_finite_is_named_by_row_and_column);
    tcase_add_test(tc, there_is_no_header);
    tcase_add_test(tc, memory_may_run_out);
    return tc;
}

UNIT_MAIN("b64", basic)
