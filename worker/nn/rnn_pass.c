/* SPDX-License-Identifier: MIT
 *
 * rnn_pass: the walk over the steps of a recurrent layer, forward and back;
 * see rnn.h. After keras.layers.RNN and keras.backend.rnn.
 */
#include "worker/nn/rnn.h"

#include "worker/nn/vector.h"

#include <string.h>

/* ---- forward ------------------------------------------------------------- */

/* Step number s of the computation, as it lies in the input. */
static size_t step_at(const struct rnn *r, size_t s)
{
    return r->options->go_backwards ? r->steps - 1 - s : s;
}

static bool is_masked(const struct rnn *r, size_t row, size_t t)
{
    return r->mask != NULL && r->mask[row * r->steps + t] == 0.0f;
}

static void copy_step(const struct rnn *r, const float *from, float *array,
                      size_t t)
{
    for (size_t i = 0; i < r->rows; i++) {
        memcpy(rnn_at(r, array, i, t, r->units), from + i * r->units,
               r->units * sizeof(float));
    }
}

/* The state before the first step: that of the call, or 0. */
static void start(struct rnn *r, size_t t)
{
    const struct rnn_state *s = r->op->state;
    size_t size = r->rows * r->units * sizeof(float);
    float *to[2] = {r->state, r->carry};

    for (size_t i = 0; i < 2; i++) {
        if (to[i] != NULL && s->states[i] != SIZE_MAX) {
            memcpy(to[i], r->op->x[s->states[i]], size);
        } else if (to[i] != NULL) {
            memset(to[i], 0, size);
        }
    }
    copy_step(r, r->state, r->h, t);
    if (r->carry != NULL) {
        copy_step(r, r->carry, r->kept, t);
    }
}

/* Masked rows keep the state that they had. */
static void keep_masked(struct rnn *r, size_t t)
{
    size_t size = r->units * sizeof(float);

    for (size_t i = 0; i < r->rows; i++) {
        if (!is_masked(r, i, t)) {
            continue;
        }
        memcpy(r->state + i * r->units, rnn_at(r, r->h, i, t, r->units), size);
        if (r->carry != NULL) {
            memcpy(r->carry + i * r->units, rnn_at(r, r->kept, i, t, r->units),
                   size);
        }
    }
}

/* The output of step s; without return_sequences, each takes the place of the
 * one before. */
static void put_output(struct rnn *r, size_t s, size_t t)
{
    const struct rnn_options *o = r->options;
    size_t size = r->units * sizeof(float);

    for (size_t i = 0; i < r->rows; i++) {
        float *y =
            r->op->y[0] + (o->return_sequences ? (i * r->steps + s) * r->units
                                               : i * r->units);

        if (!is_masked(r, i, t)) {
            memcpy(y, r->state + i * r->units, size);
        } else if (s == 0 || o->zero_output_for_mask) {
            memset(y, 0, size);
        } else if (o->return_sequences) {
            memcpy(y, y - r->units, size);
        }
    }
}

int rnn_forward(struct op *op, struct err *err)
{
    struct rnn r;
    bool sequences;

    (void)err;
    rnn_place(&r, op);
    sequences = r.options->return_sequences;
    rnn_draw(&r);
    rnn_sum_inputs(&r);
    start(&r, step_at(&r, 0));
    for (size_t s = 0; s < r.steps; s++) {
        size_t t = step_at(&r, s);

        r.cell->forward(&r, t);
        r.started = true;
        if (r.mask != NULL) {
            keep_masked(&r, t);
        }
        if (sequences || r.mask != NULL || s + 1 == r.steps) {
            put_output(&r, s, t);
        }
        if (s + 1 < r.steps) {
            copy_step(&r, r.state, r.h, step_at(&r, s + 1));
            if (r.carry != NULL) {
                copy_step(&r, r.carry, r.kept, step_at(&r, s + 1));
            }
        }
    }
    if (r.options->return_state) {
        size_t size = r.rows * r.units * sizeof(float);

        memcpy(op->y[1], r.state, size);
        if (r.carry != NULL) {
            memcpy(op->y[2], r.carry, size);
        }
    }
    return 0;
}

/* ---- backward ------------------------------------------------------------ */

static void set_or_clear(float *to, const float *from, size_t n)
{
    if (to != NULL && from != NULL) {
        memcpy(to, from, n * sizeof(float));
    } else if (to != NULL) {
        memset(to, 0, n * sizeof(float));
    }
}

static void add_to(const float *from, float *to, size_t n)
{
    VECTOR_LOOP
    for (size_t i = 0; i < n; i++) {
        to[i] += from[i];
    }
}

/* Adds the gradient of the output of step s to that of the state. What a
 * masked step passed on goes back to the step it came from. */
static void take_output(struct rnn *r, size_t s, size_t t)
{
    const struct rnn_options *o = r->options;
    const float *dy = r->op->dy[0];
    size_t ld = o->return_sequences ? r->steps * r->units : r->units;
    bool here = o->return_sequences || s + 1 == r->steps;

    dy += o->return_sequences ? s * r->units : 0;
    for (size_t i = 0; i < r->rows; i++) {
        float *late = r->dy + i * r->units;
        bool masked = is_masked(r, i, t);

        if (here && !(masked && o->zero_output_for_mask)) {
            add_to(dy + i * ld, late, r->units);
        }
        if (!masked) {
            add_to(late, r->dstate + i * r->units, r->units);
            memset(late, 0, r->units * sizeof(float));
        }
    }
}

/* Takes masked rows out of the step, or brings them back behind it. */
static void hold_masked(struct rnn *r, size_t t)
{
    size_t size = r->units * sizeof(float);

    for (size_t i = 0; i < r->rows; i++) {
        size_t at = i * r->units;

        if (!is_masked(r, i, t)) {
            continue;
        }
        memcpy(r->hold + at, r->dstate + at, size);
        memset(r->dstate + at, 0, size);
        if (r->carry != NULL) {
            memcpy(r->dcarry_hold + at, r->dcarry + at, size);
            memset(r->dcarry + at, 0, size);
        }
    }
}

static void release_masked(struct rnn *r, size_t t)
{
    for (size_t i = 0; i < r->rows; i++) {
        size_t at = i * r->units;

        if (!is_masked(r, i, t)) {
            continue;
        }
        add_to(r->hold + at, r->dbefore + at, r->units);
        if (r->carry != NULL) {
            add_to(r->dcarry_hold + at, r->dcarry + at, r->units);
        }
    }
}

static void walk_back(struct rnn *r)
{
    struct op *op = r->op;
    bool states = r->options->return_state;
    size_t n = r->rows * r->units;

    set_or_clear(r->dstate, states ? op->dy[1] : NULL, n);
    set_or_clear(r->dcarry, states && r->carry != NULL ? op->dy[2] : NULL, n);
    set_or_clear(r->dy, NULL, n);
    for (size_t s = r->steps; s-- > 0;) {
        size_t t = step_at(r, s);
        float *swap;

        take_output(r, s, t);
        if (r->mask != NULL) {
            hold_masked(r, t);
        }
        r->cell->backward(r, t);
        if (r->mask != NULL) {
            release_masked(r, t);
        }
        swap = r->dstate;
        r->dstate = r->dbefore;
        r->dbefore = swap;
        if (s > 0) { /* what the step ended with, for the one before */
            for (size_t i = 0; r->carry != NULL && i < r->rows; i++) {
                memcpy(r->carry + i * r->units,
                       rnn_at(r, r->kept, i, t, r->units),
                       r->units * sizeof(float));
            }
        }
    }
}

void rnn_backward(struct op *op)
{
    const struct rnn_state *s = op->state;
    struct rnn r;
    float *gradients[2];

    rnn_place(&r, op);
    walk_back(&r);
    r.cell->weights(&r);
    rnn_input_weights(&r);
    if (op->dx[0] != NULL) {
        rnn_input_gradient(&r, op->dx[0]);
    }
    gradients[0] = r.dstate;
    gradients[1] = r.dcarry;
    for (size_t i = 0; i < 2; i++) {
        if (s->states[i] != SIZE_MAX && op->dx[s->states[i]] != NULL) {
            memcpy(op->dx[s->states[i]], gradients[i],
                   r.rows * r.units * sizeof(float));
        }
    }
}
