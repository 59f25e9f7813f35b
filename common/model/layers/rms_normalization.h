/* SPDX-License-Identifier: MIT
 *
 * rms_normalization: options of Keras' RMSNormalization: the elements of a row
 * along its last axes are divided by their root mean square, then multiplied by
 * a weight each. Variable: scale, of the shape of these axes.
 */
#ifndef COMMON_MODEL_LAYERS_RMS_NORMALIZATION_H
#define COMMON_MODEL_LAYERS_RMS_NORMALIZATION_H

#include "common/model/shape.h"

struct rms_normalization_options {
    float epsilon;      /* added to the mean square */
    struct shape scale; /* once built */
};

#endif
