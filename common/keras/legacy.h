/* SPDX-License-Identifier: MIT
 *
 * legacy: the configuration of an `.h5` file or of an old architecture JSON
 * -> config.json of a `.keras` file: objects with module and registered name,
 * inputs of nodes as tensors with a history, build_config, compile_config.
 */
#ifndef COMMON_KERAS_LEGACY_H
#define COMMON_KERAS_LEGACY_H

#include "common/err.h"
#include "common/keras/graph.h"
#include "common/model/model.h"

#include <jansson.h>
#include <stdbool.h>

/* Whether the configuration has to be upgraded before it can be written. */
bool legacy_is(const json_t *object);

/* graph and model: what was built from the configuration, training included.
 * training: its training_config, or NULL. *out is a new reference. */
int legacy_upgrade(const struct graph_container *graph,
                   const struct model *model, const json_t *training,
                   json_t **out, struct err *err) ERR_CHECKED;

#endif
