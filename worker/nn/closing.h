/* SPDX-License-Identifier: MIT
 *
 * closing: what convolutions end with: sums z get a bias and go through the
 * activation into y, and back. z is kept apart from y only where something
 * reads it again: an activation whose derivative is not a function of its
 * output, a crossentropy that is computed from logits, or glu, which is
 * narrower.
 *
 * z comes first in op->saved and, where it needs room of its own on the way
 * back, in op->scratch; what a kernel keeps beside it lies behind.
 */
#ifndef WORKER_NN_CLOSING_H
#define WORKER_NN_CLOSING_H

#include "worker/nn/op.h"

#include <stdbool.h>
#include <stddef.h>

struct closing {
    const struct elephas_activation *activation;
    size_t size;  /* of z, per row */
    size_t width; /* of z: channels */
    bool use_bias;
    size_t bias; /* number of that variable */
};

/* ERR_UNSUPPORTED if the activation cannot stand in this layer. */
int closing_check(const struct closing *c, const struct op *op,
                  struct err *err) ERR_CHECKED;
/* Floats per row of z in op->saved and op->scratch. */
size_t closing_saved(const struct closing *c, const struct op *op,
                     bool training);
size_t closing_scratch(const struct closing *c, bool training);
/* Where forward puts z before closing_forward(). */
float *closing_sums(const struct closing *c, struct op *op);
void closing_forward(const struct closing *c, struct op *op);
/* dz; the gradient of the bias is written. */
const float *closing_backward(const struct closing *c, struct op *op);

#endif
