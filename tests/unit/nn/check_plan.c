/* SPDX-License-Identifier: MIT
 *
 * check_plan: views, gradient flow and memory of a net: which tensors share
 * memory in which mode, where logits come from, what needs no gradient, and
 * that no array of a pass overlaps another (canaries by address).
 */
#include "tests/unit/nn/graph.h"

#include "worker/nn/plan.h"

static void make_plan(const struct graph *g, struct net *net)
{
    struct err err = {0};

    memset(net, 0, sizeof(*net));
    net->model = g->model;
    unit_ok(plan_create(net, &err), &err);
}

static const struct plan_tensor *tensor(const struct net *net, size_t call)
{
    return &net->tensors[net->first[call]];
}

/* in -> Reshape -> Dense softmax -> Dropout -> Flatten */
START_TEST(views_depend_on_the_mode)
{
    struct graph g = {0};
    size_t in = graph_input(&g, "[6]");
    size_t shaped = graph_on(
        &g, graph_layer(&g, "Reshape", "{'target_shape': [2, 3]}"), in);
    size_t dense = graph_dense(&g, shaped, 4, "softmax");
    size_t dropped =
        graph_on(&g, graph_layer(&g, "Dropout", "{'rate': 0.5}"), dense);
    size_t flat = graph_on(&g, graph_layer(&g, "Flatten", "{}"), dropped);
    size_t outs[2] = {dropped, flat};
    static const char *const losses[] = {"categorical_crossentropy",
                                         "categorical_crossentropy"};
    struct net net;

    graph_finish(&g, 1, &in, 2, outs);
    graph_compile(&g, losses, NULL);
    make_plan(&g, &net);
    ck_assert_uint_eq(tensor(&net, shaped)->root[PLAN_TRAINING], net.first[in]);
    ck_assert_uint_eq(tensor(&net, dropped)->root[PLAN_INFERENCE],
                      net.first[dense]);
    ck_assert_uint_eq(tensor(&net, dropped)->root[PLAN_TRAINING],
                      net.first[dropped]);
    ck_assert_uint_eq(tensor(&net, flat)->root[PLAN_INFERENCE],
                      net.first[dense]);
    ck_assert_uint_eq(tensor(&net, flat)->root[PLAN_TRAINING],
                      net.first[dropped]);
    /* dropout that does nothing hands the softmax on; a reshaped one is
     * another tensor */
    ck_assert_uint_eq(net.heads[0].source[PLAN_INFERENCE], dense);
    ck_assert_uint_eq(net.heads[0].source[PLAN_TRAINING], PLAN_NONE);
    ck_assert_uint_eq(net.heads[1].source[PLAN_INFERENCE], PLAN_NONE);
    ck_assert(net.ops[dense].wants_logits);
    plan_destroy(&net);
    graph_release(&g);
}
END_TEST

START_TEST(no_gradient_without_anything_trained)
{
    struct graph g = {0};
    size_t in = graph_input(&g, "[3]");
    size_t frozen = graph_on(
        &g, graph_layer(&g, "Dense", "{'units': 4, 'trainable': false}"), in);
    size_t tanh = graph_on(
        &g, graph_layer(&g, "Activation", "{'activation': 'tanh'}"), frozen);
    size_t dense = graph_dense(&g, tanh, 2, "relu");
    static const float x[15] = {0};
    const float *inputs[] = {x};
    struct net net;
    struct err err = {0};

    graph_finish_one(&g, in, dense);
    graph_compile_one(&g, "mse");
    make_plan(&g, &net);
    ck_assert(!net.needs_backward[frozen]);
    ck_assert(!net.needs_backward[tanh]);
    ck_assert(net.needs_backward[dense]);
    unit_ok(plan_bind(&net, 5, PLAN_TRAINING, inputs, &err), &err);
    ck_assert_ptr_null(tensor(&net, in)->gradient);
    ck_assert_ptr_null(tensor(&net, tanh)->gradient);
    ck_assert_ptr_nonnull(tensor(&net, dense)->gradient);
    plan_destroy(&net);
    graph_release(&g);
}
END_TEST

/* Marks all arrays in turn; each must keep its mark to the end. */
START_TEST(arrays_do_not_overlap)
{
    enum { ROWS = 7, MOST = 32 };
    struct graph g = {0};
    size_t in = graph_input(&g, "[5]");
    size_t a = graph_dense(&g, in, 3, "gelu");
    size_t b = graph_on(&g, graph_layer(&g, "Dropout", "{'rate': 0.5}"), a);
    size_t c = graph_dense(&g, b, 4, "softmax");
    static const float x[ROWS * 5] = {0};
    const float *inputs[] = {x};
    size_t outs[2] = {c, a};
    static const char *const losses[] = {"categorical_crossentropy", "mse"};
    float *arrays[MOST];
    size_t sizes[MOST];
    size_t n = 0;
    struct net net;
    struct err err = {0};

    graph_finish(&g, 1, &in, 2, outs);
    graph_compile(&g, losses, NULL);
    make_plan(&g, &net);
    unit_ok(plan_bind(&net, ROWS, PLAN_TRAINING, inputs, &err), &err);
    for (size_t t = 0; t < net.tensor_count; t++) {
        if (!net.tensors[t].external) {
            sizes[n] = ROWS * net.tensors[t].size;
            arrays[n++] = net.tensors[t].own;
            sizes[n] = ROWS * net.tensors[t].size;
            arrays[n++] = net.tensors[t].gradient;
        }
    }
    for (size_t i = 0; i < g.model->call_count; i++) {
        if (net.ops[i].saved_size > 0) {
            sizes[n] = ROWS * net.ops[i].saved_size;
            arrays[n++] = net.ops[i].saved;
        }
    }
    sizes[n] = ROWS * 4;
    arrays[n++] = net.dlogits[c];
    sizes[n] = ROWS * 3; /* a is used twice */
    arrays[n++] = net.spare;
    ck_assert_uint_eq(n, 3 * 2 + 3 + 2);
    for (size_t i = 0; i < n; i++) {
        ck_assert_ptr_nonnull(arrays[i]);
        ck_assert_uint_eq((uintptr_t)arrays[i] % 64, 0);
        ck_assert(arrays[i] + sizes[i] <= net.memory + net.memory_size);
        for (size_t j = 0; j < sizes[i]; j++) {
            arrays[i][j] = (float)(i + 1);
        }
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < sizes[i]; j++) {
            ck_assert(arrays[i][j] == (float)(i + 1));
        }
    }
    plan_destroy(&net);
    graph_release(&g);
}
END_TEST

/* Gradients that meet in a tensor are computed aside, all of a call at once. */
START_TEST(spare_holds_what_meets)
{
    struct graph g = {0};
    size_t in = graph_input(&g, "[2]");
    size_t wide = graph_dense(&g, in, 100, "tanh");
    size_t outs[2];
    static const char *const losses[] = {"mse", "mse"};
    static const float x[6] = {0};
    const float *inputs[] = {x};
    struct net net;
    struct err err = {0};

    outs[0] = graph_dense(&g, wide, 1, "linear");
    outs[1] = graph_dense(&g, wide, 1, "linear");
    graph_finish(&g, 1, &in, 2, outs);
    graph_compile(&g, losses, NULL);
    make_plan(&g, &net);
    ck_assert_uint_eq(tensor(&net, wide)->uses, 2);
    unit_ok(plan_bind(&net, 3, PLAN_TRAINING, inputs, &err), &err);
    ck_assert(net.spare + (size_t)3 * 100 <= net.memory + net.memory_size);
    plan_destroy(&net);
    graph_release(&g);
}
END_TEST

START_TEST(memory_grows_and_stays)
{
    struct graph g = {0};
    size_t in = graph_input(&g, "[5]");
    static const float x[100] = {0};
    const float *inputs[] = {x};
    const float *memory;
    struct net net;
    struct err err = {0};

    graph_finish_one(&g, in, graph_dense(&g, in, 40, "tanh"));
    graph_compile_one(&g, "mse");
    make_plan(&g, &net);
    unit_ok(plan_bind(&net, 20, PLAN_TRAINING, inputs, &err), &err);
    memory = net.memory;
    unit_ok(plan_bind(&net, 3, PLAN_INFERENCE, inputs, &err), &err);
    unit_ok(plan_bind(&net, 20, PLAN_TRAINING, inputs, &err), &err);
    ck_assert_ptr_eq(net.memory, memory);
    mem_fail_after(0, 0); /* it would be seen if it allocated */
    unit_ok(plan_bind(&net, 20, PLAN_TRAINING, inputs, &err), &err);
    ck_assert_int_eq(mem_failures(), 0);
    ck_assert_int_eq(plan_bind(&net, 2000, PLAN_TRAINING, inputs, &err),
                     ERR_NOMEM);
    mem_fail_after(-1, 0);
    ck_assert_ptr_eq(net.memory, memory);
    plan_destroy(&net);
    graph_release(&g);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("plan");

    tcase_add_test(tc, views_depend_on_the_mode);
    tcase_add_test(tc, no_gradient_without_anything_trained);
    tcase_add_test(tc, arrays_do_not_overlap);
    tcase_add_test(tc, spare_holds_what_meets);
    tcase_add_test(tc, memory_grows_and_stays);
    return tc;
}

UNIT_MAIN("plan", basic)
