/* SPDX-License-Identifier: MIT
 *
 * affine: options of Keras' Rescaling (scale x + offset) and Normalization
 * ((x - mean) / sqrt(variance), or the reverse of it), whose numbers are in
 * the config or, of an adapted Normalization, variables that are never
 * trained: mean, variance, count.
 */
#ifndef COMMON_MODEL_LAYERS_AFFINE_H
#define COMMON_MODEL_LAYERS_AFFINE_H

#include "common/model/model.h"

#include <stdbool.h>

/* An array of the config. */
struct affine_array {
    struct shape shape; /* repeated along axes of 1, from the last one on */
    float *values;      /* owned; NULL: there is none */
};

struct affine_options {
    /* scale and offset, or mean and variance */
    struct affine_array first;
    struct affine_array second;
    bool is_normalization;
    bool invert;        /* mean + x sqrt(variance) */
    bool adapted;       /* mean and variance are variables 0 and 1 */
    struct shape shape; /* of those, with 1 for the other axes; once built */
};

#endif
