/* SPDX-License-Identifier: MIT
 *
 * dropout: options of Keras' Dropout layer. In training each element is 0
 * with probability rate and divided by (1 - rate) otherwise; in inference the
 * input passes. No variables.
 */
#ifndef COMMON_MODEL_LAYERS_DROPOUT_H
#define COMMON_MODEL_LAYERS_DROPOUT_H

#include <stdbool.h>
#include <stdint.h>

struct dropout_options {
    double rate;   /* 0 .. 1 */
    bool has_seed; /* the file gives a seed of the layer's own */
    int64_t seed;  /* 0 without one */
};

#endif
