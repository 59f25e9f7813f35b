/* SPDX-License-Identifier: MIT
 *
 * time_distributed: Keras' TimeDistributed wrapper: the two views around what
 * it wraps; see the file of the same name in common/model/layers. What is
 * inside gets the mask of its step, where that has axes of its own; what
 * leaves carries the mask of what came in.
 */
#include "worker/nn/op.h"

static enum op_view view(const struct op *op, bool training)
{
    (void)op;
    (void)training;
    return OP_RESHAPE;
}

static size_t mask(const struct op *op, size_t i, struct shape *shape)
{
    const struct shape *outer = op->mask_shapes[0];

    (void)i;
    if (op->call->input_count > 1 && op_argument(op, "mask", 0) == SIZE_MAX) {
        return 1; /* the second call: the mask of what the first one got */
    }
    if (outer == NULL || outer->rank < 1 ||
        outer->dim[0] != op_input_shape(op, 0)->dim[0]) {
        return OP_MASK_NONE;
    }
    shape->rank = outer->rank - 1;
    for (int k = 0; k < shape->rank; k++) {
        shape->dim[k] = outer->dim[k + 1];
    }
    return 0;
}

const struct nn_class nn_time_distributed = {.view = view, .mask = mask};
