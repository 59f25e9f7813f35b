/* SPDX-License-Identifier: MIT
 *
 * check_rnn: the recurrent layers' gradients against finite differences, with
 * every option, masks, initial and final states and dropout, alone and in the
 * wrappers; and what a step and a mask do, by hand.
 */
#include "tests/unit/nn/graph.h"

#include "worker/nn/check.h"
#include "worker/nn/net.h"

#include <math.h>

#define ROWS 5
#define STEPS 4
#define WIDTH 3

static const struct net_draws draws = {.seed = 5, .partition = 2, .step = 9};

/* Inputs of the first model input, of which about a third of the steps are 0;
 * the first row has none that count. */
static float *sequences(void)
{
    float *x = graph_normal(ROWS * STEPS * WIDTH, 1);

    for (size_t i = 0; i < ROWS * STEPS; i++) {
        if (i < STEPS || i % 3 == 1) {
            memset(x + i * WIDTH, 0, WIDTH * sizeof(float));
        }
    }
    return x;
}

/* Checks the gradient of a finished graph, mean squared error on each output,
 * and releases it. */
static void judge(struct graph *g)
{
    static const char *const losses[] = {"mse", "mse", "mse", "mse"};
    const float *x[4];
    const float *y[4];
    struct net_batch batch = {.rows = ROWS, .x = x, .y = y};
    struct check_result result;
    struct err err = {0};

    graph_compile(g, losses, NULL);
    x[0] = sequences();
    for (size_t i = 1; i < g->model->input_count; i++) {
        x[i] = graph_normal(ROWS * shape_size(model_input_shape(g->model, i)),
                            20 + i);
    }
    for (size_t i = 0; i < g->model->output_count; i++) {
        y[i] = graph_normal(ROWS * shape_size(model_output_shape(g->model, i)),
                            40 + i);
    }
    unit_ok(check_gradient(g->model, g->params, &batch, &draws, 2e-3, &result,
                           &err),
            &err);
    ck_assert_msg(result.judged > 0 && result.skipped <= result.judged,
                  "%zu judged, %zu skipped", result.judged, result.skipped);
    for (size_t i = 0; i < g->model->input_count; i++) {
        mem_free_aligned((float *)(uintptr_t)x[i]);
    }
    for (size_t i = 0; i < g->model->output_count; i++) {
        mem_free_aligned((float *)(uintptr_t)y[i]);
    }
    graph_release(g);
}

static const char *const classes[] = {"SimpleRNN", "LSTM", "GRU"};
#define CLASSES 3

/* Options beside units, for all classes. */
static const char *const options[] = {
    "",
    ", 'return_sequences': true",
    ", 'go_backwards': true",
    ", 'go_backwards': true, 'return_sequences': true",
    ", 'use_bias': false, 'return_sequences': true",
    ", 'activation': 'gelu', 'recurrent_activation': 'hard_sigmoid'",
    ", 'activation': 'softmax', 'recurrent_activation': 'softmax'",
    ", 'activation': 'linear', 'recurrent_activation': 'silu'",
    ", 'dropout': 0.4, 'return_sequences': true",
    ", 'recurrent_dropout': 0.4",
    ", 'dropout': 0.3, 'recurrent_dropout': 0.3, 'go_backwards': true",
    ", 'dropout': 0.3, 'implementation': 1, 'return_sequences': true",
    ", 'zero_output_for_mask': true",
    ", 'zero_output_for_mask': true, 'return_sequences': true",
    ", 'reset_after': false",
    ", 'reset_after': false, 'use_bias': false",
    ", 'reset_after': false, 'recurrent_dropout': 0.4",
    ", 'unit_forget_bias': false",
};
#define OPTIONS (sizeof(options) / sizeof(options[0]))

/* Each class with each option, once with a mask and once without, between two
 * layers that are trained. */
START_TEST(options_with_and_without_masks)
{
    const char *class_name = classes[(size_t)_i / OPTIONS % CLASSES];
    const char *option = options[(size_t)_i % OPTIONS];
    bool masked = (size_t)_i >= OPTIONS * CLASSES;
    struct graph g = {0};
    size_t in = graph_input(&g, "[4, 3]");
    size_t t = in;

    if (masked) {
        t = graph_on(&g, graph_layer(&g, "Masking", "{}"), t);
    }
    t = graph_dense(&g, t, 2, "linear");
    t = graph_on(&g, graph_layer(&g, class_name, "{'units': 3%s}", option), t);
    t = graph_dense(&g, t, 2, "linear");
    graph_finish_one(&g, in, t);
    judge(&g);
}
END_TEST

/* Final states of one layer are outputs and initial states of another. */
START_TEST(states_in_and_out)
{
    const char *class_name = classes[_i % CLASSES];
    bool masked = _i >= CLASSES;
    size_t states = _i % CLASSES == 1 ? 2 : 1;
    struct graph g = {0};
    struct tensor_ref ins[4] = {{0}};
    struct err err = {0};
    size_t in = graph_input(&g, "[4, 3]");
    size_t t = in;
    size_t outs[2];
    size_t first;
    size_t second;

    if (masked) {
        t = graph_on(&g, graph_layer(&g, "Masking", "{}"), t);
    }
    first = graph_on(&g,
                     graph_layer(&g, class_name,
                                 "{'units': 3, 'return_state': true, "
                                 "'return_sequences': true}"),
                     graph_dense(&g, t, 3, "tanh"));
    ins[0].call = first;
    for (size_t i = 0; i < states; i++) {
        ins[1 + i] = (struct tensor_ref){.call = first, .output = 1 + i};
    }
    unit_ok(model_add_call(g.model,
                           graph_layer(&g, class_name,
                                       "{'units': 3, 'return_state': true, "
                                       "'go_backwards': true}"),
                           ins, 1 + states, NULL, &second, &err),
            &err);
    outs[0] = graph_dense(&g, second, 2, "linear");
    ins[0] = (struct tensor_ref){.call = second, .output = states};
    unit_ok(model_add_call(g.model, graph_layer(&g, "Dense", "{'units': 2}"),
                           ins, 1, NULL, &outs[1], &err),
            &err);
    graph_finish(&g, 1, &in, 2, outs);
    judge(&g);
}
END_TEST

/* The same layer twice: gradients add up. */
START_TEST(shared_layers)
{
    struct graph g = {0};
    size_t in = graph_input(&g, "[4, 3]");
    size_t layer =
        graph_layer(&g, classes[_i], "{'units': 3, 'return_sequences': true}");
    size_t t = graph_on(&g, layer, graph_on(&g, layer, in));

    graph_finish_one(&g, in, t);
    judge(&g);
}
END_TEST

static const char *const merges[] = {"'concat'", "'sum'", "'mul'", "'ave'",
                                     "null"};

START_TEST(directions)
{
    const char *sequence = _i >= 5 ? "true" : "false";
    struct graph g = {0};
    size_t in = graph_input(&g, "[4, 3]");
    size_t t = graph_on(&g, graph_layer(&g, "Masking", "{}"), in);
    size_t both[2];
    size_t merged;

    both[0] =
        graph_on(&g,
                 graph_layer(&g, "LSTM", "{'units': 3, 'return_sequences': %s}",
                             sequence),
                 t);
    both[1] = graph_on(&g,
                       graph_layer(&g, "GRU",
                                   "{'units': 3, 'return_sequences': %s, "
                                   "'go_backwards': true}",
                                   sequence),
                       t);
    merged = graph_call(
        &g,
        graph_layer(&g, "Bidirectional", "{'merge_mode': %s}", merges[_i % 5]),
        2, both);
    if (_i % 5 == 4) {
        struct tensor_ref second = {.call = merged, .output = 1};
        struct err err = {0};
        size_t outs[2] = {graph_dense(&g, merged, 2, "linear"), 0};

        unit_ok(model_add_call(g.model,
                               graph_layer(&g, "Dense", "{'units': 2}"),
                               &second, 1, NULL, &outs[1], &err),
                &err);
        graph_finish(&g, 1, &in, 2, outs);
    } else {
        graph_finish_one(&g, in, graph_dense(&g, merged, 2, "linear"));
    }
    judge(&g);
}
END_TEST

/* Steps as rows: what is inside of a TimeDistributed. */
START_TEST(steps_as_rows)
{
    struct graph g = {0};
    size_t in = graph_input(&g, "[4, 3]");
    size_t outer = graph_layer(&g, "TimeDistributed", "{}");
    size_t t;
    size_t view;
    size_t both[2];

    t = graph_on(&g, graph_layer(&g, "Masking", "{}"), in);
    t = graph_dense(&g, t, 4, "tanh");
    both[1] = t;
    view = graph_on(&g, outer, t);
    t = graph_on(&g, graph_layer(&g, "Reshape", "{'target_shape': [2, 2]}"),
                 view);
    t = graph_on(&g, graph_layer(&g, "GRU", "{'units': 2}"), t);
    both[0] = graph_on(&g, graph_layer(&g, "Dropout", "{'rate': 0.2}"), t);
    t = graph_call(&g, outer, 2, both);
    t = graph_on(&g, graph_layer(&g, "LSTM", "{'units': 2}"), t);
    graph_finish_one(&g, in, t);
    judge(&g);
}
END_TEST

START_TEST(layers_of_sequences)
{
    struct graph g = {0};
    size_t in = graph_input(&g, "[4, 3]");
    size_t t = graph_dense(&g, in, 2, "tanh");

    t = graph_on(&g, graph_layer(&g, "Permute", "{'dims': [2, 1]}"), t);
    t = graph_on(&g, graph_layer(&g, "Masking", "{'mask_value': 0.5}"), t);
    t = graph_on(&g, graph_layer(&g, "SimpleRNN", "{'units': 3}"), t);
    t = graph_on(&g, graph_layer(&g, "RepeatVector", "{'n': 3}"), t);
    t = graph_on(&g, graph_layer(&g, "Identity", "{}"), t);
    graph_finish_one(&g, in, t);
    judge(&g);
}
END_TEST

/* ---- by hand ------------------------------------------------------------- */

static const float *predict(struct graph *g, struct net *net, size_t rows,
                            const float *x)
{
    struct net_batch batch = {.rows = rows, .x = &x};
    const float *y = NULL;
    struct err err = {0};

    unit_ok(net_predict(net, g->params, &batch, &y, &err), &err);
    return y;
}

/* h' = x w + h u without a function: one feature, one unit. */
START_TEST(a_masked_step_is_as_if_it_were_not_there)
{
    static const float x[] = {1.0f, 0.0f, 2.0f, 0.0f,  /* two masked */
                              0.0f, 1.0f, 2.0f, 0.0f}; /* the same, moved */
    struct graph g = {0};
    struct net *net = NULL;
    struct err err = {0};
    size_t in = graph_input(&g, "[4, 1]");
    size_t t = graph_on(&g, graph_layer(&g, "Masking", "{}"), in);
    const float *y;

    t = graph_on(&g,
                 graph_layer(&g, "SimpleRNN",
                             "{'units': 1, 'activation': 'linear', "
                             "'use_bias': false, 'return_sequences': true}"),
                 t);
    graph_finish_one(&g, in, t);
    g.params[0] = 3.0f;  /* kernel */
    g.params[1] = 10.0f; /* recurrent kernel */
    unit_ok(net_create(g.model, &net, &err), &err);
    y = predict(&g, net, 2, x);
    ck_assert_float_eq(y[0], 3.0f);
    ck_assert_float_eq(y[1], 3.0f); /* the output of the step before */
    ck_assert_float_eq(y[2], 36.0f);
    ck_assert_float_eq(y[3], 36.0f);
    ck_assert_float_eq(y[4], 0.0f); /* nothing before it */
    ck_assert_float_eq(y[5], 3.0f);
    ck_assert_float_eq(y[6], 36.0f);
    net_destroy(&net);
    graph_release(&g);
}
END_TEST

/* The bias of the forget gate begins as 1, whatever else is drawn. */
START_TEST(forget_bias)
{
    struct graph g = {0};
    float *values;
    size_t in = graph_input(&g, "[4, 3]");
    size_t t =
        graph_on(&g,
                 graph_layer(&g, "LSTM", "{'units': 2, 'unit_forget_bias': %s}",
                             _i == 0 ? "true" : "false"),
                 in);

    graph_finish_one(&g, in, t);
    values = mem_floats(g.model->parameters);
    ck_assert_ptr_nonnull(values);
    model_initialize(g.model, 3, values);
    for (size_t k = 0; k < 8; k++) {
        bool one = _i == 0 && (k == 2 || k == 3);

        ck_assert_float_eq(values[g.model->variables[2].offset + k],
                           one ? 1.0f : 0.0f);
    }
    mem_free_aligned(values);
    graph_release(&g);
}
END_TEST

/* Dropout is off in inference, and the same for all steps in training. */
START_TEST(dropout_only_in_training)
{
    struct graph g = {0};
    struct net *net = NULL;
    struct err err = {0};
    const float x[STEPS] = {1.0f, 1.0f, 1.0f, 1.0f};
    const float target[STEPS] = {0.0f};
    const float *xs = x;
    const float *ys = target;
    struct net_batch batch = {.rows = 1, .x = &xs, .y = &ys};
    float gradient[2];
    double loss = 0.0;
    size_t in = graph_input(&g, "[4, 1]");
    size_t dropped = 0;
    size_t t = graph_on(&g,
                        graph_layer(&g, "SimpleRNN",
                                    "{'units': 1, 'activation': 'linear', "
                                    "'use_bias': false, 'dropout': 0.5, "
                                    "'return_sequences': true}"),
                        in);

    graph_finish_one(&g, in, t);
    graph_compile_one(&g, "mse");
    g.params[0] = 1.0f;
    g.params[1] = 0.0f; /* each step's output is its input */
    unit_ok(net_create(g.model, &net, &err), &err);
    ck_assert_float_eq(predict(&g, net, 1, x)[2], 1.0f);
    for (uint64_t step = 0; step < 64; step++) {
        struct net_draws d = {.seed = 1, .step = step};

        unit_ok(net_gradient(net, g.params, &batch, &d, gradient, NULL, &loss,
                             &err),
                &err);
        /* all steps are 0, or all are 2: never one of them */
        ck_assert(fabs(loss) < 1e-6 || fabs(loss - 4.0) < 1e-6);
        dropped += loss < 1.0;
    }
    ck_assert(dropped > 16 && dropped < 48);
    net_destroy(&net);
    graph_release(&g);
}
END_TEST

START_TEST(refuses_masks_that_are_not_steps)
{
    struct graph g = {0};
    struct net *net = NULL;
    struct err err = {0};
    struct tensor_ref refs[2] = {{0}};
    json_t *mask = json_pack("{s:{s:i}}", "mask", "tensor", 1);
    size_t in = graph_input(&g, "[4, 3]");
    size_t out = 0;

    refs[0].call = refs[1].call = in;
    unit_ok(model_add_call(g.model, graph_layer(&g, "GRU", "{'units': 2}"),
                           refs, 2, mask, &out, &err),
            &err);
    graph_finish_one(&g, in, out);
    ck_assert_int_eq(net_create(g.model, &net, &err), ERR_UNSUPPORTED);
    ck_assert_msg(strstr(err.msg, "(4, 3)") != NULL, "%s", err.msg);
    json_decref(mask);
    graph_release(&g);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("rnn");

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, options_with_and_without_masks, 0,
                        (int)(2 * OPTIONS * CLASSES));
    tcase_add_loop_test(tc, states_in_and_out, 0, 2 * CLASSES);
    tcase_add_loop_test(tc, shared_layers, 0, CLASSES);
    tcase_add_loop_test(tc, directions, 0, 10);
    tcase_add_test(tc, steps_as_rows);
    tcase_add_test(tc, layers_of_sequences);
    tcase_add_test(tc, a_masked_step_is_as_if_it_were_not_there);
    tcase_add_loop_test(tc, forget_bias, 0, 2);
    tcase_add_test(tc, dropout_only_in_training);
    tcase_add_test(tc, refuses_masks_that_are_not_steps);
    return tc;
}

UNIT_MAIN("rnn", basic)
