/* SPDX-License-Identifier: MIT
 *
 * adamax: Kingma and Ba, ICLR 2015, section 7.1, as in
 * keras.optimizers.Adamax:
 *
 *   m <- m + (1 - beta_1)(g - m);  u <- max(beta_2 u, |g|)
 *   w <- w - rate m / ((1 - beta_1^t)(u + epsilon))
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
    int rc;

    optimizer_add_slot(opt, "momentum", 0, 0.0f);
    optimizer_add_slot(opt, "norm", 0, 0.0f);
    if ((rc = optimizer_check_range(opt, BETA_1, 0.0, 1.0 - 0x1p-24, err)) !=
            0 ||
        (rc = optimizer_check_range(opt, BETA_2, 0.0, 1.0, err)) != 0) {
        return rc;
    }
    return optimizer_check_range(opt, EPSILON, 0.0, INFINITY, err);
}

struct rates {
    float lr, rest_1, beta_2, divisor, epsilon;
};

static void plain(struct rates r, size_t n, const float *restrict g,
                  float *restrict m, float *restrict u, float *restrict w)
{
    for (size_t i = 0; i < n; i++) {
        float old = r.beta_2 * u[i];
        float a = fabsf(g[i]);

        m[i] += (g[i] - m[i]) * r.rest_1;
        u[i] = old > a ? old : a;
        w[i] -= r.lr * m[i] / (r.divisor * (u[i] + r.epsilon));
    }
}

static void gathered(struct rates r, size_t n, const float *restrict g,
                     const float *restrict a, float *restrict m,
                     float *restrict u, float *restrict w)
{
    for (size_t i = 0; i < n; i++) {
        float old = r.beta_2 * u[i];

        m[i] += (g[i] - m[i]) * r.rest_1;
        u[i] = old > a[i] ? old : a[i];
        w[i] -= r.lr * m[i] / (r.divisor * (u[i] + r.epsilon));
    }
}

static void step(const struct optimizer *opt, const struct optimizer_step *at,
                 const struct optimizer_span *span)
{
    float t = (float)at->number;
    struct rates r = {
        .lr = at->lr,
        .rest_1 = (float)(1.0 - opt->options[BETA_1]),
        .beta_2 = (float)opt->options[BETA_2],
        .divisor = 1.0f - powf((float)opt->options[BETA_1], t),
        .epsilon = (float)opt->options[EPSILON],
    };

    if (span->g_of != NULL) {
        gathered(r, span->n, span->g, span->g_of, span->slots[0],
                 span->slots[1], span->w);
    } else {
        plain(r, span->n, span->g, span->slots[0], span->slots[1], span->w);
    }
}

const struct optimizer_class optimizer_adamax = {
    .name = "Adamax",
    .default_name = "adamax",
    .learning_rate = 0.001,
    .reads = PIECES_MAGNITUDES,
    .options = options,
    .configure = configure,
    .step = step,
};
