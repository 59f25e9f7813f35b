/* SPDX-License-Identifier: MIT
 *
 * check_gradient_merge: the gradients of layers that merge tensors, with
 * broadcasting and with masks.
 */
#include "tests/unit/nn/judge.h"

#define PLAIN                                                                  \
    {                                                                          \
        "[2, 3]", "[2, 3]", "[2, 3]"                                           \
    }

static const struct judge_case cases[] = {
    {"Add", "{}", {"[3]"}, NULL},
    {"Add", "{}", PLAIN, NULL},
    {"Add", "{}", {"[4, 3]", "[3]", "[1, 3]"}, NULL},
    {"Add", "{}", PLAIN, "1 1 0"},
    {"Average", "{}", PLAIN, "1 1 1"},
    {"Average", "{}", {"[4, 1]", "[4, 3]"}, NULL},
    {"Subtract", "{}", {"[2, 3]", "[2, 3]"}, NULL},
    {"Subtract", "{}", {"[3]", "[2, 3]"}, NULL},
    {"Multiply", "{}", PLAIN, NULL},
    {"Multiply", "{}", PLAIN, "1 1 1"},
    {"Multiply", "{}", PLAIN, "1 0 1"},
    {"Multiply", "{}", {"[2, 1]", "[4, 1, 3]"}, NULL},
    {"Maximum", "{}", PLAIN, NULL},
    {"Maximum", "{}", PLAIN, "1 1 1"},
    {"Maximum", "{}", {"[1]", "[2, 3]"}, NULL},
    {"Minimum", "{}", PLAIN, NULL},
    {"Minimum", "{}", PLAIN, "0 1 1"},
    {"Concatenate", "{}", PLAIN, NULL},
    {"Concatenate", "{}", {"[2, 3]", "[2, 1]"}, "1 0"},
    {"Concatenate", "{'axis': 1}", {"[2, 3]", "[4, 3]"}, "1 1"},
    {"Concatenate", "{'axis': -2}", {"[2, 2, 3]", "[2, 1, 3]"}, NULL},
    {"ops.Concatenate", "{'axis': 1}", {"[2, 3]", "[4, 3]"}, NULL},
    {"ops.Concatenate", "{'axis': -1}", {"[2, 3]", "[2, 1]"}, "1 0"},
    {"ops.Add", "{}", {"[2, 3]", "[2, 1]"}, "1 1"},
    {"ops.Subtract", "{}", {"[2, 1]", "[2, 3]"}, NULL},
    {"ops.Multiply", "{}", {"[2, 3]", "[1, 3]"}, NULL},
    {"ops.Maximum", "{}", {"[2, 3]", "[2, 3]"}, NULL},
    {"ops.Minimum", "{}", {"[2, 3]", "[2, 3]"}, NULL},
    {"Dot", "{'axes': 1}", {"[3]", "[3]"}, NULL},
    {"Dot", "{'axes': -1, 'normalize': true}", {"[3]", "[3]"}, NULL},
    {"Dot", "{'axes': [2, 1]}", {"[2, 3]", "[3, 4]"}, NULL},
    {"Dot", "{'axes': [1, 2], 'normalize': true}", {"[3, 2]", "[4, 3]"}, NULL},
    {"Dot", "{'axes': [2, 1]}", {"[2, 3, 2]", "[3]"}, NULL},
};

START_TEST(merges)
{
    judge_layer(&cases[_i]);
}
END_TEST

/* One tensor is all inputs of a layer. */
START_TEST(one_tensor_several_times)
{
    static const char *const classes[] = {"Add", "Multiply", "Maximum",
                                          "Concatenate", "Subtract"};
    struct graph g = {0};
    size_t in = graph_input(&g, "[3]");
    size_t t[2];

    t[0] = t[1] = graph_dense(&g, in, 3, "tanh");
    t[0] = graph_call(&g, graph_layer(&g, classes[_i], "{}"), 2, t);
    graph_finish_one(&g, in, graph_dense(&g, t[0], 2, "linear"));
    judge_graph(&g, 2e-3);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("gradient of merges");

    tcase_add_loop_test(tc, merges, 0, sizeof(cases) / sizeof(cases[0]));
    tcase_add_loop_test(tc, one_tensor_several_times, 0, 5);
    return tc;
}

UNIT_MAIN("gradient_merge", basic)
