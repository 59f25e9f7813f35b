/* SPDX-License-Identifier: MIT
 *
 * embedding: options of Keras' Embedding layer: each number of the input, a
 * row of the table, becomes that row. Fractions are cut off. With mask_zero,
 * the output's mask leaves out what was 0. Variable: embeddings (rows, width).
 */
#ifndef COMMON_MODEL_LAYERS_EMBEDDING_H
#define COMMON_MODEL_LAYERS_EMBEDDING_H

#include "common/model/model.h"

#include <stdbool.h>
#include <stdint.h>

struct embedding_options {
    int64_t input_dim;  /* rows of the table, > 0 */
    int64_t output_dim; /* width of a row, > 0 */
    bool mask_zero;
    /* Moves to the variable when the layer is built; empty from there on. */
    struct weight_options embeddings;
};

#endif
