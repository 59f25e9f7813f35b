/* SPDX-License-Identifier: MIT
 *
 * check_results: totals as numbers that people see: one and several in a row,
 * what is not finite, what is empty.
 */
#include "tests/unit/core/linear.h"

#include "common/jget.h"
#include "driver/core/results.h"

#include <math.h>

static struct model *model;
static struct totals *totals;

static void setup(void)
{
    struct err err = {0};

    unit_ok(linear_model("SGD", "{}", &model, &err), &err);
    unit_ok(totals_create(model, &totals, &err), &err);
    totals_clear(totals);
}

static void teardown(void)
{
    totals_destroy(&totals);
    model_destroy(&model);
}

static void set_entry(const char *name, double sum, double weight)
{
    size_t n = 0;
    double *state = totals_state(totals, totals_find(totals, name), &n);

    ck_assert_uint_eq(n, 2);
    state[0] = sum;
    state[1] = weight;
}

static void set(double sum, double weight)
{
    set_entry("loss", sum, weight);
}

START_TEST(nothing_is_empty)
{
    ck_assert(results_empty(totals));
    set(0, 1);
    ck_assert(!results_empty(totals));
    set(-1, 0);
    ck_assert(!results_empty(totals));
}
END_TEST

START_TEST(what_is_not_finite_is_named)
{
    struct err err = {0};

    set(1, 2);
    unit_ok(results_check(totals, &err), &err);
    set(NAN, 2);
    ck_assert_int_eq(results_check(totals, &err), ERR_INVALID);
    ck_assert_str_eq(err.msg, "loss is not a number");
    set(1, -INFINITY);
    ck_assert_int_eq(results_check(totals, &err), ERR_INVALID);
    ck_assert_str_eq(err.msg, "loss is infinite");
}
END_TEST

START_TEST(numbers_for_people)
{
    /* loss and mae of three epochs */
    double numbers[6];
    json_t *object = json_object();
    char *text;

    ck_assert_uint_eq(results_count(totals), 2);
    set(6, 4);
    set_entry("mae", 1, 4);
    results_numbers(totals, numbers);
    ck_assert(numbers[0] == 1.5 && numbers[1] == 0.25);
    ck_assert_int_eq(results_put(object, "", totals, numbers, 0), 0);
    numbers[2] = NAN;
    numbers[3] = 2.5;
    numbers[4] = 0.5;
    numbers[5] = -INFINITY;
    ck_assert_int_eq(results_put(object, "val_", totals, numbers, 3), 0);
    ck_assert_int_eq(results_put(object, "x_", totals, numbers + 4, 0), 0);
    text = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS);
    ck_assert_str_eq(text, "{\"loss\":1.5,\"mae\":0.25,"
                           "\"val_loss\":[1.5,null,0.5],"
                           "\"val_mae\":[0.25,2.5,null],"
                           "\"x_loss\":0.5,\"x_mae\":null}");
    free(text);
    json_decref(object);
}
END_TEST

static int put(void *context, struct err *err)
{
    const double numbers[] = {1, 2, 3, 4};
    json_t *object = json_object();
    int rc =
        object == NULL ? -1 : results_put(object, "val_", totals, numbers, 2);

    (void)context;
    json_decref(object);
    return rc == 0 ? 0 : err_nomem(err);
}

START_TEST(memory_may_run_out)
{
    ck_assert_int_ge(unit_oom_sweep(put, NULL), 1);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("results");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, nothing_is_empty);
    tcase_add_test(tc, what_is_not_finite_is_named);
    tcase_add_test(tc, numbers_for_people);
    tcase_add_test(tc, memory_may_run_out);
    return tc;
}

UNIT_MAIN("results", basic)
