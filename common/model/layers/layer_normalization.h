/* SPDX-License-Identifier: MIT
 *
 * layer_normalization: options of Keras' LayerNormalization: the elements of
 * a row along the axes are brought to mean 0 and variance 1. Variables: gamma
 * and beta (scale_shift.h), of the shape of the axes.
 */
#ifndef COMMON_MODEL_LAYERS_LAYER_NORMALIZATION_H
#define COMMON_MODEL_LAYERS_LAYER_NORMALIZATION_H

#include "common/model/layers/scale_shift.h"

struct layer_normalization_options {
    struct scale_shift affine;
    bool rms_scaling;   /* x / sqrt(variance), without mean and beta */
    unsigned axes;      /* of a shape, as bits, once built */
    struct shape shape; /* of gamma and beta */
};

#endif
