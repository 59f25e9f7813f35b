/* SPDX-License-Identifier: MIT
 *
 * repeat_vector: Keras' RepeatVector layer: n copies of a vector.
 */
#include "common/model/layers/repeat_vector.h"
#include "worker/nn/op.h"

#include <string.h>

static size_t copies(const struct op *op)
{
    const struct repeat_vector_options *o = op->layer->options;

    return (size_t)o->n;
}

static int forward(struct op *op, struct err *err)
{
    size_t width = op_input_width(op, 0);
    float *y = op->y[0];

    (void)err;
    for (size_t r = 0; r < op->rows; r++) {
        for (size_t k = 0; k < copies(op); k++, y += width) {
            memcpy(y, op->x[0] + r * width, width * sizeof(float));
        }
    }
    return 0;
}

static void backward(struct op *op)
{
    size_t n = copies(op);
    size_t width = op_input_width(op, 0);

    for (size_t r = 0; op->dx[0] != NULL && r < op->rows; r++) {
        op_sum_rows(op->dy[0] + r * n * width, n, width, width, false,
                    op->dx[0] + r * width);
    }
}

const struct nn_class nn_repeat_vector = {
    .forward = forward,
    .backward = backward,
};
