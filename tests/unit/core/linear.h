/* SPDX-License-Identifier: MIT
 *
 * linear: a network small enough to be trained by a test: y = x . w + b on
 * made-up rows, with the mean squared error. Row i belongs to partition
 * i mod N, as on the local engine. A worker is a function here: it takes a
 * state vector and returns what a real one would push.
 */
#ifndef TESTS_UNIT_CORE_LINEAR_H
#define TESTS_UNIT_CORE_LINEAR_H

#include "tests/lib/unit.h"

#include "common/mem.h"
#include "common/model/model.h"
#include "common/model/optimizer.h"
#include "driver/core/training.h"

#include <string.h>

#define LINEAR_P 3    /* kernel of 2, bias */
#define LINEAR_MAX 16 /* values of any state vector here, at most */

static inline int linear_add(struct model *model, const char *name,
                             const char *class_name, const char *config,
                             const struct tensor_ref *from,
                             struct tensor_ref *out, struct err *err)
{
    json_t *json = json_loads(config, 0, NULL);
    size_t layer = 0;
    size_t call = 0;
    int rc = json == NULL ? err_nomem(err)
                          : model_add_layer(model, name, class_name, NULL, json,
                                            true, "layers/x", &layer, err);

    json_decref(json);
    if (rc == 0) {
        rc = model_add_call(model, layer, from, from != NULL ? 1 : 0, NULL,
                            &call, err);
    }
    *out = (struct tensor_ref){call, 0};
    return rc;
}

/* Compiled with this optimizer (config: JSON text) unless it is NULL. */
static inline int linear_model(const char *optimizer, const char *config,
                               struct model **out, struct err *err)
{
    struct model *m = NULL;
    struct tensor_ref x;
    struct tensor_ref y;
    int rc = model_create("linear", &m, err);

    if (rc == 0 &&
        (rc = linear_add(m, "in", "InputLayer", "{\"batch_shape\":[null,2]}",
                         NULL, &x, err)) == 0 &&
        (rc = linear_add(m, "fc", "Dense", "{\"units\":1}", &x, &y, err)) ==
            0 &&
        (rc = model_set_inputs(m, &x, 1, err)) == 0 &&
        (rc = model_set_outputs(m, &y, 1, err)) == 0) {
        rc = model_finish(m, err);
    }
    if (rc == 0 && optimizer != NULL) {
        json_t *json = json_loads(config, 0, NULL);
        struct object_spec opt = {.class_name = optimizer, .config = json};
        struct object_spec mse = {.class_name = "mse"};
        struct object_spec mae = {.class_name = "mae"};
        struct output_spec output = {.name = "fc",
                                     .loss = &mse,
                                     .loss_weight = 1.0,
                                     .metrics = &mae,
                                     .metric_count = 1};

        rc = json == NULL ? err_nomem(err)
                          : model_set_training(m, &opt, &output, 1, err);
        json_decref(json);
    }
    if (rc != 0) {
        model_destroy(&m);
        return rc;
    }
    *out = m;
    return 0;
}

static inline void linear_row(uint64_t i, float x[2], float *y)
{
    x[0] = (float)(i * 7 % 11) / 11.0F - 0.4F;
    x[1] = (float)(i * 5 % 13) / 13.0F - 0.6F;
    *y = 2.0F * x[0] - 3.0F * x[1] + 0.5F + (float)(i % 3) * 0.01F;
}

/* Rows first .. first + count - 1 of partition p of n: the gradient of their
 * mean loss at w (NULL: not wanted), and their metrics added to totals. */
static inline void linear_batch(const float *w, uint32_t n, uint32_t p,
                                uint64_t first, uint64_t count,
                                float gradient[LINEAR_P], struct totals *totals)
{
    double loss = 0;
    double g[LINEAR_P] = {0};

    for (uint64_t k = first; k < first + count; k++) {
        float x[2];
        float y;
        float out;
        const float *ys[1] = {&y};
        const float *outs[1] = {&out};
        double d;
        double row_loss;

        linear_row(k * n + p, x, &y);
        out = w[0] * x[0] + w[1] * x[1] + w[2];
        d = (double)out - (double)y;
        row_loss = d * d;
        loss += row_loss;
        g[0] += 2 * d * (double)x[0];
        g[1] += 2 * d * (double)x[1];
        g[2] += 2 * d;
        totals_add_batch(totals,
                         &(struct totals_batch){.rows = 1,
                                                .loss = row_loss,
                                                .output_losses = &row_loss,
                                                .y = ys,
                                                .p = outs});
    }
    for (int i = 0; gradient != NULL && i < LINEAR_P; i++) {
        gradient[i] = (float)(g[i] / (double)count);
    }
    (void)loss;
}

/* What a worker makes of a step: an update whose pointers are in here. */
struct linear_work {
    float values[LINEAR_MAX];
    double scalars[OPTIMIZER_MAX_SCALARS];
    struct totals *metrics;
    struct training_update update;
};

static inline void linear_work_deinit(struct linear_work *work)
{
    totals_destroy(&work->metrics);
}

static inline uint64_t linear_part_rows(uint64_t rows, uint32_t n, uint32_t p)
{
    return rows / n + (p < rows % n);
}

/* Computes step `step` of partition p from this state. `options` tell the
 * kind of update; samples are the rows of the partition. */
static inline void linear_compute(const struct model *model,
                                  const struct training_options *options,
                                  const struct model_state *from,
                                  uint64_t version, uint32_t p,
                                  uint64_t samples, uint64_t step,
                                  struct linear_work *work)
{
    struct err err = {0};
    uint64_t batch = options->batch_size;
    bool by_batch = options->frequency == TRAINING_BATCH;
    bool sync = options->mode == TRAINING_SYNCHRONOUS;
    uint64_t size = batch * (options->period > 1 ? options->period : 1);
    uint64_t steps = (samples + size - 1) / size;
    uint64_t first = by_batch ? step % steps * size : 0;
    uint64_t end = by_batch && first + size < samples ? first + size : samples;
    float state[LINEAR_MAX];
    struct optimizer_state o = from->optimizer;
    struct training_update *u = &work->update;

    ck_assert_uint_le(from->count, LINEAR_MAX);
    memset(work, 0, sizeof(*work));
    unit_ok(totals_create(model, &work->metrics, &err), &err);
    memcpy(state, from->values, from->count * sizeof(float));
    o.slots = state + LINEAR_P;
    u->partition = p;
    u->step = step;
    u->base_version = version;
    u->samples = end - first;
    u->end = LINEAR_P;
    u->metrics = work->metrics;
    u->values = (const uint8_t *)work->values;
    u->first_loss = 1;
    if (by_batch && sync && options->period <= 1) {
        u->gradient = true;
        u->iterations = 1;
        linear_batch(state, options->partitions, p, first, end - first,
                     work->values, work->metrics);
        return;
    }
    for (; first < end; first += batch) {
        float gradient[LINEAR_P];
        uint64_t count = end - first < batch ? end - first : batch;

        linear_batch(state, options->partitions, p, first, count, gradient,
                     work->metrics);
        optimizer_step(model->optimizer, model, &o, state, gradient);
        u->iterations++;
    }
    u->end = sync ? from->count : LINEAR_P;
    for (size_t i = 0; i < u->end; i++) {
        work->values[i] = from->values[i] - state[i];
    }
    memcpy(work->scalars, o.scalars, sizeof(work->scalars));
    u->scalars = work->scalars;
    u->scalar_count = optimizer_scalar_count(model->optimizer);
}

/* A new training over `rows` rows; nobody has joined. */
static inline int linear_training(const struct model *model,
                                  const struct training_options *options,
                                  struct training **out, struct err *err)
{
    struct model_state state = {0};
    int rc = model_state_init(model, &state, err);

    if (rc == 0) {
        state.has_weights = true;
        state.values[0] = 0.25F;
        state.values[1] = -0.5F;
        rc = training_create(model, &state, options, out, err);
        model_state_deinit(&state);
    }
    return rc;
}

static inline int linear_join(struct training *t, uint32_t p, uint32_t attempt,
                              uint64_t samples, uint64_t validation,
                              struct training_assignment *out, struct err *err)
{
    struct training_join join = {.partition = p,
                                 .attempt = attempt,
                                 .samples = samples,
                                 .validation_samples = validation};

    return training_join(t, &join, out, err);
}

/* Partition p computes its step from the current state and pushes it. */
static inline int linear_push(struct training *t,
                              const struct training_options *options,
                              uint32_t p, uint64_t samples, uint64_t step,
                              struct training_reply *reply, struct err *err)
{
    struct linear_work work;
    int rc;

    linear_compute(training_model(t), options, training_state(t),
                   training_version(t), p, samples, step, &work);
    rc = training_update(t, &work.update, reply, err);
    linear_work_deinit(&work);
    return rc;
}

/* Validation results of partition p over `rows` rows of its own. */
static inline int linear_validate(struct training *t, uint32_t n, uint32_t p,
                                  uint64_t rows, uint64_t epoch,
                                  struct training_reply *reply, struct err *err)
{
    struct totals *metrics = NULL;
    int rc = totals_create(training_model(t), &metrics, err);

    if (rc == 0) {
        linear_batch(training_state(t)->values, n, p, 1000, rows, NULL,
                     metrics);
        rc = training_validation(t, p, epoch, metrics, reply, err);
        totals_destroy(&metrics);
    }
    return rc;
}

#endif
