/* SPDX-License-Identifier: MIT
 *
 * flatten: options of Keras' Flatten layer: all axes become one, row-major.
 * With channels_first and an input of two axes or more, the first axis is
 * moved behind the others before that. No variables.
 */
#ifndef COMMON_MODEL_LAYERS_FLATTEN_H
#define COMMON_MODEL_LAYERS_FLATTEN_H

#include <stdbool.h>

struct flatten_options {
    bool channels_first;
};

#endif
