/* SPDX-License-Identifier: MIT
 *
 * bidirectional: what Keras' Bidirectional wrapper (Schuster and Paliwal,
 * 1997) does with the outputs of its two layers. The second one went through
 * the steps from the last to the first, so its steps are turned round.
 */
#include "common/model/layers/bidirectional.h"
#include "worker/nn/op.h"
#include "worker/nn/vector.h"

#include <string.h>

static enum bidirectional_merge merge_of(const struct op *op)
{
    const struct bidirectional_options *o = op->layer->options;

    return o->merge;
}

/* Both outputs of a Bidirectional without a merge mode carry the mask. */
static size_t mask(const struct op *op, size_t i, struct shape *shape)
{
    (void)op;
    (void)shape;
    return i;
}

struct sizes {
    size_t steps;
    size_t width[2]; /* of either input */
};

static struct sizes sizes_of(const struct op *op)
{
    const struct shape *in = op_input_shape(op, 0);
    struct sizes s;

    s.steps = in->rank == 2 ? (size_t)in->dim[0] : 1;
    s.width[0] = op_input_width(op, 0);
    s.width[1] = op_input_width(op, 1);
    return s;
}

static void merge_step(enum bidirectional_merge merge, const float *a,
                       const float *b, const size_t width[2], float *y)
{
    size_t n = width[0];

    switch (merge) {
    case BIDIRECTIONAL_SUM:
        VECTOR_LOOP
        for (size_t j = 0; j < n; j++) {
            y[j] = a[j] + b[j];
        }
        break;
    case BIDIRECTIONAL_AVE:
        VECTOR_LOOP
        for (size_t j = 0; j < n; j++) {
            y[j] = (a[j] + b[j]) / 2.0f;
        }
        break;
    case BIDIRECTIONAL_MUL:
        VECTOR_LOOP
        for (size_t j = 0; j < n; j++) {
            y[j] = a[j] * b[j];
        }
        break;
    default: /* concat, or a alone */
        memcpy(y, a, n * sizeof(float));
        if (merge == BIDIRECTIONAL_CONCAT) {
            memcpy(y + n, b, width[1] * sizeof(float));
        }
        break;
    }
}

static int forward(struct op *op, struct err *err)
{
    enum bidirectional_merge merge = merge_of(op);
    struct sizes s = sizes_of(op);
    size_t out = op_output_width(op, 0);

    (void)err;
    for (size_t r = 0; r < op->rows; r++) {
        for (size_t t = 0; t < s.steps; t++) {
            size_t at = r * s.steps + t;
            size_t mirror = r * s.steps + s.steps - 1 - t;
            const float *b = op->x[1] + mirror * s.width[1];

            merge_step(merge, op->x[0] + at * s.width[0], b, s.width,
                       op->y[0] + at * out);
            if (merge == BIDIRECTIONAL_NONE) {
                memcpy(op->y[1] + at * s.width[1], b,
                       s.width[1] * sizeof(float));
            }
        }
    }
    return 0;
}

/* The gradient of one of the two, x; with mul, other is the other one. */
static void split_step(enum bidirectional_merge merge, const float *dy,
                       const float *other, size_t n, float *dx)
{
    float factor = merge == BIDIRECTIONAL_AVE ? 0.5f : 1.0f;

    VECTOR_LOOP
    for (size_t j = 0; j < n; j++) {
        dx[j] = factor * dy[j];
    }
    if (merge == BIDIRECTIONAL_MUL) {
        VECTOR_LOOP
        for (size_t j = 0; j < n; j++) {
            dx[j] *= other[j];
        }
    }
}

static void backward(struct op *op)
{
    enum bidirectional_merge merge = merge_of(op);
    struct sizes s = sizes_of(op);
    size_t out = op_output_width(op, 0);

    for (size_t r = 0; r < op->rows; r++) {
        for (size_t t = 0; t < s.steps; t++) {
            size_t at = r * s.steps + t;
            size_t mirror = r * s.steps + s.steps - 1 - t;
            const float *a = op->x[0] + at * s.width[0];
            const float *b = op->x[1] + mirror * s.width[1];
            const float *dy = op->dy[0] + at * out;
            const float *second =
                merge == BIDIRECTIONAL_NONE     ? op->dy[1] + at * s.width[1]
                : merge == BIDIRECTIONAL_CONCAT ? dy + s.width[0]
                                                : dy;

            if (op->dx[0] != NULL) {
                split_step(merge, dy, b, s.width[0],
                           op->dx[0] + at * s.width[0]);
            }
            if (op->dx[1] != NULL) {
                split_step(merge, second, a, s.width[1],
                           op->dx[1] + mirror * s.width[1]);
            }
        }
    }
}

const struct nn_class nn_bidirectional = {
    .mask = mask,
    .forward = forward,
    .backward = backward,
};
