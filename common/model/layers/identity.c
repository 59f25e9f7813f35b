/* SPDX-License-Identifier: MIT
 *
 * identity: Keras' Identity layer: the tensor itself. No options, no
 * variables.
 */
#include "common/model/layer.h"

const struct layer_class layer_identity = {.name = "Identity"};
