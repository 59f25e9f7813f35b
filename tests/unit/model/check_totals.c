/* SPDX-License-Identifier: MIT
 *
 * check_totals: names and order as keras.Model.evaluate has them, means over
 * rows and over batches, merging.
 */
#include "tests/unit/model/sample.h"

#include "common/model/metric.h"

#include <string.h>

/* (2) -> Dense "price" of 1 and Dense "kind" of 3. */
static struct model *make_model(void)
{
    struct model *model = NULL;
    struct tensor_ref in;
    struct tensor_ref out[2];
    struct err err = {0};

    unit_ok(model_create("m", &model, &err), &err);
    unit_ok(sample_add(model, "in", "InputLayer",
                       "{\"batch_shape\": [null, 2]}", true, NULL, &in, &err),
            &err);
    unit_ok(sample_add(model, "price", "Dense", "{\"units\": 1}", true, &in,
                       &out[0], &err),
            &err);
    unit_ok(sample_add(model, "kind", "Dense", "{\"units\": 3}", true, &in,
                       &out[1], &err),
            &err);
    unit_ok(model_set_inputs(model, &in, 1, &err), &err);
    unit_ok(model_set_outputs(model, out, 2, &err), &err);
    unit_ok(model_finish(model, &err), &err);
    return model;
}

static void expect_names(const struct totals *totals, const char *const *names,
                         size_t n)
{
    ck_assert_uint_eq(totals_count(totals), n);
    for (size_t i = 0; i < n; i++) {
        ck_assert_str_eq(totals_name(totals, i), names[i]);
        ck_assert_uint_eq(totals_find(totals, names[i]), i);
        ck_assert_uint_eq(totals_result_size(totals, i), 1);
    }
    ck_assert_uint_eq(totals_find(totals, "nothing"), n);
}

static double result(const struct totals *totals, const char *name)
{
    double value = -1.0;

    totals_result(totals, totals_find(totals, name), &value);
    return value;
}

static const struct object_spec mse = {.class_name = "mse"};
static const struct object_spec mae = {.class_name = "mae"};
static const struct object_spec acc = {.class_name = "accuracy"};
static const struct object_spec sparse = {
    .class_name = "sparse_categorical_crossentropy"};

START_TEST(two_outputs)
{
    /* the order that Keras gives for model_two_outputs of the references */
    static const char *const names[] = {"loss", "price_loss", "kind_loss",
                                        "kind_accuracy", "price_mae"};
    struct output_spec specs[] = {
        {.name = "price",
         .loss = &mse,
         .loss_weight = 0.3,
         .metrics = &mae,
         .metric_count = 1},
        {.name = "kind",
         .loss = &sparse,
         .loss_weight = 1.5,
         .metrics = &acc,
         .metric_count = 1},
    };
    const float price[] = {1, 2, 3};
    const float price_p[] = {1, 1, 5};
    const float kind[] = {0, 1, 2};
    const float kind_p[] = {1, 0, 0, 1, 0, 0, 0, 0, 1};
    const float *y[] = {price, kind};
    const float *p[] = {price_p, kind_p};
    const float *y_last[] = {price + 2, kind + 2};
    const float *p_last[] = {price_p + 2, kind_p + 6};
    const double losses[][2] = {{2.0, 8.0}, {1.0, 5.0}};
    struct model *model = make_model();
    struct totals *totals = NULL;
    struct totals *other = NULL;
    struct err err = {0};

    ck_assert_int_eq(totals_create(model, &totals, &err), ERR_STATE);
    unit_ok(model_set_training(model, NULL, specs, 2, &err), &err);
    ck_assert(!model_is_compiled(model));
    unit_ok(totals_create(model, &totals, &err), &err);
    unit_ok(totals_create(model, &other, &err), &err);
    expect_names(totals, names, 5);
    ck_assert_double_eq(result(totals, "loss"), 0.0);
    totals_add_batch(totals, &(struct totals_batch){.rows = 2,
                                                    .loss = 10.0,
                                                    .output_losses = losses[0],
                                                    .y = y,
                                                    .p = p});
    totals_add_batch(other, &(struct totals_batch){.rows = 1,
                                                   .loss = 4.0,
                                                   .output_losses = losses[1],
                                                   .y = y_last,
                                                   .p = p_last});
    totals_merge(totals, other);
    /* rows weigh in the loss and the metrics, batches in the output losses */
    ck_assert_double_eq(result(totals, "loss"), 8.0);
    ck_assert_double_eq(result(totals, "price_loss"), 1.5);
    ck_assert_double_eq(result(totals, "kind_loss"), 6.5);
    ck_assert_double_eq(result(totals, "price_mae"), 1.0);
    ck_assert_double_eq_tol(result(totals, "kind_accuracy"), 2.0 / 3, 1e-15);
    totals_clear(totals);
    ck_assert_double_eq(result(totals, "price_mae"), 0.0);
    totals_destroy(&totals);
    totals_destroy(&other);
    ck_assert_ptr_null(other);
    model_destroy(&model);
}
END_TEST

START_TEST(one_loss_of_two_outputs_has_no_entry_of_its_own)
{
    static const char *const names[] = {"loss", "price_mae"};
    struct output_spec specs[] = {
        {.name = "price",
         .loss = &mse,
         .loss_weight = 1.0,
         .metrics = &mae,
         .metric_count = 1},
        {.name = "kind", .loss_weight = 1.0},
    };
    struct model *model = make_model();
    struct totals *totals = NULL;
    struct err err = {0};

    unit_ok(model_set_training(model, NULL, specs, 2, &err), &err);
    unit_ok(totals_create(model, &totals, &err), &err);
    expect_names(totals, names, 2);
    totals_destroy(&totals);
    model_destroy(&model);
}
END_TEST

START_TEST(equal_names_are_told_apart)
{
    static const char *const names[] = {
        "loss", "mse", "mse_1", "weighted_mse", "mae", "weighted_mse_1"};
    struct object_spec plain[] = {mse, mse};
    struct object_spec weighted[] = {mse, mae, mse};
    struct output_spec spec = {.name = "third",
                               .loss = &mse,
                               .loss_weight = 1.0,
                               .metrics = plain,
                               .metric_count = 2,
                               .weighted_metrics = weighted,
                               .weighted_metric_count = 3};
    const float y[] = {1, 2};
    const float p[] = {2, 4};
    const float w[] = {3, 1};
    const float *ys[] = {y};
    const float *ps[] = {p};
    const double loss = 5.0;
    struct model *model = NULL;
    struct totals *totals = NULL;
    struct err err = {0};
    size_t n = 0;

    unit_ok(sample_create(1, &model, &err), &err);
    unit_ok(model_set_training(model, NULL, &spec, 1, &err), &err);
    unit_ok(totals_create(model, &totals, &err), &err);
    expect_names(totals, names, 6);
    totals_add_batch(totals, &(struct totals_batch){.rows = 2,
                                                    .loss = 5.0,
                                                    .output_losses = &loss,
                                                    .y = ys,
                                                    .p = ps,
                                                    .weights = w});
    ck_assert_double_eq(result(totals, "loss"), 5.0);
    ck_assert_double_eq(result(totals, "mse"), 2.5);
    ck_assert_double_eq(result(totals, "weighted_mse"), 1.75);
    ck_assert_double_eq(result(totals, "mae"), 1.25);
    /* what arrives in a message is written into the state */
    totals_state(totals, 1, &n)[0] = 12.0;
    ck_assert_uint_eq(n, 2);
    ck_assert_double_eq(result(totals, "mse"), 6.0);
    ck_assert_double_eq(result(totals, "mse_1"), 2.5);
    totals_destroy(&totals);
    model_destroy(&model);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("totals");

    tcase_add_test(tc, two_outputs);
    tcase_add_test(tc, one_loss_of_two_outputs_has_no_entry_of_its_own);
    tcase_add_test(tc, equal_names_are_told_apart);
    return tc;
}

UNIT_MAIN("totals", basic)
