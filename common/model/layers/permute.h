/* SPDX-License-Identifier: MIT
 *
 * permute: options of Keras' Permute layer: axis i of the output is axis
 * from[i] of the input. No variables.
 */
#ifndef COMMON_MODEL_LAYERS_PERMUTE_H
#define COMMON_MODEL_LAYERS_PERMUTE_H

#include "common/model/shape.h"

struct permute_options {
    int rank;
    int from[SHAPE_MAX_RANK]; /* a permutation of 0 .. rank - 1 */
};

#endif
