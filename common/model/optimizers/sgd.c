/* SPDX-License-Identifier: MIT
 *
 * sgd: stochastic gradient descent, with momentum or Nesterov momentum
 * (Sutskever, Martens, Dahl and Hinton, ICML 2013), as in
 * keras.optimizers.SGD:
 *
 *   v <- momentum v - rate g;  w <- w + v
 *   Nesterov:                  w <- w + momentum v - rate g
 */
#include "common/model/optimizer_class.h"
#include "common/model/vector.h"

enum { MOMENTUM, NESTEROV };

static const struct optimizer_option options[] = {
    [MOMENTUM] = {"momentum", OPTIMIZER_NUMBER, 0.0},
    [NESTEROV] = {"nesterov", OPTIMIZER_FLAG, 0.0},
    {0},
};

static int configure(struct optimizer *opt, struct err *err)
{
    if (opt->options[MOMENTUM] != 0.0) {
        optimizer_add_slot(opt, "momentum", 0, 0.0f);
    }
    return optimizer_check_range(opt, MOMENTUM, 0.0, 1.0, err);
}

static void step(const struct optimizer *opt, const struct optimizer_step *at,
                 const struct optimizer_span *span)
{
    float momentum = (float)opt->options[MOMENTUM];
    float lr = at->lr;
    const float *g = span->g;
    float *w = span->w;
    float *v = span->slots[0];

    if (opt->options[MOMENTUM] == 0.0) {
        VECTOR_LOOP
        for (size_t i = 0; i < span->n; i++) {
            w[i] -= g[i] * lr;
        }
    } else if (opt->options[NESTEROV] != 0.0) {
        VECTOR_LOOP
        for (size_t i = 0; i < span->n; i++) {
            v[i] = v[i] * momentum - g[i] * lr;
            w[i] += v[i] * momentum - g[i] * lr;
        }
    } else {
        VECTOR_LOOP
        for (size_t i = 0; i < span->n; i++) {
            v[i] = v[i] * momentum - g[i] * lr;
            w[i] += v[i];
        }
    }
}

const struct optimizer_class optimizer_sgd = {
    .name = "SGD",
    .default_name = "sgd",
    .learning_rate = 0.01,
    .options = options,
    .configure = configure,
    .step = step,
};
