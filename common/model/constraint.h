/* SPDX-License-Identifier: MIT
 *
 * constraint: Keras' constraints by config (keras.constraints): what a
 * variable is projected to after each step of the optimizer. Plain C, as the
 * daemon takes the steps of batch rounds.
 */
#ifndef COMMON_MODEL_CONSTRAINT_H
#define COMMON_MODEL_CONSTRAINT_H

#include "common/err.h"
#include "common/model/shape.h"

#include <jansson.h>

struct constraint;

/* From a Keras config value: object, name ("non_neg") or null, which gives
 * NULL. *out is owned by the caller. */
int constraint_create(const json_t *value, struct constraint **out,
                      struct err *err) ERR_CHECKED;
void constraint_destroy(struct constraint **constraint);

/* Whether it can be applied to a variable of this shape. */
int constraint_check(const struct constraint *constraint,
                     const struct shape *shape, struct err *err) ERR_CHECKED;

/* Projects the shape_size(shape) values w in place. Needs constraint_check()
 * before. */
void constraint_apply(const struct constraint *constraint,
                      const struct shape *shape, float *w);

#endif
