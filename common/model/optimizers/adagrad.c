/* SPDX-License-Identifier: MIT
 *
 * adagrad: Duchi, Hazan and Singer, JMLR 12, 2011, as in
 * keras.optimizers.Adagrad:
 *
 *   a <- a + g^2;  w <- w - rate g / sqrt(a + epsilon)
 */
#include "common/model/optimizer_class.h"

#include <math.h>

enum { INITIAL, EPSILON };

static const struct optimizer_option options[] = {
    [INITIAL] = {"initial_accumulator_value", OPTIMIZER_NUMBER, 0.1},
    [EPSILON] = {"epsilon", OPTIMIZER_NUMBER, 1e-7},
    {0},
};

static int configure(struct optimizer *opt, struct err *err)
{
    int rc;

    optimizer_add_slot(opt, "accumulator", 0, (float)opt->options[INITIAL]);
    rc = optimizer_check_range(opt, INITIAL, 0.0, 1e30, err);
    return rc != 0 ? rc
                   : optimizer_check_range(opt, EPSILON, 0.0, INFINITY, err);
}

static void plain(float lr, float epsilon, size_t n, const float *restrict g,
                  float *restrict a, float *restrict w)
{
    for (size_t i = 0; i < n; i++) {
        a[i] += g[i] * g[i];
        w[i] -= lr * g[i] / sqrtf(a[i] + epsilon);
    }
}

static void gathered(float lr, float epsilon, size_t n, const float *restrict g,
                     const float *restrict q, float *restrict a,
                     float *restrict w)
{
    for (size_t i = 0; i < n; i++) {
        a[i] += q[i];
        w[i] -= lr * g[i] / sqrtf(a[i] + epsilon);
    }
}

static void step(const struct optimizer *opt, const struct optimizer_step *at,
                 const struct optimizer_span *span)
{
    float epsilon = (float)opt->options[EPSILON];

    if (span->g_of != NULL) {
        gathered(at->lr, epsilon, span->n, span->g, span->g_of, span->slots[0],
                 span->w);
    } else {
        plain(at->lr, epsilon, span->n, span->g, span->slots[0], span->w);
    }
}

const struct optimizer_class optimizer_adagrad = {
    .name = "Adagrad",
    .default_name = "adagrad",
    .learning_rate = 0.001,
    .reads = PIECES_SQUARES,
    .options = options,
    .configure = configure,
    .step = step,
};
