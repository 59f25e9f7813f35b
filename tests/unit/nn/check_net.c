/* SPDX-License-Identifier: MIT
 *
 * check_net: the contract of net.h beside the gradient itself: predictions of
 * a small net by hand, views, several inputs and outputs, growing batches,
 * totals, weights, repeatable dropout, refusals, and failing memory.
 */
#include "tests/unit/nn/graph.h"

#include "common/model/metric.h"
#include "worker/nn/net.h"

#include <math.h>

static const struct net_draws draws = {.seed = 1, .partition = 2, .step = 3};

static struct net *make_net(const struct graph *g)
{
    struct net *net = NULL;
    struct err err = {0};

    unit_ok(net_create(g->model, &net, &err), &err);
    return net;
}

/* in -> Dense(2, relu) -> Dense(1), with these weights: */
static const float two_layers[] = {1.0f,  -1.0f, 2.0f, 0.5f, 0.0f, 1.0f,
                                   -0.5f, 0.25f, 3.0f, 2.0f, 0.1f};

static struct graph two_layer_graph(void)
{
    struct graph g = {0};
    size_t in = graph_input(&g, "[3]");
    size_t t = graph_dense(&g, in, 2, "relu");

    graph_finish_one(&g, in, graph_dense(&g, t, 1, "linear"));
    ck_assert_uint_eq(g.model->parameters, 11);
    memcpy(g.params, two_layers, sizeof(two_layers));
    graph_compile_one(&g, "mse");
    return g;
}

START_TEST(predicts_by_hand)
{
    static const float x[] = {1.0f, 2.0f, 3.0f, -1.0f, 0.0f, 0.5f};
    const float *inputs[] = {x};
    struct graph g = two_layer_graph();
    struct net *net = make_net(&g);
    struct net_batch batch = {.rows = 2, .x = inputs};
    const float *out = NULL;
    struct err err = {0};

    unit_ok(net_predict(net, g.params, &batch, &out, &err), &err);
    /* row 0: z = (1+4+0-0.5, -1+1+3+0.25) = (4.5, 3.25) -> 13.5 + 6.5 + 0.1
     * row 1: z = (-1-0.5, 1+0.5+0.25) -> (0, 1.75) -> 3.5 + 0.1 */
    unit_assert_close(out[0], 20.1, 1e-6);
    unit_assert_close(out[1], 3.6, 1e-6);
    net_destroy(&net);
    ck_assert_ptr_null(net);
    net_destroy(&net);
    graph_release(&g);
}
END_TEST

START_TEST(loss_and_gradient_by_hand)
{
    static const float x[] = {1.0f, 2.0f, 3.0f, -1.0f, 0.0f, 0.5f};
    static const float y[] = {20.0f, 4.0f};
    static const float weights[] = {2.0f, 0.5f};
    const float *inputs[] = {x};
    const float *labels[] = {y};
    struct graph g = two_layer_graph();
    struct net *net = make_net(&g);
    struct net_batch batch = {
        .rows = 2, .x = inputs, .y = labels, .weights = weights};
    float gradient[11];
    double loss;
    struct err err = {0};

    memset(gradient, 0x7f, sizeof(gradient));
    unit_ok(net_gradient(net, g.params, &batch, &draws, gradient, NULL, &loss,
                         &err),
            &err);
    /* errors 0.1 and -0.4: (2 * 0.01 + 0.5 * 0.16) / 2 */
    unit_assert_close(loss, 0.05, 1e-5);
    /* d/dp = weight * error: 0.2 and -0.2; bias of the output gets both */
    unit_assert_close(gradient[10], 0.0, 1e-5);
    unit_assert_close(gradient[8], 0.2 * 4.5, 1e-5);
    unit_assert_close(gradient[9], 0.2 * 3.25 - 0.2 * 1.75, 1e-5);
    /* first layer, unit 0: only row 0 passes the relu */
    unit_assert_close(gradient[0], 0.2 * 3.0 * 1.0, 1e-5);
    unit_assert_close(gradient[6], 0.2 * 3.0, 1e-5);
    unit_assert_close(gradient[7], 0.2 * 2.0 - 0.2 * 2.0, 1e-5);
    net_destroy(&net);
    graph_release(&g);
}
END_TEST

/* Larger and smaller batches in turn, training between predictions: always
 * the same numbers as row by row. */
START_TEST(batches_of_any_size_agree)
{
    enum { MOST = 37 };
    static const size_t sizes[] = {1, 5, MOST, 2, 20, MOST};
    struct graph g = {0};
    size_t in = graph_input(&g, "[2, 4]");
    size_t t = graph_dense(&g, in, 6, "gelu");
    struct net *net;
    float *x = graph_normal(MOST * 8, 1);
    float *y = graph_normal(MOST * 3, 2);
    float *single;
    float *gradient;
    struct err err = {0};

    t = graph_on(&g, graph_layer(&g, "Flatten", "{}"), t);
    graph_finish_one(&g, in, graph_dense(&g, t, 3, "softmax"));
    graph_compile_one(&g, "mse");
    net = make_net(&g);
    single = mem_floats(MOST * 3);
    gradient = mem_floats(g.model->parameters);
    for (size_t r = 0; r < MOST; r++) {
        const float *inputs[] = {x + r * 8};
        struct net_batch batch = {.rows = 1, .x = inputs};
        const float *out;

        unit_ok(net_predict(net, g.params, &batch, &out, &err), &err);
        memcpy(single + r * 3, out, 3 * sizeof(float));
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        const float *inputs[] = {x};
        const float *labels[] = {y};
        struct net_batch batch = {.rows = sizes[i], .x = inputs, .y = labels};
        const float *out;

        unit_ok(net_gradient(net, g.params, &batch, &draws, gradient, NULL,
                             NULL, &err),
                &err);
        unit_ok(net_predict(net, g.params, &batch, &out, &err), &err);
        for (size_t j = 0; j < sizes[i] * 3; j++) {
            unit_assert_close(out[j], single[j], 1e-6);
        }
    }
    mem_free_aligned(single);
    mem_free_aligned(gradient);
    mem_free_aligned(x);
    mem_free_aligned(y);
    net_destroy(&net);
    graph_release(&g);
}
END_TEST

/* An output may be an input's view: then it is the caller's own array. */
START_TEST(views_copy_nothing)
{
    struct graph g = {0};
    size_t in = graph_input(&g, "[2, 3]");
    size_t outs[2];
    const float *outputs[2];
    float *x = graph_normal(4 * 6, 5);
    const float *inputs[] = {x};
    struct net_batch batch = {.rows = 4, .x = inputs};
    struct net *net;
    struct err err = {0};

    outs[0] = graph_on(&g, graph_layer(&g, "Flatten", "{}"), in);
    outs[1] = graph_on(
        &g, graph_layer(&g, "Flatten", "{'data_format': 'channels_first'}"),
        in);
    graph_finish(&g, 1, &in, 2, outs);
    net = make_net(&g);
    unit_ok(net_predict(net, g.params, &batch, outputs, &err), &err);
    ck_assert_ptr_eq(outputs[0], x);
    for (size_t r = 0; r < 4; r++) {
        for (size_t c = 0; c < 2; c++) {
            for (size_t j = 0; j < 3; j++) {
                ck_assert(outputs[1][r * 6 + j * 2 + c] ==
                          x[r * 6 + c * 3 + j]);
            }
        }
    }
    mem_free_aligned(x);
    net_destroy(&net);
    graph_release(&g);
}
END_TEST

/* Two inputs through one layer, two outputs: totals hold what was weighed. */
START_TEST(totals_of_several_outputs)
{
    static const char *const losses[] = {"mse", "mae"};
    static const double loss_weights[] = {0.25, 3.0};
    struct graph g = {0};
    size_t ins[2];
    size_t outs[2];
    size_t shared;
    float *x[2] = {graph_normal(6 * 3, 1), graph_normal(6 * 3, 2)};
    float *y[2] = {graph_normal(6 * 2, 3), graph_normal(6 * 2, 4)};
    const float *inputs[] = {x[0], x[1]};
    const float *labels[] = {y[0], y[1]};
    const float *p[2];
    struct net_batch batch = {.rows = 6, .x = inputs, .y = labels};
    struct totals *totals = NULL;
    struct net *net;
    double want[2] = {0.0, 0.0};
    double got;
    double loss;
    float *gradient;
    struct err err = {0};

    ins[0] = graph_input(&g, "[3]");
    ins[1] = graph_input(&g, "[3]");
    shared = graph_layer(&g, "Dense", "{'units': 2}");
    outs[0] = graph_on(&g, shared, ins[0]);
    outs[1] = graph_on(&g, shared, ins[1]);
    graph_finish(&g, 2, ins, 2, outs);
    graph_compile(&g, losses, loss_weights);
    net = make_net(&g);
    unit_ok(totals_create(g.model, &totals, &err), &err);
    unit_ok(net_predict(net, g.params, &batch, p, &err), &err);
    for (size_t i = 0; i < 12; i++) {
        double a = (double)p[0][i] - (double)y[0][i];
        double b = (double)p[1][i] - (double)y[1][i];

        want[0] += a * a / 12.0;
        want[1] += fabs(b) / 12.0;
    }
    unit_ok(net_evaluate(net, g.params, &batch, totals, &err), &err);
    totals_result(totals, totals_find(totals, "loss"), &got);
    unit_assert_close(got, 0.25 * want[0] + 3.0 * want[1], 1e-6);
    totals_result(totals, totals_find(totals, "out0_loss"), &got);
    unit_assert_close(got, want[0], 1e-6);
    totals_result(totals, totals_find(totals, "out1_loss"), &got);
    unit_assert_close(got, want[1], 1e-6);

    totals_clear(totals);
    gradient = mem_floats(g.model->parameters);
    unit_ok(net_gradient(net, g.params, &batch, &draws, gradient, totals, &loss,
                         &err),
            &err);
    unit_assert_close(loss, 0.25 * want[0] + 3.0 * want[1], 1e-6);
    totals_result(totals, totals_find(totals, "loss"), &got);
    unit_assert_close(got, loss, 1e-9);
    totals_destroy(&totals);
    for (size_t i = 0; i < 2; i++) {
        mem_free_aligned(x[i]);
        mem_free_aligned(y[i]);
    }
    mem_free_aligned(gradient);
    net_destroy(&net);
    graph_release(&g);
}
END_TEST

/* Dense -> Dropout(0.3): what is dropped is named by the draws. */
START_TEST(dropout_is_repeatable)
{
    enum { ROWS = 200, WIDTH = 50 };
    struct graph g = {0};
    size_t in = graph_input(&g, "[50]");
    size_t t = graph_on(&g, graph_layer(&g, "Dropout", "{'rate': 0.3}"), in);
    float *x = mem_floats(ROWS * WIDTH);
    float *y = mem_zfloats(ROWS);
    const float *inputs[] = {x};
    const float *labels[] = {y};
    struct net_batch batch = {.rows = ROWS, .x = inputs, .y = labels};
    float gradient[4][WIDTH + 1];
    struct net_draws way[4] = {draws, draws, draws, draws};
    const float *out;
    struct net *net;
    double loss;
    struct err err = {0};

    graph_finish_one(&g, in, graph_dense(&g, t, 1, "linear"));
    graph_compile_one(&g, "mse");
    net = make_net(&g);
    for (size_t i = 0; i < ROWS * WIDTH; i++) {
        x[i] = 1.0f;
    }
    way[2].step++;
    way[3].partition++;
    for (int i = 0; i < 4; i++) {
        unit_ok(net_gradient(net, g.params, &batch, &way[i], gradient[i], NULL,
                             &loss, &err),
                &err);
    }
    ck_assert_mem_eq(gradient[0], gradient[1], sizeof(gradient[0]));
    ck_assert_mem_ne(gradient[0], gradient[2], sizeof(gradient[0]));
    ck_assert_mem_ne(gradient[0], gradient[3], sizeof(gradient[0]));
    ck_assert_mem_ne(gradient[2], gradient[3], sizeof(gradient[0]));

    /* with kernel 1/WIDTH and labels 0 the mean output, half the gradient of
     * the bias, is the part kept times its factor: near 1 */
    for (size_t i = 0; i < WIDTH; i++) {
        g.params[i] = 1.0f / WIDTH;
    }
    g.params[WIDTH] = 0.0f;
    unit_ok(net_gradient(net, g.params, &batch, &draws, gradient[0], NULL,
                         &loss, &err),
            &err);
    ck_assert(fabs((double)gradient[0][WIDTH] / 2.0 - 1.0) < 0.03);
    /* variance of one output: rate / (1 - rate) / WIDTH */
    ck_assert(fabs(loss - 1.0 - 0.3 / 0.7 / WIDTH) < 0.03);
    unit_ok(net_predict(net, g.params, &batch, &out, &err), &err);
    for (size_t r = 0; r < ROWS; r++) {
        unit_assert_close(out[r], 1.0, 1e-6); /* inference drops nothing */
    }
    mem_free_aligned(x);
    mem_free_aligned(y);
    net_destroy(&net);
    graph_release(&g);
}
END_TEST

/* Where probabilities are 0 or 1 in float32, a crossentropy behind softmax or
 * sigmoid still sees the logits, as Keras on TensorFlow does; behind another
 * function of the same values it sees clipped ones: the mean of -ln(1e-7) and
 * of -ln(1 - t), t the float next to 1 - 1e-7. */
START_TEST(saturated_probabilities_keep_their_logits)
{
    static const struct {
        const char *loss;
        const char *closing;
        double want;
    } cases[] = {
        {"binary_crossentropy", "sigmoid", 40.0},
        {"categorical_crossentropy", "softmax", 80.0},
        {"sparse_categorical_crossentropy", "softmax", 80.0},
        {"binary_crossentropy", "hard_sigmoid", 16.0302404},
    };
    /* logits (40, -40); labels say the opposite */
    static const float x[] = {40.0f};
    static const float one_hot[] = {0.0f, 1.0f};
    static const float class[] = {1.0f};
    const float *inputs[] = {x};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool sparse = strstr(cases[i].loss, "sparse") != NULL;
        const float *labels[] = {sparse ? class : one_hot};
        struct net_batch batch = {.rows = 1, .x = inputs, .y = labels};
        struct graph g = {0};
        size_t in = graph_input(&g, "[1]");
        struct totals *totals = NULL;
        struct net *net;
        float gradient[4];
        double loss;
        double got;
        struct err err = {0};

        graph_finish_one(&g, in, graph_dense(&g, in, 2, cases[i].closing));
        graph_compile_one(&g, cases[i].loss);
        memcpy(g.params, (float[]){1.0f, -1.0f, 0.0f, 0.0f}, 4 * sizeof(float));
        net = make_net(&g);
        unit_ok(totals_create(g.model, &totals, &err), &err);
        unit_ok(net_evaluate(net, g.params, &batch, totals, &err), &err);
        totals_result(totals, totals_find(totals, "loss"), &got);
        unit_assert_close(got, cases[i].want, 1e-6);
        unit_ok(net_gradient(net, g.params, &batch, &draws, gradient, NULL,
                             &loss, &err),
                &err);
        unit_assert_close(loss, cases[i].want, 1e-6);
        /* the bias of the wrong class is pushed down, unless it is flat */
        ck_assert((gradient[2] > 0.4f) == (cases[i].want > 20.0));
        totals_destroy(&totals);
        net_destroy(&net);
        graph_release(&g);
    }
}
END_TEST

START_TEST(no_rows_are_no_work)
{
    struct graph g = two_layer_graph();
    struct net *net = make_net(&g);
    const float *none[] = {NULL};
    struct net_batch batch = {.rows = 0, .x = none, .y = none};
    const float *out = g.params;
    float gradient[11];
    double loss = 1.0;
    struct totals *totals = NULL;
    struct err err = {0};

    memset(gradient, 0x7f, sizeof(gradient));
    unit_ok(totals_create(g.model, &totals, &err), &err);
    unit_ok(net_predict(net, g.params, &batch, &out, &err), &err);
    ck_assert_ptr_null(out);
    unit_ok(net_evaluate(net, g.params, &batch, totals, &err), &err);
    unit_ok(net_gradient(net, g.params, &batch, &draws, gradient, totals, &loss,
                         &err),
            &err);
    ck_assert(loss == 0.0);
    for (size_t i = 0; i < 11; i++) {
        ck_assert(gradient[i] == 0.0f);
    }
    totals_destroy(&totals);
    net_destroy(&net);
    graph_release(&g);
}
END_TEST

START_TEST(a_model_without_loss_only_predicts)
{
    static const float x[] = {1.0f, 2.0f, 3.0f};
    const float *inputs[] = {x};
    const float *labels[] = {x};
    struct graph g = {0};
    size_t in = graph_input(&g, "[3]");
    struct net_batch batch = {.rows = 1, .x = inputs, .y = labels};
    struct net *net;
    const float *out;
    float gradient[8];
    struct err err = {0};

    graph_finish_one(&g, in, graph_dense(&g, in, 2, "linear"));
    net = make_net(&g);
    unit_ok(net_predict(net, g.params, &batch, &out, &err), &err);
    ck_assert_int_eq(
        net_gradient(net, g.params, &batch, &draws, gradient, NULL, NULL, &err),
        ERR_STATE);
    ck_assert_ptr_nonnull(strstr(err.msg, "test"));
    ck_assert_ptr_nonnull(strstr(err.msg, "compile"));
    net_destroy(&net);
    graph_release(&g);
}
END_TEST

START_TEST(a_wrong_label_names_output_and_row)
{
    static const float x[] = {1.0f, 2.0f, 3.0f, 4.0f};
    static const float y[] = {1.0f, 5.0f};
    const float *inputs[] = {x};
    const float *labels[] = {y};
    struct graph g = {0};
    size_t in = graph_input(&g, "[2]");
    struct net_batch batch = {.rows = 2, .x = inputs, .y = labels};
    struct net *net;
    struct totals *totals = NULL;
    struct err err = {0};

    graph_finish_one(&g, in, graph_dense(&g, in, 3, "softmax"));
    graph_compile_one(&g, "sparse_categorical_crossentropy");
    net = make_net(&g);
    unit_ok(totals_create(g.model, &totals, &err), &err);
    ck_assert_int_eq(net_evaluate(net, g.params, &batch, totals, &err),
                     ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "output out0: row 1: label 5"));
    totals_destroy(&totals);
    net_destroy(&net);
    graph_release(&g);
}
END_TEST

START_TEST(an_unused_input_layer_is_refused)
{
    struct graph g = {0};
    size_t in = graph_input(&g, "[2]");
    size_t other = graph_input(&g, "[2]");
    size_t outs[2];
    struct net *net = NULL;
    struct tensor_ref refs[2] = {{0}};
    struct err err = {0};

    outs[0] = graph_dense(&g, in, 2, "linear");
    outs[1] = graph_dense(&g, other, 2, "linear");
    refs[0].call = in;
    unit_ok(model_set_inputs(g.model, refs, 1, &err), &err);
    refs[0].call = outs[0];
    refs[1].call = outs[1];
    unit_ok(model_set_outputs(g.model, refs, 2, &err), &err);
    if (model_finish(g.model, &err) == 0) { /* the model may refuse it first */
        ck_assert_int_eq(net_create(g.model, &net, &err), ERR_INVALID);
        ck_assert_ptr_null(net);
    }
    ck_assert_ptr_nonnull(strstr(err.msg, "InputLayer_1"));
    graph_release(&g);
}
END_TEST

START_TEST(too_many_rows_are_out_of_memory)
{
    static const float x[] = {1.0f, 2.0f, 3.0f};
    const float *inputs[] = {x};
    struct graph g = two_layer_graph();
    struct net *net = make_net(&g);
    struct net_batch batch = {.rows = SIZE_MAX / 2, .x = inputs};
    const float *out;
    struct err err = {0};

    ck_assert_int_eq(net_predict(net, g.params, &batch, &out, &err), ERR_NOMEM);
    batch.rows = 1; /* and the net goes on */
    unit_ok(net_predict(net, g.params, &batch, &out, &err), &err);
    unit_assert_close(out[0], 20.1, 1e-6);
    net_destroy(&net);
    graph_release(&g);
}
END_TEST

static int whole_pass(void *state, struct err *err)
{
    const struct graph *g = state;
    static const float x[] = {1.0f, 2.0f, 3.0f};
    static const float y[] = {1.0f};
    const float *inputs[] = {x};
    const float *labels[] = {y};
    struct net_batch batch = {.rows = 1, .x = inputs, .y = labels};
    struct net *net = NULL;
    const float *out;
    float gradient[11];
    int rc;

    if ((rc = net_create(g->model, &net, err)) == 0 &&
        (rc = net_predict(net, g->params, &batch, &out, err)) == 0) {
        rc = net_gradient(net, g->params, &batch, &draws, gradient, NULL, NULL,
                          err);
    }
    ck_assert(rc == 0 || net != NULL || err->code == ERR_NOMEM);
    net_destroy(&net);
    return rc;
}

START_TEST(survives_refused_memory)
{
    struct graph g = two_layer_graph();

    ck_assert_int_gt(unit_oom_sweep(whole_pass, &g), 10);
    graph_release(&g);
}
END_TEST

START_TEST(blas_is_named)
{
    ck_assert_uint_gt(strlen(net_blas()), 3);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("net");

    tcase_add_test(tc, predicts_by_hand);
    tcase_add_test(tc, loss_and_gradient_by_hand);
    tcase_add_test(tc, batches_of_any_size_agree);
    tcase_add_test(tc, views_copy_nothing);
    tcase_add_test(tc, totals_of_several_outputs);
    tcase_add_test(tc, dropout_is_repeatable);
    tcase_add_test(tc, saturated_probabilities_keep_their_logits);
    tcase_add_test(tc, no_rows_are_no_work);
    tcase_add_test(tc, a_model_without_loss_only_predicts);
    tcase_add_test(tc, a_wrong_label_names_output_and_row);
    tcase_add_test(tc, an_unused_input_layer_is_refused);
    tcase_add_test(tc, too_many_rows_are_out_of_memory);
    tcase_add_test(tc, survives_refused_memory);
    tcase_add_test(tc, blas_is_named);
    return tc;
}

UNIT_MAIN("net", basic)
