/* SPDX-License-Identifier: MIT
 *
 * nadam: Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop
 * 2016, as in keras.optimizers.Nadam. With u_t = beta_1 (1 - 0.96^t / 2) and
 * U_t the product of all up to it, which is the scalar of the state:
 *
 *   m <- m + (1 - beta_1)(g - m);  v <- v + (1 - beta_2)(g^2 - v)
 *   M  = u_(t+1) m / (1 - U_(t+1)) + (1 - u_t) g / (1 - U_t)
 *   w <- w - rate M / (sqrt(v / (1 - beta_2^t)) + epsilon)
 */
#include "common/model/optimizer_class.h"

#include <math.h>

enum { BETA_1, BETA_2, EPSILON };

#define DECAY 0.96f

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

/* u_t */
static float factor(const struct optimizer *opt, uint64_t t)
{
    return (float)opt->options[BETA_1] * (1.0f - 0.5f * powf(DECAY, (float)t));
}

static void begin(const struct optimizer *opt, const struct optimizer_step *at)
{
    at->scalars[0] = (double)((float)at->scalars[0] * factor(opt, at->number));
}

struct rates {
    float lr, rest_1, rest_2, of_m, of_g, divisor, epsilon;
};

static void plain(struct rates r, size_t n, const float *restrict g,
                  float *restrict m, float *restrict v, float *restrict w)
{
    for (size_t i = 0; i < n; i++) {
        float hat;

        m[i] += (g[i] - m[i]) * r.rest_1;
        v[i] += (g[i] * g[i] - v[i]) * r.rest_2;
        hat = m[i] * r.of_m + g[i] * r.of_g;
        w[i] -= hat * r.lr / (sqrtf(v[i] / r.divisor) + r.epsilon);
    }
}

static void gathered(struct rates r, size_t n, const float *restrict g,
                     const float *restrict q, float *restrict m,
                     float *restrict v, float *restrict w)
{
    for (size_t i = 0; i < n; i++) {
        float hat;

        m[i] += (g[i] - m[i]) * r.rest_1;
        v[i] += (q[i] - v[i]) * r.rest_2;
        hat = m[i] * r.of_m + g[i] * r.of_g;
        w[i] -= hat * r.lr / (sqrtf(v[i] / r.divisor) + r.epsilon);
    }
}

static void step(const struct optimizer *opt, const struct optimizer_step *at,
                 const struct optimizer_span *span)
{
    float u = factor(opt, at->number);
    float next = factor(opt, at->number + 1);
    float product = (float)at->scalars[0];
    float beta_1 = (float)opt->options[BETA_1];
    float beta_2 = (float)opt->options[BETA_2];
    struct rates r = {
        .lr = at->lr,
        .rest_1 = 1.0f - beta_1,
        .rest_2 = 1.0f - beta_2,
        .of_m = next / (1.0f - product * next),
        .of_g = (1.0f - u) / (1.0f - product),
        .divisor = 1.0f - powf(beta_2, (float)at->number),
        .epsilon = (float)opt->options[EPSILON],
    };

    if (span->g_of != NULL) {
        gathered(r, span->n, span->g, span->g_of, span->slots[0],
                 span->slots[1], span->w);
    } else {
        plain(r, span->n, span->g, span->slots[0], span->slots[1], span->w);
    }
}

const struct optimizer_class optimizer_nadam = {
    .name = "Nadam",
    .default_name = "nadam",
    .learning_rate = 0.001,
    .reads = PIECES_SQUARES,
    .options = options,
    .scalar_count = 1,
    .initial_scalar = 1.0,
    .configure = configure,
    .begin = begin,
    .step = step,
};
