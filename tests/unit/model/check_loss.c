/* SPDX-License-Identifier: MIT
 *
 * check_loss: names, options, configs and shapes of losses.
 */
#include "tests/unit/model/sample.h"

#include "common/model/loss.h"

#include <string.h>

static const struct {
    const char *name, *class_name;
    bool sparse, categorical;
} names[] = {
    {"mse", "MeanSquaredError", false, false},
    {"MSE", "MeanSquaredError", false, false},
    {"MeanSquaredError", "MeanSquaredError", false, false},
    {"mean_absolute_error", "MeanAbsoluteError", false, false},
    {"mae", "MeanAbsoluteError", false, false},
    {"bce", "BinaryCrossentropy", false, false},
    {"categorical_crossentropy", "CategoricalCrossentropy", false, true},
    {"SparseCategoricalCrossentropy", "SparseCategoricalCrossentropy", true,
     true},
};

START_TEST(names_and_aliases)
{
    struct loss *loss = NULL;
    struct err err = {0};

    unit_ok(loss_create(names[_i].name, NULL, &loss, &err), &err);
    ck_assert_str_eq(loss_class_name(loss), names[_i].class_name);
    ck_assert_int_eq(loss_is_sparse(loss), names[_i].sparse);
    ck_assert_int_eq(loss_is_categorical(loss), names[_i].categorical);
    ck_assert_int_eq(loss->reduction, LOSS_SUM_OVER_BATCH_SIZE);
    ck_assert_int_eq(loss->axes.axis[0], -1);
    loss_destroy(&loss);
    ck_assert_ptr_null(loss);
}
END_TEST

/* what goes in, and the config that comes out: Keras' own get_config() */
static const struct {
    const char *name, *in, *out;
} configs[] = {
    {"mse", "{\"name\": \"x\", \"dtype\": \"float32\"}",
     "{\"name\": \"x\", \"reduction\": "
     "\"sum_over_batch_size\"}"},
    {"mse", "{\"reduction\": \"auto\"}",
     "{\"name\": \"mean_squared_error\", \"reduction\": "
     "\"sum_over_batch_size\"}"},
    {"mse", "{\"reduction\": \"mean\"}",
     "{\"name\": \"mean_squared_error\", \"reduction\": "
     "\"sum_over_batch_size\"}"},
    {"mae", "{\"reduction\": \"sum\"}",
     "{\"name\": \"mean_absolute_error\", \"reduction\": \"sum\"}"},
    {"mae", "{\"reduction\": \"mean_with_sample_weight\"}",
     "{\"name\": \"mean_absolute_error\", \"reduction\": "
     "\"mean_with_sample_weight\"}"},
    {"BinaryCrossentropy",
     "{\"from_logits\": true, \"label_smoothing\": 0.25, \"axis\": 1}",
     "{\"name\": \"binary_crossentropy\", \"reduction\": "
     "\"sum_over_batch_size\", \"from_logits\": true, \"label_smoothing\": "
     "0.25, \"axis\": 1}"},
    {"SparseCategoricalCrossentropy",
     "{\"from_logits\": false, \"ignore_class\": 0}",
     "{\"name\": \"sparse_categorical_crossentropy\", \"reduction\": "
     "\"sum_over_batch_size\", \"from_logits\": false, \"ignore_class\": "
     "0}"},
    {"SparseCategoricalCrossentropy", "{\"ignore_class\": null}",
     "{\"name\": \"sparse_categorical_crossentropy\", \"reduction\": "
     "\"sum_over_batch_size\", \"from_logits\": false, \"ignore_class\": "
     "null}"},
};

START_TEST(configs_round_trip)
{
    json_t *in = sample_json(configs[_i].in);
    json_t *want = sample_json(configs[_i].out);
    struct loss *loss = NULL;
    struct err err = {0};
    json_t *got;

    unit_ok(loss_create(configs[_i].name, in, &loss, &err), &err);
    got = loss_config(loss);
    ck_assert(json_equal(got, want));
    loss_destroy(&loss);
    unit_ok(loss_create(configs[_i].name, got, &loss, &err), &err);
    json_decref(got);
    got = loss_config(loss);
    ck_assert(json_equal(got, want));
    loss_destroy(&loss);
    json_decref(got);
    json_decref(want);
    json_decref(in);
}
END_TEST

static const struct {
    const char *name, *config;
    int code;
    const char *word;
} bad[] = {
    {"ce", "null", ERR_UNSUPPORTED, "\"ce\""},
    {"mse", "3", ERR_INVALID, "config"},
    {"mse", "{\"from_logits\": true}", ERR_UNSUPPORTED, "from_logits"},
    {"mse", "{\"delta\": 1.0}", ERR_UNSUPPORTED, "delta"},
    {"mse", "{\"reduction\": \"none\"}", ERR_UNSUPPORTED, "none"},
    {"mse", "{\"reduction\": null}", ERR_UNSUPPORTED, "none"},
    {"mse", "{\"reduction\": 1}", ERR_INVALID, "reduction"},
    {"mse", "{\"dtype\": \"float64\"}", ERR_UNSUPPORTED, "dtype"},
    {"bce", "{\"label_smoothing\": 2}", ERR_INVALID, "label_smoothing"},
    {"bce", "{\"axis\": 100}", ERR_INVALID, "axis"},
    {"bce", "{\"ignore_class\": 1}", ERR_UNSUPPORTED, "ignore_class"},
};

START_TEST(refuses_by_name)
{
    json_t *config = sample_json(bad[_i].config);
    struct loss *loss = NULL;
    struct err err = {0};

    ck_assert_int_eq(loss_create(bad[_i].name, config, &loss, &err),
                     bad[_i].code);
    ck_assert_ptr_null(loss);
    sample_says(&err, bad[_i].word);
    json_decref(config);
}
END_TEST

START_TEST(shapes)
{
    struct shape scalar = {.rank = 0};
    struct shape unit = {.rank = 1, .dim = {1}};
    struct shape deep = {.rank = 2, .dim = {1, 3}};
    json_t *last = sample_json("{\"axis\": 2}");
    json_t *other = sample_json("{\"axis\": 1}");
    struct loss *mse = NULL;
    struct loss *cce = NULL;
    struct loss *axis = NULL;
    struct loss *sparse = NULL;
    struct err err = {0};

    unit_ok(loss_create("mse", NULL, &mse, &err), &err);
    unit_ok(loss_create("categorical_crossentropy", last, &cce, &err), &err);
    unit_ok(loss_create("categorical_crossentropy", other, &axis, &err), &err);
    unit_ok(loss_check(mse, &unit, &err), &err);
    ck_assert_int_eq(loss_check(mse, &scalar, &err), ERR_UNSUPPORTED);
    unit_ok(loss_check(cce, &deep, &err), &err);
    unit_ok(loss_check(axis, &deep, &err), &err);
    ck_assert_int_eq(loss_check(axis, &unit, &err), ERR_INVALID);
    sample_says(&err, "binary_crossentropy");
    axis->axes.axis[0] = 3;
    ck_assert_int_eq(loss_check(axis, &deep, &err), ERR_INVALID);
    sample_says(&err, "no axis 3", "(1, 3)");
    axis->axes.axis[0] = -3;
    ck_assert_int_eq(loss_check(axis, &deep, &err), ERR_UNSUPPORTED);
    sample_says(&err, "batch");
    unit_ok(
        loss_create("sparse_categorical_crossentropy", other, &sparse, &err),
        &err);
    ck_assert_int_eq(loss_check(sparse, &deep, &err), ERR_UNSUPPORTED);
    sample_says(&err, "axis 1", "(1, 3)");
    loss_destroy(&sparse);
    loss_destroy(&mse);
    loss_destroy(&cce);
    loss_destroy(&axis);
    json_decref(last);
    json_decref(other);
}
END_TEST

static int create(void *state, struct err *err)
{
    struct loss *loss = NULL;
    int rc = loss_create("mse", state, &loss, err);

    loss_destroy(&loss);
    return rc;
}

START_TEST(survives_refused_memory)
{
    ck_assert_int_ge(unit_oom_sweep(create, NULL), 2);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("loss");

    tcase_add_loop_test(tc, names_and_aliases, 0,
                        sizeof(names) / sizeof(names[0]));
    tcase_add_loop_test(tc, configs_round_trip, 0,
                        sizeof(configs) / sizeof(configs[0]));
    tcase_add_loop_test(tc, refuses_by_name, 0, sizeof(bad) / sizeof(bad[0]));
    tcase_add_test(tc, shapes);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("loss", basic)
