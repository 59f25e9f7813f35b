/* SPDX-License-Identifier: MIT
 *
 * lion: Chen et al., "Symbolic discovery of optimization algorithms", NeurIPS
 * 2023, as in keras.optimizers.Lion:
 *
 *   w <- w - rate sign(beta_1 m + (1 - beta_1) g)
 *   m <- beta_2 m + (1 - beta_2) g
 */
#include "common/model/optimizer_class.h"

enum { BETA_1, BETA_2 };

static const struct optimizer_option options[] = {
    [BETA_1] = {"beta_1", OPTIMIZER_NUMBER, 0.9},
    [BETA_2] = {"beta_2", OPTIMIZER_NUMBER, 0.99},
    {0},
};

static int configure(struct optimizer *opt, struct err *err)
{
    int rc = optimizer_check_range(opt, BETA_1, 0x1p-126, 1.0, err);

    optimizer_add_slot(opt, "momentum", 0, 0.0f);
    return rc != 0 ? rc : optimizer_check_range(opt, BETA_2, -1e30, 1e30, err);
}

static void rule(float lr, float beta_1, float beta_2, size_t n,
                 const float *restrict g, float *restrict m, float *restrict w)
{
    for (size_t i = 0; i < n; i++) {
        float c = m[i] * beta_1 + g[i] * (1.0f - beta_1);
        float sign = (float)((c > 0.0f) - (c < 0.0f));

        w[i] -= lr * sign;
        m[i] = m[i] * beta_2 + g[i] * (1.0f - beta_2);
    }
}

static void step(const struct optimizer *opt, const struct optimizer_step *at,
                 const struct optimizer_span *span)
{
    rule(at->lr, (float)opt->options[BETA_1], (float)opt->options[BETA_2],
         span->n, span->g, span->slots[0], span->w);
}

const struct optimizer_class optimizer_lion = {
    .name = "Lion",
    .default_name = "lion",
    .learning_rate = 0.001,
    .options = options,
    .configure = configure,
    .step = step,
};
