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

static void step(const struct optimizer *opt, float lr, uint64_t number,
                 const struct optimizer_span *span)
{
    float rho = (float)opt->options[RHO];
    float rest = (float)(1.0 - opt->options[RHO]);
    float momentum = (float)opt->options[MOMENTUM];
    float epsilon = (float)opt->options[EPSILON];
    float *s = span->slots[0];
    float *m = opt->options[MOMENTUM] > 0.0 ? span->slots[1] : NULL;
    float *a =
        opt->options[CENTERED] != 0.0 ? span->slots[opt->slot_count - 1] : NULL;

    (void)number;
    for (size_t i = 0; i < span->n; i++) {
        float g = span->g[i];
        float d;

        s[i] = rho * s[i] + rest * (g * g);
        if (a != NULL) {
            a[i] = rho * a[i] + rest * g;
            d = s[i] - a[i] * a[i] + epsilon;
        } else {
            d = s[i] + epsilon;
        }
        d = lr * g / sqrtf(d);
        if (m != NULL) {
            m[i] = momentum * m[i] + d;
            d = m[i];
        }
        span->w[i] -= d;
    }
}

const struct optimizer_class optimizer_rmsprop = {
    .name = "RMSprop",
    .alias = "rmsprop",
    .default_name = "rm_sprop",
    .learning_rate = 0.001,
    .options = options,
    .configure = configure,
    .step = step,
};
