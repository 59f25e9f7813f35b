/* SPDX-License-Identifier: MIT
 *
 * check_check: the gradient check itself. It must see a wrong gradient, leave
 * out what no difference can judge, and survive failing memory.
 */
#include "tests/unit/nn/graph.h"

#include "worker/nn/check.h"

static const struct net_draws draws = {.seed = 1};
static const float x[] = {1.0f, -2.0f, 0.5f, 3.0f};
static const float y[] = {0.5f, 1.0f};
static const float *const inputs[] = {x};
static const float *const labels[] = {y};
static const struct net_batch batch = {.rows = 2, .x = inputs, .y = labels};

static struct graph make_graph(const char *activation)
{
    struct graph g = {0};
    size_t in = graph_input(&g, "[2]");
    size_t t = graph_dense(&g, in, 2, activation);

    graph_finish_one(&g, in, graph_dense(&g, t, 1, "linear"));
    graph_compile_one(&g, "mse");
    return g;
}

START_TEST(judges_every_element)
{
    struct graph g = make_graph("tanh");
    struct check_result result;
    struct err err = {0};

    unit_ok(
        check_gradient(g.model, g.params, &batch, &draws, 1e-3, &result, &err),
        &err);
    ck_assert_uint_eq(result.judged, g.model->parameters);
    ck_assert_uint_eq(result.skipped, 0);
    ck_assert(result.worst > 0.0 && result.worst < 1e-3);
    graph_release(&g);
}
END_TEST

/* A model that lies about its layout: a bias claims the place of a frozen
 * kernel, whose gradient then is not 0. */
START_TEST(sees_and_names_a_wrong_gradient)
{
    struct graph g = {0};
    size_t in = graph_input(&g, "[2]");
    size_t t = graph_on(
        &g, graph_layer(&g, "Dense", "{'units': 2, 'trainable': false}"), in);
    struct model wrong;
    struct variable variables[4];
    struct check_result result;
    struct err err = {0};

    graph_finish_one(&g, in, graph_dense(&g, t, 1, "linear"));
    graph_compile_one(&g, "mse");
    unit_ok(
        check_gradient(g.model, g.params, &batch, &draws, 1e-3, &result, &err),
        &err);
    wrong = *g.model;
    memcpy(variables, g.model->variables, sizeof(variables));
    wrong.variables = variables;
    variables[3].offset = variables[0].offset;
    ck_assert_int_eq(
        check_gradient(&wrong, g.params, &batch, &draws, 1e-3, &result, &err),
        ERR_STATE);
    ck_assert_ptr_nonnull(strstr(err.msg, "gradient"));
    graph_release(&g);
}
END_TEST

START_TEST(leaves_out_kinks)
{
    struct graph g = make_graph("relu");
    struct check_result result;
    struct err err = {0};

    /* row 0 gives unit 0 exactly 0.001: within a step of the corner */
    g.params[0] = 0.5f;
    g.params[2] = 0.25f;
    g.params[4] = 0.001f;
    unit_ok(
        check_gradient(g.model, g.params, &batch, &draws, 1e-3, &result, &err),
        &err);
    ck_assert_uint_gt(result.skipped, 0);
    ck_assert_uint_eq(result.skipped + result.judged, g.model->parameters);
    graph_release(&g);
}
END_TEST

static int whole_check(void *state, struct err *err)
{
    const struct graph *g = state;
    struct check_result result;

    return check_gradient(g->model, g->params, &batch, &draws, 1e-3, &result,
                          err);
}

START_TEST(survives_refused_memory)
{
    struct graph g = make_graph("tanh");

    ck_assert_int_gt(unit_oom_sweep(whole_check, &g), 10);
    graph_release(&g);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("check");

    tcase_add_test(tc, judges_every_element);
    tcase_add_test(tc, sees_and_names_a_wrong_gradient);
    tcase_add_test(tc, leaves_out_kinks);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("check", basic)
