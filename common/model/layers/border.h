/* SPDX-License-Identifier: MIT
 *
 * border: options of Keras' ZeroPadding1D, ZeroPadding2D, Cropping1D and
 * Cropping2D: cells that are put around series and images, or cut off. No
 * variables.
 */
#ifndef COMMON_MODEL_LAYERS_BORDER_H
#define COMMON_MODEL_LAYERS_BORDER_H

#include <stdbool.h>
#include <stdint.h>

/* For rows and columns; with one axis that is the columns. */
struct border_options {
    int rank;  /* axes: 1 or 2 */
    bool crop; /* or else add */
    int64_t before[2];
    int64_t after[2];
};

#endif
