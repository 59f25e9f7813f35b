/* SPDX-License-Identifier: MIT
 *
 * dense: options of Keras' Dense layer: y = activation(x kernel + bias) over
 * the last axis; axes before it count as rows. Variables, in this order:
 * kernel (in, units) and, with use_bias, bias (units).
 */
#ifndef COMMON_MODEL_LAYERS_DENSE_H
#define COMMON_MODEL_LAYERS_DENSE_H

#include "common/model/activation.h"
#include "common/model/model.h"

#include <stdbool.h>
#include <stdint.h>

struct dense_options {
    int64_t units;  /* size of the output's last axis, > 0 */
    int64_t inputs; /* size of the input's last axis; 0 before it is built */
    bool use_bias;
    const struct elephas_activation *activation;
    /* Move to the variables when the layer is built; empty from there on. */
    struct weight_options kernel;
    struct weight_options bias;
};

#endif
