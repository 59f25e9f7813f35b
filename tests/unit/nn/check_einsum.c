/* SPDX-License-Identifier: MIT
 *
 * check_einsum: EinsumDense: gradients for equations of every form, the shapes
 * that Keras gives kernel, bias and output, and what is refused; and the axes
 * of RMSNormalization.
 */
#include "tests/unit/nn/judge.h"

#define EINSUM(equation, shape, more)                                          \
    "{'equation': '" equation "', 'output_shape': " shape more "}"

static const struct equation {
    const char *config;
    const char *input;
    const char *kernel;
    const char *bias; /* NULL: none */
    const char *output;
} equations[] = {
    {EINSUM("ab,bc->ac", "5", ", 'bias_axes': 'c'"), "[3]", "(3, 5)", "(5,)",
     "(5,)"},
    {EINSUM("abc,cd->abd", "[null, 5]",
            ", 'bias_axes': 'd', 'activation': "
            "'relu'"),
     "[2, 3]", "(3, 5)", "(5,)", "(2, 5)"},
    {EINSUM("...x,xy->...y", "4", ", 'bias_axes': 'y', 'activation': 'gelu'"),
     "[2, 2, 3]", "(3, 4)", "(4,)", "(2, 2, 4)"},
    {EINSUM("abc,cde->abde", "[null, 2, 3]", ", 'bias_axes': 'de'"), "[2, 4]",
     "(4, 2, 3)", "(2, 3)", "(2, 2, 3)"},
    {EINSUM("abcd,cde->abe", "[null, 4]", ", 'bias_axes': 'e'"), "[2, 2, 3]",
     "(2, 3, 4)", "(4,)", "(2, 4)"},
    {EINSUM("abc,db->adc", "[5, null]", ", 'bias_axes': 'd'"), "[2, 3]",
     "(5, 2)", "(5, 1)", "(5, 3)"},
    {EINSUM("ab...,bc->ac...", "4", ", 'bias_axes': 'c'"), "[2, 3]", "(2, 4)",
     "(4, 1)", "(4, 3)"},
    {EINSUM("abc,bcd->abd", "[null, 2]", ", 'activation': 'softmax'"), "[3, 4]",
     "(3, 4, 2)", NULL, "(3, 2)"},
    {EINSUM("abc,bc->acb", "[3, 2]", ""), "[2, 3]", "(2, 3)", NULL, "(3, 2)"},
    {EINSUM("abc,bd->ad", "[4]", ", 'bias_axes': 'd'"), "[2, 3]", "(2, 4)",
     "(4,)", "(4,)"},
    {EINSUM("abc,dc->abd", "[null, 2]", ", 'trainable': false"), "[2, 3]",
     "(2, 3)", NULL, "(2, 2)"},
};

/* The layer, between two others. */
START_TEST(forms)
{
    const struct equation *e = &equations[_i];
    const char *comma = strrchr(e->input, ',');
    struct graph g = {0};
    char text[SHAPE_TEXT_SIZE];
    size_t in = graph_input(&g, e->input);
    size_t t = graph_dense(
        &g, in, atoi(comma != NULL ? comma + 1 : e->input + 1), "tanh");
    size_t layer = graph_layer(&g, "EinsumDense", "%s", e->config);
    const struct variable *kernel;
    size_t call;

    call = t = graph_on(&g, layer, t);
    kernel = &g.model->variables[2];
    ck_assert_str_eq(shape_text(&kernel->shape, text), e->kernel);
    if (e->bias != NULL) {
        ck_assert_str_eq(shape_text(&kernel[1].shape, text), e->bias);
    }
    ck_assert_uint_eq(g.model->variable_count, e->bias != NULL ? 4 : 3);
    ck_assert_str_eq(shape_text(&g.model->calls[call].outputs[0], text),
                     e->output);
    t = graph_dense(&g, t, 2, "linear");
    graph_finish_one(&g, in, t);
    judge_graph(&g, 3e-3);
}
END_TEST

/* One layer on two inputs: its gradients are added. */
START_TEST(shared)
{
    static const char *const configs[] = {
        EINSUM("abc,cd->abd", "[null, 3]", ", 'bias_axes': 'd'"),
        EINSUM("abc,dc->abd", "[null, 3]", ", 'bias_axes': 'd'"),
    };
    struct graph g = {0};
    size_t in = graph_input(&g, "[2, 3]");
    size_t layer = graph_layer(&g, "EinsumDense", "%s", configs[_i]);
    size_t t = graph_on(&g, layer, graph_on(&g, layer, in));

    graph_finish_one(&g, in, t);
    judge_graph(&g, 3e-3);
}
END_TEST

/* Adds a layer and calls it on an input; the code. */
static int try_layer(const char *class_name, const char *config,
                     const char *input, struct err *err)
{
    struct graph g = {0};
    struct tensor_ref in = {.call = graph_input(&g, input)};
    json_t *object;
    char text[300];
    size_t layer;
    size_t call;
    int rc;

    (void)snprintf(text, sizeof(text), "%s", config);
    for (char *c = text; *c != '\0'; c++) {
        *c = *c == '\'' ? '"' : *c;
    }
    object = json_loads(text, 0, NULL);
    ck_assert_ptr_nonnull(object);
    rc = model_add_layer(g.model, "it", class_name, NULL, object, true, "it",
                         &layer, err);
    if (rc == 0) {
        rc = model_add_call(g.model, layer, &in, 1, NULL, &call, err);
    }
    json_decref(object);
    graph_release(&g);
    return rc;
}

static const struct {
    const char *class_name;
    const char *config;
    const char *input;
    const char *why;
} bad[] = {
    {"EinsumDense", EINSUM("abcd", "3", ""), "[2, 3]", "equation"},
    {"EinsumDense", EINSUM("ab,bc-ac", "3", ""), "[3]", "equation"},
    {"EinsumDense", EINSUM("aab,bc->ac", "3", ""), "[2, 3]", "equation"},
    {"EinsumDense", EINSUM("a1,1c->ac", "3", ""), "[3]", "equation"},
    {"EinsumDense", EINSUM("...b,bc->ac", "3", ""), "[3]", "equation"},
    {"EinsumDense", EINSUM("ab,abc->ac", "3", ""), "[3]", "equation"},
    {"EinsumDense", EINSUM("ab,bc->ca", "3", ""), "[3]", "equation"},
    {"EinsumDense", EINSUM("abc,cd->abd", "[null, 3]", ""), "[3]",
     "does not suit an input"},
    {"EinsumDense", EINSUM("ab,bc->ac", "3", ""), "[2, 3]",
     "does not suit an input"},
    {"EinsumDense", EINSUM("ab,bc->ad", "3", ""), "[3]", "do not suit"},
    {"EinsumDense", EINSUM("ab,bcd->ac", "3", ""), "[3]", "do not suit"},
    {"EinsumDense", EINSUM("ab,bc->ac", "[null]", ""), "[3]", "do not suit"},
    {"EinsumDense", EINSUM("abc,cd->abd", "[4, 5]", ""), "[2, 3]",
     "do not suit"},
    {"EinsumDense", EINSUM("ab,bc->ac", "3", ", 'bias_axes': 'x'"), "[3]",
     "do not suit"},
    {"EinsumDense", EINSUM("ab,bc->ac", "4", ", 'activation': 'glu'"), "[3]",
     "activation glu"},
    {"RMSNormalization", "{'axis': 1}", "[2, 3]", "\"axis\""},
    {"RMSNormalization", "{'axis': [0, 1]}", "[2, 3]", "\"axis\""},
    {"RMSNormalization", "{'axis': [-1, 1]}", "[2, 3]", "\"axis\""},
    {"RMSNormalization", "{'axis': [2, 2]}", "[2, 3]", "\"axis\""},
    {"RMSNormalization", "{'axis': []}", "[2, 3]", "\"axis\""},
    {"RMSNormalization", "{'axis': 3}", "[2, 3]", "\"axis\""},
    {"RMSNormalization", "{'epsilon': -1}", "[2, 3]", "epsilon"},
};

START_TEST(refusals)
{
    struct err err = {0};

    ck_assert_int_ne(
        try_layer(bad[_i].class_name, bad[_i].config, bad[_i].input, &err), 0);
    ck_assert_msg(strstr(err.msg, bad[_i].why) != NULL, "%s", err.msg);
}
END_TEST

/* A built layer takes no input that wants another kernel. */
START_TEST(other_inputs)
{
    static const char *const layers[][2] = {
        {"EinsumDense", EINSUM("...b,bc->...c", "3", "")},
        {"RMSNormalization", "{}"},
    };
    struct graph g = {0};
    size_t a = graph_input(&g, "[3]");
    struct tensor_ref b = {.call = graph_input(&g, "[4]")};
    size_t layer = graph_layer(&g, layers[_i][0], "%s", layers[_i][1]);
    struct err err = {0};
    size_t call;

    (void)graph_on(&g, layer, a);
    ck_assert_int_eq(model_add_call(g.model, layer, &b, 1, NULL, &call, &err),
                     ERR_INVALID);
    ck_assert_msg(strstr(err.msg, "do not suit") != NULL, "%s", err.msg);
    graph_release(&g);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("einsum");

    tcase_add_loop_test(tc, forms, 0, sizeof(equations) / sizeof(equations[0]));
    tcase_add_loop_test(tc, shared, 0, 2);
    tcase_add_loop_test(tc, refusals, 0, sizeof(bad) / sizeof(bad[0]));
    tcase_add_loop_test(tc, other_inputs, 0, 2);
    return tc;
}

UNIT_MAIN("einsum", basic)
