/* SPDX-License-Identifier: MIT
 *
 * crossentropy: losses between distributions, after keras.losses on the
 * TensorFlow backend, which computes them from what a closing softmax or
 * sigmoid got where it can.
 */
#include "common/model/loss_class.h"
#include "common/model/vector.h"

static bool always(const struct loss *loss)
{
    (void)loss;
    return true;
}

static double binary_crossentropy(const struct loss_unit *u)
{
    float slope = u->factor / (float)u->width;
    float smoothing = (float)u->loss->label_smoothing;
    double sum = 0.0;

    for (size_t j = 0; j < u->width; j++) {
        float y = u->y[j] * (1.0f - smoothing) + 0.5f * smoothing;
        float p = u->p[j];
        float derivative;

        if (u->logits) {
            sum += (double)(fmaxf(p, 0.0f) - p * y + log1pf(expf(-fabsf(p))));
            derivative = vector_sigmoid(p) - y;
        } else {
            float inside;

            p = loss_clip(p, &inside);
            sum -= (double)(y * logf(p) + (1.0f - y) * logf(1.0f - p));
            derivative = inside * ((1.0f - y) / (1.0f - p) - y / p);
        }
        if (u->gradient != NULL) {
            u->gradient[j] = slope * derivative;
        }
    }
    return sum / (double)u->width;
}

/* Smoothing spreads over the last axis, also where the classes lie along
 * another one. */
static float smoothed(const struct loss_unit *u, size_t j)
{
    float smoothing = (float)u->loss->label_smoothing;

    return u->y[j] * (1.0f - smoothing) + smoothing / (float)u->classes;
}

static float greatest(const float *x, size_t n)
{
    float top = x[0];

    for (size_t j = 1; j < n; j++) {
        top = x[j] > top ? x[j] : top;
    }
    return top;
}

/* log(sum(exp(x - top))) and, into gradient if not NULL, factor times the
 * softmax of x. */
static float log_sum_exp(const struct loss_unit *u, float top)
{
    float sum = 0.0f;

    for (size_t j = 0; j < u->width; j++) {
        float e = vector_exp(u->p[j] - top);

        sum += e;
        if (u->gradient != NULL) {
            u->gradient[j] = e;
        }
    }
    if (u->gradient != NULL) {
        for (size_t j = 0; j < u->width; j++) {
            u->gradient[j] = u->factor * (u->gradient[j] / sum);
        }
    }
    return logf(sum);
}

/* The gradient is softmax - y also where y does not sum to one, as that of
 * TensorFlow's operation. */
static double categorical_from_logits(const struct loss_unit *u)
{
    float top = greatest(u->p, u->width);
    float log_sum = log_sum_exp(u, top);
    double sum = 0.0;

    for (size_t j = 0; j < u->width; j++) {
        float y = smoothed(u, j);

        sum += (double)(y * (log_sum - (u->p[j] - top)));
        if (u->gradient != NULL) {
            u->gradient[j] -= u->factor * y;
        }
    }
    return sum;
}

/* Probabilities are first divided by their sum s: with r = p/s and L(r), the
 * gradient is (dL/dr_j - sum_i r_i dL/dr_i) / s. */
static double categorical_crossentropy(const struct loss_unit *u)
{
    float s = 0.0f;
    float along = 0.0f;
    double sum = 0.0;

    if (u->logits) {
        return categorical_from_logits(u);
    }
    for (size_t j = 0; j < u->width; j++) {
        s += u->p[j];
    }
    for (size_t j = 0; j < u->width; j++) {
        float r = u->p[j] / s;
        float inside;
        float c = loss_clip(r, &inside);
        float y = smoothed(u, j);

        sum -= (double)(y * logf(c));
        if (u->gradient != NULL) {
            u->gradient[j] = -inside * y / c;
            along += r * u->gradient[j];
        }
    }
    for (size_t j = 0; u->gradient != NULL && j < u->width; j++) {
        u->gradient[j] = u->factor * (u->gradient[j] - along) / s;
    }
    return sum;
}

/* From probabilities, Keras takes the logarithms of the clipped ones for
 * logits, which divides by their sum. */
static double sparse_from_probabilities(const struct loss_unit *u)
{
    float sum = 0.0f;
    float inside;

    for (size_t j = 0; j < u->width; j++) {
        sum += loss_clip(u->p[j], &inside);
    }
    if (u->gradient != NULL) {
        for (size_t j = 0; j < u->width; j++) {
            float c = loss_clip(u->p[j], &inside);
            float hit = j == u->label ? 1.0f / c : 0.0f;

            u->gradient[j] = u->factor * inside * (1.0f / sum - hit);
        }
    }
    return (double)(logf(sum) - logf(loss_clip(u->p[u->label], &inside)));
}

static double sparse_crossentropy(const struct loss_unit *u)
{
    float top;
    float log_sum;

    if (!u->logits) {
        return sparse_from_probabilities(u);
    }
    top = greatest(u->p, u->width);
    log_sum = log_sum_exp(u, top);
    if (u->gradient != NULL) {
        u->gradient[u->label] -= u->factor;
    }
    return (double)(log_sum - (u->p[u->label] - top));
}

/* Zhang and Sabuncu, NeurIPS 2018: (1 - p^q) / q of the right class. */
static double generalized(const struct loss_unit *u)
{
    float q = (float)u->loss->q;
    float p = u->p[u->label];

    for (size_t j = 0; u->gradient != NULL && j < u->width; j++) {
        u->gradient[j] = j == u->label ? -u->factor * powf(p, q - 1.0f) : 0.0f;
    }
    return (double)((1.0f - powf(p, q)) / q);
}

static float clip_above(float x)
{
    return fminf(fmaxf(x, LOSS_EPSILON), 1.0f);
}

static double kl_divergence(const struct loss_unit *u)
{
    double sum = 0.0;

    for (size_t j = 0; j < u->width; j++) {
        float y = clip_above(u->y[j]);
        float p = clip_above(u->p[j]);

        sum += (double)(y * logf(y / p));
        if (u->gradient != NULL) {
            u->gradient[j] = p == u->p[j] ? -u->factor * y / p : 0.0f;
        }
    }
    return sum;
}

static double poisson(const struct loss_unit *u)
{
    float slope = u->factor / (float)u->width;
    double sum = 0.0;

    for (size_t j = 0; j < u->width; j++) {
        float p = u->p[j] + LOSS_EPSILON;

        sum += (double)(u->p[j] - u->y[j] * logf(p));
        if (u->gradient != NULL) {
            u->gradient[j] = slope * (1.0f - u->y[j] / p);
        }
    }
    return sum / (double)u->width;
}

const struct loss_class loss_binary_crossentropy = {
    .name = "BinaryCrossentropy",
    .function = "binary_crossentropy",
    .aliases = {"bce", "BCE"},
    .options = LOSS_HAS_LOGITS | LOSS_HAS_SMOOTHING | LOSS_HAS_AXIS,
    .takes_logits = always,
    .value = binary_crossentropy,
};

const struct loss_class loss_categorical_crossentropy = {
    .name = "CategoricalCrossentropy",
    .function = "categorical_crossentropy",
    .options = LOSS_HAS_LOGITS | LOSS_HAS_SMOOTHING | LOSS_HAS_AXIS,
    .categorical = true,
    .takes_logits = always,
    .value = categorical_crossentropy,
};

const struct loss_class loss_sparse_categorical_crossentropy = {
    .name = "SparseCategoricalCrossentropy",
    .function = "sparse_categorical_crossentropy",
    .options = LOSS_HAS_LOGITS | LOSS_HAS_IGNORE | LOSS_HAS_AXIS,
    .unsaved = LOSS_HAS_AXIS,
    .sparse = true,
    .categorical = true,
    .takes_logits = always,
    .value = sparse_crossentropy,
};

const struct loss_class loss_categorical_generalized_cross_entropy = {
    .name = "CategoricalGeneralizedCrossEntropy",
    .function = "categorical_generalized_cross_entropy",
    .options = LOSS_HAS_Q,
    .sparse = true,
    .categorical = true,
    .value = generalized,
};

const struct loss_class loss_kl_divergence = {
    .name = "KLDivergence",
    .function = "kl_divergence",
    .aliases = {"kld", "KLD", "kullback_leibler_divergence"},
    .value = kl_divergence,
};

const struct loss_class loss_poisson = {
    .name = "Poisson",
    .function = "poisson",
    .value = poisson,
};
