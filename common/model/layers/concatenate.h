/* SPDX-License-Identifier: MIT
 *
 * concatenate: options of Keras' Concatenate: tensors behind one another along
 * an axis; all others are the same. No variables.
 */
#ifndef COMMON_MODEL_LAYERS_CONCATENATE_H
#define COMMON_MODEL_LAYERS_CONCATENATE_H

#include "common/model/shape.h"

struct concatenate_options {
    int64_t axis; /* as given, the batch is 0 */
};

/* The axis of a shape of that rank that it is; -1: none. */
int concatenate_axis(const struct concatenate_options *o, int rank);

#endif
