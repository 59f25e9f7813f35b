/* SPDX-License-Identifier: MIT
 *
 * multi_head_attention: Keras' MultiHeadAttention (Vaswani et al., 2017). The
 * whole batch is projected at once; scores, softmax and means are one head of
 * one row at a time, as products of strided matrices. Kept for backward: the
 * projections, the weights of all heads, and what dropout multiplied those
 * with.
 *
 * A step of the query that sees nothing at all gets the mean of the value's
 * steps, or, on the way that Keras takes with dropout or returned scores, 0.
 */
#include "common/model/layers/multi_head_attention.h"
#include "common/model/layers/attention.h"
#include "worker/nn/activation.h"
#include "worker/nn/attention.h"
#include "worker/nn/gemm.h"
#include "worker/nn/op.h"

#include <math.h>
#include <string.h>

#define HIDDEN (-1e9f)

enum part { QUERY, KEY, VALUE, OUTPUT };

struct sizes {
    struct multi_head_inputs in;
    size_t t, s;                      /* steps of query and value */
    size_t h;                         /* heads */
    size_t k, v;                      /* key_dim, value_dim */
    size_t out;                       /* elements of a step of the output */
    size_t weights;                   /* h t s */
    float *q, *key, *value, *context; /* projections and means of a batch */
    float *softmax;                   /* rows x weights */
    float *factor, *used;             /* of dropout; used is softmax without */
};

static const struct multi_head_attention_options *
options_of(const struct op *op)
{
    return op->layer->options;
}

static bool drops(const struct op *op, bool training)
{
    return training && options_of(op)->dropout > 0.0;
}

/* Floats of a row that a pass needs. */
static size_t row_size(const struct op *op, const struct sizes *z,
                       bool training)
{
    return z->t * z->h * z->k + z->s * z->h * z->k + z->s * z->h * z->v +
           z->t * z->h * z->v + (drops(op, training) ? 3 : 1) * z->weights;
}

static struct sizes sizes_of(const struct op *op)
{
    const struct multi_head_attention_options *o = options_of(op);
    struct sizes z = {.in = multi_head_inputs_of(op->call)};

    z.t = (size_t)op_input_shape(op, z.in.query)->dim[0];
    z.s = (size_t)op_input_shape(op, z.in.value)->dim[0];
    z.h = (size_t)o->heads;
    z.k = (size_t)o->key_dim;
    z.v = (size_t)o->value_dim;
    z.out = op_output_size(op, 0) / z.t;
    z.weights = z.h * z.t * z.s;
    return z;
}

/* The same with the arrays of a pass in place. */
static struct sizes pass_of(const struct op *op)
{
    struct sizes z = sizes_of(op);

    z.q = op->training ? op->saved : op->scratch;
    z.key = z.q + op->rows * z.t * z.h * z.k;
    z.value = z.key + op->rows * z.s * z.h * z.k;
    z.context = z.value + op->rows * z.s * z.h * z.v;
    z.softmax = z.context + op->rows * z.t * z.h * z.v;
    z.used = z.softmax;
    if (drops(op, op->training)) {
        z.factor = z.softmax + op->rows * z.weights;
        z.used = z.factor + op->rows * z.weights;
    }
    return z;
}

static int create(struct op *op, struct err *err)
{
    struct sizes z = sizes_of(op);
    size_t steps[] = {z.t, z.s, z.s};
    size_t inputs[] = {z.in.query, z.in.value, z.in.key};
    char text[SHAPE_TEXT_SIZE];

    for (size_t i = 0; i < 3; i++) {
        const struct shape *mask = op->mask_shapes[inputs[i]];

        if (mask != NULL &&
            (mask->rank != 1 || (size_t)mask->dim[0] != steps[i])) {
            return err_set(err, ERR_UNSUPPORTED,
                           "layer %s: a mask of shape %s does not suit its "
                           "input",
                           op->layer->name, shape_text(mask, text));
        }
    }
    return 0;
}

static size_t mask(const struct op *op, size_t i, struct shape *shape)
{
    (void)shape;
    return i == 0 ? multi_head_inputs_of(op->call).query : OP_MASK_NONE;
}

static void plan(struct op *op, bool training)
{
    struct sizes z = sizes_of(op);
    size_t row = row_size(op, &z, training);

    op->saved_size = training ? row : 0;
    /* backward: gradients of all that, but of one head's weights only */
    op->scratch_size = row;
    op->scratch_extra = z.t * z.s;
}

static const float *kernel_of(const struct op *op, enum part part)
{
    return op_param(op, (size_t)part * (1 + options_of(op)->use_bias));
}

/* to (n x width) = x (n x features) kernel + bias */
static void project(const struct op *op, enum part part, const float *x,
                    size_t n, size_t features, size_t width, float *to)
{
    const float *bias =
        options_of(op)->use_bias ? op_param(op, 2 * (size_t)part + 1) : NULL;

    gemm(false, false, n, width, features, x, features, kernel_of(op, part),
         width, 0.0f, to, width);
    for (size_t i = 0; bias != NULL && i < n; i++) {
        for (size_t j = 0; j < width; j++) {
            to[i * width + j] += bias[j];
        }
    }
}

/* Whether step i of the query sees step j of the value. */
static bool sees(const struct op *op, const struct sizes *z, size_t row,
                 size_t i, size_t j)
{
    size_t window = (size_t)options_of(op)->window;
    const float *query = op->x_mask[z->in.query];
    const float *value = op->x_mask[z->in.value];
    const float *key = z->in.key != z->in.value ? op->x_mask[z->in.key] : NULL;

    if ((query != NULL && query[row * z->t + i] == 0.0f) ||
        (value != NULL && value[row * z->s + j] == 0.0f) ||
        (key != NULL && key[row * z->s + j] == 0.0f) ||
        (window != 0 && (i > j ? i - j : j - i) >= window) ||
        (j > i && attention_flag(op->call, "use_causal_mask"))) {
        return false;
    }
    return z->in.mask == SIZE_MAX ||
           op->x[z->in.mask][(row * z->t + i) * z->s + j] != 0.0f;
}

/* The softmax of one head's scores. */
static void weigh(const struct op *op, const struct sizes *z, size_t row,
                  float *weights)
{
    bool zeros = options_of(op)->dropout > 0.0 || op->call->output_count > 1;
    float scale = 1.0f / sqrtf((float)z->k);

    for (size_t i = 0; i < z->t; i++) {
        for (size_t j = 0; j < z->s; j++) {
            float *w = &weights[i * z->s + j];

            *w = sees(op, z, row, i, j) ? *w * scale : HIDDEN;
        }
    }
    activation_forward(ACTIVATION(SOFTMAX), weights, weights, z->t, z->s);
    for (size_t i = 0; i < z->t * z->s; i++) {
        if (zeros && !sees(op, z, row, i / z->s, i % z->s)) {
            weights[i] = 0.0f;
        }
    }
}

static void forward_row(struct op *op, const struct sizes *z, size_t r,
                        struct rng *rng)
{
    size_t hk = z->h * z->k;
    size_t hv = z->h * z->v;
    size_t n = z->t * z->s;

    for (size_t h = 0; h < z->h; h++) {
        size_t at = r * z->weights + h * n;

        gemm(false, true, z->t, z->s, z->k, z->q + r * z->t * hk + h * z->k, hk,
             z->key + r * z->s * hk + h * z->k, hk, 0.0f, z->softmax + at,
             z->s);
        weigh(op, z, r, z->softmax + at);
        if (op->call->output_count > 1) {
            memcpy(op->y[1] + at, z->softmax + at, n * sizeof(float));
        }
        if (z->factor != NULL) {
            memcpy(z->used + at, z->softmax + at, n * sizeof(float));
            attention_drop(rng, options_of(op)->dropout, z->used + at,
                           z->factor + at, n);
        }
        gemm(false, false, z->t, z->v, z->s, z->used + at, z->s,
             z->value + r * z->s * hv + h * z->v, hv, 0.0f,
             z->context + r * z->t * hv + h * z->v, hv);
    }
}

static int forward(struct op *op, struct err *err)
{
    struct sizes z = pass_of(op);
    struct rng rng;

    (void)err;
    if (z.factor != NULL) {
        rng_init(&rng, op->draws->seed, RNG_DROPOUT, op->draws->partition,
                 op->draws->step, op->index);
    }
    project(op, QUERY, op->x[z.in.query], op->rows * z.t,
            op_input_width(op, z.in.query), z.h * z.k, z.q);
    project(op, KEY, op->x[z.in.key], op->rows * z.s,
            op_input_width(op, z.in.key), z.h * z.k, z.key);
    project(op, VALUE, op->x[z.in.value], op->rows * z.s,
            op_input_width(op, z.in.value), z.h * z.v, z.value);
    for (size_t r = 0; r < op->rows; r++) {
        forward_row(op, &z, r, &rng);
    }
    project(op, OUTPUT, z.context, op->rows * z.t, z.h * z.v, z.out, op->y[0]);
    return 0;
}

/* The gradients of a projection: kernel, bias and, unless NULL, dx; `add`: on
 * top of what is in dx. */
static void project_back(const struct op *op, enum part part, const float *x,
                         size_t n, size_t features, size_t width,
                         const float *d, float *dx, bool add)
{
    bool use_bias = options_of(op)->use_bias;
    float *to = op_gradient(op, (size_t)part * (1 + use_bias));

    if (to != NULL) {
        gemm(true, false, features, width, n, x, features, d, width,
             op->gradient_add ? 1.0f : 0.0f, to, width);
    }
    to = use_bias ? op_gradient(op, 2 * (size_t)part + 1) : NULL;
    if (to != NULL) {
        op_sum_rows(d, n, width, width, op->gradient_add, to);
    }
    if (dx != NULL) {
        gemm(false, true, n, features, width, d, width, kernel_of(op, part),
             width, add ? 1.0f : 0.0f, dx, features);
    }
}

/* From the gradient of the context, dz->context, to those of q, key, value. */
static void backward_row(const struct op *op, const struct sizes *z,
                         const struct sizes *dz, size_t r, float *d)
{
    size_t hk = z->h * z->k;
    size_t hv = z->h * z->v;
    size_t n = z->t * z->s;
    float scale = 1.0f / sqrtf((float)z->k);

    for (size_t h = 0; h < z->h; h++) {
        size_t at = r * z->weights + h * n;
        size_t query = r * z->t * hk + h * z->k;
        size_t key = r * z->s * hk + h * z->k;
        size_t value = r * z->s * hv + h * z->v;
        const float *dc = dz->context + r * z->t * hv + h * z->v;

        gemm(false, true, z->t, z->s, z->v, dc, hv, z->value + value, hv, 0.0f,
             d, z->s);
        gemm(true, false, z->s, z->v, z->t, z->used + at, z->s, dc, hv, 0.0f,
             dz->value + value, hv);
        attention_scores_backward(
            z->softmax + at, z->factor != NULL ? z->factor + at : NULL,
            op->call->output_count > 1 ? op->dy[1] + at : NULL, d, z->t, z->s);
        for (size_t i = 0; i < n; i++) {
            d[i] *= sees(op, z, r, i / z->s, i % z->s) ? scale : 0.0f;
        }
        gemm(false, false, z->t, z->k, z->s, d, z->s, z->key + key, hk, 0.0f,
             dz->q + query, hk);
        gemm(true, false, z->s, z->k, z->t, d, z->s, z->q + query, hk, 0.0f,
             dz->key + key, hk);
    }
}

static void backward(struct op *op)
{
    struct sizes z = pass_of(op);
    struct sizes dz = z;
    size_t ts = op->rows * z.t;
    size_t ss = op->rows * z.s;
    float *dv = op->dx[z.in.value];

    dz.q = op->scratch;
    dz.key = dz.q + ts * z.h * z.k;
    dz.value = dz.key + ss * z.h * z.k;
    dz.context = dz.value + ss * z.h * z.v;
    if (z.in.mask != SIZE_MAX && op->dx[z.in.mask] != NULL) {
        memset(op->dx[z.in.mask], 0,
               op->rows * op_input_size(op, z.in.mask) * sizeof(float));
    }
    project_back(op, OUTPUT, z.context, ts, z.h * z.v, z.out, op->dy[0],
                 dz.context, false);
    for (size_t r = 0; r < op->rows; r++) {
        backward_row(op, &z, &dz, r, dz.context + ts * z.h * z.v);
    }
    project_back(op, QUERY, op->x[z.in.query], ts,
                 op_input_width(op, z.in.query), z.h * z.k, dz.q,
                 op->dx[z.in.query], false);
    project_back(op, VALUE, op->x[z.in.value], ss,
                 op_input_width(op, z.in.value), z.h * z.v, dz.value, dv,
                 false);
    project_back(op, KEY, op->x[z.in.key], ss, op_input_width(op, z.in.key),
                 z.h * z.k, dz.key, op->dx[z.in.key], z.in.key == z.in.value);
}

const struct nn_class nn_multi_head_attention = {
    .create = create,
    .mask = mask,
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
