/* SPDX-License-Identifier: MIT
 *
 * check_window: sizes and paddings of windows, the shapes of all layers with
 * rows and columns, and what they refuse. The shapes are those that Keras
 * gives.
 */
#include "tests/unit/model/sample.h"

#include "common/model/layer.h"
#include "common/model/window.h"

#include <stdio.h>
#include <string.h>

/* An input of a shape, and a layer of a class with a config on it. */
static int try_layer(const char *shape, const char *class_name,
                     const char *config, struct model **model,
                     struct tensor_ref *out, struct err *err)
{
    char input[160];
    char text[512];
    struct tensor_ref at;
    int rc = model_create("m", model, err);

    (void)snprintf(input, sizeof(input), "{\"batch_shape\": [null, %s]}",
                   shape);
    (void)snprintf(text, sizeof(text), "%s", config);
    for (char *c = text; *c != '\0'; c++) {
        *c = *c == '\'' ? '"' : *c;
    }
    if (rc == 0) {
        rc =
            sample_add(*model, "in", "InputLayer", input, true, NULL, &at, err);
    }
    if (rc == 0) {
        rc = sample_add(*model, "it", class_name, text, true, &at, out, err);
    }
    return rc;
}

struct shape_case {
    const char *input;
    const char *class_name;
    const char *config;
    const char *output;
};

static const struct shape_case shapes[] = {
    {"9, 3", "Conv1D", "{'filters': 4, 'kernel_size': 3}", "(7, 4)"},
    {"9, 3", "Conv1D", "{'filters': 4, 'kernel_size': [4], 'strides': [4]}",
     "(2, 4)"},
    {"9, 3", "Conv1D",
     "{'filters': 4, 'kernel_size': 4, 'strides': 2, 'padding': 'same'}",
     "(5, 4)"},
    {"9, 3", "Conv1D", "{'filters': 4, 'kernel_size': 20, 'padding': 'CAUSAL'}",
     "(9, 4)"},
    {"9, 3", "Conv1D", "{'filters': 4, 'kernel_size': 3, 'dilation_rate': 4}",
     "(1, 4)"},
    {"9, 3", "Conv1D", "{'filters': 4, 'kernel_size': 1, 'activation': 'glu'}",
     "(9, 2)"},
    {"5, 4, 6", "Conv2D",
     "{'filters': 4, 'kernel_size': [2, 3], 'groups': 2, 'data_format': null}",
     "(4, 2, 4)"},
    {"5, 3", "Conv1DTranspose",
     "{'filters': 2, 'kernel_size': 3, 'strides': 2}", "(11, 2)"},
    {"5, 3", "Conv1DTranspose",
     "{'filters': 2, 'kernel_size': 2, 'strides': 3}", "(15, 2)"},
    {"5, 3", "Conv1DTranspose",
     "{'filters': 2, 'kernel_size': 2, 'strides': 3, 'output_padding': 0}",
     "(14, 2)"},
    {"5, 3", "Conv1DTranspose",
     "{'filters': 2, 'kernel_size': 4, 'strides': 3, 'padding': 'same'}",
     "(15, 2)"},
    {"5, 3", "Conv1DTranspose",
     "{'filters': 2, 'kernel_size': 3, 'strides': 3, 'padding': 'same', "
     "'output_padding': 1}",
     "(14, 2)"},
    {"5, 4, 3", "Conv2DTranspose",
     "{'filters': 2, 'kernel_size': [3, 2], 'dilation_rate': [2, 1]}",
     "(9, 5, 2)"},
    {"5, 4, 3", "DepthwiseConv2D",
     "{'kernel_size': 2, 'depth_multiplier': 2, 'groups': 1}", "(4, 3, 6)"},
    {"5, 3", "DepthwiseConv1D", "{'kernel_size': 2}", "(4, 3)"},
    {"5, 4, 3", "SeparableConv2D",
     "{'filters': 7, 'kernel_size': 2, 'strides': 2, 'dilation_rate': 2}",
     "(2, 1, 7)"},
    {"5, 3", "MaxPooling1D", "{}", "(2, 3)"},
    {"5, 3", "AveragePooling1D", "{'pool_size': 2, 'padding': 'same'}",
     "(3, 3)"},
    {"5, 4, 3", "MaxPooling2D",
     "{'pool_size': [2, 3], 'strides': [1, 2], 'padding': 'valid'}",
     "(4, 1, 3)"},
    {"5, 4, 3", "GlobalMaxPooling2D", "{'keepdims': true}", "(1, 1, 3)"},
    {"5, 4, 3", "GlobalAveragePooling2D", "{}", "(3,)"},
    {"5, 3", "ZeroPadding1D", "{}", "(7, 3)"},
    {"5, 4, 3", "ZeroPadding2D", "{'padding': [1, [2, 0]]}", "(7, 6, 3)"},
    {"5, 4, 3", "ZeroPadding2D", "{}", "(7, 6, 3)"},
    {"5, 3", "Cropping1D", "{'cropping': [4, 0]}", "(1, 3)"},
    {"5, 4, 3", "Cropping2D", "{}", "(5, 4, 3)"},
    {"5, 3", "UpSampling1D", "{'size': 3}", "(15, 3)"},
    {"5, 4, 3", "UpSampling2D", "{'size': [2, 1]}", "(10, 4, 3)"},
};

START_TEST(shapes_are_those_of_keras)
{
    const struct shape_case *c = &shapes[_i];
    char text[SHAPE_TEXT_SIZE];
    struct model *model = NULL;
    struct tensor_ref out = {0};
    struct err err = {0};

    unit_ok(try_layer(c->input, c->class_name, c->config, &model, &out, &err),
            &err);
    ck_assert_str_eq(shape_text(model_tensor_shape(model, out), text),
                     c->output);
    model_destroy(&model);
}
END_TEST

struct refusal {
    const char *input;
    const char *class_name;
    const char *config;
    enum err_code code;
    const char *words;
};

#define C1 "{'filters': 4, 'kernel_size': 3"
#define HUGE_NUMBER "99999999"

static const struct refusal refusals[] = {
    {"9, 3", "Conv1D", C1 ", 'data_format': 'channels_first'}", ERR_UNSUPPORTED,
     "data_format \"channels_first\""},
    {"9, 3", "MaxPooling1D", "{'data_format': 'channels_first'}",
     ERR_UNSUPPORTED, "data_format \"channels_first\""},
    {"9, 3", "GlobalMaxPooling1D", "{'data_format': 'channels_first'}",
     ERR_UNSUPPORTED, "data_format \"channels_first\""},
    {"9, 3", "ZeroPadding1D", "{'data_format': 'channels_first'}",
     ERR_UNSUPPORTED, "data_format \"channels_first\""},
    {"9, 3, 2", "UpSampling2D", "{'data_format': 'channels_first'}",
     ERR_UNSUPPORTED, "data_format \"channels_first\""},
    {"9, 3, 2", "UpSampling2D", "{'interpolation': 'bicubic'}", ERR_UNSUPPORTED,
     "interpolation \"bicubic\""},
    {"9, 3", "Conv1D", "{'filters': 4}", ERR_INVALID, "kernel_size: missing"},
    {"9, 3", "Conv1D", "{'kernel_size': 4}", ERR_INVALID, "filters: missing"},
    {"9, 3", "Conv1D", "{'filters': 0, 'kernel_size': 4}", ERR_INVALID,
     "filters: 0 is not 1 or more"},
    {"9, 3", "Conv1D", "{'filters': 4, 'kernel_size': [3, 3]}", ERR_INVALID,
     "kernel_size: 2 numbers instead of 1"},
    {"9, 3", "Conv1D", "{'filters': 4, 'kernel_size': 0}", ERR_INVALID,
     "kernel_size: 0 is not 1 or more"},
    {"9, 3", "Conv1D", "{'filters': 4, 'kernel_size': " HUGE_NUMBER "}",
     ERR_LIMIT, "kernel_size: " HUGE_NUMBER " is over the limit"},
    {"9, 3", "Conv1D", "{'filters': 4, 'kernel_size': '3'}", ERR_INVALID,
     "kernel_size: an integer is wanted, not a string"},
    {"9, 3", "Conv1D", C1 ", 'padding': 'full'}", ERR_UNSUPPORTED,
     "padding \"full\""},
    {"9, 3, 2", "Conv2D", C1 ", 'padding': 'causal'}", ERR_UNSUPPORTED,
     "padding \"causal\""},
    {"9, 3", "Conv1D", C1 ", 'lora_rank': 2}", ERR_UNSUPPORTED, "lora_rank"},
    {"9, 3", "Conv1D", C1 ", 'output_padding': 1}", ERR_UNSUPPORTED,
     "output_padding"},
    {"9, 3", "Conv1D", C1 ", 'strides': 2, 'dilation_rate': 2}", ERR_INVALID,
     "exclude each other"},
    {"9, 3", "Conv1D", C1 ", 'groups': 3}", ERR_INVALID,
     "filters: 4 cannot be shared by 3 groups"},
    {"9, 3", "Conv1D", C1 ", 'groups': 2}", ERR_INVALID,
     "3 channels of the input cannot be shared by 2 groups"},
    {"9, 3", "DepthwiseConv1D", "{'kernel_size': 2, 'groups': 3}",
     ERR_UNSUPPORTED, "groups"},
    {"2, 3", "Conv1D", C1 "}", ERR_INVALID, "does not fit into 2"},
    {"3", "Conv1D", C1 "}", ERR_INVALID, "steps and channels"},
    {"9, 3", "Conv2D", C1 "}", ERR_INVALID, "rows, columns and channels"},
    {"9, 3", "Conv1DTranspose", C1 ", 'strides': 2, 'output_padding': 2}",
     ERR_INVALID, "output_padding: 2 is not less than the stride of 2"},
    {"9, 3", "Conv1DTranspose",
     "{'filters': 1, 'kernel_size': 2, 'strides': 2, 'padding': 'same', "
     "'output_padding': 0}",
     ERR_INVALID, "output_padding 0 leaves nothing"},
    {"9, 3, 2", "DepthwiseConv2D",
     "{'kernel_size': 2, 'depth_multiplier': 8000000000}", ERR_LIMIT,
     "depth_multiplier"},
    {"9, 3, 2", "MaxPooling2D", "{'pool_size': 16000000, 'padding': 'same'}",
     ERR_LIMIT, "pool_size"},
    {"2, 3", "MaxPooling1D", "{'pool_size': 3}", ERR_INVALID,
     "does not fit into 2"},
    {"3", "MaxPooling1D", "{}", ERR_INVALID, "steps and channels"},
    {"3", "GlobalMaxPooling1D", "{}", ERR_INVALID, "1 axes and channels"},
    {"3", "UpSampling1D", "{}", ERR_INVALID, "1 axes and channels"},
    {"3", "Cropping1D", "{}", ERR_INVALID, "1 axes and channels"},
    {"3, 1", "Cropping1D", "{'cropping': [1, 2]}", ERR_INVALID,
     "nothing is left"},
    {"3, 1", "Cropping1D", "{'cropping': [1]}", ERR_INVALID,
     "1 numbers instead of 2"},
    {"3, 3, 1", "Cropping2D", "{'cropping': [1]}", ERR_INVALID,
     "1 entries instead of 2"},
    {"3, 3, 1", "ZeroPadding2D", "{'padding': [[1, -1], 2]}", ERR_INVALID,
     "padding: -1 is not 0 or more"},
    {"3, 3, 1", "ZeroPadding2D", "{'padding': 16000000}", ERR_LIMIT,
     "elements"},
    {"3, 3, 1", "UpSampling2D", "{'size': 16000000}", ERR_LIMIT, "elements"},
};

START_TEST(refused)
{
    const struct refusal *c = &refusals[_i];
    struct model *model = NULL;
    struct tensor_ref out = {0};
    struct err err = {0};
    int rc = try_layer(c->input, c->class_name, c->config, &model, &out, &err);

    ck_assert_msg(rc == (int)c->code, "%s %s: %d %s", c->class_name, c->config,
                  rc, err.msg);
    ck_assert_msg(strstr(err.msg, c->words) != NULL, "%s", err.msg);
    model_destroy(&model);
}
END_TEST

/* Cells that are not padding, for every window of a few axes, counted. */
START_TEST(cells_are_inside)
{
    for (size_t code = 0; code < 5 * 4 * 3 * 3 * 5; code++) {
        struct window_axis a = {.in = 1 + code % 5,
                                .size = 1 + code / 5 % 4,
                                .stride = 1 + code / 20 % 3,
                                .dilation = 1 + code / 60 % 3,
                                .before = code / 180};

        for (size_t i = 0; i < 6; i++) {
            size_t first;
            size_t end;

            window_cells(&a, i, &first, &end);
            ck_assert_uint_le(end, a.size);
            for (size_t k = 0; k < a.size; k++) {
                size_t at = i * a.stride + k * a.dilation;
                bool inside = at >= a.before && at < a.before + a.in;

                ck_assert_msg(inside == (k >= first && k < end),
                              "in %zu size %zu stride %zu dilation %zu before "
                              "%zu: window %zu cell %zu",
                              a.in, a.size, a.stride, a.dilation, a.before, i,
                              k);
                if (inside) {
                    ck_assert_uint_eq(window_at(&a, i, k), at - a.before);
                }
            }
        }
    }
}
END_TEST

static int build_one(void *state, struct err *err)
{
    const struct shape_case *c = state;
    struct model *model = NULL;
    struct tensor_ref out = {0};
    int rc = try_layer(c->input, c->class_name, c->config, &model, &out, err);

    model_destroy(&model);
    return rc;
}

START_TEST(layers_without_memory)
{
    struct shape_case c = shapes[_i];

    ck_assert_int_gt(unit_oom_sweep(build_one, &c), 3);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("window");
    int count = (int)(sizeof(shapes) / sizeof(shapes[0]));

    tcase_add_loop_test(tc, shapes_are_those_of_keras, 0, count);
    tcase_add_loop_test(tc, refused, 0,
                        (int)(sizeof(refusals) / sizeof(refusals[0])));
    tcase_add_test(tc, cells_are_inside);
    tcase_add_loop_test(tc, layers_without_memory, 0, count);
    return tc;
}

UNIT_MAIN("window", basic)
