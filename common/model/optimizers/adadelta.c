/* SPDX-License-Identifier: MIT
 *
 * adadelta: Zeiler, "ADADELTA: an adaptive learning rate method", 2012, as in
 * keras.optimizers.Adadelta:
 *
 *   a <- rho a + (1 - rho) g^2
 *   d  = -sqrt(b + epsilon) g / sqrt(a + epsilon)
 *   b <- rho b + (1 - rho) d^2;  w <- w + rate d
 */
#include "common/model/optimizer_class.h"
#include "common/model/vector.h"

#include <math.h>

enum { RHO, EPSILON };

static const struct optimizer_option options[] = {
    [RHO] = {"rho", OPTIMIZER_NUMBER, 0.95},
    [EPSILON] = {"epsilon", OPTIMIZER_NUMBER, 1e-7},
    {0},
};

static int configure(struct optimizer *opt, struct err *err)
{
    int rc;

    optimizer_add_slot(opt, "accumulated_grad", 0, 0.0f);
    optimizer_add_slot(opt, "accumulated_delta_var", 0, 0.0f);
    rc = optimizer_check_range(opt, RHO, 0.0, 1.0, err);
    return rc != 0 ? rc
                   : optimizer_check_range(opt, EPSILON, 0.0, INFINITY, err);
}

struct rates {
    float lr, rho, rest, epsilon;
};

static void plain(struct rates r, size_t n, const float *restrict g,
                  float *restrict a, float *restrict b, float *restrict w)
{
    for (size_t i = 0; i < n; i++) {
        float d;

        a[i] = r.rho * a[i] + r.rest * (g[i] * g[i]);
        d = -(sqrtf(b[i] + r.epsilon) * g[i] / sqrtf(a[i] + r.epsilon));
        b[i] = r.rho * b[i] + r.rest * (d * d);
        w[i] += r.lr * d;
    }
}

/* Of a table: each row looked up has a d of its own, and their squares are
 * added up, too. */
static void gathered(struct rates r, size_t n, const float *restrict g,
                     const float *restrict q, float *restrict a,
                     float *restrict b, float *restrict w)
{
    for (size_t i = 0; i < n; i++) {
        float d;

        a[i] = r.rho * a[i] + r.rest * q[i];
        d = sqrtf(b[i] + r.epsilon) / sqrtf(a[i] + r.epsilon);
        b[i] = r.rho * b[i] + r.rest * (d * d * q[i]);
        w[i] -= r.lr * (d * g[i]);
    }
}

static void step(const struct optimizer *opt, const struct optimizer_step *at,
                 const struct optimizer_span *span)
{
    struct rates r = {
        .lr = at->lr,
        .rho = (float)opt->options[RHO],
        .rest = (float)(1.0 - opt->options[RHO]),
        .epsilon = (float)opt->options[EPSILON],
    };

    if (span->g_of != NULL) {
        gathered(r, span->n, span->g, span->g_of, span->slots[0],
                 span->slots[1], span->w);
    } else {
        plain(r, span->n, span->g, span->slots[0], span->slots[1], span->w);
    }
}

const struct optimizer_class optimizer_adadelta = {
    .name = "Adadelta",
    .default_name = "adadelta",
    .learning_rate = 0.001,
    .reads = PIECES_SQUARES,
    .options = options,
    .configure = configure,
    .step = step,
};
