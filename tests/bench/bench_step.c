/* SPDX-License-Identifier: MIT
 *
 * bench_step: how fast a worker trains the MNIST MLP (784-128-128-10, relu,
 * dropout 0.2, softmax, categorical crossentropy) by SGD in batches of 64:
 * gradient and optimizer step, without data reading or a server.
 *
 *     bench_step [SECONDS [BATCH]]
 *
 * Prints one line for the whole step and one for inference, in samples/s of
 * the best of five runs: the rest is what else the machine was doing.
 */
#include "common/mem.h"
#include "common/model/optimizer.h"
#include "common/rng.h"
#include "worker/nn/net.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define RUNS 5
#define FEATURES 784
#define CLASSES 10

static double now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int add(struct model *m, const char *class_name, const char *config,
               size_t *call, struct err *err)
{
    struct tensor_ref from = {.call = *call};
    json_t *object = json_loads(config, 0, NULL);
    size_t n = m->call_count == 0 ? 0 : 1;
    char name[32];
    size_t layer;
    int rc;

    if (object == NULL) {
        return err_set(err, ERR_INVALID, "%s", config);
    }
    (void)snprintf(name, sizeof(name), "layer_%zu", m->layer_count);
    rc = model_add_layer(m, name, class_name, NULL, object, true, name, &layer,
                         err);
    json_decref(object);
    if (rc == 0) {
        rc = model_add_call(m, layer, &from, n, NULL, call, err);
    }
    return rc;
}

static int make_model(struct model **out, struct err *err)
{
    static const char *const layers[][2] = {
        {"InputLayer", "{\"batch_shape\": [null, 784]}"},
        {"Dense", "{\"units\": 128}"},
        {"Activation", "{\"activation\": \"relu\"}"},
        {"Dropout", "{\"rate\": 0.2}"},
        {"Dense", "{\"units\": 128}"},
        {"Activation", "{\"activation\": \"relu\"}"},
        {"Dropout", "{\"rate\": 0.2}"},
        {"Dense", "{\"units\": 10}"},
        {"Activation", "{\"activation\": \"softmax\"}"},
    };
    struct object_spec sgd = {.class_name = "SGD"};
    struct object_spec loss = {.class_name = "categorical_crossentropy"};
    struct object_spec acc = {.class_name = "acc"};
    struct output_spec output = {.name = "out",
                                 .loss = &loss,
                                 .loss_weight = 1.0,
                                 .metrics = &acc,
                                 .metric_count = 1};
    struct tensor_ref first = {0};
    struct tensor_ref last = {0};
    size_t call = 0;
    int rc = model_create("bench", out, err);

    for (size_t i = 0; rc == 0 && i < sizeof(layers) / sizeof(layers[0]); i++) {
        rc = add(*out, layers[i][0], layers[i][1], &call, err);
    }
    last.call = call;
    if (rc == 0 && (rc = model_set_inputs(*out, &first, 1, err)) == 0 &&
        (rc = model_set_outputs(*out, &last, 1, err)) == 0 &&
        (rc = model_finish(*out, err)) == 0) {
        rc = model_set_training(*out, &sgd, &output, 1, err);
    }
    return rc;
}

struct bench {
    struct model *model;
    struct net *net;
    struct totals *totals;
    float *params;
    float *gradient;
    float *x;
    float *y;
    struct optimizer_state optimizer;
    size_t batch;
};

static int one_step(struct bench *b, size_t number, bool training,
                    struct err *err)
{
    const float *x[] = {b->x};
    const float *y[] = {b->y};
    const float *out;
    struct net_batch batch = {.rows = b->batch, .x = x, .y = y};
    struct net_draws draws = {.seed = 1, .step = number};
    int rc;

    if (!training) {
        return net_predict(b->net, b->params, &batch, &out, err);
    }
    rc = net_gradient(b->net, b->params, &batch, &draws, b->gradient, b->totals,
                      NULL, err);
    if (rc == 0) {
        optimizer_step(b->model->optimizer, b->model, &b->optimizer, b->params,
                       b->gradient);
    }
    return rc;
}

static int measure(struct bench *b, bool training, double seconds,
                   struct err *err)
{
    double best = 0.0;
    size_t number = 0;

    for (int run = 0; run < RUNS; run++) {
        double began = now();
        size_t steps = 0;
        double took;

        do {
            for (int i = 0; i < 10; i++, steps++) {
                int rc = one_step(b, number++, training, err);

                if (rc != 0) {
                    return rc;
                }
            }
            took = now() - began;
        } while (took < seconds / RUNS);
        if ((double)(steps * b->batch) / took > best) {
            best = (double)(steps * b->batch) / took;
        }
    }
    printf("%s: %.0f samples/s (MNIST MLP, batch %zu, BLAS %.16s)\n",
           training ? "train" : "predict", best, b->batch, net_blas());
    return 0;
}

static int prepare(struct bench *b, struct err *err)
{
    struct rng rng;
    int rc;

    if ((rc = make_model(&b->model, err)) != 0 ||
        (rc = net_create(b->model, &b->net, err)) != 0 ||
        (rc = totals_create(b->model, &b->totals, err)) != 0) {
        return rc;
    }
    b->params = mem_floats(b->model->parameters);
    b->gradient = mem_floats(b->model->parameters);
    b->x = mem_floats(b->batch * FEATURES);
    b->y = mem_zfloats(b->batch * CLASSES);
    if (b->params == NULL || b->gradient == NULL || b->x == NULL ||
        b->y == NULL) {
        return err_nomem(err);
    }
    model_initialize(b->model, 1, b->params);
    optimizer_state_init(b->model->optimizer, b->model, &b->optimizer, NULL);
    rng_init(&rng, 1, RNG_NOISE, 0, 0, 0);
    for (size_t i = 0; i < b->batch * FEATURES; i++) {
        b->x[i] = rng_uniform(&rng);
    }
    for (size_t i = 0; i < b->batch; i++) {
        b->y[i * CLASSES + i % CLASSES] = 1.0f;
    }
    return 0;
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 2.0;
    struct bench b = {.batch = argc > 2 ? strtoul(argv[2], NULL, 10) : 64};
    struct err err = {0};
    int rc;

    if (b.batch == 0 || (rc = prepare(&b, &err)) != 0 ||
        (rc = measure(&b, true, seconds, &err)) != 0 ||
        (rc = measure(&b, false, seconds, &err)) != 0) {
        (void)fprintf(stderr, "bench_step: %s\n", err.msg);
        return EXIT_FAILURE;
    }
    mem_free_aligned(b.params);
    mem_free_aligned(b.gradient);
    mem_free_aligned(b.x);
    mem_free_aligned(b.y);
    totals_destroy(&b.totals);
    net_destroy(&b.net);
    model_destroy(&b.model);
    return EXIT_SUCCESS;
}
