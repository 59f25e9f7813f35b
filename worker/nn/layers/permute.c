/* SPDX-License-Identifier: MIT
 *
 * permute: the axes of each row in another order: Keras' Permute layer, and the
 * operations Transpose and Swapaxes, whose order depends on the shape.
 */
#include "common/model/layers/permute.h"
#include "common/mem.h"
#include "common/model/layers/ops.h"
#include "worker/nn/op.h"

#include <string.h>

/* A walk over a row of the output: how far apart neighbours along each of its
 * axes lie in the input. */
struct walk {
    int rank;
    size_t dim[SHAPE_MAX_RANK];
    size_t stride[SHAPE_MAX_RANK];
};

static struct walk walk_of(const struct op *op)
{
    const struct permute_options *o =
        op->state != NULL ? op->state : op->layer->options;
    const struct shape *in = op_input_shape(op, 0);
    struct walk w = {.rank = o->rank};

    for (int i = 0; i < w.rank; i++) {
        w.dim[i] = (size_t)in->dim[o->from[i]];
        w.stride[i] = 1;
        for (int k = o->from[i] + 1; k < in->rank; k++) {
            w.stride[i] *= (size_t)in->dim[k];
        }
    }
    return w;
}

/* Where the next element of the output lies in the input. */
static size_t next(const struct walk *w, size_t at[SHAPE_MAX_RANK], size_t from)
{
    for (int i = w->rank - 1; i >= 0; i--) {
        from += w->stride[i];
        if (++at[i] < w->dim[i]) {
            break;
        }
        from -= w->stride[i] * w->dim[i];
        at[i] = 0;
    }
    return from;
}

static int forward(struct op *op, struct err *err)
{
    struct walk w = walk_of(op);
    size_t size = op_input_size(op, 0);

    (void)err;
    for (size_t r = 0; r < op->rows; r++) {
        size_t at[SHAPE_MAX_RANK] = {0};
        size_t from = 0;

        for (size_t i = 0; i < size; i++, from = next(&w, at, from)) {
            op->y[0][r * size + i] = op->x[0][r * size + from];
        }
    }
    return 0;
}

static void backward(struct op *op)
{
    struct walk w = walk_of(op);
    size_t size = op_input_size(op, 0);

    for (size_t r = 0; op->dx[0] != NULL && r < op->rows; r++) {
        size_t at[SHAPE_MAX_RANK] = {0};
        size_t from = 0;

        for (size_t i = 0; i < size; i++, from = next(&w, at, from)) {
            op->dx[0][r * size + from] = op->dy[0][r * size + i];
        }
    }
}

const struct nn_class nn_permute = {
    .forward = forward,
    .backward = backward,
};

static int create(struct op *op, struct err *err)
{
    op->state = mem_zalloc(sizeof(struct permute_options));
    return op->state != NULL ? ops_permutation(op->layer, op_input_shape(op, 0),
                                               op->state, err)
                             : err_nomem(err);
}

const struct nn_class nn_op_swapaxes = {
    .create = create,
    .forward = forward,
    .backward = backward,
};

const struct nn_class nn_op_transpose = {
    .create = create,
    .forward = forward,
    .backward = backward,
};
