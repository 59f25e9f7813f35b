/* SPDX-License-Identifier: MIT
 *
 * bind: models whose input has an axis without a size, as Input((None, 5)) of
 * Keras makes them. They load: no variable depends on such an axis, so layers
 * are built as if it had VARIABLE_AXIS elements. Before rows are read, the
 * width of the data says what its size is; until then no program computes or
 * sends the model.
 */
#ifndef COMMON_MODEL_BIND_H
#define COMMON_MODEL_BIND_H

#include "common/err.h"
#include "common/model/model.h"

#include <stdbool.h>
#include <stddef.h>

/* What stands for a size that is not known yet: divisible by 1 to 10, and
 * longer than windows are. */
#define VARIABLE_AXIS 2520

/* Whether all inputs have their sizes. */
bool model_is_bound(const struct model *model);
/* Refuses a model that is not, naming the input. */
int model_check_bound(const struct model *model, struct err *err) ERR_CHECKED;

/* Gives the one axis without a size the size that makes `features` numbers of
 * all inputs together; *model becomes another model, with the same variables
 * and training. Does nothing to a model that is bound. ERR_UNSUPPORTED: there
 * is more than one such axis; ERR_INVALID: no size fits. *model is unchanged
 * on failure. */
int model_bind_features(struct model **model, size_t features,
                        struct err *err) ERR_CHECKED;

#endif
