/* SPDX-License-Identifier: MIT
 *
 * rnn: what the kernels of SimpleRNN, LSTM and GRU share: the walk over the
 * steps, masks, initial and final states, dropout, and the products with the
 * kernels. A cell says what one step computes, forward and backward.
 *
 * Arrays of all steps are rows x steps x width, like the input: the sums of
 * all steps' inputs are one matrix product, as are the gradients of both
 * kernels and of the input; only the recurrence is one product a step. State
 * arrays of one step are rows x units.
 *
 * A masked step computes like any other; the row then keeps the state that it
 * had, and its output is that of the step before (keras.backend.rnn).
 */
#ifndef WORKER_NN_RNN_H
#define WORKER_NN_RNN_H

#include "common/model/layers/rnn.h"
#include "worker/nn/op.h"

#include <stdbool.h>
#include <stddef.h>

enum { RNN_KERNEL, RNN_RECURRENT, RNN_BIAS };

struct rnn_cell;

/* One pass, made anew for each from the memory of the op. */
struct rnn {
    struct op *op;
    const struct rnn_options *options;
    const struct rnn_cell *cell;
    size_t rows;
    size_t steps;
    size_t inputs;
    size_t units;
    size_t wide;       /* gates x units */
    bool started;      /* the state before the first step is not all 0 */
    const float *mask; /* rows x steps, or NULL */

    /* rows x steps x ... */
    float *z;      /* wide: sums, then gates; backward makes gradients of it */
    float *before; /* wide: sums, where an activation needs them; or NULL */
    float *h;      /* units: the state before each step */
    float *kept;   /* units: what the cell keeps for each step */

    /* rows x ... */
    float *state;      /* units: h after the step */
    float *carry;      /* units: LSTM's c after the step */
    float *factors[2]; /* dropout of input and state: gates or 1 x width */

    /* backward: rows x units */
    float *dstate; /* gradient of the state after the step */
    float *dcarry;
    float *dbefore; /* becomes that of the state before it */
    float *hold;    /* masked rows' gradients */
    float *dcarry_hold;
    float *dy;   /* of the output, if it is that of an earlier step */
    float *row;  /* of one step: rows x units */
    float *temp; /* 4 of these, for the cell */
    float *all;  /* rows x steps x the greater of inputs and units; dropout */
};

struct rnn_cell {
    size_t keeps; /* arrays in `kept` */
    bool carries; /* has a second state */
    /* Computes step t from h and z there into state (and carry). */
    void (*forward)(struct rnn *r, size_t t);
    /* Turns z of step t into gradients of its sums, given dstate (dcarry), and
     * writes dbefore (dcarry: that before the step). */
    void (*backward)(struct rnn *r, size_t t);
    /* Gradients of the recurrent kernel (and of the part of the bias that is
     * its own), all steps done. */
    void (*weights)(struct rnn *r);
};

/* What the kernels' functions are: of a cell. */
int rnn_create(struct op *op, const struct rnn_cell *cell,
               struct err *err) ERR_CHECKED;
void rnn_plan(struct op *op, bool training);
int rnn_forward(struct op *op, struct err *err);
void rnn_backward(struct op *op);
size_t rnn_mask(const struct op *op, size_t i, struct shape *shape);

/* ---- between rnn.c and rnn_pass.c ------------------------------------------
 */

/* What is kept in op->state. */
struct rnn_state {
    const struct rnn_cell *cell;
    bool masked; /* the mask of the input counts */
    size_t states[2];
};

/* Puts *r together for a pass. */
void rnn_place(struct rnn *r, struct op *op);
/* Draws the factors of dropout, if there is any. */
void rnn_draw(struct rnn *r);
/* z of all steps = x kernel + bias. */
void rnn_sum_inputs(struct rnn *r);
/* The gradients of kernel and bias, and of the input, from z. */
void rnn_input_weights(struct rnn *r);
void rnn_input_gradient(struct rnn *r, float *dx);

/* ---- for cells ----------------------------------------------------------- */

/* Row r of step t in an array of all steps of that width. */
static inline float *rnn_at(const struct rnn *r, float *array, size_t row,
                            size_t t, size_t width)
{
    return array + (row * r->steps + t) * width;
}

/* to (rows x n units, ld apart) = (add: +=) the state h (ldh apart) times the
 * columns of n gates from `gate` on of the recurrent kernel. */
void rnn_recur(const struct rnn *r, const float *h, size_t ldh, size_t gate,
               size_t n, bool add, float *to, size_t ld);
/* dh (rows x units) = (add: +=) what d (rows x n units, ld apart) means for
 * the state that rnn_recur() was given. */
void rnn_recur_back(const struct rnn *r, const float *d, size_t ld, size_t gate,
                    size_t n, bool add, float *dh);
/* The gradient of n gates of the recurrent kernel: h (all steps x units), d
 * (all steps x n units, ld apart). */
void rnn_recur_weights(const struct rnn *r, const float *h, const float *d,
                       size_t ld, size_t gate, size_t n);
/* Gate g of row i at step t becomes what the activation makes of it. */
void rnn_gate(const struct rnn *r, const struct elephas_activation *a, size_t i,
              size_t t, size_t g);
/* The gate becomes the gradient of its sum, given dy, its own (units). */
void rnn_gate_back(const struct rnn *r, const struct elephas_activation *a,
                   size_t i, size_t t, size_t g, const float *dy);

#endif
