/* SPDX-License-Identifier: MIT
 *
 * up_sampling: options of Keras' UpSampling1D and UpSampling2D: each cell
 * becomes `size` cells. No variables.
 */
#ifndef COMMON_MODEL_LAYERS_UP_SAMPLING_H
#define COMMON_MODEL_LAYERS_UP_SAMPLING_H

#include <stdbool.h>
#include <stdint.h>

struct up_sampling_options {
    int rank;        /* axes: 1 or 2 */
    int64_t size[2]; /* for rows and columns; rank 1: columns, rows are 1 */
    bool bilinear;   /* or else the nearest one, a copy */
};

#endif
