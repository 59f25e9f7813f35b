/* SPDX-License-Identifier: MIT
 *
 * concatenate: Keras' Concatenate layer. The output's mask, if any input has
 * one, is that of the inputs put together in the same way, with ones for those
 * that have none; along the last axis, a step counts if it does in any input.
 */
#include "common/model/layers/concatenate.h"
#include "worker/nn/op.h"

#include <string.h>

static int axis_of(const struct op *op)
{
    return concatenate_axis(op->layer->options, op->call->outputs[0].rank);
}

/* Rows times the axes before the one, and elements from there on. */
static size_t outer_of(const struct op *op)
{
    size_t n = op->rows;

    for (int i = 0; i < axis_of(op); i++) {
        n *= (size_t)op->call->outputs[0].dim[i];
    }
    return n;
}

static size_t piece_of(const struct op *op, const struct shape *shape)
{
    size_t n = 1;

    for (int i = axis_of(op); i < shape->rank; i++) {
        n *= (size_t)shape->dim[i];
    }
    return n;
}

static int create(struct op *op, struct err *err)
{
    char text[SHAPE_TEXT_SIZE];

    for (size_t i = 0; i < op->call->input_count; i++) {
        struct shape steps = *op_input_shape(op, i);

        steps.rank--;
        if (op->mask_shapes[i] != NULL &&
            !shape_equal(op->mask_shapes[i], &steps)) {
            return err_set(err, ERR_UNSUPPORTED,
                           "layer %s: a mask of shape %s does not suit its "
                           "input",
                           op->layer->name,
                           shape_text(op->mask_shapes[i], text));
        }
    }
    return 0;
}

static size_t mask(const struct op *op, size_t i, struct shape *shape)
{
    (void)i;
    for (size_t k = 0; k < op->call->input_count; k++) {
        if (op->mask_shapes[k] != NULL) {
            *shape = op->call->outputs[0];
            shape->rank--;
            return OP_MASK_OWN;
        }
    }
    return OP_MASK_NONE;
}

static void copy(size_t n, const float *from, size_t from_step, float *to,
                 size_t to_step, size_t count)
{
    for (size_t k = 0; k < count; k++) {
        memcpy(to + k * to_step, from + k * from_step, n * sizeof(*to));
    }
}

/* The masks put together; `from` NULL stands for ones. */
static void write_mask(const struct op *op)
{
    const struct shape *out = &op->call->outputs[0];
    bool last = axis_of(op) == out->rank - 1;
    size_t width = op_output_width(op, 0);
    size_t whole = last ? 1 : piece_of(op, out) / width;
    float *to = op->y_mask[0];

    if (last) {
        memset(to, 0, outer_of(op) * sizeof(*to));
    }
    for (size_t i = 0; i < op->call->input_count; i++) {
        const float *from = op->x_mask[i];
        size_t n = last ? 1 : piece_of(op, op_input_shape(op, i)) / width;

        for (size_t o = 0; o < outer_of(op); o++) {
            for (size_t k = 0; k < n; k++) {
                float on =
                    from == NULL || from[o * n + k] != 0.0f ? 1.0f : 0.0f;

                to[o * whole + k] = last && to[o] != 0.0f ? 1.0f : on;
            }
        }
        to += last ? 0 : n;
    }
}

static int forward(struct op *op, struct err *err)
{
    size_t whole = piece_of(op, &op->call->outputs[0]);
    size_t count = outer_of(op);
    float *y = op->y[0];

    (void)err;
    for (size_t i = 0; i < op->call->input_count; i++) {
        size_t n = piece_of(op, op_input_shape(op, i));

        copy(n, op->x[i], n, y, whole, count);
        y += n;
    }
    if (op->y_mask[0] != NULL) {
        write_mask(op);
    }
    return 0;
}

static void backward(struct op *op)
{
    size_t whole = piece_of(op, &op->call->outputs[0]);
    size_t count = outer_of(op);
    const float *dy = op->dy[0];

    for (size_t i = 0; i < op->call->input_count; i++) {
        size_t n = piece_of(op, op_input_shape(op, i));

        if (op->dx[i] != NULL) {
            copy(n, dy, whole, op->dx[i], n, count);
        }
        dy += n;
    }
}

const struct nn_class nn_concatenate = {
    .create = create,
    .mask = mask,
    .forward = forward,
    .backward = backward,
};
