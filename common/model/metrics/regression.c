/* SPDX-License-Identifier: MIT
 *
 * regression: means of errors, after keras.metrics.MeanSquaredError and
 * MeanAbsoluteError. The value of a row is the mean over its elements.
 */
#include "common/model/metric_class.h"

#include <math.h>

static double squared(const struct metric *metric, const float *y,
                      const float *p, const struct shape *output)
{
    size_t n = shape_size(output);
    double sum = 0.0;

    (void)metric;
    for (size_t i = 0; i < n; i++) {
        double d = (double)y[i] - (double)p[i];

        sum += d * d;
    }
    return sum / (double)n;
}

static double absolute(const struct metric *metric, const float *y,
                       const float *p, const struct shape *output)
{
    size_t n = shape_size(output);
    double sum = 0.0;

    (void)metric;
    for (size_t i = 0; i < n; i++) {
        sum += fabs((double)y[i] - (double)p[i]);
    }
    return sum / (double)n;
}

const struct metric_class metric_mean_squared_error = {
    .name = "MeanSquaredError",
    .default_name = "mean_squared_error",
    .aliases = {"mse", "MSE"},
    .row = squared,
};

const struct metric_class metric_mean_absolute_error = {
    .name = "MeanAbsoluteError",
    .default_name = "mean_absolute_error",
    .aliases = {"mae", "MAE"},
    .row = absolute,
};
