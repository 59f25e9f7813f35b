/* SPDX-License-Identifier: MIT
 *
 * model_parts: what the files of struct model share and nobody else needs.
 */
#ifndef COMMON_MODEL_MODEL_PARTS_H
#define COMMON_MODEL_MODEL_PARTS_H

#include "common/model/model.h"

/* Releases optimizer, losses and metrics; the model is not compiled then. */
void model_clear_training(struct model *model);

/* Room for one more element behind count; NULL without memory, when the old
 * array is still there. */
void *model_grow(void *array, size_t count, size_t size);
/* Puts the layer's name before the message; returns rc. */
int model_wrap_layer(const struct layer *layer, int rc, struct err *err);
/* Refuses a reference to a tensor that is not there; what and i name it. */
int model_check_ref(const struct model *model, struct tensor_ref ref,
                    const char *what, size_t i, struct err *err) ERR_CHECKED;
void model_call_deinit(struct call *call);

#endif
