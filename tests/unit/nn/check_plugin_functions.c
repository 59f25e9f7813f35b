/* SPDX-License-Identifier: MIT
 *
 * check_plugin_functions: activations, losses and metrics of plug-ins, those of
 * deploy/examples/functions.c in this program itself: gradients against
 * differences, and what is counted.
 */
#include "tests/unit/nn/graph.h"

#include "deploy/examples/functions.c"
#include "worker/nn/check.h"
#include "common/model/metric.h"

#define ROWS 5

static const struct {
    const char *loss;
    double power; /* of the difference */
} losses[] = {{"my_package>quartic", 4}, {"my_package>PowerLoss", 3}};

/* Compiled with a loss of someone's own, and both kinds of metrics. */
static int compile(struct graph *g, const char *loss, const char *power_text,
                   const char *margin, struct err *err)
{
    json_t *power = json_loads(power_text, 0, NULL);
    json_t *within = json_loads(margin, 0, NULL);
    struct object_spec sgd = {.class_name = "SGD"};
    struct object_spec rule = {.class_name = loss, .config = power};
    struct object_spec metrics[2] = {
        {.class_name = "my_package>distance", .name = "distance"},
        {.class_name = "my_package>Within", .config = within, .name = "near"}};
    struct output_spec output = {.name = "out",
                                 .loss = &rule,
                                 .loss_weight = 1.0,
                                 .metrics = metrics,
                                 .metric_count = 2};
    int rc = model_set_training(g->model, &sgd, &output, 1, err);

    json_decref(power);
    json_decref(within);
    return rc;
}

static void make(struct graph *g)
{
    size_t in = graph_input(g, "[3]");
    size_t t = graph_dense(g, in, 4, "my_package>swoosh");

    t = graph_dense(g, t, 2, "linear");
    graph_finish_one(g, in, t);
}

START_TEST(gradients_and_values)
{
    static const struct net_draws draws = {0};
    struct graph g = {0};
    struct net *net = NULL;
    struct totals *totals = NULL;
    struct check_result result;
    struct err err = {0};
    float *values = graph_normal(ROWS * 3, 1);
    float *labels = graph_normal(ROWS * 2, 2);
    const float *x[1] = {values};
    const float *y[1] = {labels};
    struct net_batch batch = {.rows = ROWS, .x = x, .y = y};
    const float *p[1];
    double loss = 0.0;
    double distances = 0.0;
    double near = 0.0;
    double got;

    make(&g);
    unit_ok(compile(&g, losses[_i].loss, "{\"power\": 3}", "{\"margin\": 0.75}",
                    &err),
            &err);
    unit_ok(
        check_gradient(g.model, g.params, &batch, &draws, 3e-3, &result, &err),
        &err);
    ck_assert_uint_gt(result.judged, result.skipped);
    unit_ok(net_create(g.model, &net, &err), &err);
    unit_ok(totals_create(g.model, &totals, &err), &err);
    unit_ok(net_evaluate(net, g.params, &batch, totals, &err), &err);
    unit_ok(net_predict(net, g.params, &batch, p, &err), &err);
    for (size_t i = 0; i < (size_t)ROWS * 2; i++) {
        double d = fabs((double)p[0][i] - (double)labels[i]);

        loss += pow(d, losses[_i].power) / (ROWS * 2);
        distances += d / (ROWS * 2);
        near += (d < 0.75 ? 1.0 : 0.0) / (ROWS * 2);
    }
    totals_result(totals, totals_find(totals, "loss"), &got);
    unit_assert_close(got, loss, 1e-5);
    totals_result(totals, totals_find(totals, "distance"), &got);
    unit_assert_close(got, distances, 1e-5);
    totals_result(totals, totals_find(totals, "near"), &got);
    unit_assert_close(got, near, 1e-5);
    totals_destroy(&totals);
    net_destroy(&net);
    graph_release(&g);
    mem_free_aligned(values);
    mem_free_aligned(labels);
}
END_TEST

START_TEST(what_they_refuse)
{
    struct graph g = {0};
    struct err err = {0};

    make(&g);
    ck_assert_int_eq(compile(&g, "my_package>PowerLoss", "{\"p\": 3}",
                             "{\"margin\": 1}", &err),
                     ERR_INVALID);
    ck_assert_msg(strstr(err.msg, "power") != NULL, "%s", err.msg);
    ck_assert_int_eq(compile(&g, "my_package>PowerLoss", "{\"power\": 3}",
                             "{\"margin\": \"a\"}", &err),
                     ERR_INVALID);
    ck_assert_msg(strstr(err.msg, "margin") != NULL, "%s", err.msg);
    ck_assert_int_eq(
        compile(&g, "my_package>Nothing", "{}", "{\"margin\": 1}", &err),
        ERR_UNSUPPORTED);
    graph_release(&g);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("functions of plug-ins");

    tcase_add_loop_test(tc, gradients_and_values, 0, 2);
    tcase_add_test(tc, what_they_refuse);
    return tc;
}

UNIT_MAIN("plugin_functions", basic)
