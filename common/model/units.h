/* SPDX-License-Identifier: MIT
 *
 * units: a batch of tensors cut into vectors along some of its axes. A loss
 * or a metric has one value for each such unit: usually the last axis is one,
 * and a row has as many units as positions. Where a unit does not lie in one
 * piece it is gathered into scratch memory, and its gradient scattered back.
 */
#ifndef COMMON_MODEL_UNITS_H
#define COMMON_MODEL_UNITS_H

#include "common/err.h"
#include "common/model/shape.h"

#include <stdbool.h>
#include <stddef.h>

#define UNITS_MAX_AXES (SHAPE_MAX_RANK + 1)

/* Axes as Keras counts them: 0 is the batch, -1 the last one. */
struct axes {
    bool all; /* every axis, the batch too; the list is empty then */
    int count;
    int axis[UNITS_MAX_AXES];
};

struct units {
    bool whole;     /* units reach over the rows */
    bool pieces;    /* units do not lie in one piece: gather and scatter */
    size_t count;   /* units of a row, or of the batch if they are whole */
    size_t width;   /* elements of a unit */
    int outer_rank; /* the axes that tell units apart, outermost first */
    int inner_rank; /* those along which a unit lies */
    size_t outer_dim[UNITS_MAX_AXES], outer_stride[UNITS_MAX_AXES];
    size_t inner_dim[UNITS_MAX_AXES], inner_stride[UNITS_MAX_AXES];
};

/* The last axis. */
struct axes axes_last(void);

/* Refuses axes that a tensor of `shape` (without the batch) does not have,
 * twice the same, and the batch unless it is allowed. */
int axes_check(const struct axes *axes, const struct shape *shape,
               bool allow_batch, struct err *err) ERR_CHECKED;
/* Whether they are the last axis only. */
bool axes_are_last(const struct axes *axes, const struct shape *shape);

/* The units of `rows` rows of `shape`; the axes have been checked. */
void units_init(struct units *units, const struct axes *axes,
                const struct shape *shape, size_t rows);

/* Unit number i, counted over all rows: its elements from an array of the
 * whole batch into width floats, and back. */
void units_gather(const struct units *units, size_t i, const float *from,
                  float *to);
void units_scatter(const struct units *units, size_t i, const float *from,
                   float *to);

#endif
