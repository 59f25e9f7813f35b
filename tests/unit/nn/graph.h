/* SPDX-License-Identifier: MIT
 *
 * graph: what the tests of this room build models and data with. Everything
 * fails the test on an error, so that a graph is a few lines.
 */
#ifndef TESTS_UNIT_NN_GRAPH_H
#define TESTS_UNIT_NN_GRAPH_H

#include "tests/lib/unit.h"

#include "common/mem.h"
#include "common/model/model.h"
#include "common/rng.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A model with an optimizer and one loss per output, to be trained. */
struct graph {
    struct model *model;
    float *params;
};

__attribute__((format(printf, 1, 0))) static inline json_t *
graph_json(const char *format, va_list args)
{
    char text[512];
    json_error_t fault;
    json_t *value;

    (void)vsnprintf(text, sizeof(text), format, args);
    for (char *c = text; *c != '\0'; c++) {
        *c = *c == '\'' ? '"' : *c; /* so that tests need no backslashes */
    }
    value = json_loads(text, 0, &fault);
    ck_assert_msg(value != NULL, "%s: %s", text, fault.text);
    return value;
}

/* Adds a layer; config is a format of JSON with ' for ". Returns its index. */
__attribute__((format(printf, 3, 4))) static inline size_t
graph_layer(struct graph *g, const char *class_name, const char *format, ...)
{
    struct err err = {0};
    size_t index = 0;
    char name[32];
    char path[48];
    va_list args;
    json_t *config;

    if (g->model == NULL) {
        unit_ok(model_create("test", &g->model, &err), &err);
    }
    (void)snprintf(name, sizeof(name), "%s_%zu", class_name,
                   g->model->layer_count);
    (void)snprintf(path, sizeof(path), "layers/%s", name);
    va_start(args, format);
    config = graph_json(format, args);
    va_end(args);
    unit_ok(
        model_add_layer(g->model, name, class_name, NULL, config,
                        !json_is_false(json_object_get(config, "trainable")),
                        path, &index, &err),
        &err);
    json_decref(config);
    return index;
}

/* A call of a layer on the first output of each of n calls. */
static inline size_t graph_call(struct graph *g, size_t layer, size_t n,
                                const size_t *calls)
{
    struct tensor_ref refs[4] = {{0}};
    struct err err = {0};
    size_t call = 0;

    for (size_t i = 0; i < n; i++) {
        refs[i].call = calls[i];
    }
    unit_ok(model_add_call(g->model, layer, refs, n, NULL, &call, &err), &err);
    return call;
}

static inline size_t graph_on(struct graph *g, size_t layer, size_t call)
{
    return graph_call(g, layer, 1, &call);
}

/* An input of that shape ("[2, 3]"); returns the call. */
static inline size_t graph_input(struct graph *g, const char *shape)
{
    return graph_call(g,
                      graph_layer(g, "InputLayer", "{'batch_shape': [null%s%s}",
                                  shape[1] == ']' ? "" : ", ", shape + 1),
                      0, NULL);
}

static inline size_t graph_dense(struct graph *g, size_t call, int units,
                                 const char *activation)
{
    return graph_on(g,
                    graph_layer(g, "Dense", "{'units': %d, 'activation': '%s'}",
                                units, activation),
                    call);
}

/* Inputs and outputs, and weights drawn: biases as well, so that none is 0. */
static inline void graph_finish(struct graph *g, size_t in, const size_t *ins,
                                size_t out, const size_t *outs)
{
    struct tensor_ref refs[4] = {{0}};
    struct err err = {0};
    struct rng rng;

    for (size_t i = 0; i < in; i++) {
        refs[i].call = ins[i];
    }
    unit_ok(model_set_inputs(g->model, refs, in, &err), &err);
    for (size_t i = 0; i < out; i++) {
        refs[i].call = outs[i];
    }
    unit_ok(model_set_outputs(g->model, refs, out, &err), &err);
    unit_ok(model_finish(g->model, &err), &err);
    g->params = mem_floats(g->model->parameters);
    ck_assert_ptr_nonnull(g->params);
    rng_init(&rng, 7, RNG_INITIALIZER, 1, 2, 3);
    for (size_t i = 0; i < g->model->parameters; i++) {
        g->params[i] = 0.5f * rng_normal(&rng);
    }
}

static inline void graph_finish_one(struct graph *g, size_t in, size_t out)
{
    graph_finish(g, 1, &in, 1, &out);
}

/* SGD, and a loss by name for each output ("" for none), with weights or
 * NULL. */
static inline void graph_compile(struct graph *g, const char *const *losses,
                                 const double *loss_weights)
{
    struct object_spec sgd = {.class_name = "SGD"};
    struct object_spec mae = {.class_name = "mae"};
    struct object_spec loss[4];
    struct output_spec outputs[4];
    char names[4][32];
    struct err err = {0};

    memset(outputs, 0, sizeof(outputs));
    memset(loss, 0, sizeof(loss));
    for (size_t i = 0; i < g->model->output_count; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "out%zu", i);
        loss[i].class_name = losses[i];
        outputs[i].name = names[i];
        outputs[i].loss = losses[i][0] != '\0' ? &loss[i] : NULL;
        outputs[i].loss_weight = loss_weights != NULL ? loss_weights[i] : 1.0;
        outputs[i].metrics = &mae;
        outputs[i].metric_count = strstr(losses[i], "sparse") == NULL;
    }
    unit_ok(model_set_training(g->model, &sgd, outputs, g->model->output_count,
                               &err),
            &err);
}

static inline void graph_compile_one(struct graph *g, const char *loss)
{
    graph_compile(g, &loss, NULL);
}

static inline void graph_release(struct graph *g)
{
    mem_free_aligned(g->params);
    model_destroy(&g->model);
}

/* n normal numbers, the same for the same stream; free with mem_free_aligned */
static inline float *graph_normal(size_t n, uint64_t stream)
{
    float *values = mem_floats(n);
    struct rng rng;

    ck_assert_ptr_nonnull(values);
    rng_init(&rng, 11, RNG_NOISE, stream, 0, 0);
    for (size_t i = 0; i < n; i++) {
        values[i] = rng_normal(&rng);
    }
    return values;
}

/* rows x width floats, one 1 in each row. */
static inline float *graph_one_hot(size_t rows, size_t width)
{
    float *values = mem_zfloats(rows * width);

    ck_assert_ptr_nonnull(values);
    for (size_t i = 0; i < rows; i++) {
        values[i * width + (i * 7 + 1) % width] = 1.0f;
    }
    return values;
}

#endif
