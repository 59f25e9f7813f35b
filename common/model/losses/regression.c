/* SPDX-License-Identifier: MIT
 *
 * regression: losses of real-valued outputs, after keras.losses: means over a
 * unit of a function of label and prediction, and the cosine between both.
 */
#include "common/model/loss_class.h"
#include "common/model/vector.h"

static double squared_error(const struct loss_unit *u)
{
    float slope = 2.0f * u->factor / (float)u->width;
    double sum = 0.0;

    for (size_t j = 0; j < u->width; j++) {
        float d = u->p[j] - u->y[j];

        sum += (double)(d * d);
        if (u->gradient != NULL) {
            u->gradient[j] = slope * d;
        }
    }
    return sum / (double)u->width;
}

static float sign(float x)
{
    return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : 0.0f;
}

static double absolute_error(const struct loss_unit *u)
{
    float slope = u->factor / (float)u->width;
    double sum = 0.0;

    for (size_t j = 0; j < u->width; j++) {
        float d = u->p[j] - u->y[j];

        sum += (double)fabsf(d);
        if (u->gradient != NULL) {
            u->gradient[j] = slope * sign(d);
        }
    }
    return sum / (double)u->width;
}

static double percentage_error(const struct loss_unit *u)
{
    float slope = 100.0f * u->factor / (float)u->width;
    double sum = 0.0;

    for (size_t j = 0; j < u->width; j++) {
        float base = fmaxf(fabsf(u->y[j]), LOSS_EPSILON);
        float d = (u->y[j] - u->p[j]) / base;

        sum += (double)fabsf(d);
        if (u->gradient != NULL) {
            u->gradient[j] = -slope * sign(d) / base;
        }
    }
    return 100.0 * (sum / (double)u->width);
}

static double squared_logarithmic_error(const struct loss_unit *u)
{
    float slope = 2.0f * u->factor / (float)u->width;
    double sum = 0.0;

    for (size_t j = 0; j < u->width; j++) {
        float p = fmaxf(u->p[j], LOSS_EPSILON) + 1.0f;
        float d = logf(p) - logf(fmaxf(u->y[j], LOSS_EPSILON) + 1.0f);

        sum += (double)(d * d);
        if (u->gradient != NULL) {
            u->gradient[j] = u->p[j] >= LOSS_EPSILON ? slope * d / p : 0.0f;
        }
    }
    return sum / (double)u->width;
}

static double huber(const struct loss_unit *u)
{
    float delta = (float)u->loss->delta;
    float slope = u->factor / (float)u->width;
    double sum = 0.0;

    for (size_t j = 0; j < u->width; j++) {
        float d = u->p[j] - u->y[j];
        float a = fabsf(d);
        bool near = a <= delta;

        sum += (double)(near ? 0.5f * (d * d)
                             : delta * a - 0.5f * (delta * delta));
        if (u->gradient != NULL) {
            u->gradient[j] = slope * (near ? d : delta * sign(d));
        }
    }
    return sum / (double)u->width;
}

/* log(1 + e^x) */
static float softplus(float x)
{
    return fmaxf(x, 0.0f) + log1pf(expf(-fabsf(x)));
}

static double log_cosh(const struct loss_unit *u)
{
    const float log_2 = 0.69314718f;
    float slope = u->factor / (float)u->width;
    double sum = 0.0;

    for (size_t j = 0; j < u->width; j++) {
        float d = u->p[j] - u->y[j];

        sum += (double)(d + softplus(-2.0f * d) - log_2);
        if (u->gradient != NULL) {
            u->gradient[j] = slope * vector_tanh(d);
        }
    }
    return sum / (double)u->width;
}

/* 1 / |x|, but for a vector of nothing; *inside as in loss_clip(). */
static float inverse_norm(const float *x, size_t n, bool *inside)
{
    const float most = 1.0f / LOSS_EPSILON;
    float sum = 0.0f;
    float r;

    for (size_t j = 0; j < n; j++) {
        sum += x[j] * x[j];
    }
    r = 1.0f / sqrtf(sum);
    *inside = r <= most;
    return *inside ? r : most;
}

/* The negative cosine c of the angle between label and prediction; with unit
 * vectors t and q = p/|p| its gradient is -(t - c q) / |p|. */
static double cosine_similarity(const struct loss_unit *u)
{
    bool inside;
    bool ignored;
    float of_y = inverse_norm(u->y, u->width, &ignored);
    float of_p = inverse_norm(u->p, u->width, &inside);
    float along;
    double sum = 0.0;

    for (size_t j = 0; j < u->width; j++) {
        sum += (double)(u->y[j] * of_y * (u->p[j] * of_p));
    }
    along = inside ? (float)sum : 0.0f;
    for (size_t j = 0; u->gradient != NULL && j < u->width; j++) {
        float rest = u->y[j] * of_y - along * (u->p[j] * of_p);

        u->gradient[j] = -u->factor * of_p * rest;
    }
    return -sum;
}

const struct loss_class loss_mean_squared_error = {
    .name = "MeanSquaredError",
    .function = "mean_squared_error",
    .aliases = {"mse", "MSE"},
    .value = squared_error,
};

const struct loss_class loss_mean_absolute_error = {
    .name = "MeanAbsoluteError",
    .function = "mean_absolute_error",
    .aliases = {"mae", "MAE"},
    .value = absolute_error,
};

const struct loss_class loss_mean_absolute_percentage_error = {
    .name = "MeanAbsolutePercentageError",
    .function = "mean_absolute_percentage_error",
    .aliases = {"mape", "MAPE"},
    .value = percentage_error,
};

const struct loss_class loss_mean_squared_logarithmic_error = {
    .name = "MeanSquaredLogarithmicError",
    .function = "mean_squared_logarithmic_error",
    .aliases = {"msle", "MSLE"},
    .value = squared_logarithmic_error,
};

const struct loss_class loss_huber = {
    .name = "Huber",
    .function = "huber",
    .default_name = "huber_loss",
    .aliases = {"huber_loss"},
    .options = LOSS_HAS_DELTA,
    .unsaved = LOSS_HAS_DELTA,
    .value = huber,
};

const struct loss_class loss_log_cosh = {
    .name = "LogCosh",
    .function = "log_cosh",
    .aliases = {"logcosh"},
    .value = log_cosh,
};

const struct loss_class loss_cosine_similarity = {
    .name = "CosineSimilarity",
    .function = "cosine_similarity",
    .options = LOSS_HAS_AXIS,
    .unsaved = LOSS_HAS_AXIS,
    .value = cosine_similarity,
};
