/* SPDX-License-Identifier: MIT
 *
 * lamb: You et al., "Large batch optimization for deep learning: training BERT
 * in 76 minutes", ICLR 2020, as in keras.optimizers.Lamb:
 *
 *   m <- m + (1 - beta_1)(g - m);  v <- v + (1 - beta_2)(g^2 - v)
 *   u  = m / (1 - beta_1^t) / (sqrt(v / (1 - beta_2^t)) + epsilon)
 *   w <- w - rate u |w| / |u|        (norms of the variable; else 1 for both)
 */
#include "common/model/optimizer_class.h"

#include <math.h>

enum { BETA_1, BETA_2, EPSILON };

static const struct optimizer_option options[] = {
    [BETA_1] = {"beta_1", OPTIMIZER_NUMBER, 0.9},
    [BETA_2] = {"beta_2", OPTIMIZER_NUMBER, 0.999},
    [EPSILON] = {"epsilon", OPTIMIZER_NUMBER, 1e-7},
    {0},
};

static int configure(struct optimizer *opt, struct err *err)
{
    const double below = 1.0 - 0x1p-24;
    int rc;

    optimizer_add_slot(opt, "momentum", 0, 0.0f);
    optimizer_add_slot(opt, "velocity", 0, 0.0f);
    if ((rc = optimizer_check_range(opt, BETA_1, 0.0, below, err)) != 0 ||
        (rc = optimizer_check_range(opt, BETA_2, 0.0, below, err)) != 0) {
        return rc;
    }
    return optimizer_check_range(opt, EPSILON, 0.0, INFINITY, err);
}

struct rates {
    float rest_1, rest_2, of_m, of_v, epsilon;
};

static void move(struct rates r, size_t n, const float *restrict g,
                 float *restrict m, float *restrict v)
{
    for (size_t i = 0; i < n; i++) {
        m[i] += (g[i] - m[i]) * r.rest_1;
        v[i] += (g[i] * g[i] - v[i]) * r.rest_2;
    }
}

static void gathered(struct rates r, size_t n, const float *restrict g,
                     const float *restrict q, float *restrict m,
                     float *restrict v)
{
    for (size_t i = 0; i < n; i++) {
        m[i] += (g[i] - m[i]) * r.rest_1;
        v[i] += (q[i] - v[i]) * r.rest_2;
    }
}

static float update(struct rates r, float m, float v)
{
    return m / r.of_m / (sqrtf(v / r.of_v) + r.epsilon);
}

/* |w| / |u| */
static float trust(struct rates r, const struct optimizer_span *span)
{
    double of_w = 0.0;
    double of_u = 0.0;

    for (size_t i = 0; i < span->n; i++) {
        double u = (double)update(r, span->slots[0][i], span->slots[1][i]);

        of_w += (double)span->w[i] * (double)span->w[i];
        of_u += u * u;
    }
    return of_w > 0.0 && of_u > 0.0 ? (float)sqrt(of_w) / (float)sqrt(of_u)
                                    : 1.0f;
}

static void apply(struct rates r, float rate, size_t n, const float *restrict m,
                  const float *restrict v, float *restrict w)
{
    for (size_t i = 0; i < n; i++) {
        w[i] -= rate * update(r, m[i], v[i]);
    }
}

static void step(const struct optimizer *opt, const struct optimizer_step *at,
                 const struct optimizer_span *span)
{
    float t = (float)at->number;
    struct rates r = {
        .rest_1 = (float)(1.0 - opt->options[BETA_1]),
        .rest_2 = (float)(1.0 - opt->options[BETA_2]),
        .of_m = 1.0f - powf((float)opt->options[BETA_1], t),
        .of_v = 1.0f - powf((float)opt->options[BETA_2], t),
        .epsilon = (float)opt->options[EPSILON],
    };

    if (span->g_of != NULL) {
        gathered(r, span->n, span->g, span->g_of, span->slots[0],
                 span->slots[1]);
    } else {
        move(r, span->n, span->g, span->slots[0], span->slots[1]);
    }
    apply(r, trust(r, span) * at->lr, span->n, span->slots[0], span->slots[1],
          span->w);
}

const struct optimizer_class optimizer_lamb = {
    .name = "Lamb",
    .default_name = "lamb",
    .learning_rate = 0.001,
    .reads = PIECES_SQUARES,
    .options = options,
    .configure = configure,
    .step = step,
};
