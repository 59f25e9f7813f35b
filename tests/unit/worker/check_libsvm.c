/* SPDX-License-Identifier: MIT
 *
 * check_libsvm: the libsvm format by itself: rows with what is not named as 0,
 * every fault by the index it is at.
 */
#include "tests/unit/worker/fixture.h"

#include "common/mem.h"
#include "worker/format.h"

#define FEATURES 4

struct scene {
    void *state;
    struct columns columns;
};

static void begin(struct scene *s, bool labelled, size_t features, size_t width)
{
    const struct row_hints hints = {
        .features = features, .width = width, .labelled = labelled};
    const struct view line = {(const uint8_t *)"", 0};
    bool header = true;
    struct err err = {0};

    memset(s, 0, sizeof(*s));
    unit_ok(row_format_libsvm.create(&hints, &s->state, &err), &err);
    unit_ok(row_format_libsvm.begin(s->state, line, &s->columns, &header, &err),
            &err);
    ck_assert(!header);
}

static void end(struct scene *s)
{
    row_format_libsvm.destroy(&s->state);
    ck_assert_ptr_null(s->state);
    columns_deinit(&s->columns);
}

/* The line lies alone in memory, so that a read past it is found. */
static int parse(const struct scene *s, const char *line,
                 struct row_values *values, struct err *err)
{
    char *copy = mem_strdup(line);
    const struct view v = {(const uint8_t *)copy, strlen(line)};
    int rc = row_format_libsvm.parse(s->state, v, &s->columns, values, err);

    mem_free(copy);
    return rc;
}

static const struct {
    const char *line;
    float row[1 + FEATURES];
} good[] = {
    {"3 1:0.5 2:1 3:-2e1 4:7", {3, 0.5F, 1, -20, 7}},
    {"-1", {-1, 0, 0, 0, 0}},
    {"1.5 4:1", {1.5F, 0, 0, 0, 1}},
    {"  +1\t2:3  \t", {1, 0, 3, 0, 0}},
    {"0 0002:5", {0, 0, 5, 0, 0}},
};

START_TEST(reads_rows)
{
    struct scene s;
    struct row_values values;
    struct err err = {0};

    begin(&s, true, FEATURES, 0);
    ck_assert_uint_eq(s.columns.count, 1 + FEATURES);
    ck_assert_str_eq(s.columns.names[0].name, "label");
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        unit_ok(parse(&s, good[i].line, &values, &err), &err);
        ck_assert_uint_eq(values.rows, 1);
        for (size_t k = 0; k < 1 + FEATURES; k++) {
            ck_assert_msg(values.values[k] == good[i].row[k], "%s: %zu",
                          good[i].line, k);
        }
    }
    end(&s);
}
END_TEST

static const struct {
    const char *line;
    const char *says;
} bad[] = {
    {"1:0.5", "the label is missing"},
    {"", "the label is missing"},
    {"x 1:1", "label: 'x' is not a number"},
    {"1x 1:1", "label: '1x' is not a number"},
    {"1e99 1:1", "label: '1e99' is not a finite"},
    {"1 5:1", "index 5 is past the 4 features"},
    {"1 99999999999999999999:1", "is not index:value"},
    {"1 0:1", "index 0: indices count from 1"},
    {"1 2:1 2:1", "index 2 comes after index 2"},
    {"1 3:1 2:1", "index 2 comes after index 3"},
    {"1 2:1 3", "'3' after index 2 is not index:value"},
    {"1 a:1", "'a:1' after index 0 is not index:value"},
    {"1 -1:1", "'-1:1' after index 0 is not"},
    {"1 1:", "index 1: '' is not a number"},
    {"1 1: 2", "index 1: '' is not a number"},
    {"1 1:2,", "index 1: '2,' is not a number"},
    {"1 1:nan", "index 1: 'nan' is not a"},
    {"1 1:1e40", "index 1: '1e40' is not a finite float32"},
    {"1 1:2 qid:3", "'qid:3' after index 1 is not index:value"},
};

START_TEST(names_what_is_wrong)
{
    struct scene s;
    struct row_values values;
    struct err err = {0};

    begin(&s, true, FEATURES, 0);
    ck_assert_int_eq(parse(&s, bad[_i].line, &values, &err), ERR_INVALID);
    ck_assert_uint_eq(values.rows, 0);
    fixture_contains(err.msg, bad[_i].says);
    /* and the next row is read as if nothing had been */
    unit_ok(parse(&s, good[0].line, &values, &err), &err);
    ck_assert(values.values[4] == 7);
    end(&s);
}
END_TEST

START_TEST(a_label_may_be_missing_to_predict)
{
    struct scene s;
    struct row_values values;
    struct err err = {0};

    begin(&s, false, FEATURES, 0);
    unit_ok(parse(&s, "2:4", &values, &err), &err);
    ck_assert(values.values[0] == 0 && values.values[2] == 4);
    unit_ok(parse(&s, "9 2:4", &values, &err), &err);
    ck_assert(values.values[0] == 9 && values.values[2] == 4);
    unit_ok(parse(&s, "", &values, &err), &err);
    ck_assert_uint_eq(values.rows, 1);
    end(&s);
}
END_TEST

START_TEST(the_width_may_be_more_than_the_model_takes)
{
    struct scene s;
    struct row_values values;
    struct err err = {0};

    begin(&s, true, 2, 6); /* columns were chosen up to index 5 */
    ck_assert_uint_eq(s.columns.count, 6);
    unit_ok(parse(&s, "1 5:8", &values, &err), &err);
    ck_assert(values.values[5] == 8);
    end(&s);
}
END_TEST

START_TEST(there_is_no_header)
{
    const struct row_hints hints = {.header = ROW_HEADER_PRESENT};
    void *state = NULL;
    struct err err = {0};

    ck_assert_int_eq(row_format_libsvm.create(&hints, &state, &err),
                     ERR_INVALID);
    fixture_contains(err.msg, "--header");
    ck_assert_ptr_null(state);
}
END_TEST

static int whole(void *context, struct err *err)
{
    const struct row_hints hints = {.features = FEATURES, .labelled = true};
    const struct view line = {(const uint8_t *)"", 0};
    struct columns columns = {0};
    void *state = NULL;
    bool header;
    int rc = row_format_libsvm.create(&hints, &state, err);

    (void)context;
    if (rc == 0) {
        rc = row_format_libsvm.begin(state, line, &columns, &header, err);
    }
    row_format_libsvm.destroy(&state);
    columns_deinit(&columns);
    return rc;
}

START_TEST(memory_may_run_out)
{
    ck_assert_int_ge(unit_oom_sweep(whole, NULL), 3);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("libsvm");

    tcase_add_test(tc, reads_rows);
    tcase_add_loop_test(tc, names_what_is_wrong, 0,
                        (int)(sizeof(bad) / sizeof(bad[0])));
    tcase_add_test(tc, a_label_may_be_missing_to_predict);
    tcase_add_test(tc, the_width_may_be_more_than_the_model_takes);
    tcase_add_test(tc, there_is_no_header);
    tcase_add_test(tc, memory_may_run_out);
    return tc;
}

UNIT_MAIN("libsvm", basic)
