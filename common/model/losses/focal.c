/* SPDX-License-Identifier: MIT
 *
 * focal: crossentropies that weigh easy examples down (Lin, Goyal, Girshick,
 * He and Dollar, ICCV 2017), after keras.losses.
 */
#include "common/model/loss_class.h"
#include "common/model/vector.h"

/* Where from_logits is set the sigmoid is that of the loss itself, and what a
 * closing one got does not matter. */
static bool unless_own(const struct loss *loss)
{
    return !loss->from_logits;
}

/* d/dx x^gamma, as the tape computes it, but 0 for a constant. */
static float power_slope(float x, float gamma)
{
    return gamma == 0.0f ? 0.0f : gamma * powf(x, gamma - 1.0f);
}

/* One element: the crossentropy and its derivative by p or the logit. */
static float crossentropy(const struct loss_unit *u, float y, float x,
                          float *derivative)
{
    float inside;
    float c;

    if (u->logits) {
        *derivative = vector_sigmoid(x) - y;
        return fmaxf(x, 0.0f) - x * y + log1pf(expf(-fabsf(x)));
    }
    c = loss_clip(x, &inside);
    *derivative = inside * ((1.0f - y) / (1.0f - c) - y / c);
    return -(y * logf(c) + (1.0f - y) * logf(1.0f - c));
}

static double binary_focal(const struct loss_unit *u)
{
    const struct loss *loss = u->loss;
    float slope = u->factor / (float)u->width;
    float smoothing = (float)loss->label_smoothing;
    float alpha = (float)loss->alpha;
    float gamma = (float)loss->gamma;
    double sum = 0.0;

    for (size_t j = 0; j < u->width; j++) {
        float y = u->y[j] * (1.0f - smoothing) + 0.5f * smoothing;
        float p = u->logits ? vector_sigmoid(u->p[j]) : u->p[j];
        float by_x = u->logits ? p * (1.0f - p) : 1.0f;
        float off = 1.0f - (y * p + (1.0f - y) * (1.0f - p));
        float focus = powf(off, gamma);
        float balance = loss->apply_class_balancing
                            ? y * alpha + (1.0f - y) * (1.0f - alpha)
                            : 1.0f;
        float derivative;
        float ce = crossentropy(u, y, u->p[j], &derivative);

        sum += (double)(balance * focus * ce);
        if (u->gradient != NULL) {
            float by_focus = power_slope(off, gamma) * (1.0f - 2.0f * y) * by_x;

            u->gradient[j] =
                slope * balance * (focus * derivative + by_focus * ce);
        }
    }
    return sum / (double)u->width;
}

/* Element j of the unit as a probability; with logits, of their softmax. */
static float probability(const struct loss_unit *u, size_t j, float top,
                         float sum)
{
    return u->logits ? vector_exp(u->p[j] - top) / sum : u->p[j];
}

/* Of probabilities p, divided by their sum s; see categorical crossentropy
 * for the gradient through the division. That through a softmax has the same
 * form, with p in place of p/s and nothing to divide by. */
static double categorical_focal(const struct loss_unit *u)
{
    const struct loss *loss = u->loss;
    float smoothing = (float)loss->label_smoothing;
    float alpha = (float)loss->alpha;
    float gamma = (float)loss->gamma;
    float top = u->p[0];
    float exps = 0.0f;
    float s = 0.0f;
    float along = 0.0f;
    double sum = 0.0;

    for (size_t j = 0; u->logits && j < u->width; j++) {
        top = fmaxf(top, u->p[j]);
    }
    for (size_t j = 0; u->logits && j < u->width; j++) {
        exps += vector_exp(u->p[j] - top);
    }
    for (size_t j = 0; j < u->width; j++) {
        s += probability(u, j, top, exps);
    }
    for (size_t j = 0; j < u->width; j++) {
        float y = u->y[j] * (1.0f - smoothing) + smoothing / (float)u->classes;
        float r = probability(u, j, top, exps) / s;
        float inside;
        float c = loss_clip(r, &inside);
        float focus = alpha * powf(1.0f - c, gamma);

        sum -= (double)(focus * y * logf(c));
        if (u->gradient != NULL) {
            u->gradient[j] =
                inside * y *
                (alpha * power_slope(1.0f - c, gamma) * logf(c) - focus / c);
            along += r * u->gradient[j];
        }
    }
    for (size_t j = 0; u->gradient != NULL && j < u->width; j++) {
        float p = probability(u, j, top, exps);
        float by_x = u->logits ? p : 1.0f / s;

        u->gradient[j] = u->factor * by_x * (u->gradient[j] - along);
    }
    return sum;
}

const struct loss_class loss_binary_focal_crossentropy = {
    .name = "BinaryFocalCrossentropy",
    .function = "binary_focal_crossentropy",
    .options = LOSS_HAS_LOGITS | LOSS_HAS_SMOOTHING | LOSS_HAS_AXIS |
               LOSS_HAS_ALPHA | LOSS_HAS_GAMMA | LOSS_HAS_BALANCING,
    .alpha = 0.25,
    .gamma = 2.0,
    .takes_logits = unless_own,
    .value = binary_focal,
};

const struct loss_class loss_categorical_focal_crossentropy = {
    .name = "CategoricalFocalCrossentropy",
    .function = "categorical_focal_crossentropy",
    .options = LOSS_HAS_LOGITS | LOSS_HAS_SMOOTHING | LOSS_HAS_AXIS |
               LOSS_HAS_ALPHA | LOSS_HAS_GAMMA,
    .alpha = 0.25,
    .gamma = 2.0,
    .categorical = true,
    .value = categorical_focal,
};
