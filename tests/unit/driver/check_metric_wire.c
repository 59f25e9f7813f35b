/* SPDX-License-Identifier: MIT
 *
 * check_metric_wire: metrics as they come from workers: those of the model,
 * each once, with the numbers their state has; everything else by name.
 */
#include "tests/unit/worker/fixture.h"

#include "driver/metric_wire.h"

static struct model *model;
static double loss_values[] = {6, 3};
static double acc_values[] = {2, 3};
static char loss_name[] = "loss";
static char acc_name[] = "acc";
static Elephas__V1__MetricState loss_state;
static Elephas__V1__MetricState acc_state;

static void setup(void)
{
    const struct object_spec optimizer = {.class_name = "SGD"};
    const struct object_spec loss = {.class_name = "categorical_crossentropy"};
    const struct object_spec metric = {.class_name = "acc"};
    const struct output_spec output = {.name = "d0",
                                       .loss = &loss,
                                       .loss_weight = 1,
                                       .metrics = &metric,
                                       .metric_count = 1};
    struct err err = {0};

    model = fixture_model(3, 2, "softmax", NULL);
    unit_ok(model_set_training(model, &optimizer, &output, 1, &err), &err);
    elephas__v1__metric_state__init(&loss_state);
    loss_state.name = loss_name;
    loss_state.values = loss_values;
    loss_state.n_values = 2;
    elephas__v1__metric_state__init(&acc_state);
    acc_state.name = acc_name;
    acc_state.values = acc_values;
    acc_state.n_values = 2;
}

static void teardown(void)
{
    model_destroy(&model);
}

static int take(Elephas__V1__MetricState *a, Elephas__V1__MetricState *b,
                struct totals **out, struct err *err)
{
    Elephas__V1__MetricState *states[] = {a, b};

    return metric_wire_totals(model, b != NULL ? 2 : 1, states, out, err);
}

START_TEST(those_of_the_model_in_any_order)
{
    struct totals *totals = NULL;
    struct err err = {0};
    double value;

    for (int turn = 0; turn < 2; turn++) {
        unit_ok(take(turn ? &acc_state : &loss_state,
                     turn ? &loss_state : &acc_state, &totals, &err),
                &err);
        totals_result(totals, totals_find(totals, "loss"), &value);
        ck_assert(value == 2);
        totals_result(totals, totals_find(totals, "acc"), &value);
        unit_assert_close(value, 2.0 / 3, 1e-12);
        totals_destroy(&totals);
    }
}
END_TEST

START_TEST(none_are_none)
{
    struct totals *totals = (struct totals *)&model;
    struct err err = {0};

    unit_ok(metric_wire_totals(model, 0, NULL, &totals, &err), &err);
    ck_assert_ptr_null(totals);
}
END_TEST

static void expect_refusal(Elephas__V1__MetricState *a,
                           Elephas__V1__MetricState *b, const char *says)
{
    struct totals *totals = NULL;
    struct err err = {0};

    ck_assert_int_eq(take(a, b, &totals, &err), ERR_INVALID);
    ck_assert_ptr_null(totals);
    fixture_contains(err.msg, says);
}

START_TEST(others_are_refused_by_name)
{
    char other[] = "mae";
    struct model *plain = fixture_model(3, 2, "softmax", NULL);
    Elephas__V1__MetricState *states[] = {&loss_state};
    struct totals *totals = NULL;
    struct err err = {0};

    expect_refusal(&loss_state, NULL, "acc: missing");
    expect_refusal(&loss_state, &loss_state, "loss: given twice");
    acc_state.n_values = 1;
    expect_refusal(&loss_state, &acc_state, "acc: 1 numbers, its state has 2");
    acc_state.n_values = 0;
    expect_refusal(&loss_state, &acc_state, "acc: 0 numbers");
    acc_state.n_values = 2;
    acc_state.name = other;
    expect_refusal(&loss_state, &acc_state, "mae: the model has no such");
    ck_assert_int_eq(metric_wire_totals(plain, 1, states, &totals, &err),
                     ERR_INVALID);
    fixture_contains(err.msg, "not compiled");
    model_destroy(&plain);
}
END_TEST

static int whole(void *context, struct err *err)
{
    struct totals *totals = NULL;
    int rc = take(&loss_state, &acc_state, &totals, err);

    (void)context;
    totals_destroy(&totals);
    return rc;
}

START_TEST(memory_may_run_out)
{
    ck_assert_int_ge(unit_oom_sweep(whole, NULL), 2);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("metric_wire");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, those_of_the_model_in_any_order);
    tcase_add_test(tc, none_are_none);
    tcase_add_test(tc, others_are_refused_by_name);
    tcase_add_test(tc, memory_may_run_out);
    return tc;
}

UNIT_MAIN("metric_wire", basic)
