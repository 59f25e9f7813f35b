/* SPDX-License-Identifier: MIT
 *
 * axes: options of layers that work along some axes of their input and have no
 * other options or variables: Keras' Softmax and UnitNormalization.
 */
#ifndef COMMON_MODEL_LAYERS_AXES_H
#define COMMON_MODEL_LAYERS_AXES_H

#include "common/model/model.h"

/* The axes of a shape, without the batch, that a value of the option `axis`
 * names (NULL: the last one), as a mask of bits. Refuses the batch. */
int axes_read(const json_t *value, const struct shape *shape, unsigned *axes,
              struct err *err) ERR_CHECKED;

#endif
