/* SPDX-License-Identifier: MIT
 *
 * ops: the operations of keras.ops that Keras makes masks with. In a
 * functional model they are written down like layers, between a layer that
 * makes a mask and one that takes it; here they are classes of the name
 * "ops.NotEqual". Their values are 1 and 0 in float32. No variables.
 *
 *   NotEqual(x, c)       x != c, c a number ("argument_1") or a tensor
 *   LogicalOr(a, b)      axes of 1 are as long as the other's
 *   Any(x)               over one axis
 *   ConvertToTensor(x)   x
 *   ExpandDims(x)        an axis of 1 more
 *   Concatenate([a ...]) along one axis
 *   ZerosLike(x), OnesLike(x)
 */
#ifndef COMMON_MODEL_LAYERS_OPS_H
#define COMMON_MODEL_LAYERS_OPS_H

#include "common/model/shape.h"

#include <stdbool.h>

struct ops_options {
    int axis;      /* as the config has it, the batch counted; -1: the last */
    bool keepdims; /* Any */
};

/* The axis of a shape without the batch that the options mean; -1 if there is
 * none. more: axes that the result has beyond the shape's. */
int ops_axis(const struct ops_options *options, const struct shape *shape,
             int more);

#endif
