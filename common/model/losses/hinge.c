/* SPDX-License-Identifier: MIT
 *
 * hinge: losses with a margin, after keras.losses. Labels are -1 and 1; where
 * all of a batch are 0 or 1, 0 stands for -1. At the margin itself the slope
 * is that of the inner side, as TensorFlow's.
 */
#include "common/model/loss_class.h"

static float label_of(const struct loss_unit *u, size_t j)
{
    return u->binary_labels ? 2.0f * u->y[j] - 1.0f : u->y[j];
}

static double hinge(const struct loss_unit *u)
{
    float slope = u->factor / (float)u->width;
    double sum = 0.0;

    for (size_t j = 0; j < u->width; j++) {
        float y = label_of(u, j);
        float inner = 1.0f - y * u->p[j];

        sum += (double)fmaxf(inner, 0.0f);
        if (u->gradient != NULL) {
            u->gradient[j] = inner >= 0.0f ? -slope * y : 0.0f;
        }
    }
    return sum / (double)u->width;
}

static double squared_hinge(const struct loss_unit *u)
{
    float slope = 2.0f * u->factor / (float)u->width;
    double sum = 0.0;

    for (size_t j = 0; j < u->width; j++) {
        float y = label_of(u, j);
        float inner = fmaxf(1.0f - y * u->p[j], 0.0f);

        sum += (double)(inner * inner);
        if (u->gradient != NULL) {
            u->gradient[j] = -slope * inner * y;
        }
    }
    return sum / (double)u->width;
}

/* max over j of (1 - y_j) p_j, and how many j have it. */
static float best_wrong(const struct loss_unit *u, size_t *ties)
{
    float best = (1.0f - u->y[0]) * u->p[0];

    *ties = 1;
    for (size_t j = 1; j < u->width; j++) {
        float wrong = (1.0f - u->y[j]) * u->p[j];

        *ties = wrong > best ? 1 : *ties + (wrong == best ? 1 : 0);
        best = fmaxf(wrong, best);
    }
    return best;
}

/* What the best wrong class gets lacks to one less than the right one; equals
 * share the slope. */
static double categorical_hinge(const struct loss_unit *u)
{
    size_t ties;
    float wrong = best_wrong(u, &ties);
    float right = 0.0f;
    float inner;

    for (size_t j = 0; j < u->width; j++) {
        right += u->y[j] * u->p[j];
    }
    inner = wrong - right + 1.0f;
    for (size_t j = 0; u->gradient != NULL && j < u->width; j++) {
        float rest = 1.0f - u->y[j];
        float share = rest * u->p[j] == wrong ? rest / (float)ties : 0.0f;

        u->gradient[j] = inner >= 0.0f ? u->factor * (share - u->y[j]) : 0.0f;
    }
    return (double)fmaxf(inner, 0.0f);
}

const struct loss_class loss_hinge = {
    .name = "Hinge",
    .function = "hinge",
    .asks_binary = true,
    .value = hinge,
};

const struct loss_class loss_squared_hinge = {
    .name = "SquaredHinge",
    .function = "squared_hinge",
    .asks_binary = true,
    .value = squared_hinge,
};

const struct loss_class loss_categorical_hinge = {
    .name = "CategoricalHinge",
    .function = "categorical_hinge",
    .categorical = true,
    .value = categorical_hinge,
};
