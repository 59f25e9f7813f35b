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
 *   Stack([a ...])       along an axis of its own
 *   ZerosLike(x), OnesLike(x)
 *   Add, Subtract, Multiply, Divide, TrueDivide, Maximum, Minimum (a, b): two
 *   tensors of as many axes, or one and a number ("argument_0" or "..._1");
 *   Power as well
 *   Exp, Log, Sqrt, Relu, Tanh ... (ops_unary.c), element by element
 *   Mean, Sum, Max, Min, Squeeze(x)  over axes; Reshape, Transpose, Swapaxes(x)
 *   Matmul(a, b)         of the matrices in two tensors (ops_shape.c)
 *   GetItem(x, key)      what Python writes as x[:, 1:3, -1] (ops_item.c)
 */
#ifndef COMMON_MODEL_LAYERS_OPS_H
#define COMMON_MODEL_LAYERS_OPS_H

#include "common/model/shape.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct call;
struct layer;
struct permute_options;

struct ops_options {
    int axis;      /* as the config has it, the batch counted; -1: the last */
    bool keepdims; /* Any */
};

/* The axis of a shape without the batch that the options mean; -1 if there is
 * none. more: axes that the result has beyond the shape's. */
int ops_axis(const struct ops_options *options, const struct shape *shape,
             int more);

/* infer() of operations with one output like their input. */
int ops_infer_same(const struct layer *layer, const struct shape *in, size_t n,
                   struct shape *out, size_t *out_count,
                   struct err *err) ERR_CHECKED;

/* The axes of `in`, as bits, that a reduction is over. */
int ops_reduced(const struct layer *layer, const struct shape *in,
                unsigned *axes, struct err *err) ERR_CHECKED;

/* What Transpose and Swapaxes do with a tensor of that shape. */
int ops_permutation(const struct layer *layer, const struct shape *in,
                    struct permute_options *out, struct err *err) ERR_CHECKED;

/* One axis of a tensor in GetItem: its elements from `first`, `step` apart. */
struct ops_part {
    int64_t first;
    int64_t step;
    int64_t count;
};
/* Reads the key of a call; parts has room for all axes of `in`. The output has
 * the axes of `in` that are not picked by a number, and those of 1 that null
 * stands for. */
int ops_item_key(const struct call *call, const struct shape *in,
                 struct ops_part *parts, struct shape *out,
                 struct err *err) ERR_CHECKED;

/* The number that is argument i (0 or 1) of the call, or NULL. */
const json_t *ops_number(const struct call *call, size_t i);

#endif
