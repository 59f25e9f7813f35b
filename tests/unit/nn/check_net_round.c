/* SPDX-License-Identifier: MIT
 *
 * check_net_round: what several batches of a round say, put together, is what
 * one batch of all their rows says: gradient, loss and what an optimizer reads
 * of a table, whatever the losses are divided by.
 */
#include "tests/unit/nn/graph.h"

#include "common/model/round.h"
#include "worker/nn/net.h"

#define ROWS 7

static const struct {
    const char *loss;
    const char *reduction;
    bool weighted;
    size_t parts; /* outputs that come separately */
} cases[] = {
    {"MeanSquaredError", "sum_over_batch_size", false, 0},
    {"MeanSquaredError", "sum", false, 1},
    {"MeanSquaredError", "sum", true, 1},
    {"MeanAbsoluteError", "mean_with_sample_weight", true, 1},
    {"LogCosh", "sum_over_batch_size", true, 0},
};

/* Tokens in a table, a penalty, and two outputs, the first of which has the
 * loss of the case. */
static void make(struct graph *g, int i)
{
    json_t *config = json_pack("{s:s}", "reduction", cases[i].reduction);
    /* one that reads tables, where that can be had */
    struct object_spec rule = {.class_name =
                                   cases[i].parts == 0 ? "Adam" : "SGD"};
    struct object_spec losses[2] = {
        {.class_name = cases[i].loss, .config = config}, {.class_name = "mse"}};
    struct output_spec outputs[2] = {
        {.name = "a", .loss = &losses[0], .loss_weight = 0.7},
        {.name = "b", .loss = &losses[1], .loss_weight = 1.5}};
    struct err err = {0};
    size_t in = graph_input(g, "[3]");
    size_t t = graph_on(
        g, graph_layer(g, "Rescaling", "{'scale': 0, 'offset': [1, 3, 1]}"),
        in);
    size_t outs[2];

    t = graph_on(
        g, graph_layer(g, "Embedding", "{'input_dim': 4, 'output_dim': 2}"), t);
    t = graph_on(g, graph_layer(g, "Flatten", "{}"), t);
    t = graph_call(g, graph_layer(g, "Concatenate", "{}"), 2,
                   (size_t[]){t, in});
    outs[0] = graph_on(
        g, graph_layer(g, "Dense", "{'units': 2, 'kernel_regularizer': 'l2'}"),
        t);
    outs[1] = graph_dense(g, t, 3, "tanh");
    graph_finish(g, 1, &in, 2, outs);
    unit_ok(model_set_training(g->model, &rule, outputs, 2, &err), &err);
    json_decref(config);
}

/* Rows from first on, as a batch. */
struct rows {
    const float *x[1];
    const float *y[2];
    struct net_batch batch;
};

static void take(struct rows *r, const float *x, const float *a, const float *b,
                 const float *weights, size_t first, size_t n)
{
    r->x[0] = x + first * 3;
    r->y[0] = a + first * 2;
    r->y[1] = b + first * 3;
    r->batch =
        (struct net_batch){.rows = n,
                           .x = r->x,
                           .y = r->y,
                           .weights = weights != NULL ? weights + first : NULL};
}

START_TEST(batches_of_a_round)
{
    static const float some[ROWS] = {1, 0.5f, 2, 0, 3, 0.25f, 1};
    static const struct net_draws draws = {0};
    static const size_t sizes[] = {3, 1, 3};
    struct graph g = {0};
    struct round_layout layout;
    struct gradient_piece list[2];
    struct gradient_pieces pieces = {.list = list};
    struct net *net = NULL;
    struct err err = {0};
    struct rows rows;
    const float *weights = cases[_i].weighted ? some : NULL;
    float *x = graph_normal(ROWS * 3, 1);
    float *a = graph_normal(ROWS * 2, 2);
    float *b = graph_normal(ROWS * 3, 3);
    float *mean;
    float *whole;
    float *one;
    double loss;
    double want;
    size_t first = 0;

    make(&g, _i);
    unit_ok(round_layout_init(g.model, &layout, &err), &err);
    ck_assert_uint_eq(layout.part_count, cases[_i].parts);
    ck_assert_uint_eq(layout.table_count, cases[_i].parts == 0 ? 1 : 0);
    unit_ok(net_create(g.model, &net, &err), &err);
    mean = mem_zfloats(layout.size);
    whole = mem_zfloats(layout.size);
    one = mem_zfloats(layout.size);
    for (size_t i = 0; i < 3; first += sizes[i], i++) {
        take(&rows, x, a, b, weights, first, sizes[i]);
        unit_ok(net_round(net, g.params, &rows.batch, &draws, &layout, one,
                          NULL, &loss, &err),
                &err);
        for (size_t k = 0; k < layout.size; k++) {
            mean[k] += one[k] * (float)sizes[i] / (float)ROWS;
        }
        unit_ok(net_gradient(net, g.params, &rows.batch, &draws, one, NULL,
                             &want, &err),
                &err);
        unit_assert_close(loss, want, 1e-5);
    }
    round_finish(&layout, g.model, ROWS, mean, &pieces);
    take(&rows, x, a, b, weights, 0, ROWS);
    unit_ok(net_gradient(net, g.params, &rows.batch, &draws, whole, NULL, &want,
                         &err),
            &err);
    for (size_t k = 0; k < g.model->parameters; k++) {
        unit_assert_close(mean[k], whole[k], 1e-5);
    }
    net_destroy(&net);
    round_layout_deinit(&layout);
    mem_free_aligned(mean);
    mem_free_aligned(whole);
    mem_free_aligned(one);
    mem_free_aligned(x);
    mem_free_aligned(a);
    mem_free_aligned(b);
    graph_release(&g);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("round");

    tcase_add_loop_test(tc, batches_of_a_round, 0,
                        sizeof(cases) / sizeof(cases[0]));
    return tc;
}

UNIT_MAIN("net_round", basic)
