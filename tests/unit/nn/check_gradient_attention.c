/* SPDX-License-Identifier: MIT
 *
 * check_gradient_attention: the gradients of the attention layers, with all
 * scores, masks and options.
 */
#include "tests/unit/nn/judge.h"

#define TWO                                                                    \
    {                                                                          \
        "[3, 4]", "[5, 4]"                                                     \
    }
#define THREE                                                                  \
    {                                                                          \
        "[3, 4]", "[5, 2]", "[5, 4]"                                           \
    }

static const struct judge_case cases[] = {
    {"Attention", "{}", TWO, NULL},
    {"Attention", "{'use_scale': true}", THREE, NULL},
    {"Attention", "{'dropout': 0.3}", TWO, NULL},
    {"Attention", "{}", TWO, "0 1"},
    {"Attention", "{'use_scale': true}", TWO, "1 1"},
    {"Attention", "{'score_mode': 'concat'}", THREE, NULL},
    {"Attention", "{'score_mode': 'concat', 'use_scale': true}", TWO, "1 0"},
    {"MultiHeadAttention", "{'num_heads': 2, 'key_dim': 3}", TWO, NULL},
    {"MultiHeadAttention",
     "{'num_heads': 2, 'key_dim': 2, 'value_dim': 3, 'use_bias': false}", THREE,
     NULL},
    {"MultiHeadAttention",
     "{'num_heads': 1, 'key_dim': 2, 'dropout': 0.3, 'output_shape': [2]}", TWO,
     "1 1"},
    {"MultiHeadAttention",
     "{'num_heads': 2, 'key_dim': 2, 'output_shape': [2, 3]}", TWO, "0 1"},
    {"MultiHeadAttention",
     "{'num_heads': 2, 'key_dim': 2, 'sliding_window': 2, "
     "'kernel_regularizer': 'l2'}",
     TWO, "1 0"},
    {"AdditiveAttention", "{}", TWO, NULL},
    {"AdditiveAttention", "{'use_scale': false}", THREE, NULL},
    {"AdditiveAttention", "{'dropout': 0.3}", TWO, "0 1"},
};

START_TEST(layers_with_options)
{
    judge_layer(&cases[_i]);
}
END_TEST

/* Self-attention with a causal mask, whose weights are used as well. */
static const char *const self_attention[][2] = {
    {"Attention", "{'use_scale': true}"},
    {"AdditiveAttention", "{}"},
    {"MultiHeadAttention", "{'num_heads': 1, 'key_dim': 2}"}};

START_TEST(causal_and_scores)
{
    struct graph g = {0};
    size_t in = graph_input(&g, "[3, 3]");
    size_t t = graph_dense(&g, in, 3, "tanh");
    size_t layer =
        graph_layer(&g, self_attention[_i][0], "%s", self_attention[_i][1]);
    struct tensor_ref refs[2] = {{t, 0}, {t, 0}};
    json_t *arguments = json_pack("{s:b, s:b}", "use_causal_mask", 1,
                                  "return_attention_scores", 1);
    struct err err = {0};
    size_t call = 0;
    size_t add;

    unit_ok(model_add_call(g.model, layer, refs, 2, arguments, &call, &err),
            &err);
    ck_assert_uint_eq(g.model->calls[call].output_count, 2);
    refs[0] = (struct tensor_ref){call, 0};
    refs[1] = (struct tensor_ref){call, 1};
    add = graph_layer(&g, "Add", "{}");
    unit_ok(model_add_call(g.model, add, refs, 2, NULL, &call, &err), &err);
    graph_finish_one(&g, in, graph_dense(&g, call, 2, "linear"));
    judge_graph(&g, 3e-3);
    json_decref(arguments);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("gradient of attention");

    tcase_add_loop_test(tc, layers_with_options, 0,
                        sizeof(cases) / sizeof(cases[0]));
    tcase_add_loop_test(tc, causal_and_scores, 0, 3);
    return tc;
}

UNIT_MAIN("gradient_attention", basic)
