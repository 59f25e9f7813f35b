/* SPDX-License-Identifier: MIT
 *
 * group_normalization: options of Keras' GroupNormalization: the channels (the
 * places along `axis`) of a row are cut into groups, and each is brought to
 * mean 0 and variance 1. Variables: gamma and beta (scale_shift.h), one of
 * each per channel.
 */
#ifndef COMMON_MODEL_LAYERS_GROUP_NORMALIZATION_H
#define COMMON_MODEL_LAYERS_GROUP_NORMALIZATION_H

#include "common/model/layers/scale_shift.h"

struct group_normalization_options {
    struct scale_shift affine;
    int64_t groups; /* -1: as many as channels */
    int at;         /* the axis of a shape, once built */
    int64_t channels;
};

#endif
