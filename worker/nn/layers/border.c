/* SPDX-License-Identifier: MIT
 *
 * border: Keras' ZeroPadding and Cropping. What one does with values the other
 * does with gradients: images are put into larger ones, or cut out of them.
 */
#include "common/model/layers/border.h"
#include "worker/nn/op.h"

#include <string.h>

/* Sizes in floats, but for rows. */
struct box {
    size_t rows;  /* of the inner image */
    size_t line;  /* of a row of it */
    size_t above; /* before its first row begins in the outer one */
    size_t below; /* behind its last */
    size_t left;  /* before its part of an outer row */
    size_t right; /* behind it */
};

static struct box box_of(const struct op *op)
{
    const struct border_options *o = op->layer->options;
    const struct shape *in = op_input_shape(op, 0);
    const struct shape *inner = o->crop ? &op->call->outputs[0] : in;
    size_t n = op_input_width(op, 0);
    struct box b;
    size_t outer;

    b.rows = o->rank == 2 ? (size_t)inner->dim[0] : 1;
    b.line = (size_t)inner->dim[o->rank - 1] * n;
    b.left = (size_t)o->before[1] * n;
    b.right = (size_t)o->after[1] * n;
    outer = b.left + b.line + b.right;
    b.above = (size_t)o->before[0] * outer;
    b.below = (size_t)o->after[0] * outer;
    return b;
}

/* Puts images into larger ones of 0. */
static void put(const struct box *b, size_t rows, const float *from, float *to)
{
    for (size_t r = 0; r < rows; r++) {
        memset(to, 0, b->above * sizeof(float));
        to += b->above;
        for (size_t i = 0; i < b->rows; i++) {
            memset(to, 0, b->left * sizeof(float));
            memcpy(to + b->left, from, b->line * sizeof(float));
            memset(to + b->left + b->line, 0, b->right * sizeof(float));
            to += b->left + b->line + b->right;
            from += b->line;
        }
        memset(to, 0, b->below * sizeof(float));
        to += b->below;
    }
}

/* Cuts images out of larger ones. */
static void cut(const struct box *b, size_t rows, const float *from, float *to)
{
    for (size_t r = 0; r < rows; r++) {
        from += b->above;
        for (size_t i = 0; i < b->rows; i++) {
            memcpy(to, from + b->left, b->line * sizeof(float));
            from += b->left + b->line + b->right;
            to += b->line;
        }
        from += b->below;
    }
}

static bool crops(const struct op *op)
{
    const struct border_options *o = op->layer->options;

    return o->crop;
}

static int forward(struct op *op, struct err *err)
{
    struct box b = box_of(op);

    (void)err;
    (crops(op) ? cut : put)(&b, op->rows, op->x[0], op->y[0]);
    return 0;
}

static void backward(struct op *op)
{
    struct box b = box_of(op);

    if (op->dx[0] != NULL) {
        (crops(op) ? put : cut)(&b, op->rows, op->dy[0], op->dx[0]);
    }
}

#define CLASS(symbol)                                                          \
    const struct nn_class nn_##symbol = {                                      \
        .forward = forward,                                                    \
        .backward = backward,                                                  \
    };

CLASS(zero_padding1d)
CLASS(zero_padding2d)
CLASS(cropping1d)
CLASS(cropping2d)
