/* SPDX-License-Identifier: MIT
 *
 * prelu: Keras' PReLU layer (He, Zhang, Ren, Sun, 2015): relu(x) - alpha
 * relu(-x), whose slope at 0 is 0.
 */
#include "common/model/layers/prelu.h"
#include "worker/nn/broadcast.h"
#include "worker/nn/op.h"

#include <string.h>

/* op->state: the element of alpha for each of a row. */
static int create(struct op *op, struct err *err)
{
    const struct prelu_options *o = op->layer->options;

    op->state = broadcast_map(&o->shape, op_input_shape(op, 0));
    return op->state != NULL ? 0 : err_nomem(err);
}

static int forward(struct op *op, struct err *err)
{
    const size_t *map = op->state;
    const float *alpha = op_param(op, 0);
    size_t n = op_input_size(op, 0);
    const float *x = op->x[0];
    float *y = op->y[0];

    (void)err;
    for (size_t r = 0; r < op->rows; r++, x += n, y += n) {
        for (size_t j = 0; j < n; j++) {
            y[j] = x[j] > 0.0f ? x[j] : alpha[map[j]] * x[j];
        }
    }
    return 0;
}

static void backward(struct op *op)
{
    const struct prelu_options *o = op->layer->options;
    const size_t *map = op->state;
    const float *alpha = op_param(op, 0);
    size_t n = op_input_size(op, 0);
    float *to = op_gradient(op, 0);

    if (to != NULL && !op->gradient_add) {
        memset(to, 0, shape_size(&o->shape) * sizeof(*to));
    }
    for (size_t r = 0; r < op->rows; r++) {
        const float *x = op->x[0] + r * n;
        const float *dy = op->dy[0] + r * n;

        for (size_t j = 0; to != NULL && j < n; j++) {
            to[map[j]] += x[j] < 0.0f ? x[j] * dy[j] : 0.0f;
        }
        for (size_t j = 0; op->dx[0] != NULL && j < n; j++) {
            float below = x[j] < 0.0f ? alpha[map[j]] : 0.0f;

            op->dx[0][r * n + j] = dy[j] * (x[j] > 0.0f ? 1.0f : below);
        }
    }
}

const struct nn_class nn_prelu = {
    .create = create,
    .mask = op_mask_pass,
    .forward = forward,
    .backward = backward,
};
