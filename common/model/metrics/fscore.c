/* SPDX-License-Identifier: MIT
 *
 * fscore: the weighted harmonic mean of precision and recall, after
 * keras.metrics.F1Score and FBetaScore. Without a threshold the greatest
 * outputs of a row are its predictions.
 */
#include "common/model/metric_class.h"

#include <float.h>
#include <math.h>

enum { AVERAGE, THRESHOLD, BETA };
enum { MICRO, MACRO, WEIGHTED };

static const char *const averages[] = {
    [MICRO] = "micro", [MACRO] = "macro", [WEIGHTED] = "weighted", NULL};

#define AVERAGE_OPTION                                                         \
    {                                                                          \
        "average", METRIC_CHOICE, .missing = (double)NAN, .choices = averages  \
    }
#define THRESHOLD_OPTION                                                       \
    {                                                                          \
        "threshold", METRIC_NUMBER, .missing = (double)NAN, .min = DBL_MIN,    \
                                    .max = 1.0                                 \
    }

static const struct metric_option f1_options[] = {
    [AVERAGE] = AVERAGE_OPTION,
    [THRESHOLD] = THRESHOLD_OPTION,
    {0},
};

static const struct metric_option fbeta_options[] = {
    [AVERAGE] = AVERAGE_OPTION,
    [THRESHOLD] = THRESHOLD_OPTION,
    [BETA] = {"beta", METRIC_NUMBER, .missing = 1.0, .min = DBL_MIN,
              .max = 1e18},
    {0},
};

static int prepare(struct metric *metric, const struct shape *output,
                   struct err *err)
{
    char text[SHAPE_TEXT_SIZE];

    if (metric->class == &metric_f1_score) {
        metric->options[BETA] = 1.0;
    }
    if (output->rank != 1) {
        return err_set(err, ERR_INVALID,
                       "an output of one axis is wanted, not of shape %s",
                       shape_text(output, text));
    }
    return 0;
}

static bool by_class(const struct metric *metric)
{
    return metric_is_null(metric->options[AVERAGE]);
}

/* Per class: true and false positives, false negatives, and labels. */
static size_t state_size(const struct metric *metric)
{
    return 4 * metric->width;
}

static size_t result_size(const struct metric *metric)
{
    return by_class(metric) ? metric->width : 1;
}

static void add_row(const struct metric *metric, const float *y, const float *p,
                    double weight, double *state)
{
    bool greatest = metric_is_null(metric->options[THRESHOLD]);
    float threshold = (float)metric->options[THRESHOLD];
    size_t n = metric->width;

    if (greatest) {
        threshold = p[0];
        for (size_t j = 1; j < n; j++) {
            threshold = fmaxf(threshold, p[j]);
        }
    }
    for (size_t j = 0; j < n; j++) {
        bool hit = greatest ? p[j] >= threshold && fabsf(p[j]) > 1e-9f
                            : p[j] > threshold;
        double label = weight * (double)y[j];

        state[j] += hit ? label : 0.0;
        state[n + j] += hit ? weight - label : 0.0;
        state[2 * n + j] += hit ? 0.0 : label;
        state[3 * n + j] += label;
    }
}

static void update(const struct metric *metric, const struct metric_batch *b,
                   double *state)
{
    size_t n = metric->width;

    for (size_t r = 0; r < b->rows; r++) {
        add_row(metric, b->y + r * n, b->p + r * n,
                b->weights != NULL ? (double)b->weights[r] : 1.0, state);
    }
}

static double score(const struct metric *metric, double tp, double fp,
                    double fn)
{
    const double e = 1e-7;
    double precision = tp / (tp + fp + e);
    double recall = tp / (tp + fn + e);
    double square = metric->options[BETA] * metric->options[BETA];

    return precision * recall / (square * precision + recall + e) *
           (1.0 + square);
}

static void result(const struct metric *metric, const double *state,
                   double *out)
{
    size_t n = metric->width;
    double total[4] = {0};
    double sum = 0.0;

    for (size_t j = 0; j < n; j++) {
        for (size_t k = 0; k < 4; k++) {
            total[k] += state[k * n + j];
        }
    }
    if (metric->options[AVERAGE] == (double)MICRO) {
        out[0] = score(metric, total[0], total[1], total[2]);
        return;
    }
    for (size_t j = 0; j < n; j++) {
        double value = score(metric, state[j], state[n + j], state[2 * n + j]);

        if (by_class(metric)) {
            out[j] = value;
        }
        sum += metric->options[AVERAGE] == (double)WEIGHTED
                   ? value * state[3 * n + j] / (total[3] + 1e-7)
                   : value / (double)n;
    }
    if (!by_class(metric)) {
        out[0] = sum;
    }
}

const struct metric_class metric_f1_score = {
    .name = "F1Score",
    .snake = "f1_score",
    .options = f1_options,
    .prepare = prepare,
    .state_size = state_size,
    .result_size = result_size,
    .update = update,
    .result = result,
};

const struct metric_class metric_fbeta_score = {
    .name = "FBetaScore",
    .snake = "f_beta_score",
    .default_name = "fbeta_score",
    .aliases = {"fbeta_score"},
    .options = fbeta_options,
    .prepare = prepare,
    .state_size = state_size,
    .result_size = result_size,
    .update = update,
    .result = result,
};
