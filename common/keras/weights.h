/* SPDX-License-Identifier: MIT
 *
 * weights: numbers of a file <-> a model's state. In the form of Keras 3
 * (model.weights.h5) each layer has a group, and its variables are numbered
 * in it; in the legacy `.h5` the layers are listed by name and matched by
 * their order. A variable that is missing, too many or of another shape is
 * refused with its path and both shapes.
 */
#ifndef COMMON_KERAS_WEIGHTS_H
#define COMMON_KERAS_WEIGHTS_H

#include "common/err.h"
#include "common/keras/graph.h"
#include "common/keras/h5.h"
#include "common/model/model.h"
#include "common/model/model_wire.h"

/* Initialises *state and fills it from a file of the form of Keras 3, with the
 * optimizer's variables if the file has those of this model's optimizer. All
 * shapes are compared before memory for the values is taken. */
int weights_read(const struct h5 *h5, const struct model *model,
                 struct model_state *state, struct err *err) ERR_CHECKED;

/* The same for a legacy file: group is "model_weights", or "" in a file of
 * weights only. */
int weights_read_legacy(const struct h5 *h5, const char *group,
                        const struct model *model,
                        const struct graph_container *graph,
                        struct model_state *state, struct err *err) ERR_CHECKED;

/* Writes model.weights.h5: the variables of the layers and, if the model is
 * compiled, of the optimizer; without its slots if the state has none. */
int weights_write(struct h5_writer *writer, const struct model *model,
                  const struct model_state *state, struct err *err) ERR_CHECKED;

#endif
