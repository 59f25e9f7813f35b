/* SPDX-License-Identifier: MIT
 *
 * check_gradient: net_gradient() against finite differences for every layer,
 * activation and loss, in chains, with shared layers, several inputs and
 * outputs, and tensors used more than once.
 */
#include "tests/unit/nn/graph.h"

#include "common/model/activation.h"
#include "worker/nn/activation.h"
#include "worker/nn/check.h"

#define ROWS 5

static const struct net_draws draws = {.seed = 3, .partition = 1, .step = 4};

/* Labels that suit the loss of output i. */
static float *labels_for(const struct model *m, size_t i, const char *loss)
{
    size_t n = shape_size(model_output_shape(m, i));
    const struct shape *shape = model_output_shape(m, i);
    size_t width = shape->rank == 0 ? 1 : (size_t)shape->dim[shape->rank - 1];
    float *y;

    if (strstr(loss, "sparse") != NULL) {
        y = mem_floats(ROWS * n / width);
        ck_assert_ptr_nonnull(y);
        for (size_t k = 0; k < ROWS * n / width; k++) {
            y[k] = (float)(k % width);
        }
        return y;
    }
    if (strstr(loss, "crossentropy") != NULL) {
        return graph_one_hot(ROWS * n / width, width);
    }
    return graph_normal(ROWS * n, 100 + i);
}

/* Checks the gradient of a finished graph and releases it. */
static void judge(struct graph *g, const char *const *losses,
                  const double *loss_weights, bool weighted)
{
    static const float weights[ROWS] = {1.0f, 0.25f, 2.0f, 0.0f, 1.5f};
    const float *x[4];
    const float *y[4];
    struct net_batch batch = {
        .rows = ROWS, .x = x, .y = y, .weights = weighted ? weights : NULL};
    struct check_result result;
    struct err err = {0};

    graph_compile(g, losses, loss_weights);
    for (size_t i = 0; i < g->model->input_count; i++) {
        x[i] =
            graph_normal(ROWS * shape_size(model_input_shape(g->model, i)), i);
    }
    for (size_t i = 0; i < g->model->output_count; i++) {
        y[i] = labels_for(g->model, i, losses[i]);
    }
    unit_ok(check_gradient(g->model, g->params, &batch, &draws, 2e-3, &result,
                           &err),
            &err);
    ck_assert_msg(result.judged > 0 && result.skipped <= 2 * result.judged,
                  "%zu judged, %zu skipped", result.judged, result.skipped);
    for (size_t i = 0; i < g->model->input_count; i++) {
        mem_free_aligned((float *)(uintptr_t)x[i]);
    }
    for (size_t i = 0; i < g->model->output_count; i++) {
        mem_free_aligned((float *)(uintptr_t)y[i]);
    }
    graph_release(g);
}

static void judge_one(struct graph *g, const char *loss)
{
    judge(g, &loss, NULL, false);
}

static const char *const activations[] = {
#define ACTIVATION_NAME(symbol, name) name,
    ACTIVATIONS(ACTIVATION_NAME)
#undef ACTIVATION_NAME
};

/* Dense with the activation, and an Activation layer, each between two layers
 * that are trained. */
START_TEST(activations_in_layers)
{
    const char *name = activations[_i];
    struct graph g = {0};
    size_t in;
    size_t t;

    if (_i == ACTIVATION_INDEX_THRESHOLD) {
        return; /* refused by the model */
    }
    in = graph_input(&g, "[3]");
    t = graph_dense(&g, in, 4, "linear");
    t = graph_dense(&g, t, 4, name);
    t = graph_on(
        &g, graph_layer(&g, "Activation", "{'activation': '%s'}", name), t);
    t = graph_dense(&g, t, 2, "linear");
    graph_finish_one(&g, in, t);
    judge_one(&g, "mse");
}
END_TEST

static const char *const losses[] = {"mse", "mae", "binary_crossentropy",
                                     "categorical_crossentropy",
                                     "sparse_categorical_crossentropy"};
static const char *const closings[] = {"softmax", "sigmoid", "softplus"};

/* Each loss behind softmax and sigmoid (which it may see through), in a Dense
 * or an Activation, and behind a function that hides the logits. */
START_TEST(losses_behind_activations)
{
    const char *loss = losses[_i % 5];
    const char *closing = closings[_i / 5 % 3];
    struct graph g = {0};
    size_t in = graph_input(&g, "[3]");
    size_t t = graph_dense(&g, in, 6, "tanh");

    if (_i < 15) {
        t = graph_dense(&g, t, 3, closing);
    } else {
        t = graph_dense(&g, t, 3, "linear");
        t = graph_on(
            &g, graph_layer(&g, "Activation", "{'activation': '%s'}", closing),
            t);
    }
    if (strcmp(closing, "softplus") == 0) { /* into (0, 1) */
        t = graph_dense(&g, t, 3, "sigmoid");
        t = graph_on(&g, graph_layer(&g, "Reshape", "{'target_shape': [3]}"),
                     t);
    }
    graph_finish_one(&g, in, t);
    judge(&g, &loss, NULL, _i % 2 == 0);
}
END_TEST

START_TEST(layers_that_move_data)
{
    struct graph g = {0};
    size_t in = graph_input(&g, "[2, 3]");
    size_t t = graph_dense(&g, in, 4, "tanh"); /* (2, 4) */

    t = graph_on(&g, graph_layer(&g, "Reshape", "{'target_shape': [4, -1]}"),
                 t);
    t = graph_dense(&g, t, 3, "tanh"); /* (4, 3) */
    t = graph_on(
        &g, graph_layer(&g, "Flatten", "{'data_format': 'channels_first'}"), t);
    t = graph_dense(&g, t, 6, "sigmoid");
    t = graph_on(&g, graph_layer(&g, "Reshape", "{'target_shape': [3, 2]}"), t);
    t = graph_on(
        &g, graph_layer(&g, "Flatten", "{'data_format': 'channels_last'}"), t);
    t = graph_dense(&g, t, 2, "linear");
    graph_finish_one(&g, in, t);
    judge_one(&g, "mse");
}
END_TEST

START_TEST(dropout_keeps_its_draws)
{
    static const char *const rates[] = {"0.0", "0.4", "1.0"};

    for (size_t i = 0; i < 3; i++) {
        struct graph g = {0};
        size_t in = graph_input(&g, "[3]");
        size_t t = graph_dense(&g, in, 8, "tanh");

        t = graph_on(&g, graph_layer(&g, "Dropout", "{'rate': %s}", rates[i]),
                     t);
        t = graph_dense(&g, t, 8, "tanh");
        t = graph_on(&g, graph_layer(&g, "Dropout", "{'rate': %s}", rates[i]),
                     t);
        t = graph_dense(&g, t, 2, "linear");
        graph_finish_one(&g, in, t);
        judge_one(&g, "mse");
    }
}
END_TEST

/* Behind a closing softmax, dropout in training is between loss and logits. */
START_TEST(dropout_hides_logits_in_training)
{
    struct graph g = {0};
    size_t in = graph_input(&g, "[3]");
    size_t t = graph_dense(&g, in, 3, "sigmoid");

    t = graph_on(&g, graph_layer(&g, "Dropout", "{'rate': 0.3}"), t);
    graph_finish_one(&g, in, t);
    judge_one(&g, "binary_crossentropy");
}
END_TEST

START_TEST(shared_layer_with_two_inputs)
{
    static const char *const two[] = {"mse", "mae"};
    static const double loss_weights[] = {0.3, 1.5};
    struct graph g = {0};
    size_t ins[2];
    size_t outs[2];
    size_t shared;
    size_t head;

    ins[0] = graph_input(&g, "[3]");
    ins[1] = graph_input(&g, "[3]");
    shared = graph_layer(&g, "Dense", "{'units': 5, 'activation': 'tanh'}");
    head = graph_layer(&g, "Dense", "{'units': 2}");
    for (size_t i = 0; i < 2; i++) {
        outs[i] = graph_on(&g, head, graph_on(&g, shared, ins[i]));
    }
    graph_finish(&g, 2, ins, 2, outs);
    judge(&g, two, loss_weights, true);
}
END_TEST

/* One tensor feeds two layers and a view of it a third; a layer is applied to
 * its own output; the same tensor is an output twice. */
START_TEST(tensors_used_more_than_once)
{
    static const char *const four[] = {"mse", "binary_crossentropy",
                                       "categorical_crossentropy", "mse"};
    static const double loss_weights[] = {1.0, 0.5, 2.0, 0.7};
    struct graph g = {0};
    size_t in = graph_input(&g, "[4]");
    size_t stem = graph_dense(&g, in, 4, "tanh");
    size_t twice = graph_layer(&g, "Dense",
                               "{'units': 4, 'activation': "
                               "'silu'}");
    size_t view;
    size_t outs[4];

    view = graph_on(&g, graph_layer(&g, "Reshape", "{'target_shape': [2, 2]}"),
                    stem);
    view = graph_on(&g, graph_layer(&g, "Flatten", "{}"), view);
    outs[0] = graph_on(&g, twice, graph_on(&g, twice, stem));
    outs[1] = graph_dense(&g, view, 3, "softmax");
    outs[2] = outs[1]; /* a second loss on the same logits */
    outs[3] = stem;
    /* and the probabilities are used as such, too */
    outs[0] = graph_dense(&g, outs[1], 2, "tanh");
    graph_finish(&g, 1, &in, 4, outs);
    judge(&g, four, loss_weights, false);
}
END_TEST

/* Two losses on one tensor, neither of which takes logits. */
START_TEST(one_tensor_is_two_outputs)
{
    static const char *const two[] = {"mse", "mae"};
    static const double loss_weights[] = {1.0, 0.5};
    struct graph g = {0};
    size_t in = graph_input(&g, "[3]");
    size_t t = graph_dense(&g, graph_dense(&g, in, 4, "tanh"), 2, "softmax");
    size_t outs[2] = {t, t};

    graph_finish(&g, 1, &in, 2, outs);
    judge(&g, two, loss_weights, true);
}
END_TEST

START_TEST(frozen_layers_and_unused_outputs)
{
    static const char *const two[] = {"mse", ""};
    struct graph g = {0};
    size_t in = graph_input(&g, "[3]");
    size_t outs[2];
    size_t t;
    const struct model *m;
    size_t frozen = 0;

    t = graph_on(&g,
                 graph_layer(&g, "Dense",
                             "{'units': 4, 'activation': 'tanh', "
                             "'trainable': false}"),
                 in);
    t = graph_dense(&g, t, 4, "tanh");
    outs[1] = graph_dense(&g, t, 2, "tanh"); /* has no loss: gradient 0 */
    t = graph_on(
        &g, graph_layer(&g, "Dense", "{'units': 4, 'trainable': false}"), t);
    outs[0] = graph_dense(&g, t, 2, "linear");
    graph_finish(&g, 1, &in, 2, outs);
    m = g.model;
    for (size_t i = 0; i < m->variable_count; i++) {
        frozen += m->variables[i].trainable ? 0 : 1;
    }
    ck_assert_uint_eq(frozen, 4);
    judge(&g, two, NULL, false);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("gradient");

    tcase_add_loop_test(tc, activations_in_layers, 0,
                        sizeof(activations) / sizeof(activations[0]));
    tcase_add_loop_test(tc, losses_behind_activations, 0, 30);
    tcase_add_test(tc, layers_that_move_data);
    tcase_add_test(tc, dropout_keeps_its_draws);
    tcase_add_test(tc, dropout_hides_logits_in_training);
    tcase_add_test(tc, shared_layer_with_two_inputs);
    tcase_add_test(tc, tensors_used_more_than_once);
    tcase_add_test(tc, one_tensor_is_two_outputs);
    tcase_add_test(tc, frozen_layers_and_unused_outputs);
    return tc;
}

UNIT_MAIN("gradient", basic)
