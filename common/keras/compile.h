/* SPDX-License-Identifier: MIT
 *
 * compile: a model's compile_config (Keras 3) or training_config (the `.h5` of
 * Keras 2 and 3) <-> optimizer, losses and metrics of a model. Strings,
 * aliases, objects, lists, and objects by output name are taken as
 * keras.Model.compile() takes them (keras.trainers, compile_utils).
 */
#ifndef COMMON_KERAS_COMPILE_H
#define COMMON_KERAS_COMPILE_H

#include "common/err.h"
#include "common/model/model.h"

#include <jansson.h>

/* A configuration read, not yet applied. Strings and configs are borrowed
 * from the JSON or from `kept`. */
struct compile_spec {
    bool has_optimizer;
    struct object_spec optimizer;
    struct output_spec *outputs; /* owned, with what they point to */
    size_t output_count;
    json_t *kept; /* objects made while reading */
};

/* config: a compile_config, or a training_config, whose optimizer is called
 * optimizer_config. object: the model's own configuration, for the names of
 * its outputs, of which there are n. Without an optimizer but with a loss, it
 * is "rmsprop", the default of compile(). */
int compile_read(const json_t *config, const json_t *object, size_t n,
                 struct compile_spec *out, struct err *err) ERR_CHECKED;
void compile_spec_deinit(struct compile_spec *spec);

/* Reads and sets the training of the model. An empty configuration (or NULL)
 * leaves it uncompiled. Messages begin with compile_config. */
int compile_apply(struct model *model, const json_t *config,
                  const json_t *object, struct err *err) ERR_CHECKED;

/* The compile_config of a model in the words of Keras 3, all of it as objects.
 * *out is a new reference; NULL if the model is not compiled. */
int compile_emit(const struct model *model, json_t **out,
                 struct err *err) ERR_CHECKED;
/* The same for what a specification would make of the model. */
int compile_emit_spec(const struct model *model,
                      const struct compile_spec *spec, json_t **out,
                      struct err *err) ERR_CHECKED;

/* Whether Keras 3 can read a section of a compile_config: names yes, objects
 * only with their module. NULL can be read. */
bool compile_is_portable(const json_t *value);

/* Brings `root`, a config.json, up to date with the model: sections of its
 * compile_config that say something else are replaced. *changed tells whether
 * there were any. */
int compile_refresh(const struct model *model, json_t *root, bool *changed,
                    struct err *err) ERR_CHECKED;

/* Keras' name of output i of a model's configuration: that of the layer or
 * nested model that makes it. NULL if it says none. */
const char *compile_output_name(const json_t *object, size_t i);

#endif
