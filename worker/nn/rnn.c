/* SPDX-License-Identifier: MIT
 *
 * rnn: memory, dropout and products of a recurrent layer; see rnn.h. After
 * keras.layers.RNN and its cells' DropoutRNNCell, whose factors are the same
 * for all steps of a pass.
 */
#include "worker/nn/rnn.h"

#include "common/mem.h"
#include "common/rng.h"
#include "worker/nn/activation.h"
#include "worker/nn/gemm.h"
#include "worker/nn/vector.h"

#include <string.h>

enum { OF_INPUT, OF_STATE };

/* Vectors of units in `temp` for each row. */
#define TEMPS 4

/* ---- memory -------------------------------------------------------------- */

static bool needs_before(const struct rnn_options *o, bool training)
{
    return training && (activation_needs_input(o->activation) ||
                        activation_needs_input(o->recurrent_activation));
}

static double rate(const struct rnn *r, int which)
{
    const struct rnn_options *o = r->options;
    double p = which == OF_INPUT ? o->dropout : o->recurrent_dropout;

    /* a rate of 1 drops nothing: Keras' cells take it for no rate */
    return p < 1.0 ? p : 0.0;
}

static size_t factor_count(const struct rnn_options *o)
{
    return o->dropout_per_gate ? (size_t)o->gates : 1;
}

/* Hands out pieces of memory; with base NULL it only counts. */
struct piece {
    float *base;
    size_t rows;
    size_t used; /* floats per row */
};

static float *piece(struct piece *p, bool wanted, size_t width)
{
    float *at = p->base != NULL ? p->base + p->used * p->rows : NULL;

    p->used += wanted ? width : 0;
    return wanted ? at : NULL;
}

static void describe(struct rnn *r, struct op *op)
{
    const struct rnn_state *s = op->state;

    *r = (struct rnn){.op = op,
                      .options = op->layer->options,
                      .cell = s->cell,
                      .rows = op->rows,
                      .steps = (size_t)op_input_shape(op, 0)->dim[0],
                      .inputs = op_input_width(op, 0)};
    r->units = (size_t)r->options->units;
    r->wide = r->units * (size_t)r->options->gates;
    r->started = s->states[0] != SIZE_MAX;
    r->mask = s->masked ? op->x_mask[0] : NULL;
}

/* What lives from forward to backward; returns floats per row. */
static size_t place_saved(struct rnn *r, bool training, float *base)
{
    const struct rnn_options *o = r->options;
    size_t n = factor_count(o);
    struct piece p = {.base = base, .rows = r->rows};

    r->z = piece(&p, true, r->steps * r->wide);
    r->before = piece(&p, needs_before(o, training), r->steps * r->wide);
    r->h = piece(&p, true, r->steps * r->units);
    r->kept =
        piece(&p, r->cell->keeps > 0, r->cell->keeps * r->steps * r->units);
    r->factors[OF_INPUT] =
        piece(&p, training && rate(r, OF_INPUT) > 0.0, n * r->inputs);
    r->factors[OF_STATE] =
        piece(&p, training && rate(r, OF_STATE) > 0.0, n * r->units);
    r->state = piece(&p, true, r->units);
    r->carry = piece(&p, r->cell->carries, r->units);
    return p.used;
}

static size_t place_scratch(struct rnn *r, bool training, float *base)
{
    size_t widest = r->inputs > r->units ? r->inputs : r->units;
    struct piece p = {.base = base, .rows = r->rows};

    r->row = piece(&p, true, r->units);
    r->temp = piece(&p, true, TEMPS * r->units);
    r->all = piece(
        &p, training && (rate(r, OF_INPUT) > 0.0 || rate(r, OF_STATE) > 0.0),
        r->steps * widest);
    r->dstate = piece(&p, training, r->units);
    r->dbefore = piece(&p, training, r->units);
    r->dcarry = piece(&p, training && r->cell->carries, r->units);
    r->hold = piece(&p, training, r->units);
    r->dcarry_hold = piece(&p, training && r->cell->carries, r->units);
    r->dy = piece(&p, training, r->units);
    return p.used;
}

void rnn_plan(struct op *op, bool training)
{
    struct rnn r;
    size_t saved;

    describe(&r, op);
    saved = place_saved(&r, training, NULL);
    op->scratch_size = place_scratch(&r, training, NULL);
    if (training) {
        op->saved_size = saved;
    } else {
        op->scratch_size += saved;
    }
}

void rnn_place(struct rnn *r, struct op *op)
{
    describe(r, op);
    if (op->training) {
        (void)place_saved(r, true, op->saved);
        (void)place_scratch(r, true, op->scratch);
    } else {
        size_t used = place_saved(r, false, op->scratch);

        (void)place_scratch(r, false, op->scratch + used * op->rows);
    }
}

/* ---- when the net is made ------------------------------------------------ */

int rnn_create(struct op *op, const struct rnn_cell *cell, struct err *err)
{
    const struct rnn_options *o = op->layer->options;
    const struct shape *mask = op->mask_shapes[0];
    struct rnn_state *s;

    if ((size_t)o->units * (size_t)o->gates > GEMM_MAX ||
        op_input_size(op, 0) > GEMM_MAX) {
        return err_set(err, ERR_LIMIT,
                       "layer %s: more than %zu features or units",
                       op->layer->name, GEMM_MAX);
    }
    s = mem_zalloc(sizeof(*s));
    if (s == NULL) {
        return err_nomem(err);
    }
    op->state = s;
    s->cell = cell;
    for (size_t i = 0; i < 2; i++) {
        s->states[i] = rnn_state_input(o, op->call, i);
    }
    /* As in Keras, a call with several tensors gets no mask by itself. */
    s->masked = mask != NULL && (s->states[0] == SIZE_MAX ||
                                 op_argument(op, "mask", 0) != SIZE_MAX);
    if (s->masked &&
        (mask->rank != 1 || mask->dim[0] != op_input_shape(op, 0)->dim[0])) {
        char text[SHAPE_TEXT_SIZE];

        return err_set(err, ERR_UNSUPPORTED,
                       "layer %s: a mask of shape %s: one value for each step "
                       "is wanted",
                       op->layer->name, shape_text(mask, text));
    }
    return 0;
}

size_t rnn_mask(const struct op *op, size_t i, struct shape *shape)
{
    const struct rnn_options *o = op->layer->options;

    (void)shape;
    return i == 0 && o->return_sequences ? 0 : OP_MASK_NONE;
}

/* ---- dropout ------------------------------------------------------------- */

static void draw(struct rng *rng, double r, float *factors, size_t n)
{
    float scale = (float)(1.0 / (1.0 - r));

    for (size_t i = 0; i < n; i++) {
        factors[i] = (double)rng_uniform(rng) < r ? 0.0f : scale;
    }
}

/* Factors lie gate by gate, rows x width each. */
void rnn_draw(struct rnn *r)
{
    const struct net_draws *draws = r->op->draws;
    size_t n = factor_count(r->options) * r->rows;
    struct rng rng;

    if (r->factors[OF_INPUT] == NULL && r->factors[OF_STATE] == NULL) {
        return;
    }
    rng_init(&rng, draws->seed, RNG_DROPOUT, draws->partition, draws->step,
             r->op->index);
    if (r->factors[OF_INPUT] != NULL) {
        draw(&rng, rate(r, OF_INPUT), r->factors[OF_INPUT], n * r->inputs);
    }
    if (r->factors[OF_STATE] != NULL) {
        draw(&rng, rate(r, OF_STATE), r->factors[OF_STATE], n * r->units);
    }
}

static const float *factors_of(const struct rnn *r, int which, size_t gate,
                               size_t width)
{
    return r->factors[which] +
           (r->options->dropout_per_gate ? gate * r->rows * width : 0);
}

/* to = x times the factors, for `steps` vectors of each row; in place too. */
static void apply(const struct rnn *r, const float *factors, size_t steps,
                  size_t width, const float *x, size_t ldx, float *to)
{
    for (size_t i = 0; i < r->rows; i++, factors += width) {
        for (size_t t = 0; t < steps; t++, x += ldx, to += width) {
            VECTOR_LOOP
            for (size_t j = 0; j < width; j++) {
                to[j] = x[j] * factors[j];
            }
        }
    }
}

/* The gates that have factors in common: one at a time, or all. */
static size_t together(const struct rnn *r, int which, size_t n)
{
    return r->factors[which] != NULL && r->options->dropout_per_gate ? 1 : n;
}

static void add_to(const float *from, float *to, size_t n)
{
    VECTOR_LOOP
    for (size_t i = 0; i < n; i++) {
        to[i] += from[i];
    }
}

/* ---- products ------------------------------------------------------------ */

static const float *columns(const struct rnn *r, int variable, size_t gate)
{
    return op_param(r->op, (size_t)variable) + gate * r->units;
}

/* z of all steps = x kernel + bias. */
void rnn_sum_inputs(struct rnn *r)
{
    size_t gates = (size_t)r->options->gates;
    size_t n = together(r, OF_INPUT, gates);
    const float *x = r->op->x[0];

    for (size_t g = 0; g < gates; g += n) {
        if (r->factors[OF_INPUT] != NULL) {
            apply(r, factors_of(r, OF_INPUT, g, r->inputs), r->steps, r->inputs,
                  r->op->x[0], r->inputs, r->all);
            x = r->all;
        }
        gemm(false, false, r->rows * r->steps, n * r->units, r->inputs, x,
             r->inputs, columns(r, RNN_KERNEL, g), r->wide, 0.0f,
             r->z + g * r->units, r->wide);
    }
    if (r->options->use_bias) {
        activation_forward_bias(ACTIVATION(LINEAR), op_param(r->op, RNN_BIAS),
                                r->z, r->z, r->rows * r->steps, r->wide);
    }
}

void rnn_recur(const struct rnn *r, const float *h, size_t ldh, size_t gate,
               size_t n, bool add, float *to, size_t ld)
{
    size_t k = together(r, OF_STATE, n);

    if (!r->started) { /* the state is 0 */
        for (size_t i = 0; !add && i < r->rows; i++) {
            memset(to + i * ld, 0, n * r->units * sizeof(float));
        }
        return;
    }
    for (size_t g = gate; g < gate + n; g += k) {
        const float *in = h;
        size_t ldin = ldh;

        if (r->factors[OF_STATE] != NULL) {
            /* h is one step of all: its rows are ldh apart */
            const float *f = factors_of(r, OF_STATE, g, r->units);

            for (size_t i = 0; i < r->rows; i++) {
                VECTOR_LOOP
                for (size_t j = 0; j < r->units; j++) {
                    r->row[i * r->units + j] =
                        h[i * ldh + j] * f[i * r->units + j];
                }
            }
            in = r->row;
            ldin = r->units;
        }
        gemm(false, false, r->rows, k * r->units, r->units, in, ldin,
             columns(r, RNN_RECURRENT, g), r->wide, add ? 1.0f : 0.0f,
             to + (g - gate) * r->units, ld);
    }
}

void rnn_recur_back(const struct rnn *r, const float *d, size_t ld, size_t gate,
                    size_t n, bool add, float *dh)
{
    size_t k = together(r, OF_STATE, n);
    size_t size = r->rows * r->units;

    if (r->factors[OF_STATE] == NULL) {
        gemm(false, true, r->rows, r->units, n * r->units, d, ld,
             columns(r, RNN_RECURRENT, gate), r->wide, add ? 1.0f : 0.0f, dh,
             r->units);
        return;
    }
    if (!add) {
        memset(dh, 0, size * sizeof(float));
    }
    for (size_t g = gate; g < gate + n; g += k) {
        const float *f = factors_of(r, OF_STATE, g, r->units);

        gemm(false, true, r->rows, r->units, k * r->units,
             d + (g - gate) * r->units, ld, columns(r, RNN_RECURRENT, g),
             r->wide, 0.0f, r->row, r->units);
        VECTOR_LOOP
        for (size_t i = 0; i < size; i++) {
            dh[i] += r->row[i] * f[i];
        }
    }
}

void rnn_recur_weights(const struct rnn *r, const float *h, const float *d,
                       size_t ld, size_t gate, size_t n)
{
    size_t k = together(r, OF_STATE, n);
    float *to = op_gradient(r->op, RNN_RECURRENT);

    for (size_t g = gate; to != NULL && g < gate + n; g += k) {
        const float *in = h;

        if (r->factors[OF_STATE] != NULL) {
            apply(r, factors_of(r, OF_STATE, g, r->units), r->steps, r->units,
                  h, r->units, r->all);
            in = r->all;
        }
        gemm(true, false, r->units, k * r->units, r->rows * r->steps, in,
             r->units, d + (g - gate) * r->units, ld,
             r->op->gradient_add ? 1.0f : 0.0f, to + g * r->units, r->wide);
    }
}

void rnn_gate(const struct rnn *r, const struct elephas_activation *a, size_t i,
              size_t t, size_t g)
{
    float *z = rnn_at(r, r->z, i, t, r->wide) + g * r->units;

    if (r->before != NULL) {
        memcpy(rnn_at(r, r->before, i, t, r->wide) + g * r->units, z,
               r->units * sizeof(float));
    }
    activation_forward(a, z, z, 1, r->units);
}

void rnn_gate_back(const struct rnn *r, const struct elephas_activation *a,
                   size_t i, size_t t, size_t g, const float *dy)
{
    float *z = rnn_at(r, r->z, i, t, r->wide) + g * r->units;
    const float *x = r->before != NULL
                         ? rnn_at(r, r->before, i, t, r->wide) + g * r->units
                         : NULL;

    activation_backward(a, x, z, dy, z, 1, r->units);
}

void rnn_input_weights(struct rnn *r)
{
    size_t gates = (size_t)r->options->gates;
    size_t n = together(r, OF_INPUT, gates);
    float *to = op_gradient(r->op, RNN_KERNEL);
    const float *x = r->op->x[0];

    for (size_t g = 0; to != NULL && g < gates; g += n) {
        if (r->factors[OF_INPUT] != NULL) {
            apply(r, factors_of(r, OF_INPUT, g, r->inputs), r->steps, r->inputs,
                  r->op->x[0], r->inputs, r->all);
            x = r->all;
        }
        gemm(true, false, r->inputs, n * r->units, r->rows * r->steps, x,
             r->inputs, r->z + g * r->units, r->wide,
             r->op->gradient_add ? 1.0f : 0.0f, to + g * r->units, r->wide);
    }
    if (r->options->use_bias && (to = op_gradient(r->op, RNN_BIAS)) != NULL) {
        op_sum_rows(r->z, r->rows * r->steps, r->wide, r->wide,
                    r->op->gradient_add, to);
    }
}

void rnn_input_gradient(struct rnn *r, float *dx)
{
    size_t gates = (size_t)r->options->gates;
    size_t n = together(r, OF_INPUT, gates);
    size_t rows = r->rows * r->steps;
    float *into = dx;

    for (size_t g = 0; g < gates; g += n) {
        into = g == 0 ? dx : r->all;
        gemm(false, true, rows, r->inputs, n * r->units, r->z + g * r->units,
             r->wide, columns(r, RNN_KERNEL, g), r->wide, 0.0f, into,
             r->inputs);
        if (r->factors[OF_INPUT] != NULL) {
            apply(r, factors_of(r, OF_INPUT, g, r->inputs), r->steps, r->inputs,
                  into, r->inputs, into);
        }
        if (into != dx) {
            add_to(into, dx, rows * r->inputs);
        }
    }
}
