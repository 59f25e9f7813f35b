/* SPDX-License-Identifier: MIT
 *
 * masking: options of Keras' Masking layer. A step, a vector along the last
 * axis, whose numbers all are mask_value becomes 0 and is left out by the
 * output's mask. No variables.
 */
#ifndef COMMON_MODEL_LAYERS_MASKING_H
#define COMMON_MODEL_LAYERS_MASKING_H

struct masking_options {
    float mask_value;
};

#endif
