/* SPDX-License-Identifier: MIT
 *
 * simple_rnn: Keras' SimpleRNN layer (Elman, 1990): the state is
 * h' = f(x kernel + bias + h recurrent_kernel), and the output.
 */
#include "worker/nn/rnn.h"

#include <string.h>

static void forward_step(struct rnn *r, size_t t)
{
    rnn_recur(r, rnn_at(r, r->h, 0, t, r->units), r->steps * r->units, 0, 1,
              true, rnn_at(r, r->z, 0, t, r->wide), r->steps * r->wide);
    for (size_t i = 0; i < r->rows; i++) {
        rnn_gate(r, r->options->activation, i, t, 0);
        memcpy(r->state + i * r->units, rnn_at(r, r->z, i, t, r->wide),
               r->units * sizeof(float));
    }
}

static void backward_step(struct rnn *r, size_t t)
{
    for (size_t i = 0; i < r->rows; i++) {
        rnn_gate_back(r, r->options->activation, i, t, 0,
                      r->dstate + i * r->units);
    }
    rnn_recur_back(r, rnn_at(r, r->z, 0, t, r->wide), r->steps * r->wide, 0, 1,
                   false, r->dbefore);
}

static void weights(struct rnn *r)
{
    rnn_recur_weights(r, r->h, r->z, r->wide, 0, 1);
}

static const struct rnn_cell cell = {
    .forward = forward_step,
    .backward = backward_step,
    .weights = weights,
};

static int create(struct op *op, struct err *err)
{
    return rnn_create(op, &cell, err);
}

const struct nn_class nn_simple_rnn = {
    .create = create,
    .mask = rnn_mask,
    .plan = rnn_plan,
    .forward = rnn_forward,
    .backward = rnn_backward,
};
