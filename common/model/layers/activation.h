/* SPDX-License-Identifier: MIT
 *
 * activation: options of Keras' Activation layer. No variables; the output is
 * shaped like the input.
 */
#ifndef COMMON_MODEL_LAYERS_ACTIVATION_H
#define COMMON_MODEL_LAYERS_ACTIVATION_H

#include "common/model/activation.h"

struct activation_options {
    const struct elephas_activation *activation;
};

#endif
