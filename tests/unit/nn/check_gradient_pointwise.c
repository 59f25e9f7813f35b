/* SPDX-License-Identifier: MIT
 *
 * check_gradient_pointwise: the gradients of activation layers and their
 * options.
 */
#include "tests/unit/nn/judge.h"

static const struct judge_case cases[] = {
    {"ReLU", "{}", {"[2, 3]"}, NULL},
    {"ReLU", "{'max_value': 0.4, 'threshold': 0.1}", {"[6]"}, NULL},
    {"ReLU", "{'max_value': 0.4, 'negative_slope': 0.2}", {"[6]"}, NULL},
    {"ReLU", "{'threshold': 0.3, 'negative_slope': 0.2}", {"[6]"}, NULL},
    {"LeakyReLU", "{'negative_slope': 0.4}", {"[6]"}, NULL},
    {"ELU", "{'alpha': 0.7}", {"[6]"}, NULL},
    {"PReLU", "{}", {"[2, 3]"}, NULL},
    {"PReLU", "{'shared_axes': [1]}", {"[2, 3]"}, NULL},
    {"PReLU", "{'shared_axes': [1, 3]}", {"[2, 3, 2]"}, NULL},
    {"Softmax", "{}", {"[2, 3]"}, NULL},
    {"Softmax", "{'axis': 1}", {"[4, 3]"}, NULL},
    {"Softmax", "{'axis': [1, -1]}", {"[2, 2, 3]"}, NULL},
    {"UnitNormalization", "{}", {"[2, 3]"}, NULL},
    {"UnitNormalization", "{'axis': [1]}", {"[4, 3]"}, NULL},
    {"Rescaling", "{'scale': 0.5, 'offset': -1}", {"[2, 3]"}, NULL},
    {"Rescaling", "{'scale': [0.5, 2, -1]}", {"[2, 3]"}, NULL},
    {"Normalization", "{}", {"[2, 3]"}, NULL},
    {"Normalization", "{'axis': [1], 'invert': true}", {"[2, 3]"}, NULL},
    {"Normalization", "{'axis': null}", {"[3]"}, NULL},
    {"Normalization",
     "{'mean': [1, 2, 3], 'variance': [4, 0.5, 1]}",
     {"[2, 3]"},
     NULL},
    {"Normalization", "{'axis': [], 'mean': 1, 'variance': 4}", {"[3]"}, NULL},
    {"UnitNormalization", "{'axis': [1, 3]}", {"[2, 2, 3]"}, NULL},
};

START_TEST(layers_with_options)
{
    judge_layer(&cases[_i]);
}
END_TEST

/* A crossentropy takes the logits before a closing Softmax layer. */
START_TEST(softmax_closes)
{
    struct graph g = {0};
    size_t in = graph_input(&g, "[3]");
    size_t t = graph_dense(&g, in, 3, "linear");

    t = graph_on(&g, graph_layer(&g, "Softmax", "{}"), t);
    graph_finish_one(&g, in, t);
    judge_loss(&g, "categorical_crossentropy", 3e-3);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("gradient of activation layers");

    tcase_add_loop_test(tc, layers_with_options, 0,
                        sizeof(cases) / sizeof(cases[0]));
    tcase_add_test(tc, softmax_closes);
    return tc;
}

UNIT_MAIN("gradient_pointwise", basic)
