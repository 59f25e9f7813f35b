/* SPDX-License-Identifier: MIT
 *
 * dropout: Keras' Dropout layer (Srivastava et al., 2014, in the inverted
 * form). In training an element is dropped if its uniform number is below the
 * rate and divided by 1 - rate otherwise; the numbers come from the stream
 * (seed; dropout, partition, step, call), so a repeated step drops the same
 * elements. A seed of the layer's own in the file changes nothing: Keras'
 * numbers are not reproduced in any case. What each element was multiplied with
 * is kept for backward.
 */
#include "common/model/layers/dropout.h"
#include "common/rng.h"
#include "worker/nn/layers/noise.h"
#include "worker/nn/op.h"
#include "worker/nn/vector.h"

/* Numbers drawn at a time. */
#define DRAWS 1024

static double rate_of(const struct op *op)
{
    const struct dropout_options *options = op->layer->options;

    return options->rate;
}

/* With a noise_shape, elements share numbers: that is left to noise.c. */
static bool is_shared(const struct op *op)
{
    const struct dropout_options *options = op->layer->options;

    return options->shared;
}

static int create(struct op *op, struct err *err)
{
    return is_shared(op) ? noise_create(op, err) : 0;
}

static enum op_view view(const struct op *op, bool training)
{
    return training && rate_of(op) > 0.0 ? OP_OWN : OP_SAME;
}

static void plan(struct op *op, bool training)
{
    if (is_shared(op)) {
        noise_plan(op, training);
        return;
    }
    op->saved_size = training ? op_input_size(op, 0) : 0;
    op->scratch_size = 0;
}

static int forward(struct op *op, struct err *err)
{
    const float *x = op->x[0];
    float *y = op->y[0];
    float *factor = op->saved;
    size_t n = op->rows * op_input_size(op, 0);
    double rate = rate_of(op);
    float scale = rate < 1.0 ? (float)(1.0 / (1.0 - rate)) : 0.0f;
    /* u / 2^31 < rate; signed, which vector registers can compare */
    int32_t limit = rate < 1.0 ? (int32_t)(rate * 0x1p31) : INT32_MAX;
    uint32_t draws[DRAWS];
    struct rng rng;

    if (is_shared(op)) {
        return noise_forward(op, err);
    }
    rng_init(&rng, op->draws->seed, RNG_DROPOUT, op->draws->partition,
             op->draws->step, op->index);
    for (size_t i = 0; i < n; i += DRAWS) {
        size_t m = n - i < DRAWS ? n - i : DRAWS;

        rng_fill(&rng, draws, m);
        VECTOR_LOOP
        for (size_t j = 0; j < m; j++) {
            int32_t u = (int32_t)(draws[j] >> 1);

            factor[i + j] = u < limit ? 0.0f : scale;
            y[i + j] = x[i + j] * factor[i + j];
        }
    }
    return 0;
}

static void backward(struct op *op)
{
    const float *factor = op->saved;
    const float *dy = op->dy[0];
    float *dx = op->dx[0];
    size_t n = op->rows * op_input_size(op, 0);

    if (is_shared(op)) {
        noise_backward(op);
        return;
    }
    if (dx == NULL) {
        return;
    }
    VECTOR_LOOP
    for (size_t i = 0; i < n; i++) {
        dx[i] = dy[i] * factor[i];
    }
}

const struct nn_class nn_dropout = {
    .create = create,
    .destroy = noise_destroy,
    .view = view,
    .plan = plan,
    .mask = op_mask_pass,
    .forward = forward,
    .backward = backward,
};
