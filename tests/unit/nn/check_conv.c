/* SPDX-License-Identifier: MIT
 *
 * check_conv: convolutions, poolings and what else knows of rows and columns:
 * every class and option against finite differences, for its weights and (by
 * the layer in front of it) for its input; equal values in max poolings; what
 * kernels refuse; nets without memory.
 */
#include "tests/unit/nn/graph.h"

#include "common/mem.h"
#include "worker/nn/check.h"
#include "worker/nn/net.h"

#define ROWS 3
/* Of the input: one with which no pooling has two values so nearly equal that
 * they change places within the smallest step of a difference. */
#define STREAM 5

static const struct net_draws draws = {.seed = 3, .partition = 1, .step = 4};

struct layer_case {
    const char *class_name;
    const char *config;
};

static const struct layer_case series[] = {
    {"Conv1D", "{'filters': 3, 'kernel_size': [2]}"},
    {"Conv1D", "{'filters': 2, 'kernel_size': 3, 'strides': 2, 'padding': "
               "'same', 'activation': 'gelu'}"},
    {"Conv1D", "{'filters': 2, 'kernel_size': 4, 'padding': 'same', "
               "'dilation_rate': 2, 'use_bias': false}"},
    {"Conv1D", "{'filters': 2, 'kernel_size': 3, 'padding': 'causal', "
               "'dilation_rate': 3, 'activation': 'tanh'}"},
    {"Conv1D", "{'filters': 2, 'kernel_size': 3, 'padding': 'causal', "
               "'strides': 2}"},
    {"Conv1D", "{'filters': 4, 'kernel_size': 2, 'strides': 3, 'groups': 2}"},
    {"Conv1D", "{'filters': 4, 'kernel_size': 1, 'groups': 4, 'activation': "
               "'glu'}"},
    {"Conv1D", "{'filters': 2, 'kernel_size': 1, 'strides': 2}"},
    {"Conv1D", "{'filters': 2, 'kernel_size': 3, 'trainable': false}"},
    {"Conv1DTranspose", "{'filters': 2, 'kernel_size': 3, 'strides': 2}"},
    {"Conv1DTranspose", "{'filters': 2, 'kernel_size': 2, 'strides': 3, "
                        "'activation': 'softplus'}"},
    {"Conv1DTranspose", "{'filters': 2, 'kernel_size': 4, 'strides': 2, "
                        "'padding': 'same', 'use_bias': false}"},
    {"Conv1DTranspose", "{'filters': 2, 'kernel_size': 3, 'strides': 3, "
                        "'padding': 'same', 'output_padding': 1}"},
    {"Conv1DTranspose", "{'filters': 2, 'kernel_size': 3, 'dilation_rate': 2, "
                        "'activation': 'glu'}"},
    {"DepthwiseConv1D", "{'kernel_size': 3, 'depth_multiplier': 2, 'strides': "
                        "2, 'activation': 'swish'}"},
    {"SeparableConv1D", "{'filters': 2, 'kernel_size': 3, 'padding': 'same', "
                        "'dilation_rate': 2, 'activation': 'tanh'}"},
    {"MaxPooling1D", "{}"},
    {"MaxPooling1D", "{'pool_size': 3, 'strides': 2, 'padding': 'same'}"},
    {"AveragePooling1D", "{'pool_size': [3], 'strides': 1, 'padding': "
                         "'same'}"},
    {"AveragePooling1D", "{'pool_size': 2, 'strides': 3}"},
    {"GlobalMaxPooling1D", "{}"},
    {"GlobalAveragePooling1D", "{'keepdims': true}"},
    {"ZeroPadding1D", "{'padding': [2, 0]}"},
    {"Cropping1D", "{'cropping': [1, 3]}"},
    {"UpSampling1D", "{'size': 3}"},
};

static const struct layer_case images[] = {
    {"Conv2D", "{'filters': 3, 'kernel_size': [3, 2]}"},
    {"Conv2D", "{'filters': 2, 'kernel_size': 3, 'strides': [2, 1], "
               "'padding': 'same', 'activation': 'tanh'}"},
    {"Conv2D", "{'filters': 2, 'kernel_size': [2, 4], 'padding': 'same', "
               "'use_bias': false}"},
    {"Conv2D", "{'filters': 4, 'kernel_size': 2, 'dilation_rate': [3, 2], "
               "'padding': 'same', 'groups': 2, 'activation': 'gelu'}"},
    {"Conv2D", "{'filters': 2, 'kernel_size': 2, 'strides': 3}"},
    {"Conv2D", "{'filters': 3, 'kernel_size': 1, 'activation': 'softmax'}"},
    {"Conv2D", "{'filters': 2, 'kernel_size': 7, 'padding': 'same'}"},
    {"Conv2DTranspose", "{'filters': 2, 'kernel_size': 3, 'strides': 2, "
                        "'padding': 'same', 'activation': 'gelu'}"},
    {"Conv2DTranspose", "{'filters': 3, 'kernel_size': [2, 3], 'strides': [3, "
                        "2], 'output_padding': [0, 1]}"},
    {"DepthwiseConv2D", "{'kernel_size': [2, 3], 'padding': 'same'}"},
    {"DepthwiseConv2D", "{'kernel_size': 2, 'depth_multiplier': 3, 'strides': "
                        "2, 'dilation_rate': 2, 'activation': 'glu'}"},
    {"SeparableConv2D", "{'filters': 4, 'kernel_size': 3, 'depth_multiplier': "
                        "2, 'strides': 2, 'padding': 'same', 'activation': "
                        "'glu'}"},
    {"SeparableConv2D", "{'filters': 3, 'kernel_size': 2, 'use_bias': false, "
                        "'activation': 'gelu'}"},
    {"MaxPooling2D", "{}"},
    {"MaxPooling2D", "{'pool_size': [3, 2], 'strides': [2, 1], 'padding': "
                     "'same'}"},
    {"AveragePooling2D", "{'pool_size': 3, 'strides': 2, 'padding': 'same'}"},
    {"GlobalMaxPooling2D", "{'keepdims': true}"},
    {"GlobalAveragePooling2D", "{}"},
    {"ZeroPadding2D", "{'padding': [[1, 0], [2, 3]]}"},
    {"Cropping2D", "{'cropping': [1, 2]}"},
    {"UpSampling2D", "{'size': [2, 3]}"},
    {"UpSampling2D", "{'size': [3, 2], 'interpolation': 'bilinear'}"},
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* An input, a 1x1 convolution, the layer, and a Dense on all of it. */
static void make(struct graph *g, const char *shape, const char *front,
                 const struct layer_case *c)
{
    size_t in = graph_input(g, shape);
    size_t t = graph_on(
        g, graph_layer(g, front, "{'filters': 4, 'kernel_size': 1}"), in);

    t = graph_on(g, graph_layer(g, c->class_name, "%s", c->config), t);
    t = graph_on(g, graph_layer(g, "Flatten", "{}"), t);
    graph_finish_one(g, in, graph_dense(g, t, 2, "linear"));
    /* A loss of hundreds has too few digits left for differences. Only the
     * last layer is made smaller: that moves no pooling nearer to a kink. */
    for (size_t i = 0; i < g->model->variable_count; i++) {
        const struct variable *v = &g->model->variables[i];

        for (size_t k = 0; v->layer + 1 == g->model->layer_count && k < v->size;
             k++) {
            g->params[v->offset + k] *= 0.25f;
        }
    }
}

static void judge(struct graph *g)
{
    float *x =
        graph_normal(ROWS * shape_size(model_input_shape(g->model, 0)), STREAM);
    float *y = graph_normal(ROWS * 2, 2);
    struct net_batch batch = {.rows = ROWS,
                              .x = (const float *const[]){x},
                              .y = (const float *const[]){y}};
    struct check_result result;
    struct err err = {0};

    graph_compile_one(g, "mse");
    unit_ok(check_gradient(g->model, g->params, &batch, &draws, 2e-3, &result,
                           &err),
            &err);
    ck_assert_msg(result.judged > 0 && result.skipped <= result.judged,
                  "%zu judged, %zu skipped", result.judged, result.skipped);
    mem_free_aligned(x);
    mem_free_aligned(y);
    graph_release(g);
}

START_TEST(gradients_of_series)
{
    struct graph g = {0};

    make(&g, "[7, 3]", "Conv1D", &series[_i]);
    judge(&g);
}
END_TEST

START_TEST(gradients_of_images)
{
    struct graph g = {0};

    make(&g, "[6, 5, 2]", "Conv2D", &images[_i]);
    judge(&g);
}
END_TEST

/* Layers that are called twice add up both gradients. */
START_TEST(shared_layers)
{
    static const struct layer_case shared[] = {
        {"Conv2D", "{'filters': 2, 'kernel_size': 3, 'padding': 'same', "
                   "'activation': 'tanh'}"},
        {"Conv2DTranspose", "{'filters': 2, 'kernel_size': 3, 'padding': "
                            "'same'}"},
        {"DepthwiseConv2D", "{'kernel_size': 3, 'padding': 'same'}"},
        {"SeparableConv2D", "{'filters': 2, 'kernel_size': 3, 'padding': "
                            "'same'}"},
    };
    struct graph g = {0};
    size_t in = graph_input(&g, "[4, 3, 2]");
    size_t layer =
        graph_layer(&g, shared[_i].class_name, "%s", shared[_i].config);
    size_t t = graph_on(&g, layer, graph_on(&g, layer, in));

    t = graph_on(&g, graph_layer(&g, "Flatten", "{}"), t);
    graph_finish_one(&g, in, graph_dense(&g, t, 2, "linear"));
    judge(&g);
}
END_TEST

/* A softmax over channels at every position: the loss takes what it got. */
START_TEST(logits_of_a_convolution)
{
    struct graph g = {0};
    struct net_batch batch = {.rows = ROWS};
    struct check_result result;
    struct err err = {0};
    size_t in = graph_input(&g, "[3, 4, 2]");
    size_t t = graph_on(&g,
                        graph_layer(&g, "Conv2D",
                                    "{'filters': 3, 'kernel_size': 2, "
                                    "'activation': 'softmax'}"),
                        in);
    float *x = graph_normal(ROWS * 24, 1);
    float *y = graph_one_hot(ROWS * 6, 3);

    batch.x = (const float *const[]){x};
    batch.y = (const float *const[]){y};
    graph_finish_one(&g, in, t);
    graph_compile_one(&g, "categorical_crossentropy");
    unit_ok(
        check_gradient(g.model, g.params, &batch, &draws, 2e-3, &result, &err),
        &err);
    ck_assert_uint_gt(result.judged, 20);
    mem_free_aligned(x);
    mem_free_aligned(y);
    graph_release(&g);
}
END_TEST

/* What comes back to a scale in front of a pooling whose values are equal. */
static float slope(const char *class_name, const char *config,
                   const float *scales, float *gradient)
{
    static const float ones[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    static const float zero[1] = {0};
    const float *x[] = {ones};
    const float *y[] = {zero};
    struct net_batch batch = {.rows = 1, .x = x, .y = y};
    struct graph g = {0};
    struct net *net = NULL;
    struct err err = {0};
    double loss = 0;
    size_t in = graph_input(&g, "[4]");
    size_t t = graph_on(
        &g, graph_layer(&g, "Dense", "{'units': 4, 'use_bias': false}"), in);

    t = graph_on(&g, graph_layer(&g, "Reshape", "{'target_shape': [4, 1]}"), t);
    t = graph_on(&g, graph_layer(&g, class_name, "%s", config), t);
    t = graph_on(&g, graph_layer(&g, "Flatten", "{}"), t);
    graph_finish_one(&g, in, t);
    graph_compile_one(&g, "mse");
    memset(g.params, 0, g.model->parameters * sizeof(float));
    memcpy(g.params, scales, 4 * sizeof(float)); /* of the first input */
    unit_ok(net_create(g.model, &net, &err), &err);
    unit_ok(net_gradient(net, g.params, &batch, &draws, gradient, NULL, &loss,
                         &err),
            &err);
    net_destroy(&net);
    graph_release(&g);
    return (float)loss;
}

/* As TensorFlow has it: the first of equal values in a window gets all of the
 * gradient, but reduce_max shares it out. */
START_TEST(equal_values)
{
    static const float scales[] = {1, 2, 2, 2};
    float gradient[16];

    ck_assert_float_eq(
        slope("MaxPooling1D", "{'pool_size': 4}", scales, gradient), 4.0f);
    ck_assert_float_eq(gradient[0], 0.0f);
    ck_assert_float_eq(gradient[1], 4.0f);
    ck_assert_float_eq(gradient[2], 0.0f);
    ck_assert_float_eq(gradient[3], 0.0f);
    ck_assert_float_eq(slope("GlobalMaxPooling1D", "{}", scales, gradient),
                       4.0f);
    ck_assert_float_eq(gradient[0], 0.0f);
    for (int i = 1; i < 4; i++) {
        ck_assert_float_eq(gradient[i], 4.0f / 3.0f);
    }
}
END_TEST

START_TEST(activations_that_have_no_width)
{
    struct graph g = {0};
    struct net *net = NULL;
    struct err err = {0};
    size_t in = graph_input(&g, "[4, 2]");
    json_t *config = json_pack("{si si ss}", "filters", 3, "kernel_size", 2,
                               "activation", "glu");
    struct tensor_ref ref = {.call = in};
    size_t layer = 0;
    size_t call = 0;

    unit_ok(model_add_layer(g.model, "c", "Conv1D", NULL, config, true,
                            "layers/c", &layer, &err),
            &err);
    ck_assert_int_ne(model_add_call(g.model, layer, &ref, 1, NULL, &call, &err),
                     0);
    json_decref(config);
    ck_assert_ptr_null(net);
    graph_release(&g);
}
END_TEST

static int create_net(void *state, struct err *err)
{
    const struct graph *g = state;
    struct net *net = NULL;
    int rc = net_create(g->model, &net, err);

    net_destroy(&net);
    return rc;
}

START_TEST(nets_without_memory)
{
    struct graph g = {0};
    size_t in = graph_input(&g, "[6, 5, 2]");
    size_t t = in;

    for (size_t i = 0; i < 3; i++) {
        static const struct layer_case all[] = {
            {"Conv2D", "{'filters': 2, 'kernel_size': 3, 'padding': 'same'}"},
            {"SeparableConv2D", "{'filters': 2, 'kernel_size': 2}"},
            {"MaxPooling2D", "{}"},
        };

        t = graph_on(
            &g, graph_layer(&g, all[i].class_name, "%s", all[i].config), t);
    }
    graph_finish_one(&g, in, t);
    ck_assert_int_gt(unit_oom_sweep(create_net, &g), 3);
    graph_release(&g);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("conv");

    tcase_set_timeout(tc, 60); /* many passes, on a machine that is busy */
    tcase_add_loop_test(tc, gradients_of_series, 0, (int)COUNT(series));
    tcase_add_loop_test(tc, gradients_of_images, 0, (int)COUNT(images));
    tcase_add_loop_test(tc, shared_layers, 0, 4);
    tcase_add_test(tc, logits_of_a_convolution);
    tcase_add_test(tc, equal_values);
    tcase_add_test(tc, activations_that_have_no_width);
    tcase_add_test(tc, nets_without_memory);
    return tc;
}

UNIT_MAIN("conv", basic)
