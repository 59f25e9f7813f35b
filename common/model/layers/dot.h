/* SPDX-License-Identifier: MIT
 *
 * dot: options of Keras' Dot: the products of two tensors along one axis of
 * each: (a, d, b) and (c, d, e) give (a, b, c, e), row by row. No variables.
 */
#ifndef COMMON_MODEL_LAYERS_DOT_H
#define COMMON_MODEL_LAYERS_DOT_H

#include "common/model/shape.h"

#include <stdbool.h>

struct dot_options {
    int64_t axes[2]; /* as given, the batch is 0 */
    bool normalize;  /* vectors along the axes, to length 1 */
};

/* The axis of a shape of that rank that input i is taken along; -1: none. */
int dot_axis(const struct dot_options *o, int i, int rank);

#endif
