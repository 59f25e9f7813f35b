/* SPDX-License-Identifier: MIT
 *
 * flatten: Keras' Flatten layer. Row-major data is flat already; only
 * channels_first moves elements: the first axis goes behind the others.
 */
#include "common/model/layers/flatten.h"
#include "worker/nn/op.h"

static bool moves(const struct op *op)
{
    const struct flatten_options *options = op->layer->options;

    return options->channels_first && op_input_shape(op, 0)->rank > 1;
}

static enum op_view view(const struct op *op, bool training)
{
    (void)training;
    return moves(op) ? OP_OWN : OP_RESHAPE;
}

/* to[c][r] = from[r][c] for each of n matrices */
static void transpose(const float *from, float *to, size_t n, size_t rows,
                      size_t columns)
{
    size_t size = rows * columns;

    for (size_t i = 0; i < n; i++, from += size, to += size) {
        for (size_t r = 0; r < rows; r++) {
            for (size_t c = 0; c < columns; c++) {
                to[c * rows + r] = from[r * columns + c];
            }
        }
    }
}

static int forward(struct op *op, struct err *err)
{
    size_t channels = (size_t)op_input_shape(op, 0)->dim[0];

    (void)err;
    transpose(op->x[0], op->y[0], op->rows, channels,
              op_input_size(op, 0) / channels);
    return 0;
}

static void backward(struct op *op)
{
    size_t channels = (size_t)op_input_shape(op, 0)->dim[0];

    if (op->dx[0] != NULL) {
        transpose(op->dy[0], op->dx[0], op->rows,
                  op_input_size(op, 0) / channels, channels);
    }
}

const struct nn_class nn_flatten = {
    .view = view,
    .forward = forward,
    .backward = backward,
};
