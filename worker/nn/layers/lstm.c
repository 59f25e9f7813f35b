/* SPDX-License-Identifier: MIT
 *
 * lstm: Keras' LSTM layer (Hochreiter and Schmidhuber, 1997; the forget gate
 * is that of Gers et al., 2000). With the gates i, f, g, o from one sum each:
 * c' = f c + i g, h' = o a(c'). a is the activation, that of i, f and o is the
 * recurrent one. What is kept for each step is c before it.
 */
#include "worker/nn/activation.h"
#include "worker/nn/rnn.h"
#include "worker/nn/vector.h"

#include <string.h>

enum { GATE_I, GATE_F, GATE_G, GATE_O, GATES };

static void forward_row(struct rnn *r, size_t i, size_t t)
{
    const struct elephas_activation *recurrent =
        r->options->recurrent_activation;
    size_t n = r->units;
    const float *z = rnn_at(r, r->z, i, t, r->wide);
    const float *before = rnn_at(r, r->kept, i, t, n);
    float *c = r->carry + i * n;
    float *h = r->state + i * n;

    rnn_gate(r, recurrent, i, t, GATE_I);
    rnn_gate(r, recurrent, i, t, GATE_F);
    rnn_gate(r, r->options->activation, i, t, GATE_G);
    rnn_gate(r, recurrent, i, t, GATE_O);
    VECTOR_LOOP
    for (size_t j = 0; j < n; j++) {
        c[j] = z[GATE_F * n + j] * before[j] + z[j] * z[GATE_G * n + j];
    }
    activation_forward(r->options->activation, c, h, 1, n);
    VECTOR_LOOP
    for (size_t j = 0; j < n; j++) {
        h[j] *= z[GATE_O * n + j];
    }
}

static void forward_step(struct rnn *r, size_t t)
{
    rnn_recur(r, rnn_at(r, r->h, 0, t, r->units), r->steps * r->units, 0, GATES,
              true, rnn_at(r, r->z, 0, t, r->wide), r->steps * r->wide);
    for (size_t i = 0; i < r->rows; i++) {
        forward_row(r, i, t);
    }
}

static void backward_row(struct rnn *r, size_t i, size_t t)
{
    const struct elephas_activation *a = r->options->activation;
    const struct elephas_activation *recurrent =
        r->options->recurrent_activation;
    size_t n = r->units;
    const float *z = rnn_at(r, r->z, i, t, r->wide);
    const float *before = rnn_at(r, r->kept, i, t, n);
    const float *c = r->carry + i * n;
    const float *dh = r->dstate + i * n;
    float *dc = r->dcarry + i * n;
    float *y = r->temp; /* a(c), then the gradient of i */
    float *d = y + n;   /* those of a(c), f ... */
    float *dg = d + n;
    float *output = dg + n;

    activation_forward(a, c, y, 1, n);
    VECTOR_LOOP
    for (size_t j = 0; j < n; j++) {
        output[j] = dh[j] * y[j];
        d[j] = dh[j] * z[GATE_O * n + j];
    }
    activation_backward(a, c, y, d, d, 1, n);
    VECTOR_LOOP
    for (size_t j = 0; j < n; j++) {
        float all = dc[j] + d[j];

        y[j] = all * z[GATE_G * n + j];
        dg[j] = all * z[j];
        d[j] = all * before[j];
        dc[j] = all * z[GATE_F * n + j];
    }
    rnn_gate_back(r, recurrent, i, t, GATE_I, y);
    rnn_gate_back(r, recurrent, i, t, GATE_F, d);
    rnn_gate_back(r, a, i, t, GATE_G, dg);
    rnn_gate_back(r, recurrent, i, t, GATE_O, output);
}

static void backward_step(struct rnn *r, size_t t)
{
    for (size_t i = 0; i < r->rows; i++) {
        backward_row(r, i, t);
    }
    rnn_recur_back(r, rnn_at(r, r->z, 0, t, r->wide), r->steps * r->wide, 0,
                   GATES, false, r->dbefore);
}

static void weights(struct rnn *r)
{
    rnn_recur_weights(r, r->h, r->z, r->wide, 0, GATES);
}

static const struct rnn_cell cell = {
    .keeps = 1,
    .carries = true,
    .forward = forward_step,
    .backward = backward_step,
    .weights = weights,
};

static int create(struct op *op, struct err *err)
{
    return rnn_create(op, &cell, err);
}

const struct nn_class nn_lstm = {
    .create = create,
    .mask = rnn_mask,
    .plan = rnn_plan,
    .forward = rnn_forward,
    .backward = rnn_backward,
};
