/* SPDX-License-Identifier: MIT
 *
 * model_parts: what the files of struct model share and nobody else needs.
 */
#ifndef COMMON_MODEL_MODEL_PARTS_H
#define COMMON_MODEL_MODEL_PARTS_H

#include "common/model/model.h"

/* Releases optimizer, losses and metrics; the model is not compiled then. */
void model_clear_training(struct model *model);

#endif
