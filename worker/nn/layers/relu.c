/* SPDX-License-Identifier: MIT
 *
 * relu: Keras' ReLU and LeakyReLU layers (keras.activations.relu), and the
 * operation. At the
 * kinks the slopes are TensorFlow's: at the threshold 0, but that of the left
 * where there is nothing but a slope; at max_value 1, but 0 for 6.
 */
#include "common/model/layers/relu.h"
#include "worker/nn/op.h"
#include "worker/nn/vector.h"

static const struct relu_options *options_of(const struct op *op)
{
    return op->layer->options;
}

static int forward(struct op *op, struct err *err)
{
    const struct relu_options *o = options_of(op);
    size_t n = op->rows * op_input_size(op, 0);
    float threshold = o->threshold;
    float limit = o->max_value;
    float slope = o->slope;
    const float *x = op->x[0];
    float *y = op->y[0];

    (void)err;
    VECTOR_LOOP
    for (size_t i = 0; i < n; i++) {
        float cut = vector_select(x[i] > limit, limit, x[i]);

        y[i] = vector_select(x[i] > threshold, cut, slope * (x[i] - threshold));
    }
    return 0;
}

static void backward(struct op *op)
{
    const struct relu_options *o = options_of(op);
    size_t n = op->rows * op_input_size(op, 0);
    bool leaky =
        o->slope != 0.0f && o->threshold == 0.0f && o->max_value > 3.0e38f;
    bool six = o->max_value == 6.0f && o->threshold == 0.0f;
    const float *x = op->x[0];
    const float *dy = op->dy[0];
    float *dx = op->dx[0];

    for (size_t i = 0; dx != NULL && i < n; i++) {
        float slope = 0.0f;

        if (x[i] > o->threshold) {
            slope = x[i] < o->max_value || (x[i] == o->max_value && !six)
                        ? 1.0f
                        : 0.0f;
        } else if (x[i] < o->threshold || leaky) {
            slope = o->slope;
        }
        dx[i] = slope * dy[i];
    }
}

const struct nn_class nn_relu = {
    .mask = op_mask_pass,
    .forward = forward,
    .backward = backward,
};

const struct nn_class nn_leaky_relu = {
    .mask = op_mask_pass,
    .forward = forward,
    .backward = backward,
};

const struct nn_class nn_op_leaky_relu = {
    .forward = forward,
    .backward = backward,
};
