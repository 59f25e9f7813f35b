/* SPDX-License-Identifier: MIT
 *
 * load: what the files of this room share about reading whole models.
 */
#ifndef COMMON_KERAS_LOAD_H
#define COMMON_KERAS_LOAD_H

#include "common/buf.h"
#include "common/keras/keras.h"

#define KERAS_CONFIG_FILE "config.json"
#define KERAS_METADATA_FILE "metadata.json"
#define KERAS_WEIGHTS_FILE "model.weights.h5"

/* keras_load() of a file in memory. */
int keras_load_memory(struct view bytes, struct model **model,
                      struct model_state *state, struct err *err) ERR_CHECKED;

#endif
