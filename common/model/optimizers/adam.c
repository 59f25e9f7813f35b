/* SPDX-License-Identifier: MIT
 *
 * adam: Kingma and Ba, "Adam: a method for stochastic optimization", ICLR
 * 2015, in the form before its section 2.1 (epsilon hat), and AMSGrad (Reddi,
 * Kale and Kumar, ICLR 2018), as in keras.optimizers.Adam:
 *
 *   alpha = rate sqrt(1 - beta_2^t) / (1 - beta_1^t)
 *   m <- m + (1 - beta_1)(g - m);  v <- v + (1 - beta_2)(g^2 - v)
 *   u <- max(u, v)                                (AMSGrad; else u = v)
 *   w <- w - alpha m / (sqrt(u) + epsilon)
 *
 * AdamW (Loshchilov and Hutter, ICLR 2019) differs in its defaults: the decay
 * of the weights is one that every optimizer here has.
 */
#include "common/model/optimizer_class.h"
#include "common/model/vector.h"

#include <math.h>

enum { BETA_1, BETA_2, EPSILON, AMSGRAD };

static const struct optimizer_option options[] = {
    [BETA_1] = {"beta_1", OPTIMIZER_NUMBER, 0.9},
    [BETA_2] = {"beta_2", OPTIMIZER_NUMBER, 0.999},
    [EPSILON] = {"epsilon", OPTIMIZER_NUMBER, 1e-7},
    [AMSGRAD] = {"amsgrad", OPTIMIZER_FLAG, 0.0},
    {0},
};

static int configure(struct optimizer *opt, struct err *err)
{
    /* 1 - beta^t is a divisor: beta must stay below 1 also as a float32 */
    const double below = 1.0 - 0x1p-24;
    int rc;

    optimizer_add_slot(opt, "momentum", 0, 0.0f);
    optimizer_add_slot(opt, "velocity", 0, 0.0f);
    if (opt->options[AMSGRAD] != 0.0) {
        optimizer_add_slot(opt, "velocity_hat", 1, 0.0f);
    }
    if ((rc = optimizer_check_range(opt, BETA_1, 0.0, below, err)) != 0 ||
        (rc = optimizer_check_range(opt, BETA_2, 0.0, below, err)) != 0) {
        return rc;
    }
    return optimizer_check_range(opt, EPSILON, 0.0, INFINITY, err);
}

struct rates {
    float alpha, rest_1, rest_2, epsilon;
};

/* A loop for each case, and vectors that are said not to overlap: compilers
 * make vector code of nothing less. */
static void plain(struct rates r, size_t n, const float *restrict g,
                  float *restrict m, float *restrict v, float *restrict w)
{
    for (size_t i = 0; i < n; i++) {
        m[i] += (g[i] - m[i]) * r.rest_1;
        v[i] += (g[i] * g[i] - v[i]) * r.rest_2;
        w[i] -= m[i] * r.alpha / (sqrtf(v[i]) + r.epsilon);
    }
}

static void amsgrad(struct rates r, size_t n, const float *restrict g,
                    float *restrict m, float *restrict v, float *restrict u,
                    float *restrict w)
{
    for (size_t i = 0; i < n; i++) {
        m[i] += (g[i] - m[i]) * r.rest_1;
        v[i] += (g[i] * g[i] - v[i]) * r.rest_2;
        u[i] = u[i] > v[i] ? u[i] : v[i];
        w[i] -= m[i] * r.alpha / (sqrtf(u[i]) + r.epsilon);
    }
}

/* Of a table: q in place of g^2; u is v without AMSGrad. */
static void gathered(struct rates r, size_t n, const float *g, const float *q,
                     float *m, float *v, float *u, float *w)
{
    VECTOR_LOOP
    for (size_t i = 0; i < n; i++) {
        m[i] += (g[i] - m[i]) * r.rest_1;
        v[i] += (q[i] - v[i]) * r.rest_2;
        u[i] = u[i] > v[i] ? u[i] : v[i];
        w[i] -= m[i] * r.alpha / (sqrtf(u[i]) + r.epsilon);
    }
}

static void step(const struct optimizer *opt, const struct optimizer_step *at,
                 const struct optimizer_span *span)
{
    bool with_hat = opt->options[AMSGRAD] != 0.0;
    float t = (float)at->number;
    float power_1 = powf((float)opt->options[BETA_1], t);
    float power_2 = powf((float)opt->options[BETA_2], t);
    struct rates r = {
        .alpha = at->lr * sqrtf(1.0f - power_2) / (1.0f - power_1),
        .rest_1 = (float)(1.0 - opt->options[BETA_1]),
        .rest_2 = (float)(1.0 - opt->options[BETA_2]),
        .epsilon = (float)opt->options[EPSILON],
    };

    if (span->g_of != NULL) {
        gathered(r, span->n, span->g, span->g_of, span->slots[0],
                 span->slots[1], span->slots[with_hat ? 2 : 1], span->w);
    } else if (with_hat) {
        amsgrad(r, span->n, span->g, span->slots[0], span->slots[1],
                span->slots[2], span->w);
    } else {
        plain(r, span->n, span->g, span->slots[0], span->slots[1], span->w);
    }
}

const struct optimizer_class optimizer_adam = {
    .name = "Adam",
    .default_name = "adam",
    .learning_rate = 0.001,
    .reads = PIECES_SQUARES,
    .options = options,
    .configure = configure,
    .step = step,
};

const struct optimizer_class optimizer_adamw = {
    .name = "AdamW",
    .default_name = "adam_w",
    .learning_rate = 0.001,
    .weight_decay = 0.004,
    .needs_weight_decay = true,
    .reads = PIECES_SQUARES,
    .options = options,
    .configure = configure,
    .step = step,
};
