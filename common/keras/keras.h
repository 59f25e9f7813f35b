/* SPDX-License-Identifier: MIT
 *
 * keras: Keras files in and out. Reads `.keras` (zip of metadata.json,
 * config.json, model.weights.h5), legacy `.h5` (Keras 2 and 3), and an
 * architecture JSON with a weights `.h5`; writes `.keras`. Used by
 * elephas-submit and elephas-worker only: the daemon never sees a zip or an
 * HDF5 file.
 *
 * Files come from strangers. Sizes are checked against limits before memory is
 * taken, nothing is executed, and what is not understood is refused by name:
 * layer, class and option. The rooms: archive (zip), h5 (HDF5), graph
 * (config.json to layers and calls), compile (compile_config), weights.
 */
#ifndef COMMON_KERAS_KERAS_H
#define COMMON_KERAS_KERAS_H

#include "common/err.h"
#include "common/model/model.h"
#include "common/model/model_wire.h"

/* Loads a model with its values; the kind of file is told by its content. The
 * state's has_weights is false for an architecture JSON alone. Messages begin
 * with the path. */
int keras_load(const char *path, struct model **model,
               struct model_state *state, struct err *err) ERR_CHECKED;

/* An architecture JSON and weights from a separate .h5 or .weights.h5 file. */
int keras_load_parts(const char *json_path, const char *weights_path,
                     struct model **model, struct model_state *state,
                     struct err *err) ERR_CHECKED;

/* Writes a `.keras` file that keras.models.load_model opens, weights, compile
 * config and optimizer variables included. Atomic: see file.h. The model's
 * source config is the base, so what this project does not know in it stays;
 * compile_config is replaced where model_set_training() changed it. */
int keras_save(const char *path, const struct model *model,
               const struct model_state *state, struct err *err) ERR_CHECKED;

/* What --optimizer, --loss and --metrics override: class name or alias, or a
 * JSON object text {"class_name":..., "config":{...}}; NULL keeps what the
 * file says; metrics is a comma-separated list. Also rewrites the compile
 * config of model->source. Messages begin with the option that is at fault, or
 * with compile_config where it is what the file says. */
int keras_override_training(struct model *model, const char *optimizer,
                            const char *loss, const char *metrics,
                            struct err *err) ERR_CHECKED;

#endif
