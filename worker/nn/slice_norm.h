/* SPDX-License-Identifier: MIT
 *
 * slice_norm: what the kernels of LayerNormalization and GroupNormalization
 * share: slices of each row brought to mean 0 and variance 1, then scaled and
 * shifted. A table says which gamma and beta each element of a slice has.
 */
#ifndef WORKER_NN_SLICE_NORM_H
#define WORKER_NN_SLICE_NORM_H

#include "common/model/layers/scale_shift.h"
#include "common/model/slices.h"
#include "worker/nn/op.h"

/* The state of such an op; released by mem_free(). */
struct slice_norm {
    struct slices slices;
    const struct scale_shift *affine;
    bool rms;       /* y = x / sqrt(variance): the mean stays */
    size_t weights; /* elements of gamma */
    /* Element j of slice i has weight number i * per_slice + j / run % cycle.
     */
    size_t per_slice;
    size_t run;
    size_t cycle;
};

void slice_norm_plan(struct op *op, bool training);
int slice_norm_forward(struct op *op, struct err *err) ERR_CHECKED;
void slice_norm_backward(struct op *op);

#endif
