/* SPDX-License-Identifier: MIT
 *
 * shape: the axes of a tensor without the batch axis. Tensors are row-major,
 * channels last, as in Keras.
 */
#ifndef COMMON_MODEL_SHAPE_H
#define COMMON_MODEL_SHAPE_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHAPE_MAX_RANK 7
#define SHAPE_UNKNOWN (-1) /* None in Keras: a variable axis */
#define SHAPE_MAX_ELEMENTS (INT64_C(1) << 33)
#define SHAPE_TEXT_SIZE 128

struct shape {
    int rank;                    /* 0: one number per row */
    int64_t dim[SHAPE_MAX_RANK]; /* > 0, or SHAPE_UNKNOWN */
};

/* Product of the axes; 1 for rank 0. Unknown axes must not be present. */
size_t shape_size(const struct shape *s);
bool shape_equal(const struct shape *a, const struct shape *b);
bool shape_known(const struct shape *s);
/* Refuses ranks over SHAPE_MAX_RANK, axes of 0 or less that are not unknown,
 * and more than SHAPE_MAX_ELEMENTS in all. */
int shape_check(const struct shape *s, struct err *err) ERR_CHECKED;
/* "(28, 28, 1)", unknown axes as None; returns text. */
const char *shape_text(const struct shape *s, char text[SHAPE_TEXT_SIZE]);

#endif
