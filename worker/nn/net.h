/* SPDX-License-Identifier: MIT
 *
 * net: what a network computes: forward, loss, gradient. A net is built from
 * a model and is one thread's scratch memory; parameters are always passed in
 * as the flat vector of model.h, so any number of versions can be used with
 * one net. Activations are kept for the largest batch seen so far; a larger
 * one grows them.
 *
 * The rooms: op (what a layer's kernel is), layers/ (one kernel each),
 * activation, loss, gemm (the only user of BLAS; `make BLAS=none` uses plain
 * loops), net (order of calls, backward pass), check (finite differences).
 */
#ifndef WORKER_NN_NET_H
#define WORKER_NN_NET_H

#include "common/err.h"
#include "common/model/metric.h"
#include "common/model/model.h"
#include "common/model/pieces.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct net;

/* Rows of a batch; arrays are rows x elements, row-major, borrowed. A batch
 * without rows is legal: no outputs, nothing added, a gradient of 0. */
struct net_batch {
    size_t rows;
    const float *const *x; /* one array per model input */
    const float *const *y; /* one per output: labels; NULL to predict */
    const float *weights;  /* one per row, or NULL for 1 */
    /* Of outputs that have true here (NULL: none), the loss and its gradient
     * are left out; their metrics are not. */
    const bool *left_out;
    /* Not NULL: of the loss of output `alone` the gradient alone, without any
     * penalty, not reduced, and with what it is to be divided by, as struct
     * loss_batch has it; the loss is that value, without its weight. */
    double *divisor;
    size_t alone;
};

/* Names the random numbers of a training step (dropout, noise). */
struct net_draws {
    uint64_t seed;
    uint64_t partition;
    uint64_t step; /* of the partition, over all epochs */
};

/* The model must outlive the net. */
int net_create(const struct model *model, struct net **out,
               struct err *err) ERR_CHECKED;
void net_destroy(struct net **net);

const struct model *net_model(const struct net *net);

/* Inference. outputs[i] (one per model output) points to rows x elements that
 * stay valid until the next call on this net (an output that is also an input
 * is the caller's own array; without rows all are NULL). */
int net_predict(struct net *net, const float *params,
                const struct net_batch *batch, const float **outputs,
                struct err *err) ERR_CHECKED;

/* Inference, loss and metrics of a batch, added to totals. Labels are taken as
 * they are; class numbers out of range are ERR_INVALID. */
int net_evaluate(struct net *net, const float *params,
                 const struct net_batch *batch, struct totals *totals,
                 struct err *err) ERR_CHECKED;

/* Training forward and backward: gradient[model->parameters] becomes the
 * gradient of the batch's loss (mean over rows, penalties included) for
 * trainable elements, before - after for moving statistics, 0 elsewhere; loss
 * and metrics of the pass are added to totals (may be NULL), *loss (may be
 * NULL) becomes the batch's loss. */
int net_gradient(struct net *net, const float *params,
                 const struct net_batch *batch, const struct net_draws *draws,
                 float *gradient, struct totals *totals, double *loss,
                 struct err *err) ERR_CHECKED;

struct round_layout;

/* What a round of batches wants of this one (common/model/round.h):
 * vector[layout->size]. batch->left_out and divisor are not asked;
 * *loss becomes the batch's own loss. */
int net_round(struct net *net, const float *params,
              const struct net_batch *batch, const struct net_draws *draws,
              const struct round_layout *layout, float *vector,
              struct totals *totals, double *loss, struct err *err) ERR_CHECKED;

/* The pieces of tables' gradients of the last net_gradient(), for
 * optimizer_step_pieces(); valid until the next call on this net, and as long
 * as the batch's arrays. NULL if there are none. */
const struct gradient_pieces *net_pieces(const struct net *net);

/* The vector library in use: "OpenBLAS 0.3.21 ..." or "none". */
const char *net_blas(void);

#endif
