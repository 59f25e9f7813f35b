/* SPDX-License-Identifier: MIT
 *
 * check_layer: the class table, what each class accepts and refuses in its
 * config, and the shapes and variables that follow.
 */
#include "tests/unit/model/sample.h"

#include "common/model/layer.h"
#include "common/model/layers/dense.h"
#include "common/model/layers/dropout.h"
#include "common/model/layers/flatten.h"
#include "common/model/layers/input.h"

#include <stdio.h>
#include <string.h>

START_TEST(table_agrees_with_the_classes)
{
    static const char *const names[] = {
#define LAYER(symbol, class_name) class_name,
#include "common/model/layers.def"
#undef LAYER
    };

    ck_assert_uint_eq(layer_class_count(), sizeof(names) / sizeof(names[0]));
    for (size_t i = 0; i < layer_class_count(); i++) {
        const struct layer_class *class = layer_class_at(i);

        ck_assert_str_eq(class->name, names[i]);
        ck_assert_ptr_eq(layer_class_find(names[i]), class);
        ck_assert_int_eq(layer_class_index(class), (int)i);
    }
    ck_assert_ptr_null(layer_class_find("Dens"));
    ck_assert_int_eq(layer_class_index(NULL), -1);
}
END_TEST

/* An input of a shape, and a layer of a class with a config on it. */
static int try_layer(const char *shape, const char *class_name,
                     const char *config, struct model **model,
                     struct tensor_ref *out, struct err *err)
{
    char input[160];
    struct tensor_ref at;
    int rc = model_create("m", model, err);

    (void)snprintf(input, sizeof(input), "{\"batch_shape\": %s}", shape);
    if (rc == 0) {
        rc =
            sample_add(*model, "in", "InputLayer", input, true, NULL, &at, err);
    }
    ck_assert_msg(rc == 0, "%s", err->msg);
    return sample_add(*model, "it", class_name, config, true, &at, out, err);
}

#define V3 "[null, 3]"
#define POLICY                                                                 \
    "\"dtype\": {\"module\": \"keras\", \"class_name\": \"DTypePolicy\", "     \
    "\"config\": {\"name\": \"float32\"}, \"registered_name\": null}"

static const struct {
    const char *shape, *class_name, *config, *out;
    size_t variables;
} good[] = {
    {V3, "Dense", "{\"units\": 5}", "(5,)", 2},
    {V3, "Dense",
     "{\"name\": \"d\", \"trainable\": true, " POLICY
     ", \"units\": 5, \"activation\": \"relu\", \"use_bias\": true, "
     "\"kernel_initializer\": {\"module\": \"keras.initializers\", "
     "\"class_name\": \"GlorotUniform\", \"config\": {\"seed\": null}, "
     "\"registered_name\": null}, \"bias_initializer\": {\"class_name\": "
     "\"Zeros\", \"config\": {}}, \"kernel_regularizer\": null, "
     "\"bias_regularizer\": null, \"kernel_constraint\": null, "
     "\"bias_constraint\": null, \"quantization_config\": null}",
     "(5,)", 2},
    /* Keras 2 */
    {V3, "Dense",
     "{\"name\": \"d\", \"trainable\": true, \"batch_input_shape\": [null, "
     "3], \"dtype\": \"float32\", \"units\": 5, \"activation\": \"linear\", "
     "\"use_bias\": false, \"kernel_initializer\": {\"class_name\": "
     "\"GlorotUniform\", \"config\": {\"seed\": null}}, "
     "\"activity_regularizer\": null}",
     "(5,)", 1},
    {"[null, 2, 7, 3]", "Dense", "{\"units\": 5.0}", "(2, 7, 5)", 2},
    {V3, "Dense", "{\"units\": 6, \"activation\": \"glu\"}", "(3,)", 2},
    {V3, "Activation", "{\"activation\": \"softmax\"}", "(3,)", 0},
    {V3, "Dropout", "{\"rate\": 0.5, \"seed\": 7, \"noise_shape\": null}",
     "(3,)", 0},
    {"[null]", "Dropout", "{\"rate\": 0}", "()", 0},
    {"[null, 2, 3, 4]", "Flatten", "{\"data_format\": \"channels_last\"}",
     "(24,)", 0},
    {"[null]", "Flatten", "{}", "(1,)", 0},
    {"[null, 4, 3]", "Reshape", "{\"target_shape\": [2, 6]}", "(2, 6)", 0},
    {"[null, 4, 3]", "Reshape", "{\"target_shape\": [2, -1, 1]}", "(2, 6, 1)",
     0},
    {"[null, 1]", "Reshape", "{\"target_shape\": []}", "()", 0},
    {"[null, 1]", "Reshape", "{\"target_shape\": [null]}", "(1,)", 0},
};

START_TEST(accepts)
{
    struct model *model = NULL;
    struct tensor_ref out;
    char text[SHAPE_TEXT_SIZE];
    struct err err = {0};

    unit_ok(try_layer(good[_i].shape, good[_i].class_name, good[_i].config,
                      &model, &out, &err),
            &err);
    ck_assert_str_eq(shape_text(model_tensor_shape(model, out), text),
                     good[_i].out);
    ck_assert_uint_eq(model->variable_count, good[_i].variables);
    model_destroy(&model);
}
END_TEST

static const struct {
    const char *shape, *class_name, *config;
    int code;
    const char *word;
} bad[] = {
    {V3, "Dense", "{}", ERR_INVALID, "units: missing"},
    {V3, "Dense", "{\"units\": \"5\"}", ERR_INVALID, "units"},
    {V3, "Dense", "{\"units\": 0}", ERR_INVALID, "units"},
    {V3, "Dense", "{\"units\": 1000000000000}", ERR_INVALID, "units"},
    {V3, "Dense", "{\"units\": 5, \"unit\": 5}", ERR_UNSUPPORTED, "\"unit\""},
    {V3, "Dense", "{\"units\": 5, \"use_bias\": 1}", ERR_INVALID, "use_bias"},
    {V3, "Dense", "{\"units\": 5, \"activation\": \"x\"}", ERR_UNSUPPORTED,
     "\"x\""},
    {V3, "Dense", "{\"units\": 5, \"kernel_initializer\": \"x\"}",
     ERR_UNSUPPORTED, "kernel_initializer"},
    {V3, "Dense", "{\"units\": 5, \"bias_initializer\": \"x\"}",
     ERR_UNSUPPORTED, "bias_initializer"},
    {V3, "Dense", "{\"units\": 5, \"bias_initializer\": \"identity\"}",
     ERR_INVALID, "bias"},
    {V3, "Dense", "{\"units\": 5, \"kernel_regularizer\": \"l3\"}",
     ERR_UNSUPPORTED, "kernel_regularizer"},
    {V3, "Dense", "{\"units\": 5, \"bias_constraint\": {}}", ERR_INVALID,
     "bias_constraint"},
    {V3, "Dense",
     "{\"units\": 5, \"activity_regularizer\": "
     "\"orthogonal_regularizer\"}",
     ERR_UNSUPPORTED, "activity_regularizer"},
    {V3, "Dense", "{\"units\": 5, \"dtype\": \"float16\"}", ERR_UNSUPPORTED,
     "float16"},
    {V3, "Dense", "{\"units\": 5, \"dtype\": 16}", ERR_INVALID, "dtype"},
    {V3, "Dense", "{\"units\": 5, \"dtype\": {}}", ERR_INVALID, "dtype"},
    {V3, "Dense",
     "{\"units\": 5, \"dtype\": {\"config\": {\"name\": "
     "\"mixed_float16\"}}}",
     ERR_UNSUPPORTED, "mixed_float16"},
    {V3, "Dense", "{\"units\": 3, \"activation\": \"glu\"}", ERR_INVALID,
     "glu"},
    {"[null]", "Dense", "{\"units\": 5}", ERR_INVALID, "axis"},
    {V3, "Activation", "{\"activation\": \"x\"}", ERR_UNSUPPORTED, "\"x\""},
    {V3, "Activation", "{\"alpha\": 3}", ERR_UNSUPPORTED, "alpha"},
    {"[null]", "Activation", "{\"activation\": \"softmax\"}", ERR_INVALID,
     "softmax"},
    {V3, "Dropout", "{}", ERR_INVALID, "rate"},
    {V3, "Dropout", "{\"rate\": 1.5}", ERR_INVALID, "rate"},
    {V3, "Dropout", "{\"rate\": 0.5, \"noise_shape\": [1]}", ERR_INVALID,
     "noise_shape"},
    {V3, "Dropout", "{\"rate\": 0.5, \"noise_shape\": [5, null]}",
     ERR_UNSUPPORTED, "noise_shape"},
    {V3, "Flatten", "{\"data_format\": \"nchw\"}", ERR_INVALID, "nchw"},
    {V3, "Reshape", "{}", ERR_INVALID, "target_shape"},
    {V3, "Reshape", "{\"target_shape\": [2, 2]}", ERR_INVALID, "(2, 2)"},
    {V3, "Reshape", "{\"target_shape\": [2, -1]}", ERR_INVALID, "(2, None)"},
    {V3, "Reshape", "{\"target_shape\": [-1, -1]}", ERR_INVALID, "-1"},
    {V3, "Reshape", "{\"target_shape\": [\"3\"]}", ERR_INVALID, "a string"},
    {V3, "Reshape", "{\"target_shape\": [0]}", ERR_INVALID, "(0,)"},
    {V3, "Reshape", "{\"target_shape\": [1,1,1,1,1,1,1,3]}", ERR_LIMIT, "8"},
    {V3, "InputLayer", "{\"batch_shape\": [null, 3]}", ERR_INVALID, "0 inputs"},
    {V3, "InputLayer", "{}", ERR_INVALID, "batch_shape"},
    {V3, "InputLayer", "{\"batch_shape\": []}", ERR_INVALID, "batch_shape"},
    {V3, "InputLayer", "{\"batch_shape\": [null, 3], \"sparse\": true}",
     ERR_UNSUPPORTED, "sparse"},
    {V3, "InputLayer", "{\"batch_shape\": [null, 3], \"ragged\": true}",
     ERR_UNSUPPORTED, "ragged"},
    {V3, "InputLayer", "{\"batch_shape\": [null, 3], \"dtype\": \"string\"}",
     ERR_UNSUPPORTED, "string"},
    {V3, "ConvLSTM2D", "{}", ERR_UNSUPPORTED, "ConvLSTM2D"},
};

START_TEST(refuses_by_name)
{
    struct model *model = NULL;
    struct tensor_ref out;
    struct err err = {0};

    ck_assert_int_eq(try_layer(bad[_i].shape, bad[_i].class_name,
                               bad[_i].config, &model, &out, &err),
                     bad[_i].code);
    sample_says(&err, "\"it\"", bad[_i].class_name, bad[_i].word);
    model_destroy(&model);
}
END_TEST

static const void *options_of(struct model *model, const char *class_name,
                              const char *config)
{
    json_t *json = sample_json(config);
    struct err err = {0};
    size_t index;

    unit_ok(model_add_layer(model, class_name, class_name, NULL, json, true,
                            NULL, &index, &err),
            &err);
    json_decref(json);
    return model->layers[index].options;
}

START_TEST(options_reach_the_kernels)
{
    struct model *model = NULL;
    struct err err = {0};
    const struct dense_options *dense;
    const struct dropout_options *dropout;
    const struct flatten_options *flatten;
    const struct input_options *input;

    unit_ok(model_create("m", &model, &err), &err);
    dense = options_of(model, "Dense",
                       "{\"units\": 7, \"use_bias\": false, \"activation\": "
                       "\"swish\"}");
    ck_assert_int_eq(dense->units, 7);
    ck_assert(!dense->use_bias);
    ck_assert_ptr_eq(dense->activation, ACTIVATION(SILU));
    dropout = options_of(model, "Dropout", "{\"rate\": 0.25, \"seed\": 9}");
    ck_assert_double_eq(dropout->rate, 0.25);
    ck_assert(dropout->has_seed);
    ck_assert_int_eq(dropout->seed, 9);
    flatten =
        options_of(model, "Flatten", "{\"data_format\": \"channels_first\"}");
    ck_assert(flatten->channels_first);
    input = options_of(model, "InputLayer",
                       "{\"shape\": [4, 2], \"dtype\": \"int32\"}");
    ck_assert(input->is_integer);
    ck_assert_int_eq(input->shape.rank, 2);
    ck_assert_int_eq(input->shape.dim[1], 2);
    model_destroy(&model);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("layer");

    tcase_add_test(tc, table_agrees_with_the_classes);
    tcase_add_loop_test(tc, accepts, 0, sizeof(good) / sizeof(good[0]));
    tcase_add_loop_test(tc, refuses_by_name, 0, sizeof(bad) / sizeof(bad[0]));
    tcase_add_test(tc, options_reach_the_kernels);
    return tc;
}

UNIT_MAIN("layer", basic)
