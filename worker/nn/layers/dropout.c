/* SPDX-License-Identifier: MIT
 *
 * dropout: Keras' Dropout layer (Srivastava et al., 2014, in the inverted
 * form). In training an element is dropped if its uniform number is below the
 * rate and divided by 1 - rate otherwise; the numbers come from the stream
 * (seed; dropout, partition, step, call), so a repeated step drops the same
 * elements. What each element was multiplied with is kept for backward.
 */
#include "common/model/layers/dropout.h"
#include "common/rng.h"
#include "worker/nn/op.h"
#include "worker/nn/vector.h"

static double rate_of(const struct op *op)
{
    const struct dropout_options *options = op->layer->options;

    return options->rate;
}

static enum op_view view(const struct op *op, bool training)
{
    return training && rate_of(op) > 0.0 ? OP_OWN : OP_SAME;
}

static void plan(struct op *op, bool training)
{
    op->saved_size = training ? op_input_size(op, 0) : 0;
    op->scratch_size = 0;
}

static int forward(struct op *op, struct err *err)
{
    const float *x = op->x[0];
    float *y = op->y[0];
    float *factor = op->saved;
    size_t n = op->rows * op_input_size(op, 0);
    float rate = (float)rate_of(op);
    float scale = rate < 1.0f ? 1.0f / (1.0f - rate) : 0.0f;
    struct rng rng;

    (void)err;
    rng_init(&rng, op->draws->seed, RNG_DROPOUT, op->draws->partition,
             op->draws->step, op->index);
    for (size_t i = 0; i < n; i++) {
        factor[i] = rng_uniform(&rng) >= rate ? scale : 0.0f;
    }
    VECTOR_LOOP
    for (size_t i = 0; i < n; i++) {
        y[i] = x[i] * factor[i];
    }
    return 0;
}

static void backward(struct op *op)
{
    const float *factor = op->saved;
    const float *dy = op->dy[0];
    float *dx = op->dx[0];
    size_t n = op->rows * op_input_size(op, 0);

    if (dx == NULL) {
        return;
    }
    VECTOR_LOOP
    for (size_t i = 0; i < n; i++) {
        dx[i] = dy[i] * factor[i];
    }
}

const struct nn_class nn_dropout = {
    .view = view,
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
