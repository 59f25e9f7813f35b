/* SPDX-License-Identifier: MIT
 *
 * initializer: Keras' initializers by config: Zeros, Ones, Constant,
 * RandomUniform, RandomNormal, TruncatedNormal, VarianceScaling and its
 * Glorot, He and Lecun forms, Orthogonal, Identity. Fans are computed as in
 * keras.initializers (compute_fans). The distributions are Keras', the drawn
 * numbers are this project's own (rng.h).
 */
#ifndef COMMON_MODEL_INITIALIZER_H
#define COMMON_MODEL_INITIALIZER_H

#include "common/err.h"
#include "common/model/shape.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

struct initializer;

/* From a Keras config value: object, name ("glorot_uniform") or null (then
 * `missing`, a name). *out is owned by the caller. */
int initializer_create(const json_t *value, const char *missing,
                       struct initializer **out, struct err *err) ERR_CHECKED;
void initializer_destroy(struct initializer **init);

/* Whether it can fill this shape (Identity wants a matrix ...). */
int initializer_check(const struct initializer *init, const struct shape *shape,
                      struct err *err) ERR_CHECKED;
/* Fills n = shape_size(shape) values; `stream` tells variables apart. Needs
 * initializer_check() before. */
void initializer_draw(const struct initializer *init, const struct shape *shape,
                      uint64_t seed, uint64_t stream, float *values);

#endif
