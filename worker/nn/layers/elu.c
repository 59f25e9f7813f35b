/* SPDX-License-Identifier: MIT
 *
 * elu: Keras' ELU layer (Clevert, Unterthiner, Hochreiter, 2015).
 */
#include "common/model/layers/elu.h"
#include "worker/nn/op.h"
#include "worker/nn/vector.h"

static float alpha_of(const struct op *op)
{
    const struct elu_options *o = op->layer->options;

    return o->alpha;
}

static int forward(struct op *op, struct err *err)
{
    size_t n = op->rows * op_input_size(op, 0);
    float alpha = alpha_of(op);

    (void)err;
    for (size_t i = 0; i < n; i++) {
        float x = op->x[0][i];

        op->y[0][i] = x > 0.0f ? x : alpha * expm1f(x);
    }
    return 0;
}

static void backward(struct op *op)
{
    size_t n = op->rows * op_input_size(op, 0);
    float alpha = alpha_of(op);

    for (size_t i = 0; op->dx[0] != NULL && i < n; i++) {
        float x = op->x[0][i];

        op->dx[0][i] = op->dy[0][i] * (x > 0.0f ? 1.0f : alpha * expf(x));
    }
}

const struct nn_class nn_elu = {
    .mask = op_mask_pass,
    .forward = forward,
    .backward = backward,
};
