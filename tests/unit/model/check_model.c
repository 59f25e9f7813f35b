/* SPDX-License-Identifier: MIT
 *
 * check_model: the builder, the layout, what it refuses, and that nothing is
 * lost when memory runs out.
 */
#include "tests/unit/model/sample.h"

#include "common/mem.h"
#include "common/model/initializer.h"
#include "common/model/layer.h"
#include "common/model/loss.h"
#include "common/model/metric.h"
#include "common/model/optimizer.h"

#include <string.h>

START_TEST(lays_out_like_get_weights)
{
    static const struct {
        const char *name, *path;
        size_t layer, offset, size;
        bool trainable;
    } want[] = {
        {"kernel", "vars/0", 1, 0, 8, false},
        {"bias", "vars/1", 1, 8, 4, false},
        {"kernel", "vars/0", 2, 12, 12, true},
        {"bias", "vars/1", 2, 24, 3, true},
        {"kernel", "vars/0", 3, 27, 6, true},
        {"bias", "vars/1", 3, 33, 2, true},
    };
    struct model *model = NULL;
    struct err err = {0};

    unit_ok(sample_create(2, &model, &err), &err);
    ck_assert_uint_eq(model->variable_count, 6);
    for (size_t i = 0; i < 6; i++) {
        const struct variable *v = &model->variables[i];

        ck_assert_str_eq(v->name, want[i].name);
        ck_assert_str_eq(v->file_path, want[i].path);
        ck_assert_uint_eq(v->layer, want[i].layer);
        ck_assert_uint_eq(v->offset, want[i].offset);
        ck_assert_uint_eq(v->size, want[i].size);
        ck_assert_int_eq(v->trainable, want[i].trainable);
    }
    ck_assert_uint_eq(model->parameters, 35);
    ck_assert_uint_eq(model->trainable_parameters, 23);
    ck_assert_uint_eq(model->layers[2].first_variable, 2);
    ck_assert_uint_eq(model->layers[2].variable_count, 2);
    ck_assert_uint_eq(model_feature_count(model), 2);
    ck_assert_uint_eq(model_label_count(model), 2);
    ck_assert_uint_eq(model_prediction_count(model), 2);
    ck_assert(!model_is_compiled(model));
    model_destroy(&model);
    ck_assert_ptr_null(model);
    model_destroy(&model);
}
END_TEST

/* Layers listed in one order, called in another, and their variables declared
 * out of order: the layout follows the list, weights first. */
START_TEST(layout_follows_layers_not_calls)
{
    static const size_t sizes[] = {12, 3, 5, 6};
    static const enum variable_role roles[] = {
        VARIABLE_WEIGHT, VARIABLE_WEIGHT, VARIABLE_STATISTIC, VARIABLE_WEIGHT};
    json_t *config = sample_json("{\"units\": 3}");
    json_t *wide = sample_json("{\"units\": 4, \"use_bias\": false}");
    json_t *input = sample_json("{\"batch_shape\": [null, 2]}");
    struct shape five = {.rank = 1, .dim = {5}};
    struct shape six = {.rank = 1, .dim = {6}};
    struct model *model = NULL;
    struct initializer *init = NULL;
    struct err err = {0};
    struct tensor_ref at = {0};
    size_t in;
    size_t last;
    size_t first;
    size_t call;

    unit_ok(model_create("m", &model, &err), &err);
    unit_ok(model_add_layer(model, "last", "Dense", NULL, config, true, "a",
                            &last, &err),
            &err);
    unit_ok(model_add_layer(model, "first", "Dense", NULL, wide, true, "b",
                            &first, &err),
            &err);
    unit_ok(model_add_layer(model, "in", "InputLayer", NULL, input, true, "c",
                            &in, &err),
            &err);
    unit_ok(model_add_call(model, in, NULL, 0, NULL, &at.call, &err), &err);
    unit_ok(model_set_inputs(model, &at, 1, &err), &err);
    unit_ok(model_add_call(model, first, &at, 1, NULL, &call, &err), &err);
    /* as a class with moving statistics declares them, between weights */
    model->layers[first].variable_count += 2;
    unit_ok(model_declare(model, &model->layers[first], "mean", "vars/1", &five,
                          VARIABLE_STATISTIC, NULL, &err),
            &err);
    unit_ok(initializer_create(NULL, "ones", &init, &err), &err);
    unit_ok(model_declare(model, &model->layers[first], "gamma", "vars/2", &six,
                          VARIABLE_WEIGHT, init, &err),
            &err);
    at.call = call;
    unit_ok(model_add_call(model, last, &at, 1, NULL, &at.call, &err), &err);
    unit_ok(model_set_outputs(model, &at, 1, &err), &err);
    unit_ok(model_finish(model, &err), &err);
    ck_assert_uint_eq(model->variable_count, 5);
    ck_assert_uint_eq(model->variables[0].size, sizes[0]);
    ck_assert_uint_eq(model->variables[1].size, sizes[1]);
    ck_assert_uint_eq(model->variables[2].size, 8);
    ck_assert_uint_eq(model->variables[3].size, sizes[3]);
    ck_assert_uint_eq(model->variables[4].size, sizes[2]);
    ck_assert_int_eq(model->variables[4].role, roles[2]);
    ck_assert_uint_eq(model->variables[4].offset, 12 + 3 + 8 + 6);
    ck_assert_uint_eq(model->layers[first].first_variable, 2);
    ck_assert_uint_eq(model->layers[first].variable_count, 3);
    json_decref(config);
    json_decref(wide);
    json_decref(input);
    model_destroy(&model);
}
END_TEST

START_TEST(shared_layers_have_one_set_of_weights)
{
    struct model *model = NULL;
    struct tensor_ref in;
    struct tensor_ref at;
    struct tensor_ref other;
    struct err err = {0};
    size_t call;

    unit_ok(model_create("m", &model, &err), &err);
    unit_ok(sample_add(model, "in", "InputLayer",
                       "{\"batch_shape\": [null, 3]}", true, NULL, &in, &err),
            &err);
    unit_ok(sample_add(model, "dense", "Dense", "{\"units\": 3}", true, &in,
                       &at, &err),
            &err);
    unit_ok(model_add_call(model, 1, &at, 1, NULL, &call, &err), &err);
    ck_assert_uint_eq(model->variable_count, 2);
    unit_ok(sample_add(model, "wide", "Dense", "{\"units\": 4}", true, &in,
                       &other, &err),
            &err);
    ck_assert_int_eq(model_add_call(model, 1, &other, 1, NULL, &call, &err),
                     ERR_INVALID);
    sample_says(&err, "\"dense\"", "(4,)", "3 values");
    model_destroy(&model);
}
END_TEST

START_TEST(refuses_bad_graphs)
{
    struct model *model = NULL;
    struct tensor_ref in;
    struct tensor_ref at;
    struct tensor_ref none = {.call = 7, .output = 0};
    struct tensor_ref second = {.call = 0, .output = 1};
    struct tensor_ref twice[2];
    json_t *training = sample_json("{\"training\": true}");
    json_t *nothing = sample_json("{\"training\": null}");
    json_t *list = sample_json("[1]");
    struct err err = {0};
    size_t index;

    unit_ok(model_create("m", &model, &err), &err);
    ck_assert_int_eq(model_finish(model, &err), ERR_INVALID);
    unit_ok(sample_add(model, "in", "InputLayer",
                       "{\"batch_shape\": [null, 3]}", true, NULL, &in, &err),
            &err);
    unit_ok(sample_add(model, "drop", "Dropout", "{\"rate\": 0.5}", true, &in,
                       &at, &err),
            &err);
    twice[0] = twice[1] = in;
    ck_assert_int_eq(model_add_layer(model, "drop", "Dropout", NULL, NULL, true,
                                     NULL, &index, &err),
                     ERR_INVALID);
    sample_says(&err, "\"drop\"");
    ck_assert_int_eq(model_add_layer(model, "", "Dropout", NULL, NULL, true,
                                     NULL, &index, &err),
                     ERR_INVALID);
    ck_assert_int_eq(model_add_layer(model, "mine", "Dense", "my>Dense", NULL,
                                     true, NULL, &index, &err),
                     ERR_UNSUPPORTED);
    sample_says(&err, "\"mine\"", "my>Dense");
    ck_assert_int_eq(model_add_layer(model, "x", "Dense", NULL, list, true,
                                     NULL, &index, &err),
                     ERR_INVALID);
    ck_assert_int_eq(model_add_call(model, 9, &in, 1, NULL, &index, &err),
                     ERR_INVALID);
    ck_assert_int_eq(model_add_call(model, 1, &none, 1, NULL, &index, &err),
                     ERR_INVALID);
    ck_assert_int_eq(model_add_call(model, 1, &second, 1, NULL, &index, &err),
                     ERR_INVALID);
    ck_assert_int_eq(model_add_call(model, 1, twice, 2, NULL, &index, &err),
                     ERR_INVALID);
    ck_assert_int_eq(model_add_call(model, 1, &in, 1, training, &index, &err),
                     ERR_UNSUPPORTED);
    sample_says(&err, "training", "\"drop\"");
    ck_assert_int_eq(model_add_call(model, 1, &in, 1, list, &index, &err),
                     ERR_INVALID);
    unit_ok(model_add_call(model, 1, &in, 1, nothing, &index, &err), &err);
    ck_assert_int_eq(model_set_outputs(model, &none, 1, &err), ERR_INVALID);
    ck_assert_int_eq(model_set_outputs(model, &at, 0, &err), ERR_INVALID);
    unit_ok(model_set_outputs(model, &at, 1, &err), &err);
    ck_assert_int_eq(model_finish(model, &err), ERR_INVALID);
    unit_ok(model_set_inputs(model, twice, 2, &err), &err);
    ck_assert_int_eq(model_finish(model, &err), ERR_INVALID);
    sample_says(&err, "\"in\"", "2 times");
    unit_ok(model_set_inputs(model, &at, 1, &err), &err);
    ck_assert_int_eq(model_finish(model, &err), ERR_INVALID);
    unit_ok(model_set_inputs(model, &in, 1, &err), &err);
    unit_ok(model_finish(model, &err), &err);
    ck_assert_uint_eq(model->parameters, 0);
    json_decref(training);
    json_decref(nothing);
    json_decref(list);
    model_destroy(&model);
}
END_TEST

START_TEST(limits)
{
    struct model *model = NULL;
    struct tensor_ref in;
    struct tensor_ref at;
    struct err err = {0};
    char name[32];
    int rc = 0;

    unit_ok(model_create("m", &model, &err), &err);
    unit_ok(sample_add(model, "in", "InputLayer",
                       "{\"batch_shape\": [null, 65536]}", true, NULL, &in,
                       &err),
            &err);
    /* each kernel is legal, but not all of them together */
    unit_ok(sample_add(model, "a", "Dense", "{\"units\": 65536}", true, &in,
                       &at, &err),
            &err);
    unit_ok(model_set_inputs(model, &in, 1, &err), &err);
    unit_ok(model_set_outputs(model, &at, 1, &err), &err);
    ck_assert_int_eq(model_finish(model, &err), ERR_LIMIT);
    ck_assert_int_eq(sample_add(model, "b", "Dense", "{\"units\": 1048576}",
                                true, &in, &at, &err),
                     ERR_LIMIT);
    for (int i = 0; rc == 0; i++) {
        size_t index;

        (void)snprintf(name, sizeof(name), "act_%d", i);
        rc = model_add_layer(model, name, "Activation", NULL, NULL, true, NULL,
                             &index, &err);
    }
    ck_assert_int_eq(rc, ERR_LIMIT);
    ck_assert_uint_eq(model->layer_count, MODEL_MAX_LAYERS);
    rc = 0;
    for (int i = 0; rc == 0; i++) {
        size_t call;

        rc = model_add_call(model, 4, &in, 1, NULL, &call, &err);
    }
    ck_assert_int_eq(rc, ERR_LIMIT);
    model_destroy(&model);
}
END_TEST

START_TEST(training_is_replaced_whole_or_not_at_all)
{
    struct model *model = NULL;
    const struct optimizer *before;
    struct shape label;
    struct err err = {0};

    unit_ok(sample_create(2, &model, &err), &err);
    unit_ok(sample_train(model, "mse", "mae", &err), &err);
    ck_assert(model_is_compiled(model));
    before = model->optimizer;
    ck_assert_str_eq(model->training[0].name, "third");
    ck_assert_double_eq(model->training[0].loss_weight, 0.5);
    ck_assert_uint_eq(model->training[0].metric_count, 2);
    ck_assert(!metric_is_weighted(model->training[0].metrics[0]));
    ck_assert(metric_is_weighted(model->training[0].metrics[1]));
    ck_assert(!model_output_is_categorical(model, 0));
    ck_assert_int_ne(sample_train(model, "mse", "no_metric", &err), 0);
    sample_says(&err, "no_metric");
    ck_assert_int_ne(sample_train(model, "no_loss", "mae", &err), 0);
    ck_assert_int_eq(model_set_training(model, NULL, NULL, 2, &err),
                     ERR_INVALID);
    ck_assert_ptr_eq(model->optimizer, before);
    unit_ok(sample_train(model, "sparse_categorical_crossentropy", "acc", &err),
            &err);
    label = model_label_shape(model, 0);
    ck_assert_int_eq(label.rank, 0);
    ck_assert_uint_eq(model_label_count(model), 1);
    ck_assert_uint_eq(model_prediction_count(model), 2);
    ck_assert(model_output_is_categorical(model, 0));
    model_destroy(&model);
    unit_ok(sample_create(1, &model, &err), &err);
    ck_assert_int_eq(
        sample_train(model, "categorical_crossentropy", NULL, &err),
        ERR_INVALID);
    sample_says(&err, "categorical_crossentropy", "(1,)");
    model_destroy(&model);
}
END_TEST

START_TEST(initial_weights)
{
    struct model *model = NULL;
    struct err err = {0};
    float a[35];
    float b[35];
    float c[35];

    unit_ok(sample_create(2, &model, &err), &err);
    ck_assert_uint_eq(model->parameters, 35);
    model_initialize(model, 1, a);
    model_initialize(model, 1, b);
    model_initialize(model, 2, c);
    ck_assert_mem_eq(a, b, sizeof(a));
    ck_assert_mem_ne(a, c, 8 * sizeof(float));
    for (size_t i = 0; i < 35; i++) {
        bool bias = (i >= 8 && i < 12) || (i >= 24 && i < 27) || i >= 33;

        ck_assert_int_eq(a[i] == 0.0f, bias);
    }
    model_destroy(&model);
}
END_TEST

static int build(void *state, struct err *err)
{
    struct model *model = NULL;
    struct totals *totals = NULL;
    int rc = sample_create(3, &model, err);

    if (rc == 0) {
        rc = sample_train(model, "mse", state, err);
    }
    if (rc == 0) {
        rc = totals_create(model, &totals, err);
    }
    totals_destroy(&totals);
    model_destroy(&model);
    return rc;
}

START_TEST(survives_refused_memory)
{
    char metric[] = "acc";

    ck_assert_int_gt(unit_oom_sweep(build, metric), 60);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("model");

    tcase_add_test(tc, lays_out_like_get_weights);
    tcase_add_test(tc, layout_follows_layers_not_calls);
    tcase_add_test(tc, shared_layers_have_one_set_of_weights);
    tcase_add_test(tc, refuses_bad_graphs);
    tcase_add_test(tc, limits);
    tcase_add_test(tc, training_is_replaced_whole_or_not_at_all);
    tcase_add_test(tc, initial_weights);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("model", basic)
