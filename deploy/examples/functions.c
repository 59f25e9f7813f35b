/* SPDX-License-Identifier: MIT
 *
 * functions: a plug-in with the functions and classes of docs/PLUGINS.md that
 * are no layers:
 *
 *     my_package>swoosh      activation: x * sigmoid(2 x)
 *     my_package>quartic     loss function: the mean of (y - p) ^ 4
 *     my_package>PowerLoss   loss class: the mean of |y - p| ^ power
 *     my_package>distance    metric function: the mean of |y - p|
 *     my_package>Within      metric class: the part of all values that are less
 *                            than `margin` away, without masks
 *
 * Built by
 *
 *     cc -shared -fPIC -I. -o functions.so deploy/examples/functions.c -lm
 */
#include "common/model/plugin.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- swoosh ---- */

static void swoosh(size_t rows, size_t width, const float *x, float *y)
{
    for (size_t i = 0; i < rows * width; i++) {
        y[i] = x[i] / (1.0f + expf(-2.0f * x[i]));
    }
}

static void swoosh_back(size_t rows, size_t width, const float *x,
                        const float *y, const float *dy, float *dx)
{
    (void)y;
    for (size_t i = 0; i < rows * width; i++) {
        float s = 1.0f / (1.0f + expf(-2.0f * x[i]));

        dx[i] = dy[i] * (s + 2.0f * x[i] * s * (1.0f - s));
    }
}

const struct elephas_activation elephas_activation_my_package_swoosh = {
    .abi = ELEPHAS_PLUGIN_ABI,
    .name = "my_package>swoosh",
    .forward = swoosh,
    .backward = swoosh_back,
};

/* ---- losses ---- */

static double quartic(const void *state, const struct elephas_unit *u)
{
    double sum = 0.0;

    (void)state;
    for (size_t i = 0; i < u->width; i++) {
        double d = (double)u->y_pred[i] - (double)u->y_true[i];

        sum += d * d * d * d;
        if (u->gradient != NULL) {
            u->gradient[i] = (float)(4.0 * d * d * d / (double)u->width);
        }
    }
    return sum / (double)u->width;
}

const struct elephas_loss elephas_loss_my_package_quartic = {
    .abi = ELEPHAS_PLUGIN_ABI,
    .name = "my_package>quartic",
    .value = quartic,
};

/* The number behind "KEY":, which is all that is needed of the JSON. */
static int read_number(const char *config, const char *key, void **state,
                       char message[ELEPHAS_MESSAGE])
{
    double *number = malloc(sizeof(*number));
    const char *at = strstr(config, key);
    char *end = NULL;

    at = at != NULL ? strchr(at, ':') : NULL;
    if (number != NULL && at != NULL) {
        *number = strtod(at + 1, &end);
    }
    if (end == NULL || end == at + 1) {
        free(number);
        (void)snprintf(message, ELEPHAS_MESSAGE, "%s is no number", key);
        return 1;
    }
    *state = number;
    return 0;
}

static int read_power(const char *config, void **state,
                      char message[ELEPHAS_MESSAGE])
{
    return read_number(config, "\"power\"", state, message);
}

static double power(const void *state, const struct elephas_unit *u)
{
    double p = *(const double *)state;
    double sum = 0.0;

    for (size_t i = 0; i < u->width; i++) {
        double d = (double)u->y_pred[i] - (double)u->y_true[i];

        sum += pow(fabs(d), p);
        if (u->gradient != NULL) {
            u->gradient[i] = (float)(copysign(p * pow(fabs(d), p - 1.0), d) /
                                     (double)u->width);
        }
    }
    return sum / (double)u->width;
}

const struct elephas_loss elephas_loss_my_package_PowerLoss = {
    .abi = ELEPHAS_PLUGIN_ABI,
    .name = "my_package>PowerLoss",
    .create = read_power,
    .destroy = free,
    .value = power,
};

/* ---- metrics ---- */

static double distance(const void *state, const struct elephas_unit *u)
{
    double sum = 0.0;

    (void)state;
    for (size_t i = 0; i < u->width; i++) {
        sum += fabs((double)u->y_pred[i] - (double)u->y_true[i]);
    }
    return sum / (double)u->width;
}

const struct elephas_metric elephas_metric_my_package_distance = {
    .abi = ELEPHAS_PLUGIN_ABI,
    .name = "my_package>distance",
    .value = distance,
};

static int read_margin(const char *config, void **state,
                       char message[ELEPHAS_MESSAGE])
{
    return read_number(config, "\"margin\"", state, message);
}

static size_t within_size(const void *state)
{
    (void)state;
    return 2;
}

static void within_update(const void *state, const struct elephas_rows *rows,
                          double *sums)
{
    double margin = *(const double *)state;
    size_t n = rows->positions * rows->width;

    for (size_t i = 0; i < rows->rows * n; i++) {
        double d = fabs((double)rows->y_pred[i] - (double)rows->y_true[i]);
        double weight =
            rows->weights != NULL ? (double)rows->weights[i / n] : 1.0;

        sums[0] += d < margin ? weight : 0.0;
        sums[1] += weight;
    }
}

static double within_result(const void *state, const double *sums)
{
    (void)state;
    return sums[1] != 0.0 ? sums[0] / sums[1] : 0.0;
}

const struct elephas_metric elephas_metric_my_package_Within = {
    .abi = ELEPHAS_PLUGIN_ABI,
    .name = "my_package>Within",
    .create = read_margin,
    .destroy = free,
    .size = within_size,
    .update = within_update,
    .result = within_result,
};
