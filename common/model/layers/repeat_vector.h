/* SPDX-License-Identifier: MIT
 *
 * repeat_vector: options of Keras' RepeatVector layer: a vector becomes n
 * steps of it. No variables.
 */
#ifndef COMMON_MODEL_LAYERS_REPEAT_VECTOR_H
#define COMMON_MODEL_LAYERS_REPEAT_VECTOR_H

#include <stdint.h>

struct repeat_vector_options {
    int64_t n; /* > 0 */
};

#endif
