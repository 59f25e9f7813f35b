/* SPDX-License-Identifier: MIT
 *
 * ftrl: McMahan et al., "Ad click prediction: a view from the trenches", KDD
 * 2013, with shrinkage, as in keras.optimizers.Ftrl. With
 * l = l2 + beta / (2 rate) and h = g + 2 shrinkage w:
 *
 *   A  = a + g^2
 *   z <- z + h - w (A^-power - a^-power) / rate
 *   w  = (clip(z, -l1, l1) - z) / (A^-power / rate + 2 l);  a <- A
 */
#include "common/model/optimizer_class.h"

#include <math.h>

enum { POWER, INITIAL, L1, L2, SHRINKAGE, BETA };

static const struct optimizer_option options[] = {
    [POWER] = {"learning_rate_power", OPTIMIZER_NUMBER, -0.5},
    [INITIAL] = {"initial_accumulator_value", OPTIMIZER_NUMBER, 0.1},
    [L1] = {"l1_regularization_strength", OPTIMIZER_NUMBER, 0.0},
    [L2] = {"l2_regularization_strength", OPTIMIZER_NUMBER, 0.0},
    [SHRINKAGE] = {"l2_shrinkage_regularization_strength", OPTIMIZER_NUMBER,
                   0.0},
    [BETA] = {"beta", OPTIMIZER_NUMBER, 0.0},
    {0},
};

static int configure(struct optimizer *opt, struct err *err)
{
    const double most = 1e30;
    int rc = optimizer_check_range(opt, POWER, -most, 0.0, err);

    optimizer_add_slot(opt, "accumulator", 0, (float)opt->options[INITIAL]);
    optimizer_add_slot(opt, "linear", 0, 0.0f);
    for (size_t i = INITIAL; rc == 0 && i <= SHRINKAGE; i++) {
        rc = optimizer_check_range(opt, i, 0.0, most, err);
    }
    return rc != 0 ? rc : optimizer_check_range(opt, BETA, -most, most, err);
}

struct rates {
    float lr, l1, twice_l2, twice_shrinkage;
};

/* The common power -0.5 on its own, for vector code. */
static void square_root(struct rates r, size_t n, const float *restrict g,
                        float *restrict a, float *restrict z, float *restrict w)
{
    for (size_t i = 0; i < n; i++) {
        float more = a[i] + g[i] * g[i];
        float root = sqrtf(more);
        float clipped;

        z[i] += g[i] + r.twice_shrinkage * w[i] -
                (root - sqrtf(a[i])) / r.lr * w[i];
        clipped = z[i] < -r.l1 ? -r.l1 : z[i];
        clipped = clipped > r.l1 ? r.l1 : clipped;
        w[i] = (clipped - z[i]) / (root / r.lr + r.twice_l2);
        a[i] = more;
    }
}

static void general(struct rates r, float power,
                    const struct optimizer_span *span)
{
    float *a = span->slots[0];
    float *z = span->slots[1];
    float *w = span->w;

    for (size_t i = 0; i < span->n; i++) {
        float g = span->g[i];
        float q = span->g_of != NULL ? span->g_of[i] : g * g;
        float more = a[i] + q;
        float root = powf(more, power);

        z[i] += g + r.twice_shrinkage * w[i] -
                (root - powf(a[i], power)) / r.lr * w[i];
        w[i] = (fminf(fmaxf(z[i], -r.l1), r.l1) - z[i]) /
               (root / r.lr + r.twice_l2);
        a[i] = more;
    }
}

static void step(const struct optimizer *opt, const struct optimizer_step *at,
                 const struct optimizer_span *span)
{
    float power = -(float)opt->options[POWER];
    float l2 =
        (float)opt->options[L2] + (float)opt->options[BETA] / (2.0f * at->lr);
    struct rates r = {
        .lr = at->lr,
        .l1 = (float)opt->options[L1],
        .twice_l2 = 2.0f * l2,
        .twice_shrinkage = 2.0f * (float)opt->options[SHRINKAGE],
    };

    if (power == 0.5f && span->g_of == NULL) {
        square_root(r, span->n, span->g, span->slots[0], span->slots[1],
                    span->w);
    } else {
        general(r, power, span);
    }
}

const struct optimizer_class optimizer_ftrl = {
    .name = "Ftrl",
    .default_name = "ftrl",
    .learning_rate = 0.001,
    .reads = PIECES_SQUARES,
    .options = options,
    .configure = configure,
    .step = step,
};
