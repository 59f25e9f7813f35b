/* SPDX-License-Identifier: MIT
 *
 * op: what a layer computes. Each layer class of common/model/layers.def has
 * a struct nn_class of the name nn_<symbol> in layers/; a class that is listed
 * but has no kernel does not link. A struct op is one call of a layer in one
 * net: what is fixed when the net is made, and the arrays of the current pass,
 * which the net puts in place before it calls a kernel. Kernels allocate in
 * create only.
 *
 * Rules for kernels. Arrays are rows x elements of the tensor, row-major.
 * forward writes all of y. backward writes (not adds) all of dx[i] unless it
 * is NULL, and all of the gradient of the layer's trained variables, added to
 * what is there if gradient_add is set (the layer was called more than once).
 * It may overwrite dy. Moving statistics: forward in training adds before -
 * after to their elements of the gradient, which start as 0.
 */
#ifndef WORKER_NN_OP_H
#define WORKER_NN_OP_H

#include "common/model/activation.h"
#include "common/model/model.h"
#include "worker/nn/net.h"

#include <stdbool.h>
#include <stddef.h>

/* Whether an output is memory of its own or the first input's. */
enum op_view {
    OP_OWN,    /* computed into y */
    OP_SAME,   /* the very tensor that came in, as Keras passes it on */
    OP_RESHAPE /* its values in another shape */
};

struct op {
    /* fixed */
    const struct nn_class *class;
    const struct model *model;
    const struct layer *layer;
    const struct call *call;
    size_t index; /* of the call */
    void *state;  /* of the kernel */
    /* A crossentropy is computed from what the closing softmax or sigmoid of
     * this call got: forward sets `logits`, backward takes dlogits. */
    bool wants_logits;

    /* what the kernel keeps, in floats per row, set by plan */
    size_t saved_size;   /* from forward to backward */
    size_t scratch_size; /* within one forward or backward */

    /* the pass */
    size_t rows;
    bool training;
    const struct net_draws *draws; /* in training */
    const float *params;           /* the model's flat vector */
    float *gradient;               /* the same layout; in training */
    bool gradient_add;
    const float **x; /* one per input */
    float **y;       /* one per output */
    float **dy;      /* one per output; dy[0] may be NULL if dlogits is not */
    float **dx;      /* one per input; NULL: not wanted */
    float *saved;
    float *scratch;
    const float *logits; /* rows x elements of output 0; set by forward */
    const float *dlogits;
};

struct nn_class {
    /* Sets op->state and checks what the kernel cannot do. NULL: nothing. */
    int (*create)(struct op *op, struct err *err);
    /* Frees op->state. NULL: mem_free() does. */
    void (*destroy)(struct op *op);
    /* NULL: OP_OWN. */
    enum op_view (*view)(const struct op *op, bool training);
    /* The activation the call ends with. NULL: linear. */
    enum activation (*tail)(const struct op *op);
    /* Sets saved_size and scratch_size for passes of a kind. NULL: both 0. */
    void (*plan)(struct op *op, bool training);
    /* Neither is called for a view. */
    int (*forward)(struct op *op, struct err *err);
    void (*backward)(struct op *op);
};

/* The kernel of a layer. */
const struct nn_class *op_class(const struct layer *layer);

/* Elements a row of input or output i has, its last axis, and how many such
 * vectors a row has (1 for a tensor of rank 0). */
const struct shape *op_input_shape(const struct op *op, size_t i);
size_t op_input_size(const struct op *op, size_t i);
size_t op_input_width(const struct op *op, size_t i);
size_t op_output_size(const struct op *op, size_t i);
size_t op_output_width(const struct op *op, size_t i);

/* Values of variable i of the layer. */
const float *op_param(const struct op *op, size_t i);
/* Its place in the gradient; NULL if it is not trained. */
float *op_gradient(const struct op *op, size_t i);

/* dx of a closing activation: f'(x) dy and the part that comes from the loss
 * directly (dlogits). dx may be dy[0] unless the activation is glu; x may be
 * NULL if the activation does not need it. rows x width: of x. */
void op_activation_backward(const struct op *op, enum activation a,
                            const float *x, float *dx, size_t rows,
                            size_t width);

#define LAYER(symbol, name) extern const struct nn_class nn_##symbol;
#include "common/model/layers.def"
#undef LAYER

#endif
