/* SPDX-License-Identifier: MIT
 *
 * attention: Keras' Attention (Luong, Pham, Manning, 2015) and
 * AdditiveAttention (Bahdanau, Cho, Bengio, 2015), row by row. Steps of the
 * value that its mask leaves out, or that come after the query's with a causal
 * mask, have 1e9 taken from their score, as in Keras; steps that the query's
 * mask leaves out become 0. Kept for backward: the weights, and what dropout
 * multiplied them with.
 */
#include "common/model/layers/attention.h"
#include "worker/nn/activation.h"
#include "worker/nn/attention.h"
#include "worker/nn/gemm.h"
#include "worker/nn/op.h"

#include <math.h>
#include <string.h>

#define HIDDEN 1e9f

struct sizes {
    size_t t, s; /* steps of query and value */
    size_t d, e; /* features of query and value */
    size_t key;  /* the input that is the key */
};

static const struct attention_options *options_of(const struct op *op)
{
    return op->layer->options;
}

static struct sizes sizes_of(const struct op *op)
{
    const struct shape *q = op_input_shape(op, 0);
    const struct shape *v = op_input_shape(op, 1);

    return (struct sizes){(size_t)q->dim[0], (size_t)v->dim[0],
                          (size_t)q->dim[1], (size_t)v->dim[1],
                          op->call->input_count - 1};
}

static bool drops(const struct op *op, bool training)
{
    return training && options_of(op)->dropout > 0.0;
}

static int create(struct op *op, struct err *err)
{
    struct sizes z = sizes_of(op);
    char text[SHAPE_TEXT_SIZE];

    for (size_t i = 0; i < 2; i++) {
        const struct shape *mask = op->mask_shapes[i];

        if (mask != NULL &&
            (mask->rank != 1 || (size_t)mask->dim[0] != (i == 0 ? z.t : z.s))) {
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
    (void)op;
    (void)shape;
    return i == 0 ? 0 : OP_MASK_NONE;
}

static void plan(struct op *op, bool training)
{
    struct sizes z = sizes_of(op);

    op->saved_size = training ? (drops(op, true) ? 3 : 1) * z.t * z.s : 0;
    op->scratch_extra = 2 * z.t * z.s + z.s * z.e + z.t * z.e;
}

/* What tanh is of, for one query step, key step and feature. */
static float inner(const struct op *op, float q, float k)
{
    const struct attention_options *o = options_of(op);
    bool scaled = o->use_scale && o->score == ATTENTION_CONCAT;

    return tanhf((q + k) * (scaled ? op_param(op, 0)[0] : 1.0f));
}

/* What each tanh is multiplied with. */
static float outer(const struct op *op, size_t feature)
{
    const struct attention_options *o = options_of(op);

    if (o->score == ATTENTION_CONCAT) {
        return op_param(op, o->use_scale)[0];
    }
    return o->use_scale ? op_param(op, 0)[feature] : 1.0f;
}

static void score(const struct op *op, const struct sizes *z, const float *q,
                  const float *k, float *scores)
{
    const struct attention_options *o = options_of(op);

    if (o->score == ATTENTION_DOT) {
        gemm(false, true, z->t, z->s, z->d, q, z->d, k, z->d, 0.0f, scores,
             z->s);
        for (size_t i = 0; o->use_scale && i < z->t * z->s; i++) {
            scores[i] *= op_param(op, 0)[0];
        }
        return;
    }
    for (size_t i = 0; i < z->t; i++) {
        for (size_t j = 0; j < z->s; j++) {
            float sum = 0.0f;

            for (size_t c = 0; c < z->d; c++) {
                sum +=
                    outer(op, c) * inner(op, q[i * z->d + c], k[j * z->d + c]);
            }
            scores[i * z->s + j] = sum;
        }
    }
}

static void hide(const struct op *op, const struct sizes *z, size_t row,
                 float *scores)
{
    const float *steps =
        op->x_mask[1] != NULL ? op->x_mask[1] + row * z->s : NULL;
    bool causal = attention_flag(op->call, "use_causal_mask");

    for (size_t i = 0; i < z->t; i++) {
        for (size_t j = 0; j < z->s; j++) {
            if ((steps != NULL && steps[j] == 0.0f) || (causal && j > i)) {
                scores[i * z->s + j] -= HIDDEN;
            }
        }
    }
}

static int forward(struct op *op, struct err *err)
{
    struct sizes z = sizes_of(op);
    size_t n = z.t * z.s;
    size_t kept = drops(op, op->training) ? 3 * n : n;
    struct rng rng;

    (void)err;
    if (drops(op, op->training)) {
        rng_init(&rng, op->draws->seed, RNG_DROPOUT, op->draws->partition,
                 op->draws->step, op->index);
    }
    for (size_t r = 0; r < op->rows; r++) {
        float *weights = op->training ? op->saved + r * kept : op->scratch;
        float *used = weights;
        float *y = op->y[0] + r * z.t * z.e;

        score(op, &z, op->x[0] + r * z.t * z.d, op->x[z.key] + r * z.s * z.d,
              weights);
        hide(op, &z, r, weights);
        activation_forward(ACTIVATION(SOFTMAX), weights, weights, z.t, z.s);
        if (drops(op, op->training)) {
            used = weights + 2 * n;
            memcpy(used, weights, n * sizeof(*used));
            attention_drop(&rng, options_of(op)->dropout, used, weights + n, n);
        }
        gemm(false, false, z.t, z.e, z.s, used, z.s, op->x[1] + r * z.s * z.e,
             z.e, 0.0f, y, z.e);
        if (op->call->output_count > 1) {
            memcpy(op->y[1] + r * n, used, n * sizeof(*used));
        }
        for (size_t i = 0; op->x_mask[0] != NULL && i < z.t; i++) {
            if (op->x_mask[0][r * z.t + i] == 0.0f) {
                memset(y + i * z.e, 0, z.e * sizeof(*y));
            }
        }
    }
    return 0;
}

/* Where the gradients of a row go; each may be NULL. */
struct slopes {
    float *q, *k, *v;
    float *scale, *weight;
};

static void dot_backward(const struct op *op, const struct sizes *z,
                         const float *q, const float *k, float *d,
                         const struct slopes *to)
{
    float scale = options_of(op)->use_scale ? op_param(op, 0)[0] : 1.0f;

    if (to->scale != NULL) {
        double sum = 0.0;

        for (size_t i = 0; i < z->t; i++) {
            for (size_t j = 0; j < z->s; j++) {
                for (size_t c = 0; c < z->d; c++) {
                    sum += (double)(d[i * z->s + j] * q[i * z->d + c] *
                                    k[j * z->d + c]);
                }
            }
        }
        to->scale[0] += (float)sum;
    }
    for (size_t i = 0; i < z->t * z->s; i++) {
        d[i] *= scale;
    }
    if (to->q != NULL) {
        gemm(false, false, z->t, z->d, z->s, d, z->s, k, z->d, 0.0f, to->q,
             z->d);
    }
    if (to->k != NULL) { /* on top of what came to it as the value */
        gemm(true, false, z->s, z->d, z->t, d, z->s, q, z->d, 1.0f, to->k,
             z->d);
    }
}

/* One tanh: the gradient g of its score goes to all that it is made of. */
static void tanh_backward(const struct op *op, float g, size_t c, float q,
                          float k, const struct slopes *to, float *dq,
                          float *dk)
{
    bool concat = options_of(op)->score == ATTENTION_CONCAT;
    float scale =
        concat && options_of(op)->use_scale ? op_param(op, 0)[0] : 1.0f;
    float h = inner(op, q, k);
    float slope = g * outer(op, c) * (1.0f - h * h);

    if (concat && to->weight != NULL) {
        to->weight[0] += g * h;
    }
    if (to->scale != NULL) {
        to->scale[concat ? 0 : c] += concat ? slope * (q + k) : g * h;
    }
    if (dq != NULL) {
        *dq += slope * scale;
    }
    if (dk != NULL) {
        *dk += slope * scale;
    }
}

static void score_backward(const struct op *op, const struct sizes *z,
                           const float *q, const float *k, float *d,
                           const struct slopes *to)
{
    if (options_of(op)->score == ATTENTION_DOT) {
        dot_backward(op, z, q, k, d, to);
        return;
    }
    if (to->q != NULL) {
        memset(to->q, 0, z->t * z->d * sizeof(float));
    }
    for (size_t i = 0; i < z->t * z->s * z->d; i++) {
        size_t c = i % z->d;
        size_t j = i / z->d % z->s;
        size_t at = i / z->d / z->s * z->d + c;

        tanh_backward(op, d[i / z->d], c, q[at], k[j * z->d + c], to,
                      to->q != NULL ? &to->q[at] : NULL,
                      to->k != NULL ? &to->k[j * z->d + c] : NULL);
    }
}

/* A variable's gradient, begun; NULL if there is none. */
static float *begin(const struct op *op, bool there, size_t i, size_t n)
{
    float *to = there ? op_gradient(op, i) : NULL;

    if (to != NULL && !op->gradient_add) {
        memset(to, 0, n * sizeof(*to));
    }
    return to;
}

/* dx of the value and d by the weights, for one row. */
static void value_backward(const struct op *op, const struct sizes *z, size_t r,
                           const float *used, float *dy, float *d, float *dv)
{
    const float *from = op->dy[0] + r * z->t * z->e;

    memcpy(dy, from, z->t * z->e * sizeof(*dy));
    for (size_t i = 0; op->x_mask[0] != NULL && i < z->t; i++) {
        if (op->x_mask[0][r * z->t + i] == 0.0f) {
            memset(dy + i * z->e, 0, z->e * sizeof(*dy));
        }
    }
    gemm(false, true, z->t, z->s, z->e, dy, z->e, op->x[1] + r * z->s * z->e,
         z->e, 0.0f, d, z->s);
    for (size_t i = 0; op->call->output_count > 1 && i < z->t * z->s; i++) {
        d[i] += op->dy[1][r * z->t * z->s + i];
    }
    if (dv != NULL) {
        gemm(true, false, z->s, z->e, z->t, used, z->s, dy, z->e, 0.0f, dv,
             z->e);
    }
}

static void backward(struct op *op)
{
    const struct attention_options *o = options_of(op);
    struct sizes z = sizes_of(op);
    size_t n = z.t * z.s;
    size_t kept = drops(op, true) ? 3 * n : n;
    struct slopes to = {0};

    to.scale =
        begin(op, o->use_scale, 0, o->score == ATTENTION_ADDITIVE ? z.d : 1);
    to.weight = begin(op, o->score == ATTENTION_CONCAT, o->use_scale, 1);
    for (size_t r = 0; r < op->rows; r++) {
        const float *weights = op->saved + r * kept;
        const float *factor = drops(op, true) ? weights + n : NULL;
        float *d = op->scratch;
        float *dy = d + n;

        to.q = op->dx[0] != NULL ? op->dx[0] + r * z.t * z.d : NULL;
        to.v = op->dx[1] != NULL ? op->dx[1] + r * z.s * z.e : NULL;
        to.k = op->dx[z.key] != NULL ? op->dx[z.key] + r * z.s * z.d : NULL;
        if (z.key != 1 && to.k != NULL) {
            memset(to.k, 0, z.s * z.d * sizeof(float));
        }
        value_backward(op, &z, r, factor != NULL ? weights + 2 * n : weights,
                       dy, d, to.v);
        attention_scores_backward(weights, factor, NULL, d, z.t, z.s);
        score_backward(op, &z, op->x[0] + r * z.t * z.d,
                       op->x[z.key] + r * z.s * z.d, d, &to);
    }
}

#define ATTENTION(symbol)                                                      \
    const struct nn_class nn_##symbol = {                                      \
        .create = create,                                                      \
        .mask = mask,                                                          \
        .plan = plan,                                                          \
        .forward = forward,                                                    \
        .backward = backward,                                                  \
    };

ATTENTION(attention)
ATTENTION(additive_attention)
