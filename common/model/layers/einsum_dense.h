/* SPDX-License-Identifier: MIT
 *
 * einsum_dense: options of Keras' EinsumDense layer: y = activation(einsum(x,
 * kernel) + bias). Each axis has a letter; letters that y lacks are summed
 * over. Variables, in this order: kernel, of the sizes of its letters, and,
 * with bias_axes, bias, which is added to the last axes of y; its axes are
 * those of y or 1.
 */
#ifndef COMMON_MODEL_LAYERS_EINSUM_DENSE_H
#define COMMON_MODEL_LAYERS_EINSUM_DENSE_H

#include "common/model/activation.h"
#include "common/model/model.h"

#include <stdbool.h>

/* Axes of one tensor: their letters, and their sizes. */
struct einsum_term {
    char letter[SHAPE_MAX_RANK + 1];
    struct shape shape;
};

/* An equation for an input of some shape; x and y without the batch. */
struct einsum {
    struct einsum_term x;
    struct einsum_term kernel;
    struct einsum_term y;
    struct shape bias;
};

struct einsum_dense_options {
    bool use_bias;
    const struct elephas_activation *activation;
    struct shape built; /* of the kernel */
    /* Move to the variables when the layer is built; empty from there on. */
    struct weight_options kernel;
    struct weight_options bias;
};

/* What the layer's equation means for an input of that shape. */
int einsum_read(const struct layer *layer, const struct shape *in,
                struct einsum *out, struct err *err) ERR_CHECKED;

#endif
