/* SPDX-License-Identifier: MIT
 *
 * check_dropout: the numbers behind Dropout: many at a time are the same as
 * one by one, and as many elements are dropped as the rate says, independent
 * of each other.
 */
#include "tests/unit/nn/graph.h"

#include "worker/nn/net.h"

#include <math.h>

START_TEST(many_numbers_equal_single_ones)
{
    static const size_t runs[] = {1, 3, 32, 33, 5, 200, 31, 64, 2, 1000};
    struct rng one;
    struct rng many;
    uint32_t block[1000];

    rng_init(&one, 5, RNG_DROPOUT, 1, 2, 3);
    /* also across the carry into the counter's second word */
    one.counter[0] = UINT32_MAX - 20;
    many = one;
    for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
        rng_fill(&many, block, runs[i]);
        for (size_t j = 0; j < runs[i]; j++) {
            ck_assert_uint_eq(block[j], rng_u32(&one));
        }
    }
    ck_assert_uint_eq(one.counter[1], 1);
    ck_assert_uint_eq(many.counter[1], 1);
}
END_TEST

/* Input -> Dropout, whose output is seen as the gradient of a loss. */
START_TEST(drops_at_its_rate)
{
    enum { ROWS = 3000, WIDTH = 7 };
    static const double rates[] = {0.1, 0.25, 0.5, 0.9};
    double rate = rates[_i];
    struct graph g = {0};
    size_t in = graph_input(&g, "[7]");
    size_t t =
        graph_on(&g, graph_layer(&g, "Dropout", "{'rate': %g}", rate), in);
    float *x = mem_zfloats(ROWS * WIDTH);
    float *y = mem_zfloats(ROWS * WIDTH);
    const float *inputs[] = {x};
    const float *labels[] = {y};
    struct net_batch batch = {.rows = ROWS, .x = inputs, .y = labels};
    struct net_draws draws = {.seed = 9};
    float gradient[WIDTH * WIDTH];
    double n = (double)ROWS * WIDTH;
    double spread = sqrt(rate * (1.0 - rate) / n);
    double differ;
    struct net *net = NULL;
    double loss;
    struct err err = {0};

    t = graph_on(
        &g, graph_layer(&g, "Dense", "{'units': 7, 'use_bias': false}"), t);
    graph_finish_one(&g, in, t);
    graph_compile_one(&g, "mae");
    unit_ok(net_create(g.model, &net, &err), &err);
    for (size_t i = 0; i < WIDTH * WIDTH; i++) {
        g.params[i] = i % (WIDTH + 1) == 0 ? 1.0f : 0.0f;
    }
    for (size_t i = 0; i < ROWS * WIDTH; i++) {
        x[i] = 1.0f;
    }
    /* mean of |dropout(1)| is the part kept, divided by 1 - rate */
    unit_ok(net_gradient(net, g.params, &batch, &draws, gradient, NULL, &loss,
                         &err),
            &err);
    ck_assert_msg(fabs(loss * (1.0 - rate) - (1.0 - rate)) < 5.0 * spread,
                  "kept %g", loss * (1.0 - rate));
    /* neighbours: with -1 beside 1 the mean is that of |a - b|, which
     * is 1 / (1 - r) as often as one is dropped and the other not */
    memset(g.params, 0, WIDTH * WIDTH * sizeof(float));
    g.params[0] = 1.0f;
    g.params[WIDTH] = -1.0f;
    unit_ok(net_gradient(net, g.params, &batch, &draws, gradient, NULL, &loss,
                         &err),
            &err);
    differ = 2.0 * rate * (1.0 - rate);
    spread = sqrt(differ * (1.0 - differ) / ROWS);
    ck_assert_msg(fabs(loss * WIDTH * (1.0 - rate) - differ) < 5.0 * spread,
                  "%g differ, want %g", loss * WIDTH * (1.0 - rate), differ);
    mem_free_aligned(x);
    mem_free_aligned(y);
    net_destroy(&net);
    graph_release(&g);
}
END_TEST

/* Two layers of one net: what is kept by both is what each keeps alone,
 * multiplied, which it would not be if they dropped the same elements. */
START_TEST(layers_drop_independently)
{
    enum { ROWS = 4000 };
    struct graph g = {0};
    size_t in = graph_input(&g, "[4]");
    size_t t = in;
    float *x = mem_zfloats(ROWS * 4);
    float *y = mem_zfloats(ROWS * 4);
    const float *inputs[] = {x};
    const float *labels[] = {y};
    struct net_batch batch = {.rows = ROWS, .x = inputs, .y = labels};
    struct net_draws draws = {.seed = 9};
    float *gradient;
    struct net *net = NULL;
    double loss;
    struct err err = {0};

    for (int i = 0; i < 2; i++) {
        t = graph_on(&g, graph_layer(&g, "Dropout", "{'rate': 0.5}"), t);
    }
    t = graph_on(
        &g, graph_layer(&g, "Dense", "{'units': 4, 'use_bias': false}"), t);
    graph_finish_one(&g, in, t);
    graph_compile_one(&g, "mae");
    unit_ok(net_create(g.model, &net, &err), &err);
    gradient = mem_floats(g.model->parameters);
    for (size_t i = 0; i < 16; i++) {
        g.params[i] = i % 5 == 0 ? 0.25f : 0.0f;
    }
    for (size_t i = 0; i < ROWS * 4; i++) {
        x[i] = 1.0f;
    }
    unit_ok(net_gradient(net, g.params, &batch, &draws, gradient, NULL, &loss,
                         &err),
            &err);
    /* 0.25 * 4 where both keep; 0.5 if they dropped the same */
    ck_assert_msg(fabs(loss - 0.25) < 0.02, "kept %g", loss);
    mem_free_aligned(gradient);
    mem_free_aligned(x);
    mem_free_aligned(y);
    net_destroy(&net);
    graph_release(&g);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("dropout");

    tcase_add_test(tc, many_numbers_equal_single_ones);
    tcase_add_loop_test(tc, drops_at_its_rate, 0, 4);
    tcase_add_test(tc, layers_drop_independently);
    return tc;
}

UNIT_MAIN("dropout", basic)
