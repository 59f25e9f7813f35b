/* SPDX-License-Identifier: MIT
 *
 * judge: gradient checks of layers from tables: one layer between two others,
 * so that both its weights and its inputs are judged.
 */
#ifndef TESTS_UNIT_NN_JUDGE_H
#define TESTS_UNIT_NN_JUDGE_H

#include "tests/unit/nn/graph.h"

#include "worker/nn/check.h"

#define JUDGE_ROWS 5

/* One layer with options, on inputs of these shapes ("[2, 3]", without the
 * batch; NULL behind the last). */
struct judge_case {
    const char *class_name;
    const char *config;
    const char *inputs[3];
    const char *masked; /* "1 0 ...": which inputs come with a mask, or NULL */
};

/* Checks the gradient of a finished graph for a loss, and releases it. */
static inline void judge_loss(struct graph *g, const char *loss,
                              double tolerance)
{
    static const struct net_draws draws = {
        .seed = 3, .partition = 1, .step = 4};
    const float *x[4];
    const float *y[1];
    struct net_batch batch = {.rows = JUDGE_ROWS, .x = x, .y = y};
    struct check_result result;
    struct err err = {0};
    size_t size;

    graph_compile_one(g, loss);
    for (size_t i = 0; i < g->model->input_count; i++) {
        size_t n = shape_size(model_input_shape(g->model, i));
        float *values = graph_normal(JUDGE_ROWS * n, i);

        /* one step in three holds nothing but zeros, for masks */
        for (size_t k = 0; k < JUDGE_ROWS * n; k++) {
            const struct shape *s = model_input_shape(g->model, i);
            size_t width = (size_t)s->dim[s->rank - 1];

            values[k] *= k / width % 3 == 1 ? 0.0f : 1.0f;
        }
        x[i] = values;
    }
    size = shape_size(model_output_shape(g->model, 0));
    y[0] = strstr(loss, "crossentropy") != NULL
               ? graph_one_hot(JUDGE_ROWS, size)
               : graph_normal(JUDGE_ROWS * size, 100);
    unit_ok(check_gradient(g->model, g->params, &batch, &draws, tolerance,
                           &result, &err),
            &err);
    ck_assert_msg(result.judged > 0 && result.skipped <= 2 * result.judged,
                  "%zu judged, %zu skipped", result.judged, result.skipped);
    for (size_t i = 0; i < g->model->input_count; i++) {
        mem_free_aligned((float *)(uintptr_t)x[i]);
    }
    mem_free_aligned((float *)(uintptr_t)y[0]);
    graph_release(g);
}

static inline void judge_graph(struct graph *g, double tolerance)
{
    judge_loss(g, "mse", tolerance);
}

/* Moving variances and the like must not be below 0. */
static inline void judge_positive(struct graph *g)
{
    for (size_t i = 0; i < g->model->variable_count; i++) {
        const struct variable *v = &g->model->variables[i];

        for (size_t k = 0; v->role != VARIABLE_WEIGHT && k < v->size; k++) {
            g->params[v->offset + k] = fabsf(g->params[v->offset + k]) + 0.3f;
        }
    }
}

/* Input - Dense of the same width - the layer - Dense(2). With a mask, a
 * Masking comes first. */
static inline void judge_layer(const struct judge_case *c)
{
    struct graph g = {0};
    size_t ins[3];
    size_t at[3];
    size_t n = 0;
    size_t out;

    for (; n < 3 && c->inputs[n] != NULL; n++) {
        const char *comma = strrchr(c->inputs[n], ',');
        int width = atoi(comma != NULL ? comma + 1 : c->inputs[n] + 1);

        at[n] = ins[n] = graph_input(&g, c->inputs[n]);
        if (c->masked != NULL && c->masked[2 * n] == '1') {
            at[n] = graph_on(&g, graph_layer(&g, "Masking", "{}"), at[n]);
        }
        at[n] = graph_dense(&g, at[n], width, "tanh");
    }
    out =
        graph_call(&g, graph_layer(&g, c->class_name, "%s", c->config), n, at);
    out = graph_dense(&g, out, 2, "linear");
    graph_finish(&g, n, ins, 1, &out);
    judge_positive(&g);
    judge_graph(&g, 3e-3);
}

#endif
