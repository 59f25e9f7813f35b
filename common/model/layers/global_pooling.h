/* SPDX-License-Identifier: MIT
 *
 * global_pooling: options of Keras' GlobalMaxPooling1D, GlobalMaxPooling2D,
 * GlobalAveragePooling1D and GlobalAveragePooling2D: the greatest value or the
 * mean of each channel. No variables.
 */
#ifndef COMMON_MODEL_LAYERS_GLOBAL_POOLING_H
#define COMMON_MODEL_LAYERS_GLOBAL_POOLING_H

#include <stdbool.h>

struct global_pooling_options {
    int rank;      /* axes that are pooled: 1 or 2 */
    bool average;  /* or else the greatest */
    bool keepdims; /* they stay, as axes of 1 */
};

#endif
