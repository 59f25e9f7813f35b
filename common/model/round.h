/* SPDX-License-Identifier: MIT
 *
 * round: what a worker says about its batch in a synchronous round of batches
 * (docs/PROTOCOL.md section 5), so that the master makes of all of them what
 * Keras makes of the batches put together. For most models that is the
 * gradient of the mean loss: means over rows, weighted by rows, make a mean.
 * Some things do not add up like that and come separately, behind it:
 *
 *   parts    one for each output whose loss is not a mean over rows: a sum, a
 *            mean over sample weights, or one over the positions that a mask
 *            or ignore_class leaves. The gradient and the value of its sum
 *            and what it is to be divided by.
 *   tables   gradients of tables in pieces (pieces.h): the sums of squares or
 *            magnitudes that the optimizer reads.
 *
 * Everything is divided by the rows of the batch, so that a mean weighted by
 * rows is the sum over all batches by the rows of all. Both sides derive the
 * layout from the model:
 *
 *   parameters floats | for each part: parameters floats, value, divisor |
 *   for each table: squares or nothing, magnitudes or nothing
 */
#ifndef COMMON_MODEL_ROUND_H
#define COMMON_MODEL_ROUND_H

#include "common/err.h"
#include "common/model/pieces.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct model;

struct round_part {
    size_t output;
    size_t offset; /* of its gradient; value and divisor lie behind */
    bool sum;      /* not divided at all */
};

struct round_table {
    size_t variable;
    size_t squares;    /* offset, or SIZE_MAX */
    size_t magnitudes; /* likewise */
};

struct round_layout {
    size_t size; /* floats of the vector */
    size_t parameters;
    struct round_part *parts; /* in the order of outputs; owned */
    size_t part_count;
    struct round_table *tables; /* owned */
    size_t table_count;
};

/* Lays out the vector of a compiled model. ERR_UNSUPPORTED: something of it
 * cannot be put together from several batches. */
int round_layout_init(const struct model *model, struct round_layout *out,
                      struct err *err) ERR_CHECKED;
void round_layout_deinit(struct round_layout *layout);
/* ERR_UNSUPPORTED: a loss of the model cannot be had from several batches. */
int round_check(const struct model *model, struct err *err) ERR_CHECKED;

/* The part of output i, or NULL: its loss is a mean over rows. */
const struct round_part *round_part_of(const struct round_layout *layout,
                                       size_t output);

/* For the worker: puts what the optimizer reads of pieces behind the rest.
 * rows: of the batch. */
void round_put_tables(const struct round_layout *layout,
                      const struct model *model,
                      const struct gradient_pieces *pieces, size_t rows,
                      float *vector);

/* For the master: what a mean of vectors, weighted by rows, says. The gradient
 * in mean[parameters] becomes that of all rows together. pieces->list has room
 * for table_count, and points into mean. */
void round_finish(const struct round_layout *layout, const struct model *model,
                  uint64_t rows, float *mean, struct gradient_pieces *pieces);
/* The loss of an output that has a part, over all rows, from that mean. */
double round_loss(const struct round_part *part,
                  const struct round_layout *layout, uint64_t rows,
                  const float *mean);

#endif
