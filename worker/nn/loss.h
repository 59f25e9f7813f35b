/* SPDX-License-Identifier: MIT
 *
 * loss: the losses of common/model/loss.h over a batch, with their gradients:
 * sample weights, masks and reductions are those of Keras 3 (keras.losses.Loss)
 * on the TensorFlow backend. That backend matters: where the output comes
 * straight from a softmax or sigmoid, a crossentropy is computed from what
 * that activation got (`logits`), not from the probabilities, whatever
 * from_logits says.
 */
#ifndef WORKER_NN_LOSS_H
#define WORKER_NN_LOSS_H

#include "common/err.h"
#include "common/model/loss.h"
#include "common/model/shape.h"

#include <stdbool.h>
#include <stddef.h>

/* One output of a batch; arrays are borrowed. A position is a vector along
 * the last axis: a row has one or, with more axes, several. */
struct loss_batch {
    const struct loss *loss;
    const struct shape *output;
    size_t rows;
    const float *y;       /* rows x elements of the label */
    const float *p;       /* rows x elements of the output */
    const float *logits;  /* what a closing softmax or sigmoid got, or NULL */
    const float *weights; /* one per row, or NULL for 1 */
    const float *mask;    /* one per position, 0: left out; or NULL */
    /* Not reduced: the sum of all values, divided by the rows, whatever the
     * reduction; *divisor becomes what a reduction to a mean divides the sum
     * by, divided by the rows. NULL: reduced. Not for losses over all rows. */
    double *divisor;
};

/* Whether this loss reads `logits` where there are any. */
bool loss_takes_logits(const struct loss *loss);

/* *value becomes the reduced loss of the batch. gradient (rows x elements, or
 * NULL) becomes scale times its gradient: by the logits if they were given and
 * taken, by p otherwise. A mean is one over the positions that the mask and
 * ignore_class leave, and 0 if they leave none. ERR_INVALID: a class number
 * that is not one, with its row; ERR_UNSUPPORTED: what is not computed. */
int loss_compute(const struct loss_batch *batch, float scale, float *gradient,
                 double *value, struct err *err) ERR_CHECKED;

#endif
