/* SPDX-License-Identifier: MIT
 *
 * check_jget: typed members with errors that name the key, hostile JSON, and
 * numbers that read back exactly.
 */
#include "tests/lib/unit.h"

#include "common/jget.h"
#include "common/mem.h"

#include <string.h>

static json_t *parse(const char *text)
{
    json_t *value = NULL;
    struct err err = {0};

    unit_ok(jget_parse(text, strlen(text), &value, &err), &err);
    return value;
}

START_TEST(reads_members)
{
    json_t *o = parse("{\"i\":7,\"whole\":3.0,\"d\":0.5,\"b\":true,\"s\":\"x\","
                      "\"o\":{\"k\":1},\"a\":[1,2],\"n\":null}");
    struct err err = {0};
    const json_t *nested;
    const char *text;
    int64_t i;
    double d;
    bool b;

    unit_ok(jget_int(o, "i", &i, &err), &err);
    ck_assert_int_eq(i, 7);
    unit_ok(jget_int(o, "whole", &i, &err), &err);
    ck_assert_int_eq(i, 3);
    unit_ok(jget_double(o, "d", &d, &err), &err);
    ck_assert_double_eq(d, 0.5);
    unit_ok(jget_double(o, "i", &d, &err), &err);
    ck_assert_double_eq(d, 7);
    unit_ok(jget_bool(o, "b", &b, &err), &err);
    ck_assert(b);
    unit_ok(jget_string(o, "s", &text, &err), &err);
    ck_assert_str_eq(text, "x");
    unit_ok(jget_object(o, "o", &nested, &err), &err);
    ck_assert_uint_eq(json_object_size(nested), 1);
    unit_ok(jget_array(o, "a", &nested, &err), &err);
    ck_assert_uint_eq(json_array_size(nested), 2);
    ck_assert_ptr_null(jget_member(o, "n"));
    ck_assert_ptr_null(jget_member(o, "absent"));
    ck_assert_ptr_nonnull(jget_member(o, "i"));
    json_decref(o);
}
END_TEST

START_TEST(defaults_for_missing_and_null)
{
    json_t *o = parse("{\"n\":null,\"i\":2,\"b\":false,\"s\":\"y\",\"d\":1}");
    struct err err = {0};
    const char *text;
    int64_t i;
    double d;
    bool b;

    unit_ok(jget_int_or(o, "n", 5, &i, &err), &err);
    ck_assert_int_eq(i, 5);
    unit_ok(jget_int_or(o, "i", 5, &i, &err), &err);
    ck_assert_int_eq(i, 2);
    unit_ok(jget_double_or(o, "absent", 0.25, &d, &err), &err);
    ck_assert_double_eq(d, 0.25);
    unit_ok(jget_double_or(o, "d", 0.25, &d, &err), &err);
    ck_assert_double_eq(d, 1);
    unit_ok(jget_bool_or(o, "n", true, &b, &err), &err);
    ck_assert(b);
    unit_ok(jget_bool_or(o, "b", true, &b, &err), &err);
    ck_assert(!b);
    unit_ok(jget_string_or(o, "n", NULL, &text, &err), &err);
    ck_assert_ptr_null(text);
    unit_ok(jget_string_or(o, "s", NULL, &text, &err), &err);
    ck_assert_str_eq(text, "y");
    json_decref(o);
}
END_TEST

START_TEST(faults_name_the_key)
{
    json_t *o = parse("{\"i\":7,\"d\":0.5,\"s\":\"x\",\"n\":null,"
                      "\"big\":1e300,\"a\":[],\"b\":true}");
    struct err err = {0};
    const json_t *nested;
    const char *text;
    int64_t i;
    double d;
    bool b;

    ck_assert_int_eq(jget_int(o, "absent", &i, &err), ERR_INVALID);
    ck_assert_str_eq(err.msg, "absent: missing");
    ck_assert_int_eq(jget_int(o, "n", &i, &err), ERR_INVALID);
    ck_assert_str_eq(err.msg, "n: missing");
    ck_assert_int_eq(jget_int(o, "s", &i, &err), ERR_INVALID);
    ck_assert_str_eq(err.msg, "s: an integer is wanted, not a string");
    ck_assert_int_eq(jget_int(o, "d", &i, &err), ERR_INVALID);
    ck_assert_str_eq(err.msg, "d: 0.5 is not an integer");
    ck_assert_int_eq(jget_int(o, "big", &i, &err), ERR_INVALID);
    ck_assert_int_eq(jget_int_or(o, "s", 1, &i, &err), ERR_INVALID);
    ck_assert_int_eq(jget_double(o, "s", &d, &err), ERR_INVALID);
    ck_assert_str_eq(err.msg, "s: a number is wanted, not a string");
    ck_assert_int_eq(jget_double_or(o, "b", 1, &d, &err), ERR_INVALID);
    ck_assert_int_eq(jget_bool(o, "i", &b, &err), ERR_INVALID);
    ck_assert_str_eq(err.msg, "i: a boolean is wanted, not an integer");
    ck_assert_int_eq(jget_bool_or(o, "d", true, &b, &err), ERR_INVALID);
    ck_assert_int_eq(jget_string(o, "d", &text, &err), ERR_INVALID);
    ck_assert_str_eq(err.msg, "d: a string is wanted, not a number");
    ck_assert_int_eq(jget_string_or(o, "a", "", &text, &err), ERR_INVALID);
    ck_assert_int_eq(jget_object(o, "a", &nested, &err), ERR_INVALID);
    ck_assert_str_eq(err.msg, "a: an object is wanted, not an array");
    ck_assert_int_eq(jget_object(o, "n", &nested, &err), ERR_INVALID);
    ck_assert_int_eq(jget_array(o, "b", &nested, &err), ERR_INVALID);
    ck_assert_str_eq(err.msg, "b: an array is wanted, not a boolean");
    ck_assert_int_eq(jget_array(o, "absent", &nested, &err), ERR_INVALID);
    ck_assert_int_eq(jget_bool(o, "absent", &b, &err), ERR_INVALID);
    ck_assert_int_eq(jget_double(o, "absent", &d, &err), ERR_INVALID);
    ck_assert_int_eq(jget_string(o, "absent", &text, &err), ERR_INVALID);
    json_decref(o);
}
END_TEST

static const char *const hostile[] = {
    "",
    " ",
    "{",
    "{\"a\":1,}",
    "{\"a\":1,\"a\":2}",
    "{\"a\":01}",
    "{\"a\":NaN}",
    "{\"a\":Infinity}",
    "{\"a\":1e999}",
    "{\"a\":99999999999999999999999}",
    "\"\xff\xfe\"",
    "\"\\ud800\"",
    "{\"a\":1} x",
    "tru",
};

START_TEST(refuses_hostile_text)
{
    json_t *value = NULL;
    struct err err = {0};
    const char *text = hostile[_i];

    ck_assert_int_eq(jget_parse(text, strlen(text), &value, &err), ERR_INVALID);
    ck_assert_msg(strstr(err.msg, "at line 1, column") != NULL, "%s", err.msg);
    ck_assert_ptr_null(value);
}
END_TEST

START_TEST(depth_is_limited)
{
    size_t n = 1000000;
    char *text = malloc(n);
    json_t *value = NULL;
    struct err err = {0};

    memset(text, '[', n);
    ck_assert_int_eq(jget_parse(text, n, &value, &err), ERR_INVALID);
    ck_assert_ptr_null(value);
    free(text);
}
END_TEST

START_TEST(numbers_read_back_exactly)
{
    const double numbers[] = {0.1,    1.0 / 3,
                              1e-308, 1.7976931348623157e308,
                              -0.0,   123456789.123456789,
                              5e-324};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
        json_t *value = json_real(numbers[i]);
        char *text = jget_dump(value);
        json_t *again = parse(text);
        double got = json_real_value(again);

        ck_assert_msg(memcmp(&got, &numbers[i], sizeof(got)) == 0, "%s", text);
        json_decref(value);
        json_decref(again);
        mem_free(text);
    }
}
END_TEST

START_TEST(dump_keeps_the_order)
{
    json_t *o = parse(" {\"z\": 1, \"a\" : [ true, null ] ,\"m\":{} }");
    char *text = jget_dump(o);

    ck_assert_str_eq(text, "{\"z\":1,\"a\":[true,null],\"m\":{}}");
    mem_free(text);
    json_decref(o);
    o = json_string("a\"b");
    text = jget_dump(o);
    ck_assert_str_eq(text, "\"a\\\"b\"");
    mem_free(text);
    json_decref(o);
}
END_TEST

START_TEST(types_have_names)
{
    json_t *a = parse("[{},[],\"\",1,1.5,true,false,null]");
    const char *const names[] = {"an object",  "an array", "a string",
                                 "an integer", "a number", "a boolean",
                                 "a boolean",  "null"};

    for (size_t i = 0; i < 8; i++) {
        ck_assert_str_eq(jget_type_name(json_array_get(a, i)), names[i]);
    }
    json_decref(a);
}
END_TEST

static int parse_with_faults(void *state, struct err *err)
{
    const char *text = "{\"a\":[1,2.5,\"text\"],\"b\":{\"c\":null}}";
    json_t *value = NULL;
    char *dumped = NULL;
    int rc = jget_parse(text, strlen(text), &value, err);

    (void)state;
    if (rc == 0) {
        dumped = jget_dump(value);
        if (dumped == NULL) {
            rc = err_nomem(err);
        }
    }
    mem_free(dumped);
    json_decref(value);
    return rc;
}

START_TEST(survives_refused_memory)
{
    json_set_alloc_funcs(mem_alloc, mem_free);
    ck_assert_int_gt(unit_oom_sweep(parse_with_faults, NULL), 5);
    json_set_alloc_funcs(malloc, free);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("jget");

    tcase_add_test(tc, reads_members);
    tcase_add_test(tc, defaults_for_missing_and_null);
    tcase_add_test(tc, faults_name_the_key);
    tcase_add_loop_test(tc, refuses_hostile_text, 0,
                        sizeof(hostile) / sizeof(*hostile));
    tcase_add_test(tc, depth_is_limited);
    tcase_add_test(tc, numbers_read_back_exactly);
    tcase_add_test(tc, dump_keeps_the_order);
    tcase_add_test(tc, types_have_names);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("jget", basic)
