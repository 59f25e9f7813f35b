/* SPDX-License-Identifier: MIT
 *
 * check_gradient_norm: the gradients of normalization layers, with all their
 * options, and the moving statistics that a training pass gives.
 */
#include "tests/unit/nn/judge.h"

static const struct judge_case cases[] = {
    {"BatchNormalization", "{}", {"[3]"}, NULL},
    {"BatchNormalization", "{'center': false}", {"[3]"}, NULL},
    {"BatchNormalization", "{'scale': false}", {"[2, 3]"}, NULL},
    {"BatchNormalization", "{'axis': 1, 'epsilon': 0.1}", {"[3, 4]"}, NULL},
    {"BatchNormalization", "{'axis': -2}", {"[2, 3, 2]"}, NULL},
    {"BatchNormalization", "{'trainable': false}", {"[3]"}, NULL},
    {"BatchNormalization", "{}", {"[4, 3]"}, "1"},
    {"BatchNormalization", "{'axis': 1}", {"[4, 3]"}, "1"},
    {"BatchNormalization",
     "{'gamma_regularizer': 'l2', 'beta_regularizer': 'l1'}",
     {"[3]"},
     NULL},
    {"LayerNormalization", "{}", {"[2, 4]"}, NULL},
    {"LayerNormalization", "{'axis': 1}", {"[4, 3]"}, NULL},
    {"LayerNormalization", "{'axis': [1, -1]}", {"[2, 2, 3]"}, NULL},
    {"LayerNormalization",
     "{'axis': [1, 2], 'scale': false}",
     {"[2, 4]"},
     NULL},
    {"LayerNormalization",
     "{'center': false, 'trainable': false}",
     {"[4]"},
     NULL},
    {"LayerNormalization", "{'rms_scaling': true}", {"[4]"}, NULL},
    {"GroupNormalization", "{'groups': 2}", {"[3, 4]"}, NULL},
    {"GroupNormalization", "{'groups': -1}", {"[3, 4]"}, NULL},
    {"GroupNormalization", "{'groups': 2, 'axis': 1}", {"[4, 2, 3]"}, NULL},
    {"GroupNormalization",
     "{'groups': 1, 'axis': 2, 'center': false}",
     {"[2, 4, 3]"},
     NULL},
};

START_TEST(layers_with_options)
{
    judge_layer(&cases[_i]);
}
END_TEST

/* A layer that is used twice has one set of statistics and weights. */
START_TEST(batch_normalization_shared)
{
    struct graph g = {0};
    size_t in = graph_input(&g, "[3]");
    size_t layer = graph_layer(&g, "BatchNormalization", "{}");
    size_t t = graph_on(&g, layer, graph_dense(&g, in, 3, "tanh"));

    t = graph_on(&g, layer, graph_dense(&g, t, 3, "tanh"));
    graph_finish_one(&g, in, graph_dense(&g, t, 2, "linear"));
    judge_positive(&g);
    judge_graph(&g, 3e-3);
}
END_TEST

/* Each step of a TimeDistributed has statistics of its own, also those of one
 * in another, and where steps are masked. */
START_TEST(batch_normalization_of_steps)
{
    struct graph g = {0};
    size_t in = graph_input(&g, "[4, 3]");
    size_t outer = graph_layer(&g, "TimeDistributed", "{}");
    size_t both[2];

    both[1] = graph_dense(
        &g, graph_on(&g, graph_layer(&g, "Masking", "{}"), in), 3, "tanh");
    both[0] = graph_on(&g, graph_layer(&g, "BatchNormalization", "{}"),
                       graph_on(&g, outer, both[1]));
    graph_finish_one(
        &g, in, graph_dense(&g, graph_call(&g, outer, 2, both), 2, "linear"));
    judge_graph(&g, 3e-3);
}
END_TEST

/* moving = momentum moving + (1 - momentum) batch, once for each use. */
START_TEST(statistics_move)
{
    struct graph g = {0};
    size_t in = graph_input(&g, "[1]");
    size_t layer = graph_layer(&g, "BatchNormalization", "{'momentum': 0.75}");
    size_t t = graph_on(&g, layer, in);
    static const struct net_draws draws = {0};
    static const float values[4] = {1, 2, 3, 6}; /* mean 3, variance 3.5 */
    static const float labels[4] = {0};
    const float *x[1] = {values};
    const float *y[1] = {labels};
    struct net_batch batch = {.rows = 4, .x = x, .y = y};
    struct net *net = NULL;
    struct err err = {0};
    float gradient[4];

    graph_finish_one(&g, in, t);
    graph_compile_one(&g, "mse");
    g.params[0] = 1.0f; /* gamma, beta, mean, variance */
    g.params[1] = 0.0f;
    g.params[2] = 1.0f;
    g.params[3] = 2.0f;
    unit_ok(net_create(g.model, &net, &err), &err);
    unit_ok(
        net_gradient(net, g.params, &batch, &draws, gradient, NULL, NULL, &err),
        &err);
    unit_assert_close(g.params[2] - gradient[2], 0.75 * 1.0 + 0.25 * 3.0, 1e-6);
    unit_assert_close(g.params[3] - gradient[3], 0.75 * 2.0 + 0.25 * 3.5, 1e-6);
    net_destroy(&net);
    graph_release(&g);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("gradient of normalizations");

    tcase_add_loop_test(tc, layers_with_options, 0,
                        sizeof(cases) / sizeof(cases[0]));
    tcase_add_test(tc, batch_normalization_shared);
    tcase_add_test(tc, batch_normalization_of_steps);
    tcase_add_test(tc, statistics_move);
    return tc;
}

UNIT_MAIN("gradient_norm", basic)
