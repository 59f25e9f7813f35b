/* SPDX-License-Identifier: MIT
 *
 * rmsprop: division by a running root mean square of the gradient (Hinton,
 * "Neural networks for machine learning", lecture 6, 2012), with plain
 * momentum and centering as in keras.optimizers.RMSprop:
 *
 *   s <- rho s + (1 - rho) g^2
 *   a <- rho a + (1 - rho) g                      (centered; else 0)
 *   d  = rate g / sqrt(s - a^2 + epsilon)
 *   m <- momentum m + d;  w <- w - m              (without momentum w - d)
 */
#include "common/model/optimizer_class.h"

#include <math.h>

enum { RHO, MOMENTUM, EPSILON, CENTERED };

static const struct optimizer_option options[] = {
    [RHO] = {"rho", OPTIMIZER_NUMBER, 0.9},
    [MOMENTUM] = {"momentum", OPTIMIZER_NUMBER, 0.0},
    [EPSILON] = {"epsilon", OPTIMIZER_NUMBER, 1e-7},
    [CENTERED] = {"centered", OPTIMIZER_FLAG, 0.0},
    {0},
};

static int configure(struct optimizer *opt, struct err *err)
{
    int rc;

    optimizer_add_slot(opt, "velocity", 0, 0.0f);
    if (opt->options[MOMENTUM] > 0.0) {
        optimizer_add_slot(opt, "momentum", 1, 0.0f);
    }
    if (opt->options[CENTERED] != 0.0) {
        optimizer_add_slot(opt, "average_gradient",
                           opt->options[MOMENTUM] > 0.0 ? 2 : 1, 0.0f);
    }
    if ((rc = optimizer_check_range(opt, RHO, 0.0, 1.0, err)) != 0 ||
        (rc = optimizer_check_range(opt, MOMENTUM, 0.0, 1.0, err)) != 0) {
        return rc;
    }
    return optimizer_check_range(opt, EPSILON, 0.0, INFINITY, err);
}

struct rates {
    float lr, rho, rest, momentum, epsilon;
};

/* The common case on its own, and vectors that are said not to overlap:
 * compilers make vector code of nothing less. */
static void plain(struct rates r, size_t n, const float *restrict g,
                  float *restrict s, float *restrict w)
{
    for (size_t i = 0; i < n; i++) {
        s[i] = r.rho * s[i] + r.rest * (g[i] * g[i]);
        w[i] -= r.lr * g[i] / sqrtf(s[i] + r.epsilon);
    }
}

/* m and a are NULL without momentum and centering. */
static void full(struct rates r, const struct optimizer_span *span, float *m,
                 float *a)
{
    float *s = span->slots[0];
    const float *g = span->g;

    for (size_t i = 0; i < span->n; i++) {
        float q = span->g_of != NULL ? span->g_of[i] : g[i] * g[i];
        float d;

        s[i] = r.rho * s[i] + r.rest * q;
        if (a != NULL) {
            a[i] = r.rho * a[i] + r.rest * g[i];
            d = s[i] - a[i] * a[i] + r.epsilon;
        } else {
            d = s[i] + r.epsilon;
        }
        d = r.lr * g[i] / sqrtf(d);
        if (m != NULL) {
            m[i] = r.momentum * m[i] + d;
            d = m[i];
        }
        span->w[i] -= d;
    }
}

static void step(const struct optimizer *opt, const struct optimizer_step *at,
                 const struct optimizer_span *span)
{
    struct rates r = {
        .lr = at->lr,
        .rho = (float)opt->options[RHO],
        .rest = (float)(1.0 - opt->options[RHO]),
        .momentum = (float)opt->options[MOMENTUM],
        .epsilon = (float)opt->options[EPSILON],
    };
    bool momentum = opt->options[MOMENTUM] > 0.0;
    bool centered = opt->options[CENTERED] != 0.0;

    if (momentum || centered || span->g_of != NULL) {
        full(r, span, momentum ? span->slots[1] : NULL,
             centered ? span->slots[momentum ? 2 : 1] : NULL);
    } else {
        plain(r, span->n, span->g, span->slots[0], span->w);
    }
}

const struct optimizer_class optimizer_rmsprop = {
    .name = "RMSprop",
    .default_name = "rm_sprop",
    .learning_rate = 0.001,
    .reads = PIECES_SQUARES,
    .options = options,
    .configure = configure,
    .step = step,
};
