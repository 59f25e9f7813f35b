/* SPDX-License-Identifier: MIT
 *
 * check_gradient_ops: the gradient of every operation of keras.ops, as a layer
 * of a functional model, with its options and arguments; and what
 * x[key] takes.
 */
#include "tests/unit/nn/judge.h"

#include "common/model/layer.h"

#define PAIR                                                                   \
    {                                                                          \
        "[2, 3]", "[2, 3]"                                                     \
    }
#define ONE                                                                    \
    {                                                                          \
        "[6]"                                                                  \
    }
#define CUBE                                                                   \
    {                                                                          \
        "[4, 2, 3]"                                                            \
    }
#define ALL "{'class_name': '__slice__', 'config': {}}"
#define SLICE(start, stop, step)                                               \
    "{'class_name': '__slice__', 'config': {'start': " start ", 'stop': " stop \
    ", 'step': " step "}}"
#define ITEM(key) "{'argument_1': [" ALL ", " key "]}"
#define ELLIPSIS "{'class_name': '__ellipsis__', 'config': {}}"

/* One operation on tensors between -1 and 1, or above 0. */
struct op_case {
    const char *name;
    const char *config;
    const char *inputs[3];
    const char *arguments;
    bool positive;
};

static const struct op_case cases[] = {
    {"Abs", "{}", ONE, NULL, false},
    {"Absolute", "{}", ONE, NULL, false},
    {"Add", "{}", PAIR, NULL, false},
    {"Add", "{}", {"[2, 3]", "[2, 1]"}, NULL, false},
    {"Add", "{}", ONE, "{'argument_1': 2}", false},
    {"Cast", "{'dtype': 'float32'}", ONE, NULL, false},
    {"Clip", "{'x_min': -0.2, 'x_max': 0.3}", ONE, NULL, false},
    {"Clip", "{'x_max': 0.3}", ONE, NULL, false},
    {"Concatenate", "{'axis': 1}", {"[2, 3]", "[4, 3]"}, NULL, false},
    {"Concatenate", "{'axis': -1}", {"[2, 3]", "[2, 1]"}, NULL, false},
    {"ConvertToTensor", "{}", ONE, NULL, false},
    {"Cos", "{}", ONE, NULL, false},
    {"Divide", "{}", PAIR, NULL, true},
    {"Elu", "{'alpha': 1.0}", ONE, NULL, false},
    {"Exp", "{}", ONE, NULL, false},
    {"ExpandDims", "{'axis': 1}", ONE, NULL, false},
    {"Expm1", "{}", ONE, NULL, false},
    {"Gelu", "{'approximate': false}", ONE, NULL, false},
    {"GetItem", "{}", CUBE, ITEM("-1"), false},
    {"GetItem", "{}", CUBE, ITEM(SLICE("1", "3", "null")), false},
    {"GetItem", "{}", CUBE, ITEM(ALL ", null, 1"), false},
    {"GetItem", "{}", CUBE, ITEM(SLICE("null", "null", "-2") ", 0"), false},
    {"GetItem", "{}", CUBE, ITEM(ELLIPSIS ", -3"), false},
    {"GetItem", "{}", CUBE, "{'argument_1': [" ELLIPSIS ", 1, null]}", false},
    {"GetItem", "{}", ONE, "{'argument_1': " ALL "}", false},
    {"HardSigmoid", "{}", ONE, NULL, false},
    {"HardSilu", "{}", ONE, NULL, false},
    {"LeakyRelu", "{'negative_slope': 0.3}", ONE, NULL, false},
    {"LeakyRelu", "{}", ONE, NULL, false},
    {"Log", "{}", ONE, NULL, true},
    {"Log1p", "{}", ONE, NULL, true},
    {"LogSigmoid", "{}", ONE, NULL, false},
    {"LogSoftmax", "{'axis': -1}", {"[2, 3]"}, NULL, false},
    {"Matmul", "{}", {"[2, 3]", "[3, 4]"}, NULL, false},
    {"Matmul", "{}", {"[2, 2, 3]", "[2, 3, 1]"}, NULL, false},
    {"Max", "{'axis': 1}", CUBE, NULL, false},
    {"Max", "{'axis': [1, -1], 'keepdims': true}", CUBE, NULL, false},
    {"Maximum", "{}", PAIR, NULL, false},
    {"Mean", "{'axis': -1}", {"[2, 3]"}, NULL, false},
    {"Mean", "{'axis': [1, 3]}", CUBE, NULL, false},
    {"Mean", "{'axis': 2, 'keepdims': true}", CUBE, NULL, false},
    {"Min", "{'axis': 2}", CUBE, NULL, false},
    {"Minimum", "{}", PAIR, NULL, false},
    {"Multiply", "{}", {"[2, 3]", "[1, 3]"}, NULL, false},
    {"Negative", "{}", ONE, NULL, false},
    {"Power", "{}", PAIR, NULL, true},
    {"Power", "{}", ONE, "{'argument_1': 3}", false},
    {"Power", "{}", ONE, "{'argument_0': 2.5}", false},
    {"Reciprocal", "{}", ONE, NULL, true},
    {"Relu", "{}", ONE, NULL, false},
    {"Relu6", "{}", ONE, NULL, false},
    {"Reshape", "{'newshape': [-1, 6, 4]}", CUBE, NULL, false},
    {"Rsqrt", "{}", ONE, NULL, true},
    {"Selu", "{}", ONE, NULL, false},
    {"Sigmoid", "{}", ONE, NULL, false},
    {"Silu", "{}", ONE, NULL, false},
    {"Sin", "{}", ONE, NULL, false},
    {"Softmax", "{'axis': -1}", {"[2, 3]"}, NULL, false},
    {"Softplus", "{}", ONE, NULL, false},
    {"Softsign", "{}", ONE, NULL, false},
    {"Sqrt", "{}", ONE, NULL, true},
    {"Square", "{}", ONE, NULL, false},
    {"Squeeze", "{'axis': 1}", {"[1, 3]"}, NULL, false},
    {"Squeeze", "{}", {"[1, 3]"}, NULL, false},
    {"Stack", "{'axis': 1}", PAIR, NULL, false},
    {"Stack", "{'axis': -1}", PAIR, NULL, false},
    {"Subtract", "{}", {"[2, 1]", "[2, 3]"}, NULL, false},
    {"Subtract", "{}", ONE, "{'argument_0': 1}", false},
    {"Sum", "{'axis': [2, 1]}", CUBE, NULL, false},
    {"Swapaxes", "{'axis1': 1, 'axis2': -1}", CUBE, NULL, false},
    {"Tanh", "{}", ONE, NULL, false},
    {"Transpose", "{'axes': [0, 2, 3, 1]}", CUBE, NULL, false},
    {"TrueDivide", "{}", PAIR, NULL, true},
};
#define CASE_COUNT (sizeof(cases) / sizeof(cases[0]))

/* No gradient goes through these. */
static const char *const without[] = {"Any", "LogicalOr", "NotEqual",
                                      "OnesLike", "ZerosLike"};

/* The call of the operation of a case on n calls; ' in arguments is ". */
static int call_op(struct graph *g, const struct op_case *c, size_t n,
                   const size_t *at, size_t *call, struct err *err)
{
    struct tensor_ref refs[3] = {{0}};
    json_t *arguments = NULL;
    char name[40];
    char text[400];
    size_t layer;
    int rc;

    (void)snprintf(name, sizeof(name), "ops.%s", c->name);
    layer = graph_layer(g, name, "%s", c->config);
    for (size_t i = 0; i < n; i++) {
        refs[i].call = at[i];
    }
    if (c->arguments != NULL) {
        (void)snprintf(text, sizeof(text), "%s", c->arguments);
        for (char *k = text; *k != '\0'; k++) {
            *k = *k == '\'' ? '"' : *k;
        }
        arguments = json_loads(text, 0, NULL);
        ck_assert_ptr_nonnull(arguments);
    }
    rc = model_add_call(g->model, layer, refs, n, arguments, call, err);
    json_decref(arguments);
    return rc;
}

START_TEST(operations)
{
    const struct op_case *c = &cases[_i];
    struct graph g = {0};
    struct err err = {0};
    size_t ins[3];
    size_t at[3];
    size_t n = 0;
    size_t out;

    for (; n < 3 && c->inputs[n] != NULL; n++) {
        const char *comma = strrchr(c->inputs[n], ',');

        ins[n] = graph_input(&g, c->inputs[n]);
        at[n] = graph_dense(&g, ins[n],
                            atoi(comma != NULL ? comma + 1 : c->inputs[n] + 1),
                            c->positive ? "softplus" : "tanh");
    }
    unit_ok(call_op(&g, c, n, at, &out, &err), &err);
    out = graph_on(&g, graph_layer(&g, "Flatten", "{}"), out);
    out = graph_dense(&g, out, 2, "tanh");
    graph_finish(&g, n, ins, 1, &out);
    judge_graph(&g, 3e-3);
}
END_TEST

START_TEST(none_is_left_out)
{
    for (size_t i = 0; i < layer_class_count(); i++) {
        const char *name = layer_class_at(i)->name;
        bool found = strncmp(name, "ops.", 4) != 0;

        for (size_t k = 0; k < CASE_COUNT; k++) {
            found = found || strcmp(cases[k].name, name + 4) == 0;
        }
        for (size_t k = 0; k < sizeof(without) / sizeof(without[0]); k++) {
            found = found || strcmp(without[k], name + 4) == 0;
        }
        ck_assert_msg(found, "%s has no gradient check", name);
    }
}
END_TEST

/* What is refused when it is called, and the word that says why. */
static const struct {
    struct op_case op;
    const char *why;
} bad[] = {
    {{"GetItem", "{}", CUBE, "{'argument_1': 0}", false}, "whole batch"},
    {{"GetItem", "{}", CUBE, "{'argument_1': [" SLICE("1", "null", "null") "]}",
      false},
     "whole batch"},
    {{"GetItem", "{}", CUBE, ITEM("4"), false}, "beyond an axis of 4"},
    {{"GetItem", "{}", CUBE, ITEM("-5"), false}, "beyond an axis of 4"},
    {{"GetItem", "{}", CUBE, ITEM("0, 0, 0, 0"), false}, "not supported"},
    {{"GetItem", "{}", CUBE, ITEM("[0, 1]"), false}, "not supported"},
    {{"GetItem", "{}", CUBE, ITEM(SLICE("2", "2", "1")), false}, "nothing"},
    {{"GetItem", "{}", CUBE, ITEM(SLICE("0", "2", "0")), false},
     "not supported"},
    {{"GetItem", "{}", CUBE,
      ITEM("null, null, null, null, null, null, null, null"), false},
     "not supported"},
    {{"Mean", "{}", CUBE, NULL, false}, "within each row"},
    {{"Mean", "{'axis': 0}", CUBE, NULL, false}, "beside the batch"},
    {{"Reshape", "{'newshape': [2, 12]}", CUBE, NULL, false},
     "within each row"},
    {{"Reshape", "{'newshape': [-1, 12]}", CUBE, NULL, false}, "another row"},
    {{"Transpose", "{}", CUBE, NULL, false}, "within each row"},
    {{"Transpose", "{'axes': [1, 0, 2, 3]}", CUBE, NULL, false},
     "within each row"},
    {{"Transpose", "{'axes': [0, 1, 1, 3]}", CUBE, NULL, false}, "once"},
    {{"Swapaxes", "{'axis1': 0, 'axis2': 1}", CUBE, NULL, false},
     "within each row"},
    {{"Squeeze", "{'axis': 1}", CUBE, NULL, false}, "axis 1 is not 1"},
    {{"Matmul", "{}", PAIR, NULL, false}, "not supported together"},
    {{"Stack", "{'axis': 1}", {"[2, 3]", "[3, 2]"}, NULL, false}, "differ"},
};

START_TEST(refusals)
{
    const struct op_case *c = &bad[_i].op;
    struct graph g = {0};
    struct err err = {0};
    size_t at[3];
    size_t n = 0;
    size_t call;

    for (; n < 3 && c->inputs[n] != NULL; n++) {
        at[n] = graph_input(&g, c->inputs[n]);
    }
    ck_assert_int_ne(call_op(&g, c, n, at, &call, &err), 0);
    ck_assert_msg(strstr(err.msg, bad[_i].why) != NULL, "%s", err.msg);
    graph_release(&g);
}
END_TEST

/* Options with which an operation is not the activation function. */
static const struct {
    const char *name;
    const char *config;
    const char *why;
} options[] = {
    {"ops.Gelu", "{}", "\"approximate\""},
    {"ops.Gelu", "{'approximate': true}", "\"approximate\""},
    {"ops.Elu", "{'alpha': 0.5}", "\"alpha\""},
    {"ops.Softmax", "{'axis': 1}", "\"axis\""},
    {"ops.Clip", "{'x_min': 'a'}", "numbers are wanted"},
    {"ops.Max", "{'axis': 1, 'initial': 3}", "\"initial\""},
    {"ops.Exp", "{'base': 2}", "\"base\""},
    {"ops.Cast", "{'dtype': 'int32'}", "int32"},
};

START_TEST(options_refused)
{
    struct graph g = {0};
    struct err err = {0};
    size_t index;
    char text[100];
    json_t *config;

    (void)graph_input(&g, "[3]");
    (void)snprintf(text, sizeof(text), "%s", options[_i].config);
    for (char *k = text; *k != '\0'; k++) {
        *k = *k == '\'' ? '"' : *k;
    }
    config = json_loads(text, 0, NULL);
    ck_assert_int_ne(model_add_layer(g.model, "it", options[_i].name, NULL,
                                     config, true, NULL, &index, &err),
                     0);
    ck_assert_msg(strstr(err.msg, options[_i].why) != NULL, "%s", err.msg);
    json_decref(config);
    graph_release(&g);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("gradient of operations");

    tcase_add_loop_test(tc, operations, 0, CASE_COUNT);
    tcase_add_test(tc, none_is_left_out);
    tcase_add_loop_test(tc, refusals, 0, sizeof(bad) / sizeof(bad[0]));
    tcase_add_loop_test(tc, options_refused, 0,
                        sizeof(options) / sizeof(options[0]));
    return tc;
}

UNIT_MAIN("gradient_ops", basic)
