/* SPDX-License-Identifier: MIT
 *
 * reshape: options of Keras' Reshape layer. The elements stay where they are;
 * the output's shape is that of the call. No variables.
 */
#ifndef COMMON_MODEL_LAYERS_RESHAPE_H
#define COMMON_MODEL_LAYERS_RESHAPE_H

#include "common/model/shape.h"

struct reshape_options {
    struct shape target; /* at most one axis is SHAPE_UNKNOWN: the rest */
};

#endif
