/* SPDX-License-Identifier: MIT
 *
 * dropout: options of the layers that disturb their input in training and pass
 * it on in inference: Keras' Dropout and SpatialDropout1D/2D (an element is 0
 * with probability rate, and divided by 1 - rate otherwise), AlphaDropout (the
 * same for the value SELU saturates at, keeping mean and variance),
 * GaussianDropout (times a number of mean 1 and variance rate / (1 - rate))
 * and GaussianNoise (plus a number of mean 0). No variables.
 */
#ifndef COMMON_MODEL_LAYERS_DROPOUT_H
#define COMMON_MODEL_LAYERS_DROPOUT_H

#include "common/model/shape.h"

#include <stdbool.h>
#include <stdint.h>

enum dropout_kind {
    DROPOUT_ZERO,
    DROPOUT_ALPHA,
    DROPOUT_GAUSSIAN,
    DROPOUT_NOISE
};

struct dropout_options {
    enum dropout_kind kind;
    double rate;        /* 0 .. 1; of DROPOUT_NOISE the standard deviation */
    bool has_seed;      /* the file gives a seed of the layer's own */
    int64_t seed;       /* 0 without one */
    int rank;           /* axes that the input must have; 0: any */
    bool shared;        /* elements of `noise` are dropped, not of the input */
    bool all_rows;      /* the same in all rows */
    struct shape noise; /* SHAPE_UNKNOWN: as long as the input's axis */
};

/* The shape of the numbers that are drawn for an input of that shape; false if
 * they do not suit it. */
bool dropout_noise_shape(const struct dropout_options *o,
                         const struct shape *in, struct shape *out);

#endif
