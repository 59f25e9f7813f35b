/* SPDX-License-Identifier: MIT
 *
 * plugin: a layer that a plug-in computes; see common/model/plugin.h.
 */
#ifndef COMMON_MODEL_LAYERS_PLUGIN_H
#define COMMON_MODEL_LAYERS_PLUGIN_H

#include "common/model/plugin.h"

struct plugin_options {
    const struct elephas_layer *layer; /* of the library */
    void *state;                       /* what its create() made */
};

#endif
