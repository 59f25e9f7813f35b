/* SPDX-License-Identifier: MIT
 *
 * prelu: options of Keras' PReLU: x above 0, alpha x below, where alpha is
 * learned. Variable: alpha, of the input's shape with 1 for shared axes.
 */
#ifndef COMMON_MODEL_LAYERS_PRELU_H
#define COMMON_MODEL_LAYERS_PRELU_H

#include "common/model/model.h"

struct prelu_options {
    unsigned shared;             /* bit i: axis i of the input's shape */
    struct shape shape;          /* of alpha, once built */
    struct weight_options alpha; /* moves to the variable */
};

#endif
