/* SPDX-License-Identifier: MIT
 *
 * elu: options of Keras' ELU: x above 0, alpha (e^x - 1) below. No variables.
 */
#ifndef COMMON_MODEL_LAYERS_ELU_H
#define COMMON_MODEL_LAYERS_ELU_H

struct elu_options {
    float alpha;
};

#endif
