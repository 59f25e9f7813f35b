/* SPDX-License-Identifier: MIT
 *
 * check_json: the json format by itself: what the scan takes and what it
 * leaves to the JSON library must be the same rows.
 */
#include "tests/unit/worker/fixture.h"

#include "common/mem.h"
#include "worker/format.h"

struct json_run {
    void *state;
    struct columns columns;
    struct err err;
};

static struct view view_of(const char *text)
{
    return (struct view){(const uint8_t *)mem_strdup(text), strlen(text)};
}

static void drop(struct view v)
{
    mem_free((void *)(uintptr_t)v.data);
}

static void begin(struct json_run *r, const char *line)
{
    const struct row_hints hints = {0};
    struct view v = view_of(line);
    bool header = true;

    memset(r, 0, sizeof(*r));
    unit_ok(row_format_json.create(&hints, &r->state, &r->err), &r->err);
    unit_ok(row_format_json.begin(r->state, v, &r->columns, &header, &r->err),
            &r->err);
    ck_assert(!header);
    drop(v);
}

static void end(struct json_run *r)
{
    row_format_json.destroy(&r->state);
    columns_deinit(&r->columns);
}

static void expect_row(struct json_run *r, const char *line)
{
    struct row_values values;
    struct view v = view_of(line);
    int rc = row_format_json.parse(r->state, v, &r->columns, &values, &r->err);

    drop(v);
    ck_assert_msg(rc == 0, "'%s': %s", line, r->err.msg);
    ck_assert_uint_eq(values.rows, 1);
    for (size_t i = 0; i < r->columns.count; i++) {
        ck_assert_msg(values.values[i] == (float)i + 1.5F, "'%s': %zu is %g",
                      line, i, (double)values.values[i]);
    }
}

static void expect_fault(struct json_run *r, const char *line, const char *part)
{
    struct row_values values;
    struct view v = view_of(line);
    int rc = row_format_json.parse(r->state, v, &r->columns, &values, &r->err);

    drop(v);
    ck_assert_msg(rc == ERR_INVALID, "'%s' is accepted", line);
    ck_assert_uint_eq(values.rows, 0);
    fixture_contains(r->err.msg, part);
}

START_TEST(reads_arrays)
{
    struct json_run r;

    begin(&r, "[[0,0],[0,0]]");
    ck_assert_uint_eq(r.columns.count, 4);
    expect_row(&r, "[1.5,2.5,3.5,4.5]");
    expect_row(&r, " [ [ 1.5 , 25e-1 ] ,\t[[0.35E1]], 4.5 ] ");
    expect_row(&r, "[[],1.5,2.5,3.5,4.5]"); /* not for the scan */
    expect_fault(&r, "[1.5,2.5,3.5]", "3 numbers instead of 4");
    expect_fault(&r, "[1.5,2.5,3.5,4.5,5.5]", "5 numbers instead of 4");
    expect_fault(&r, "[1,2,3,4", "not valid JSON");
    expect_fault(&r, "[1,2,3,4]]", "not valid JSON");
    expect_fault(&r, "[1,2,3,4] 5", "not valid JSON");
    expect_fault(&r, "[1,2,3,4,]", "not valid JSON");
    expect_fault(&r, "[1,2,,4]", "not valid JSON");
    expect_fault(&r, "[1 2,3,4]", "not valid JSON");
    expect_fault(&r, "[1,2,3,-Infinity]", "not valid JSON");
    expect_fault(&r, "[1,2,3,nan]", "not valid JSON");
    expect_fault(&r, "1,2,3,4", "not valid JSON");
    expect_fault(&r, "[1,2,3,true]",
                 "column 3: a number is wanted, not a bool");
    expect_fault(&r, "[1,2,3,{}]", "column 3: a number is wanted, not an obj");
    expect_fault(&r, "[1,2,3,\"4\"]",
                 "column 3: a number is wanted, not a str");
    expect_fault(&r, "[1,2,3,4e38]", "column 3: 4e+38 is not a finite");
    expect_fault(&r, "{\"a\":1}", "an array is wanted, not an object");
    expect_fault(&r, "7", "an array is wanted, not an integer");
    end(&r);
}
END_TEST

START_TEST(reads_objects)
{
    struct json_run r;

    begin(&r, "{\"a\":0,\"b\":[[0],[0]],\"\\u00e9\":0}");
    ck_assert_uint_eq(r.columns.count, 4);
    ck_assert_uint_eq(r.columns.name_count, 3);
    ck_assert_str_eq(r.columns.names[2].name, "\xc3\xa9");
    expect_row(&r, "{\"a\":1.5,\"b\":[2.5,3.5],\"\xc3\xa9\":4.5}");
    expect_row(&r, " { \"\xc3\xa9\" : 4.5 , \"b\":[[2.5],3.5],\"a\" :[1.5] } ");
    expect_row(&r, "{\"a\":1.5,\"b\":[2.5,3.5],\"\\u00e9\":4.5}");
    expect_fault(&r, "{\"a\":1,\"b\":[2,3]}", "is missing");
    expect_fault(&r, "{\"a\":1,\"b\":[2,3],\"\\u00e9\":4,\"c\":5}",
                 "'c' is not in the first row");
    expect_fault(&r, "{\"a\":1,\"a\":1,\"b\":[2,3],\"\\u00e9\":4}",
                 "not valid JSON");
    expect_fault(&r, "{\"a\":1,\"b\":[2],\"\\u00e9\":4}",
                 "b: 1 numbers instead of 2");
    expect_fault(&r, "{\"a\":[],\"b\":[2,3],\"\\u00e9\":4}",
                 "a: 0 numbers instead of 1");
    expect_fault(&r, "{\"a\":null,\"b\":[2,3],\"\\u00e9\":4}",
                 "column 0 (a): a number is wanted, not null");
    expect_fault(&r, "{\"a\":1,\"b\":[2,\"x\"],\"\\u00e9\":4}",
                 "column 2 (b[1])");
    expect_fault(&r, "{\"a\":1,\"b\":[2,3],\"\\u00e9\":4", "not valid JSON");
    expect_fault(&r, "{\"a\":1,\"b\":[2,3],\"\\u00e9\":4}}", "not valid JSON");
    expect_fault(&r, "{\"a\" 1,\"b\":[2,3],\"\\u00e9\":4}", "not valid JSON");
    expect_fault(&r, "{a:1,\"b\":[2,3],\"\\u00e9\":4}", "not valid JSON");
    expect_fault(&r, "{\"a\":1,\"b", "not valid JSON");
    expect_fault(&r, "[1,2,3,4]", "an object like the first row is wanted");
    end(&r);
}
END_TEST

START_TEST(skips_members_that_are_not_used)
{
    static const bool needed[] = {true, false, true, true, false};
    struct json_run r;

    begin(&r, "{\"a\":0,\"id\":\"x\",\"b\":[0,0],\"note\":null}");
    ck_assert_uint_eq(r.columns.count, 5);
    unit_ok(row_format_json.select(r.state, &r.columns, needed, &r.err),
            &r.err);
    r.columns.count = 1; /* only the first is looked at */
    expect_row(&r, "{\"a\":1.5,\"id\":\"y\",\"b\":[7,8],\"note\":[]}");
    expect_row(&r, "{\"a\":1.5,\"b\":[7,8],\"more\":{}}");
    r.columns.count = 5;
    expect_fault(&r, "{\"id\":1,\"b\":[7,8]}", "'a' is missing");
    expect_fault(&r, "{\"a\":1,\"id\":1,\"b\":[7,\"8\"]}", "column 3 (b[1])");
    end(&r);
}
END_TEST

START_TEST(an_object_may_be_empty)
{
    struct json_run r;

    begin(&r, "{}");
    ck_assert_uint_eq(r.columns.count, 0);
    expect_row(&r, "{}");
    expect_fault(&r, "{\"a\":1}", "'a' is not in the first row");
    end(&r);
}
END_TEST

static TCase *all(void)
{
    TCase *tc = tcase_create("json");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, reads_arrays);
    tcase_add_test(tc, reads_objects);
    tcase_add_test(tc, skips_members_that_are_not_used);
    tcase_add_test(tc, an_object_may_be_empty);
    return tc;
}

UNIT_MAIN("json", all)
