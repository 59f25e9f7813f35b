/* SPDX-License-Identifier: MIT
 *
 * input: options of Keras' InputLayer. Its one output is the shape; whatever
 * the type, values arrive as float32. No variables.
 */
#ifndef COMMON_MODEL_LAYERS_INPUT_H
#define COMMON_MODEL_LAYERS_INPUT_H

#include "common/model/shape.h"

#include <stdbool.h>

struct input_options {
    struct shape shape;    /* without the batch axis; see bind.h */
    struct shape declared; /* the same, axes without a size as the file has */
    bool is_integer;       /* a dtype of whole numbers, or bool */
};

#endif
