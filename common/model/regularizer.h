/* SPDX-License-Identifier: MIT
 *
 * regularizer: Keras' regularizers by config (keras.regularizers): penalties
 * that are added to the loss, and their gradients. A variable may have one
 * (struct variable), and a layer one for its outputs (struct layer). They are
 * plain C, as the daemon reads models too.
 */
#ifndef COMMON_MODEL_REGULARIZER_H
#define COMMON_MODEL_REGULARIZER_H

#include "common/err.h"
#include "common/model/shape.h"

#include <jansson.h>
#include <stddef.h>

struct regularizer;

/* From a Keras config value: object, name ("l2") or null, which gives NULL.
 * *out is owned by the caller. */
int regularizer_create(const json_t *value, struct regularizer **out,
                       struct err *err) ERR_CHECKED;
void regularizer_destroy(struct regularizer **regularizer);

/* Whether it can be applied to a tensor of this shape; for outputs, the shape
 * has the batch in front as an unknown axis. */
int regularizer_check(const struct regularizer *regularizer,
                      const struct shape *shape, struct err *err) ERR_CHECKED;

/* *value becomes the penalty of the shape_size(shape) values x. If gradient is
 * not NULL, scale times the penalty's gradient is added to it. Needs
 * regularizer_check() before. */
int regularizer_apply(const struct regularizer *regularizer,
                      const struct shape *shape, const float *x, double scale,
                      double *value, float *gradient,
                      struct err *err) ERR_CHECKED;

#endif
