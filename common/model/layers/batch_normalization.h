/* SPDX-License-Identifier: MIT
 *
 * batch_normalization: options of Keras' BatchNormalization: each channel (a
 * place along `axis`) is brought to mean 0 and variance 1: those of the batch
 * in training, the moving ones in inference and in a frozen layer. Variables:
 * gamma, beta (scale_shift.h), moving_mean, moving_variance.
 */
#ifndef COMMON_MODEL_LAYERS_BATCH_NORMALIZATION_H
#define COMMON_MODEL_LAYERS_BATCH_NORMALIZATION_H

#include "common/model/layers/scale_shift.h"

struct batch_normalization_options {
    struct scale_shift affine;
    int64_t axis;    /* as given, the batch is 0 */
    int at;          /* the axis of a shape that it is, once built */
    double momentum; /* of the moving statistics */
    int64_t channels;
    struct initializer *mean;     /* move to the variables */
    struct initializer *variance; /* likewise */
};

#endif
