/* SPDX-License-Identifier: MIT
 *
 * masking: Keras' Masking layer: steps that hold nothing but the mask value
 * become 0 and are left out by the mask that the output carries.
 */
#include "common/model/layers/masking.h"
#include "worker/nn/op.h"

#include <string.h>

static size_t mask(const struct op *op, size_t i, struct shape *shape)
{
    (void)i;
    *shape = *op_input_shape(op, 0);
    shape->rank--;
    return OP_MASK_OWN;
}

static bool counts(const float *x, size_t width, float value)
{
    for (size_t j = 0; j < width; j++) {
        if (x[j] != value) {
            return true;
        }
    }
    return false;
}

static int forward(struct op *op, struct err *err)
{
    const struct masking_options *o = op->layer->options;
    size_t width = op_input_width(op, 0);
    size_t n = op->rows * (op_input_size(op, 0) / width);
    const float *x = op->x[0];
    float *y = op->y[0];

    (void)err;
    for (size_t i = 0; i < n; i++, x += width, y += width) {
        bool on = counts(x, width, o->mask_value);

        op->y_mask[0][i] = on ? 1.0f : 0.0f;
        if (on) {
            memcpy(y, x, width * sizeof(float));
        } else {
            memset(y, 0, width * sizeof(float));
        }
    }
    return 0;
}

static void backward(struct op *op)
{
    size_t width = op_input_width(op, 0);
    size_t n = op->rows * (op_input_size(op, 0) / width);

    for (size_t i = 0; op->dx[0] != NULL && i < n; i++) {
        if (op->y_mask[0][i] != 0.0f) {
            memcpy(op->dx[0] + i * width, op->dy[0] + i * width,
                   width * sizeof(float));
        } else {
            memset(op->dx[0] + i * width, 0, width * sizeof(float));
        }
    }
}

const struct nn_class nn_masking = {
    .mask = mask,
    .forward = forward,
    .backward = backward,
};
