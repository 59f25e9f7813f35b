/* SPDX-License-Identifier: MIT
 *
 * pooling: options of Keras' MaxPooling1D, MaxPooling2D, AveragePooling1D and
 * AveragePooling2D: the greatest value or the mean of each window, channel by
 * channel; padding does not count. No variables.
 */
#ifndef COMMON_MODEL_LAYERS_POOLING_H
#define COMMON_MODEL_LAYERS_POOLING_H

#include "common/model/window.h"

#include <stdbool.h>

struct pooling_options {
    struct window_options window;
    bool average; /* or else the greatest */
};

#endif
