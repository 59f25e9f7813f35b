/* SPDX-License-Identifier: MIT
 *
 * check_gradient_noise: the dropout and noise layers in training: their
 * gradients, what they share, and that mean and variance are as they should
 * be.
 */
#include "tests/unit/nn/judge.h"

#include <math.h>

static const struct judge_case cases[] = {
    {"Dropout", "{'rate': 0.4, 'noise_shape': [null, 1, 3]}", {"[4, 3]"}, NULL},
    {"Dropout", "{'rate': 0.4, 'noise_shape': [1, null]}", {"[4]"}, NULL},
    {"Dropout", "{'rate': 1.0, 'noise_shape': [1, null]}", {"[4]"}, NULL},
    {"SpatialDropout1D", "{'rate': 0.5}", {"[4, 3]"}, NULL},
    {"SpatialDropout2D", "{'rate': 0.5}", {"[2, 2, 3]"}, NULL},
    {"AlphaDropout", "{'rate': 0.3}", {"[6]"}, NULL},
    {"AlphaDropout", "{'rate': 0.3, 'noise_shape': [null, 1]}", {"[6]"}, NULL},
    {"GaussianDropout", "{'rate': 0.3}", {"[6]"}, NULL},
    {"GaussianNoise", "{'stddev': 0.3}", {"[6]"}, NULL},
    {"ActivityRegularization", "{'l1': 0.1, 'l2': 0.3}", {"[6]"}, NULL},
};

START_TEST(layers_with_options)
{
    judge_layer(&cases[_i]);
}
END_TEST

enum { ROWS = 4000, WIDTH = 6, ALL = ROWS * WIDTH };

/* Mean and mean square of what the layer makes, in training, of an input that
 * is x everywhere, averaged over the steps of a row if `steps`. */
static void measure(const char *class_name, const char *config, float x,
                    bool steps, double *mean, double *square)
{
    struct graph g = {0};
    size_t in = graph_input(&g, "[3, 2]");
    size_t layer = graph_layer(&g, class_name, "%s", config);
    size_t t = graph_on(&g, layer, in);
    float *values = mem_floats(ALL);
    float *labels = mem_zfloats(ALL);
    const float *inputs[] = {values};
    const float *outputs[] = {labels};
    struct net_batch batch = {.rows = ROWS, .x = inputs, .y = outputs};
    struct net_draws draws = {.seed = 5};
    struct net *net = NULL;
    struct err err = {0};
    float gradient[WIDTH];
    double from_one;

    if (steps) {
        t = graph_on(&g, graph_layer(&g, "GlobalAveragePooling1D", "{}"), t);
    }
    /* changes nothing, but is trained */
    t = graph_on(&g, graph_layer(&g, "PReLU", "{}"), t);
    graph_finish_one(&g, in, t);
    graph_compile_one(&g, "mse");
    for (size_t i = 0; i < g.model->parameters; i++) {
        g.params[i] = 1.0f;
    }
    for (size_t i = 0; i < ALL; i++) {
        values[i] = x;
    }
    unit_ok(net_create(g.model, &net, &err), &err);
    unit_ok(net_gradient(net, g.params, &batch, &draws, gradient, NULL, square,
                         &err),
            &err);
    for (size_t i = 0; i < ALL; i++) {
        labels[i] = 1.0f;
    }
    unit_ok(net_gradient(net, g.params, &batch, &draws, gradient, NULL,
                         &from_one, &err),
            &err);
    *mean = (*square + 1.0 - from_one) / 2.0; /* of (y - 1)^2 */
    net_destroy(&net);
    mem_free_aligned(values);
    mem_free_aligned(labels);
    graph_release(&g);
}

static const struct {
    const char *class_name;
    const char *config;
    double x;
    double mean;
    double square;
    bool steps;
} moments[] = {
    {"GaussianNoise", "{'stddev': 0.5}", 1.0, 1.0, 1.25, false},
    {"GaussianDropout", "{'rate': 0.2}", 2.0, 2.0, 5.0, false},
    {"SpatialDropout1D", "{'rate': 0.5}", 1.0, 1.0, 2.0, true},
    {"Dropout", "{'rate': 0.5}", 1.0, 1.0, 4.0 / 3.0, true},
    {"Dropout", "{'rate': 0.5, 'noise_shape': [null, 1, 2]}", 1.0, 1.0, 2.0,
     true},
};

START_TEST(moments_are_right)
{
    double mean;
    double square;

    measure(moments[_i].class_name, moments[_i].config, (float)moments[_i].x,
            moments[_i].steps, &mean, &square);
    ck_assert_msg(fabs(mean - moments[_i].mean) < 0.05, "mean %g", mean);
    ck_assert_msg(fabs(square - moments[_i].square) < 0.1, "square %g", square);
}
END_TEST

/* Of numbers with mean 0 and variance 1, here -1 and 1 in turn. */
START_TEST(alpha_dropout_keeps_mean_and_variance)
{
    double mean[2];
    double square[2];

    for (int i = 0; i < 2; i++) {
        measure("AlphaDropout", "{'rate': 0.4}", i == 0 ? -1.0f : 1.0f, false,
                &mean[i], &square[i]);
    }
    ck_assert(fabs(mean[0] + mean[1]) < 0.05);
    ck_assert(mean[1] > 0.3);
    ck_assert(fabs((square[0] + square[1]) / 2.0 - 1.0) < 0.05);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("dropout and noise");

    tcase_add_loop_test(tc, layers_with_options, 0,
                        sizeof(cases) / sizeof(cases[0]));
    tcase_add_loop_test(tc, moments_are_right, 0,
                        sizeof(moments) / sizeof(moments[0]));
    tcase_add_test(tc, alpha_dropout_keeps_mean_and_variance);
    return tc;
}

UNIT_MAIN("gradient_noise", basic)
