/* SPDX-License-Identifier: MIT
 *
 * merge: Keras' Add, Subtract, Multiply, Average, Maximum and Minimum: one
 * number of several tensors at each place. Tensors with fewer axes get axes of
 * 1 behind the batch; axes of 1 are repeated. No options, no variables.
 */
#ifndef COMMON_MODEL_LAYERS_MERGE_H
#define COMMON_MODEL_LAYERS_MERGE_H

#include "common/model/shape.h"

/* The shape of both together; false if they do not fit. out may be a or b. */
bool merge_shapes(const struct shape *a, const struct shape *b,
                  struct shape *out);

#endif
