/* SPDX-License-Identifier: MIT
 *
 * check_bind: models whose input has an axis without a size: what says its
 * size, what does not, and that nothing else of the model changes.
 */
#include "tests/lib/unit.h"

#include "common/buf.h"
#include "common/model/bind.h"
#include "common/model/model_wire.h"

#include <string.h>

static size_t add(struct model *model, const char *name, const char *class_name,
                  const char *config, const struct tensor_ref *in, size_t n)
{
    json_t *options = json_loads(config, 0, NULL);
    struct err err = {0};
    size_t layer = 0;
    size_t call = 0;

    ck_assert_ptr_nonnull(options);
    unit_ok(model_add_layer(model, name, class_name, NULL, options, true,
                            "layers/x", &layer, &err),
            &err);
    unit_ok(model_add_call(model, layer, in, n, NULL, &call, &err), &err);
    json_decref(options);
    return call;
}

/* Inputs of these shapes, an LSTM on the first. */
static struct model *build(const char *first, const char *second)
{
    struct model *model = NULL;
    struct tensor_ref inputs[2] = {{0}};
    struct tensor_ref out = {0};
    struct object_spec loss = {.class_name = "mse"};
    struct object_spec sgd = {.class_name = "SGD"};
    struct output_spec spec = {.name = "y",
                               .loss = &loss,
                               .loss_weight = 1.0,
                               .metrics = &loss,
                               .metric_count = 1};
    struct err err = {0};
    size_t n = 1;

    unit_ok(model_create("m", &model, &err), &err);
    inputs[0].call = add(model, "a", "InputLayer", first, NULL, 0);
    if (second != NULL) {
        inputs[n++].call = add(model, "b", "InputLayer", second, NULL, 0);
    }
    out.call = add(model, "lstm", "LSTM",
                   "{\"units\": 2, \"return_sequences\": true}", inputs, 1);
    unit_ok(model_set_inputs(model, inputs, n, &err), &err);
    unit_ok(model_set_outputs(model, &out, 1, &err), &err);
    unit_ok(model_finish(model, &err), &err);
    unit_ok(model_set_training(model, &sgd, &spec, 1, &err), &err);
    return model;
}

#define VARIABLE "{\"batch_shape\": [null, null, 3]}"
#define FIXED "{\"batch_shape\": [null, 4, 3]}"

START_TEST(the_width_says_the_size)
{
    struct model *model = build(VARIABLE, NULL);
    size_t parameters = model->parameters;
    struct err err = {0};

    ck_assert(!model_is_bound(model));
    ck_assert_int_eq(model_check_bound(model, &err), ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "(None, 3)"));
    unit_ok(model_bind_features(&model, 15, &err), &err);
    ck_assert(model_is_bound(model));
    unit_ok(model_check_bound(model, &err), &err);
    ck_assert_int_eq(model_input_shape(model, 0)->dim[0], 5);
    ck_assert_int_eq(model_output_shape(model, 0)->dim[0], 5);
    ck_assert_uint_eq(model_feature_count(model), 15);
    ck_assert_uint_eq(model_label_count(model), 10);
    ck_assert_uint_eq(model->parameters, parameters);
    ck_assert(model_is_compiled(model));
    ck_assert_uint_eq(model->training[0].metric_count, 1);
    /* another width changes nothing any more */
    unit_ok(model_bind_features(&model, 6, &err), &err);
    ck_assert_uint_eq(model_feature_count(model), 15);
    model_destroy(&model);
}
END_TEST

START_TEST(beside_other_inputs)
{
    struct model *model = build(VARIABLE, "{\"batch_shape\": [null, 2]}");
    struct err err = {0};

    unit_ok(model_bind_features(&model, 14, &err), &err);
    ck_assert_int_eq(model_input_shape(model, 0)->dim[0], 4);
    model_destroy(&model);
}
END_TEST

static const struct {
    const char *first;
    const char *second;
    size_t features;
    int code;
} bad[] = {
    {VARIABLE, NULL, 16, ERR_INVALID},
    {VARIABLE, NULL, 0, ERR_INVALID},
    {VARIABLE, FIXED, 12, ERR_INVALID},
    {VARIABLE, VARIABLE, 30, ERR_UNSUPPORTED},
};

START_TEST(refuses_what_does_not_fit)
{
    struct model *model = build(bad[_i].first, bad[_i].second);
    const struct model *before = model;
    struct err err = {0};

    ck_assert_int_eq(model_bind_features(&model, bad[_i].features, &err),
                     bad[_i].code);
    ck_assert_ptr_eq(model, before);
    ck_assert(!model_is_bound(model));
    model_destroy(&model);
}
END_TEST

/* No message carries a model that nothing can be computed with. */
START_TEST(is_not_sent)
{
    struct model *model = build(VARIABLE, NULL);
    struct model *other = NULL;
    struct err err = {0};
    struct buf message;

    buf_init(&message, MODEL_WIRE_MAX);
    unit_ok(model_encode(model, NULL, &message, &err), &err);
    ck_assert_int_eq(model_decode(buf_view(&message), &other, NULL, &err),
                     ERR_UNSUPPORTED);
    ck_assert_ptr_null(other);
    buf_deinit(&message);
    model_destroy(&model);
}
END_TEST

static int bind_once(void *state, struct err *err)
{
    struct model **model = state;
    int rc = model_bind_features(model, 9, err);

    ck_assert(model_is_bound(*model) == (rc == 0));
    return rc;
}

START_TEST(without_memory_it_stays_as_it_was)
{
    struct model *model = build(VARIABLE, NULL);

    ck_assert_int_gt(unit_oom_sweep(bind_once, &model), 10);
    ck_assert_uint_eq(model_feature_count(model), 9);
    model_destroy(&model);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("bind");

    tcase_add_test(tc, the_width_says_the_size);
    tcase_add_test(tc, beside_other_inputs);
    tcase_add_loop_test(tc, refuses_what_does_not_fit, 0,
                        (int)(sizeof(bad) / sizeof(bad[0])));
    tcase_add_test(tc, is_not_sent);
    tcase_add_test(tc, without_memory_it_stays_as_it_was);
    return tc;
}

UNIT_MAIN("bind", basic)
