/* SPDX-License-Identifier: MIT
 *
 * check_op: the table of kernels, the sizes and variables an op sees of its
 * layer, and how the gradient of a closing activation is put together.
 */
#include "tests/unit/nn/graph.h"

#include "common/model/layer.h"
#include "worker/nn/op.h"

START_TEST(every_class_has_a_kernel)
{
    ck_assert_uint_gt(layer_class_count(), 0);
    for (size_t i = 0; i < layer_class_count(); i++) {
        struct layer layer = {.class = layer_class_at(i)};
        const struct nn_class *kernel = op_class(&layer);

        ck_assert_ptr_nonnull(kernel);
        /* both passes, or neither: inputs and views */
        ck_assert((kernel->forward == NULL) == (kernel->backward == NULL));
        for (size_t j = 0; j < i; j++) {
            struct layer other = {.class = layer_class_at(j)};

            ck_assert_ptr_ne(op_class(&other), kernel);
        }
    }
}
END_TEST

static struct op op_of(const struct graph *g, size_t call)
{
    const struct call *c = &g->model->calls[call];

    return (struct op){.model = g->model,
                       .layer = &g->model->layers[c->layer],
                       .call = c,
                       .index = call,
                       .params = g->params};
}

START_TEST(sees_sizes_and_variables)
{
    struct graph g = {0};
    size_t in = graph_input(&g, "[2, 3]");
    size_t frozen = graph_on(
        &g, graph_layer(&g, "Dense", "{'units': 4, 'trainable': false}"), in);
    size_t dense = graph_dense(&g, frozen, 5, "linear");
    float gradient[12 + 4 + 20 + 5];
    struct op op;

    graph_finish_one(&g, in, dense);
    op = op_of(&g, frozen);
    op.gradient = gradient;
    ck_assert_uint_eq(op_input_size(&op, 0), 6);
    ck_assert_uint_eq(op_input_width(&op, 0), 3);
    ck_assert_uint_eq(op_output_size(&op, 0), 8);
    ck_assert_uint_eq(op_output_width(&op, 0), 4);
    ck_assert_ptr_eq(op_param(&op, 1), g.params + 12);
    ck_assert_ptr_null(op_gradient(&op, 0));
    ck_assert_ptr_null(op_gradient(&op, 1));
    op = op_of(&g, dense);
    op.gradient = gradient;
    ck_assert_ptr_eq(op_param(&op, 0), g.params + 16);
    ck_assert_ptr_eq(op_gradient(&op, 0), gradient + 16);
    ck_assert_ptr_eq(op_gradient(&op, 1), gradient + 36);
    graph_release(&g);
}
END_TEST

START_TEST(gradient_of_a_closing_activation)
{
    float y[] = {0.5f, -0.25f};
    float dy[] = {2.0f, 4.0f};
    static const float dlogits[] = {10.0f, 20.0f};
    float *outputs[] = {y};
    float *gradients[] = {dy};
    float dx[2];
    struct op op = {.y = outputs, .dy = gradients};

    op_activation_backward(&op, ACTIVATION(TANH), NULL, dx, 1, 2);
    unit_assert_close(dx[0], 2.0 * 0.75, 1e-6);
    unit_assert_close(dx[1], 4.0 * 0.9375, 1e-6);
    op.dlogits = dlogits;
    op_activation_backward(&op, ACTIVATION(TANH), NULL, dx, 1, 2);
    unit_assert_close(dx[0], 11.5, 1e-6);
    unit_assert_close(dx[1], 23.75, 1e-6);
    /* in place, where linear has nothing to do */
    op_activation_backward(&op, ACTIVATION(LINEAR), NULL, dy, 1, 2);
    unit_assert_close(dy[0], 12.0, 1e-6);
    op.dlogits = NULL;
    op_activation_backward(&op, ACTIVATION(LINEAR), NULL, dx, 1, 2);
    unit_assert_close(dx[1], 24.0, 1e-6);
    /* only the loss asks for something */
    op.dlogits = dlogits;
    gradients[0] = NULL;
    op_activation_backward(&op, ACTIVATION(TANH), NULL, dx, 1, 2);
    unit_assert_close(dx[0], 10.0, 1e-6);
    unit_assert_close(dx[1], 20.0, 1e-6);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("op");

    tcase_add_test(tc, every_class_has_a_kernel);
    tcase_add_test(tc, sees_sizes_and_variables);
    tcase_add_test(tc, gradient_of_a_closing_activation);
    return tc;
}

UNIT_MAIN("op", basic)
