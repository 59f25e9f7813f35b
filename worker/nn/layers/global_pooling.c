/* SPDX-License-Identifier: MIT
 *
 * global_pooling: Keras' GlobalMaxPooling and GlobalAveragePooling. Where
 * several values are the greatest, they share the gradient, as TensorFlow's
 * reduce_max has it. GlobalAveragePooling1D leaves out the steps that a mask
 * leaves out; the others do not know masks. A row that is masked out
 * altogether has no mean: it becomes NaN, as in Keras.
 */
#include "common/model/layers/global_pooling.h"
#include "worker/nn/op.h"
#include "worker/nn/vector.h"

#include <string.h>

static const struct global_pooling_options *options_of(const struct op *op)
{
    return op->layer->options;
}

static int create(struct op *op, struct err *err)
{
    const struct global_pooling_options *o = options_of(op);
    const struct shape *mask = op->mask_shapes[0];

    if (o->average && o->rank == 1 && mask != NULL &&
        shape_size(mask) != (size_t)op_input_shape(op, 0)->dim[0]) {
        return err_set(err, ERR_UNSUPPORTED,
                       "layer %s: a mask that is not one of steps is not "
                       "supported",
                       op->layer->name);
    }
    return 0;
}

/* The mask of a row of the batch, or NULL. */
static const float *mask_at(const struct op *op, size_t row, size_t count)
{
    const struct global_pooling_options *o = options_of(op);

    return o->average && o->rank == 1 && op->x_mask[0] != NULL
               ? op->x_mask[0] + row * count
               : NULL;
}

/* Positions that count. */
static float number(const float *mask, size_t count)
{
    size_t n = 0;

    for (size_t i = 0; i < count; i++) {
        n += mask == NULL || mask[i] != 0.0f;
    }
    return (float)n;
}

static void add_to(float *restrict to, const float *restrict from, size_t n)
{
    for (size_t j = 0; j < n; j++) {
        to[j] += from[j];
    }
}

static void mean(const float *x, const float *mask, size_t count, size_t n,
                 float *y)
{
    float all = number(mask, count);

    memset(y, 0, n * sizeof(float));
    for (size_t i = 0; i < count; i++) {
        if (mask == NULL || mask[i] != 0.0f) {
            add_to(y, x + i * n, n);
        }
    }
    for (size_t j = 0; j < n; j++) {
        y[j] /= all;
    }
}

static void greatest(const float *x, size_t count, size_t n, float *y)
{
    memcpy(y, x, n * sizeof(float));
    for (size_t i = 1; i < count; i++) {
        VECTOR_LOOP
        for (size_t j = 0; j < n; j++) {
            y[j] = vector_select(x[i * n + j] > y[j], x[i * n + j], y[j]);
        }
    }
}

static int forward(struct op *op, struct err *err)
{
    size_t n = op_input_width(op, 0);
    size_t count = op_input_size(op, 0) / n;

    (void)err;
    for (size_t r = 0; r < op->rows; r++) {
        const float *x = op->x[0] + r * count * n;

        if (options_of(op)->average) {
            mean(x, mask_at(op, r, count), count, n, op->y[0] + r * n);
        } else {
            greatest(x, count, n, op->y[0] + r * n);
        }
    }
    return 0;
}

static void mean_back(const float *mask, size_t count, size_t n,
                      const float *dy, float *dx)
{
    float all = number(mask, count);

    for (size_t i = 0; i < count; i++, dx += n) {
        bool on = mask == NULL || mask[i] != 0.0f;

        VECTOR_LOOP
        for (size_t j = 0; j < n; j++) {
            dx[j] = on ? dy[j] / all : 0.0f;
        }
    }
}

/* dy is overwritten: it becomes the share of each. */
static void greatest_back(const float *x, const float *y, size_t count,
                          size_t n, float *dy, float *dx)
{
    for (size_t j = 0; j < n; j++) {
        float same = 0.0f;

        for (size_t i = 0; i < count; i++) {
            same += x[i * n + j] == y[j] ? 1.0f : 0.0f;
        }
        dy[j] /= same;
    }
    for (size_t i = 0; i < count; i++) {
        VECTOR_LOOP
        for (size_t j = 0; j < n; j++) {
            dx[i * n + j] = vector_select(x[i * n + j] == y[j], dy[j], 0.0f);
        }
    }
}

static void backward(struct op *op)
{
    size_t n = op_input_width(op, 0);
    size_t count = op_input_size(op, 0) / n;

    for (size_t r = 0; op->dx[0] != NULL && r < op->rows; r++) {
        float *dx = op->dx[0] + r * count * n;
        float *dy = op->dy[0] + r * n;

        if (options_of(op)->average) {
            mean_back(mask_at(op, r, count), count, n, dy, dx);
        } else {
            greatest_back(op->x[0] + r * count * n, op->y[0] + r * n, count, n,
                          dy, dx);
        }
    }
}

#define CLASS(symbol)                                                          \
    const struct nn_class nn_##symbol = {                                      \
        .create = create,                                                      \
        .forward = forward,                                                    \
        .backward = backward,                                                  \
    };

CLASS(global_max_pooling1d)
CLASS(global_max_pooling2d)
CLASS(global_average_pooling1d)
CLASS(global_average_pooling2d)
