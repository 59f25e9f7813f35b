/* SPDX-License-Identifier: MIT
 *
 * check_columns: choosing columns by name, index, list and range.
 */
#include "tests/unit/worker/fixture.h"

#include "common/columns.h"

static void name_columns(struct columns *c, const char *const *names,
                         const size_t *counts, size_t n)
{
    struct err err = {0};

    memset(c, 0, sizeof(*c));
    for (size_t i = 0; i < n; i++) {
        unit_ok(columns_add(c, names[i], strlen(names[i]),
                            counts != NULL ? counts[i] : 1, &err),
                &err);
    }
}

/* The selector gives these indices, written as text. */
static void expect(const struct columns *c, const char *selector,
                   const char *want)
{
    struct column_list list = {0};
    struct err err = {0};
    char got[256] = "";
    size_t n = 0;

    unit_ok(columns_select(c, "label", selector, &list, &err), &err);
    for (size_t i = 0; i < list.count; i++) {
        n += (size_t)snprintf(got + n, sizeof(got) - n, "%s%zu",
                              i == 0 ? "" : " ", list.at[i]);
    }
    ck_assert_msg(strcmp(got, want) == 0, "%s gives %s, not %s", selector, got,
                  want);
    column_list_deinit(&list);
}

static void expect_fault(const struct columns *c, const char *selector,
                         const char *part)
{
    struct column_list list = {0};
    struct err err = {0};

    ck_assert_msg(columns_select(c, "label", selector, &list, &err) ==
                      ERR_INVALID,
                  "%s is accepted", selector);
    fixture_contains(err.msg, part);
    column_list_deinit(&list);
}

START_TEST(chooses)
{
    static const char *const names[] = {"a", "b", "x-y", "p,q", "4", "image"};
    static const size_t counts[] = {1, 1, 1, 1, 1, 3};
    struct columns c;

    name_columns(&c, names, counts, 6);
    ck_assert_uint_eq(c.count, 8);
    expect(&c, "a", "0");
    expect(&c, "b,a", "1 0");
    expect(&c, "3", "3");
    expect(&c, "0-2", "0 1 2");
    expect(&c, "1-1", "1");
    expect(&c, "7,0-1,b", "7 0 1 1");
    expect(&c, "x-y", "2");
    expect(&c, "p,q", "3");
    expect(&c, "a-b", "0 1");
    expect(&c, "a-x-y", "0 1 2");
    expect(&c, "b-3", "1 2 3");
    expect(&c, "4", "4");
    expect(&c, "image", "5 6 7");
    expect(&c, "4-image", "4 5 6 7");
    columns_deinit(&c);
}
END_TEST

START_TEST(a_name_wins_over_an_index)
{
    static const char *const names[] = {"2", "1", "0"};
    struct columns c;

    name_columns(&c, names, NULL, 3);
    expect(&c, "0", "2");
    expect(&c, "2", "0");
    expect(&c, "2-0", "0 1 2");
    columns_deinit(&c);
}
END_TEST

START_TEST(refuses)
{
    static const char *const names[] = {"a", "b", "c", "b"};
    struct columns c;
    struct columns bare = {.count = 5};

    name_columns(&c, names, NULL, 4);
    expect_fault(&c, "z", "the columns are: a, b, c, b");
    expect_fault(&c, "b", "choose by number (1 or 3)");
    expect_fault(&c, "4", "counted from 0 to 3");
    expect_fault(&c, "0-9", "9");
    expect_fault(&c, "2-1", "backwards");
    expect_fault(&c, "a,,c", "''");
    expect_fault(&c, "", "''");
    expect_fault(&c, "-1", "'-1'");
    expect_fault(&bare, "a", "--header");
    expect_fault(&bare, "5", "5 columns");
    expect_fault(&bare, "99999999999999999999", "'99999999999999999999'");
    columns_deinit(&c);
}
END_TEST

START_TEST(lists_the_others)
{
    struct columns c = {.count = 6};
    struct column_list a = {0};
    struct column_list b = {0};
    struct column_list rest = {0};
    struct err err = {0};

    unit_ok(columns_select(&c, "label", "1,4-5", &a, &err), &err);
    unit_ok(columns_select(&c, "label", "0", &b, &err), &err);
    unit_ok(columns_others(&c, &a, &b, &rest, &err), &err);
    ck_assert_uint_eq(rest.count, 2);
    ck_assert_uint_eq(rest.at[0], 2);
    ck_assert_uint_eq(rest.at[1], 3);
    column_list_deinit(&a);
    column_list_deinit(&b);
    column_list_deinit(&rest);
}
END_TEST

START_TEST(names_a_column)
{
    static const char *const names[] = {"a", "image", "z"};
    static const size_t counts[] = {1, 2, 1};
    char text[COLUMN_TEXT_SIZE];
    struct columns c;
    struct columns bare = {.count = 5};

    name_columns(&c, names, counts, 3);
    ck_assert_str_eq(columns_text(&c, 0, text), "column 0 (a)");
    ck_assert_str_eq(columns_text(&c, 2, text), "column 2 (image[1])");
    ck_assert_str_eq(columns_text(&c, 3, text), "column 3 (z)");
    ck_assert_str_eq(columns_text(&bare, 3, text), "column 3");
    columns_deinit(&c);
    ck_assert(columns_is_numeric("0-3,7"));
    ck_assert(!columns_is_numeric("a"));
    ck_assert(!columns_is_numeric("1,b"));
    ck_assert(!columns_is_numeric(""));
}
END_TEST

static size_t width(size_t features, struct column_choice choice)
{
    size_t out = 999;
    struct err err = {0};

    unit_ok(columns_width(features, &choice, &out, &err), &err);
    return out;
}

START_TEST(tells_the_width_of_a_row)
{
    static const char *const labels[] = {"0", "4-6"};
    static const char *const features[] = {"3,1", "8"};
    static const char *const named[] = {"x"};
    struct column_choice c = {.labels = labels, .label_count = 2};

    ck_assert_uint_eq(width(10, (struct column_choice){0}), 10);
    ck_assert_uint_eq(width(10, c), 14);
    c.weight = "14";
    ck_assert_uint_eq(width(10, c), 15);
    c.features = features;
    c.feature_count = 1;
    ck_assert_uint_eq(width(10, c), 15);
    c.weight = NULL;
    ck_assert_uint_eq(width(10, c), 7);
    c.feature_count = 2;
    ck_assert_uint_eq(width(10, c), 9);
    c.labels = named;
    c.label_count = 1;
    ck_assert_uint_eq(width(10, c), 0);
}
END_TEST

static int use_all(void *state, struct err *err)
{
    struct columns c = {0};
    struct column_list list = {0};
    struct column_list rest = {0};
    int rc = 0;

    (void)state;
    for (int i = 0; rc == 0 && i < 40; i++) {
        rc = columns_add(&c, "abc", 3, 2, err);
    }
    if (rc == 0) {
        rc = columns_select(&c, "label", "1,5-20", &list, err);
    }
    if (rc == 0) {
        rc = columns_others(&c, &list, &list, &rest, err);
    }
    if (rc == 0) {
        const struct column_choice choice = {.weight = "7"};
        size_t n;

        rc = columns_width(2, &choice, &n, err);
    }
    columns_deinit(&c);
    column_list_deinit(&list);
    column_list_deinit(&rest);
    return rc;
}

START_TEST(survives_refused_memory)
{
    ck_assert_int_gt(unit_oom_sweep(use_all, NULL), 40);
}
END_TEST

static TCase *all(void)
{
    TCase *tc = tcase_create("columns");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, chooses);
    tcase_add_test(tc, a_name_wins_over_an_index);
    tcase_add_test(tc, refuses);
    tcase_add_test(tc, lists_the_others);
    tcase_add_test(tc, names_a_column);
    tcase_add_test(tc, tells_the_width_of_a_row);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("columns", all)
