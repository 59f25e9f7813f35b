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
 *
 * Masks, as Keras has them: a tensor may carry one, a 1 for each time step
 * that counts and a 0 for each that does not (rows x steps, or more axes).
 * Whether it does is known when the net is made: a class says in `mask` what
 * becomes of the masks of its inputs. Kernels test for != 0.
 *
 * Inside of a TimeDistributed the steps of a batch are rows to the kernels:
 * op->rows is the batch's rows times op->repeat, all steps of a row together.
 */
#ifndef WORKER_NN_OP_H
#define WORKER_NN_OP_H

#include "common/model/activation.h"
#include "common/model/model.h"
#include "common/model/pieces.h"
#include "worker/nn/net.h"

#include <stdbool.h>
#include <stddef.h>

/* What nn_class.mask returns beside the number of an input. */
#define OP_MASK_NONE SIZE_MAX
#define OP_MASK_OWN (SIZE_MAX - 1)

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
    size_t index;  /* of the call */
    size_t repeat; /* rows for each row of the batch */
    void *state;   /* of the kernel */
    /* One per input: the shape of its mask, or NULL if it has none. */
    const struct shape **mask_shapes;
    /* A crossentropy is computed from what the closing softmax or sigmoid of
     * this call got: forward sets `logits`, backward takes dlogits. */
    bool wants_logits;
    bool in_pieces; /* its table's gradient is wanted in pieces, too */

    /* what the kernel keeps, in floats per row, set by plan */
    size_t saved_size;   /* from forward to backward */
    size_t scratch_size; /* within one forward or backward */
    /* the same, floats whatever the number of rows, behind the others */
    size_t saved_extra;
    size_t scratch_extra;

    /* the pass */
    size_t rows; /* repeat times those of the batch */
    bool training;
    const struct net_draws *draws; /* in training */
    const float *params;           /* the model's flat vector */
    float *gradient;               /* the same layout; in training */
    bool gradient_add;
    const float **x;      /* one per input */
    float **y;            /* one per output */
    const float **x_mask; /* one per input; NULL: it has none */
    float **y_mask;       /* one per output; NULL unless OP_MASK_OWN */
    float **dy; /* one per output; dy[0] may be NULL if dlogits is not */
    float **dx; /* one per input; NULL: not wanted */
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
    /* The mask of output i, as Keras' compute_mask() of the class has it:
     * OP_MASK_NONE; the number of the input whose mask it is (none, if that
     * has none); or OP_MASK_OWN, which forward writes to y_mask[i]. *shape
     * becomes the shape of the mask; it may be left alone where it is an
     * input's. NULL: OP_MASK_NONE, for layers that do not support masking. */
    size_t (*mask)(const struct op *op, size_t i, struct shape *shape);
    /* The activation the call ends with. NULL: linear. */
    const struct elephas_activation *(*tail)(const struct op *op);
    /* Sets saved_size ... scratch_extra for passes of a kind. NULL: all 0. */
    void (*plan)(struct op *op, bool training);
    /* Neither is called for a view. */
    int (*forward)(struct op *op, struct err *err);
    void (*backward)(struct op *op);
    /* After backward: what the gradient of a table is the sum of; arrays live
     * as long as those of the pass. NULL: the layer has no table. */
    void (*pieces)(const struct op *op, struct gradient_piece *out);
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

/* For nn_class.mask: the first output has the mask of the first input, as in
 * Keras' layers that support masking and say nothing else about it. */
size_t op_mask_pass(const struct op *op, size_t i, struct shape *shape);
/* Elements of a row of the mask of input i, which has one. */
size_t op_mask_size(const struct op *op, size_t i);
/* The input that is argument `name` of the call, or number i of a list of them;
 * SIZE_MAX if it is not given. */
size_t op_argument(const struct op *op, const char *name, size_t i);

/* Values of variable i of the layer. */
const float *op_param(const struct op *op, size_t i);
/* Its place in the gradient; NULL if it is not trained. */
float *op_gradient(const struct op *op, size_t i);

/* dx of a closing activation: f'(x) dy and the part that comes from the loss
 * directly (dlogits). dx may be dy[0] unless the activation is glu; x may be
 * NULL if the activation does not need it. rows x width: of x. */
void op_activation_backward(const struct op *op,
                            const struct elephas_activation *a, const float *x,
                            float *dx, size_t rows, size_t width);

/* sum[width] = (add: +=) the sum of `rows` vectors that are ld apart. */
void op_sum_rows(const float *values, size_t rows, size_t width, size_t ld,
                 bool add, float *sum);

#define LAYER(symbol, name) extern const struct nn_class nn_##symbol;
#include "common/model/layers.def"
#undef LAYER

#endif
