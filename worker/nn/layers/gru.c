/* SPDX-License-Identifier: MIT
 *
 * gru: Keras' GRU layer (Cho et al., 2014). With the gates z, r and the
 * candidate g: h' = z h + (1 - z) g. The reset gate r acts on the state before
 * the product with the recurrent kernel, g = a(x_g + (r h) R_g), or with
 * reset_after on the product, g = a(x_g + r (h R_g + b)), where the bias has a
 * second row for the recurrent part (cuDNN's form). What is kept for each step
 * is r h, or h R_g + b; backward makes the gradient of the latter of it.
 */
#include "worker/nn/activation.h"
#include "worker/nn/rnn.h"
#include "worker/nn/vector.h"

#include <string.h>

enum { GATE_Z, GATE_R, GATE_G };

static bool resets_after(const struct rnn *r)
{
    return r->options->reset_after;
}

/* The second row of the bias; NULL if there is none. */
static const float *recurrent_bias(const struct rnn *r)
{
    return r->options->use_bias && resets_after(r)
               ? op_param(r->op, RNN_BIAS) + r->wide
               : NULL;
}

static void add(const float *from, float *to, size_t n)
{
    VECTOR_LOOP
    for (size_t j = 0; j < n; j++) {
        to[j] += from[j];
    }
}

/* The gates z and r, then the sum of g. */
static void gates_row(struct rnn *r, size_t i, size_t t)
{
    const struct elephas_activation *recurrent =
        r->options->recurrent_activation;
    const float *bias = recurrent_bias(r);
    bool after = resets_after(r);
    size_t n = r->units;
    float *z = rnn_at(r, r->z, i, t, r->wide);
    float *kept = rnn_at(r, r->kept, i, t, n);
    const float *h = rnn_at(r, r->h, i, t, n);

    if (bias != NULL) {
        add(bias, z, 2 * n);
        add(bias + 2 * n, kept, n);
    }
    rnn_gate(r, recurrent, i, t, GATE_Z);
    rnn_gate(r, recurrent, i, t, GATE_R);
    VECTOR_LOOP
    for (size_t j = 0; j < n; j++) {
        float reset = z[GATE_R * n + j];

        if (after) {
            z[GATE_G * n + j] += reset * kept[j];
        } else {
            kept[j] = reset * h[j];
        }
    }
}

static void state_row(struct rnn *r, size_t i, size_t t)
{
    size_t n = r->units;
    const float *z = rnn_at(r, r->z, i, t, r->wide);
    const float *h = rnn_at(r, r->h, i, t, n);
    float *state = r->state + i * n;

    rnn_gate(r, r->options->activation, i, t, GATE_G);
    VECTOR_LOOP
    for (size_t j = 0; j < n; j++) {
        state[j] = z[j] * h[j] + (1.0f - z[j]) * z[GATE_G * n + j];
    }
}

static void forward_step(struct rnn *r, size_t t)
{
    size_t n = r->units;
    size_t ldh = r->steps * n;
    size_t ldz = r->steps * r->wide;
    const float *h = rnn_at(r, r->h, 0, t, n);
    float *z = rnn_at(r, r->z, 0, t, r->wide);
    float *kept = rnn_at(r, r->kept, 0, t, n);

    rnn_recur(r, h, ldh, GATE_Z, 2, true, z, ldz);
    if (resets_after(r)) {
        rnn_recur(r, h, ldh, GATE_G, 1, false, kept, ldh);
    }
    for (size_t i = 0; i < r->rows; i++) {
        gates_row(r, i, t);
    }
    if (!resets_after(r)) {
        rnn_recur(r, kept, ldh, GATE_G, 1, true, z + GATE_G * n, ldz);
    }
    for (size_t i = 0; i < r->rows; i++) {
        state_row(r, i, t);
    }
}

/* The gradients of z and g from that of the state, and the part of the state
 * that went straight through. */
static void state_back(struct rnn *r, size_t i, size_t t)
{
    size_t n = r->units;
    const float *z = rnn_at(r, r->z, i, t, r->wide);
    const float *h = rnn_at(r, r->h, i, t, n);
    const float *d = r->dstate + i * n;
    float *dbefore = r->dbefore + i * n;
    float *update = r->temp + i * n;
    float *dg = r->temp + r->rows * n;

    VECTOR_LOOP
    for (size_t j = 0; j < n; j++) {
        update[j] = d[j] * (h[j] - z[GATE_G * n + j]);
        dg[j] = d[j] * (1.0f - z[j]);
        dbefore[j] = d[j] * z[j];
    }
    rnn_gate_back(r, r->options->activation, i, t, GATE_G, dg);
}

/* The gradients of z and r; back: of r h (reset before). */
static void gates_back(struct rnn *r, size_t i, size_t t, const float *back)
{
    const struct elephas_activation *recurrent =
        r->options->recurrent_activation;
    size_t n = r->units;
    const float *z = rnn_at(r, r->z, i, t, r->wide);
    const float *h = rnn_at(r, r->h, i, t, n);
    float *kept = rnn_at(r, r->kept, i, t, n);
    float *dbefore = r->dbefore + i * n;
    float *dr = r->temp + r->rows * n;

    if (resets_after(r)) {
        VECTOR_LOOP
        for (size_t j = 0; j < n; j++) {
            float d = z[GATE_G * n + j];

            dr[j] = d * kept[j];
            kept[j] = d * z[GATE_R * n + j];
        }
    } else {
        back += i * n;
        VECTOR_LOOP
        for (size_t j = 0; j < n; j++) {
            dr[j] = back[j] * h[j];
            dbefore[j] += back[j] * z[GATE_R * n + j];
        }
    }
    rnn_gate_back(r, recurrent, i, t, GATE_Z, r->temp + i * n);
    rnn_gate_back(r, recurrent, i, t, GATE_R, dr);
}

static void backward_step(struct rnn *r, size_t t)
{
    size_t n = r->units;
    size_t ldz = r->steps * r->wide;
    float *z = rnn_at(r, r->z, 0, t, r->wide);
    float *kept = rnn_at(r, r->kept, 0, t, n);
    float *back = r->temp + 2 * r->rows * n;

    for (size_t i = 0; i < r->rows; i++) {
        state_back(r, i, t);
    }
    if (!resets_after(r)) {
        rnn_recur_back(r, z + GATE_G * n, ldz, GATE_G, 1, false, back);
    }
    for (size_t i = 0; i < r->rows; i++) {
        gates_back(r, i, t, back);
    }
    rnn_recur_back(r, z, ldz, GATE_Z, 2, true, r->dbefore);
    if (resets_after(r)) {
        rnn_recur_back(r, kept, r->steps * n, GATE_G, 1, true, r->dbefore);
    }
}

static void weights(struct rnn *r)
{
    size_t n = r->units;
    size_t rows = r->rows * r->steps;
    bool more = r->op->gradient_add;
    float *to;

    rnn_recur_weights(r, r->h, r->z, r->wide, GATE_Z, 2);
    if (!resets_after(r)) {
        rnn_recur_weights(r, r->kept, r->z + GATE_G * n, r->wide, GATE_G, 1);
        return;
    }
    rnn_recur_weights(r, r->h, r->kept, n, GATE_G, 1);
    to = r->options->use_bias ? op_gradient(r->op, RNN_BIAS) : NULL;
    if (to != NULL) {
        to += r->wide;
        op_sum_rows(r->z, rows, 2 * n, r->wide, more, to);
        op_sum_rows(r->kept, rows, n, n, more, to + GATE_G * n);
    }
}

static const struct rnn_cell cell = {
    .keeps = 1,
    .forward = forward_step,
    .backward = backward_step,
    .weights = weights,
};

static int create(struct op *op, struct err *err)
{
    return rnn_create(op, &cell, err);
}

const struct nn_class nn_gru = {
    .create = create,
    .mask = rnn_mask,
    .plan = rnn_plan,
    .forward = rnn_forward,
    .backward = rnn_backward,
};
