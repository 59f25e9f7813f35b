/* SPDX-License-Identifier: MIT
 *
 * ops: operations of keras.ops: those that Keras makes masks with, and those
 * that Python's operators on symbolic tensors stand for. In a functional model
 * they are written down like layers; here they are classes of the name
 * "ops.NotEqual". What is true or false is 1 or 0 in float32. No variables, and
 * no masks of their own.
 *
 *   NotEqual(x, c)       x != c, c a number ("argument_1") or a tensor
 *   LogicalOr(a, b)      axes of 1 are as long as the other's
 *   Any(x)               over one axis
 *   ConvertToTensor(x)   x
 *   ExpandDims(x)        an axis of 1 more
 *   Concatenate([a ...]) along one axis
 *   ZerosLike(x), OnesLike(x)
 *   Add, Subtract, Multiply, Divide, TrueDivide, Maximum, Minimum (a, b): two
 *   tensors of as many axes, or one and a number ("argument_0" or "..._1")
 */
#ifndef COMMON_MODEL_LAYERS_OPS_H
#define COMMON_MODEL_LAYERS_OPS_H

#include "common/model/shape.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct call;

struct ops_options {
    int axis;      /* as the config has it, the batch counted; -1: the last */
    bool keepdims; /* Any */
};

/* The axis of a shape without the batch that the options mean; -1 if there is
 * none. more: axes that the result has beyond the shape's. */
int ops_axis(const struct ops_options *options, const struct shape *shape,
             int more);

/* The number that is argument i (0 or 1) of the call, or NULL. */
const json_t *ops_number(const struct call *call, size_t i);

#endif
