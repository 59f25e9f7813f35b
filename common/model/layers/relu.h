/* SPDX-License-Identifier: MIT
 *
 * relu: options of Keras' ReLU and LeakyReLU: x above the threshold, at most
 * max_value; below it, slope (x - threshold). No variables.
 */
#ifndef COMMON_MODEL_LAYERS_RELU_H
#define COMMON_MODEL_LAYERS_RELU_H

#include <stdbool.h>

struct relu_options {
    float slope;
    float threshold;
    float max_value; /* infinity: none */
};

#endif
