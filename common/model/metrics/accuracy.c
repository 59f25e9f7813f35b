/* SPDX-License-Identifier: MIT
 *
 * accuracy: how often predictions equal labels, after keras.metrics. Of equal
 * predictions the first wins.
 */
#include "common/model/metric_class.h"

enum { THRESHOLD };
enum { K, SORTED };

static const struct metric_option binary_options[] = {
    [THRESHOLD] = {"threshold", METRIC_NUMBER, .missing = 0.5},
    {0},
};

static const struct metric_option top_options[] = {
    [K] = {"k", METRIC_INTEGER, .missing = 5.0, .min = 1.0, .max = 1e9},
    {0},
};

static const struct metric_option sparse_top_options[] = {
    [K] = {"k", METRIC_INTEGER, .missing = 5.0, .min = 1.0, .max = 1e9},
    [SORTED] = {"from_sorted_ids", METRIC_FLAG, .missing = 0.0},
    {0},
};

static double equal(const struct metric *metric, const struct loss_unit *u)
{
    size_t hits = 0;

    (void)metric;
    for (size_t i = 0; i < u->width; i++) {
        hits += u->y[i] == u->p[i];
    }
    return (double)hits / (double)u->width;
}

static double binary(const struct metric *metric, const struct loss_unit *u)
{
    float threshold = (float)metric->options[THRESHOLD];
    size_t hits = 0;

    for (size_t i = 0; i < u->width; i++) {
        hits += u->y[i] == (u->p[i] > threshold ? 1.0f : 0.0f);
    }
    return (double)hits / (double)u->width;
}

static size_t argmax(const float *v, size_t n)
{
    size_t best = 0;

    for (size_t i = 1; i < n; i++) {
        if (v[i] > v[best]) {
            best = i;
        }
    }
    return best;
}

static double categorical(const struct metric *metric,
                          const struct loss_unit *u)
{
    (void)metric;
    return argmax(u->y, u->width) == argmax(u->p, u->width) ? 1.0 : 0.0;
}

static double sparse(const struct metric *metric, const struct loss_unit *u)
{
    (void)metric;
    return *u->y == (float)argmax(u->p, u->width) ? 1.0 : 0.0;
}

/* Whether fewer than k classes are more probable than this one; a prediction
 * that is not finite is never a hit. */
static double in_top(const float *p, size_t width, size_t label, double k)
{
    size_t better = 0;

    for (size_t i = 0; i < width; i++) {
        if (!isfinite(p[i])) {
            return 0.0;
        }
        better += p[i] > p[label];
    }
    return (double)better < k ? 1.0 : 0.0;
}

static double top(const struct metric *metric, const struct loss_unit *u)
{
    return in_top(u->p, u->width, argmax(u->y, u->width), metric->options[K]);
}

static double sparse_top(const struct metric *metric, const struct loss_unit *u)
{
    double k = metric->options[K];
    float label = *u->y;

    if (metric->options[SORTED] != 0.0) {
        for (size_t i = 0; i < u->width && (double)i < k; i++) {
            if (u->p[i] == label) {
                return 1.0;
            }
        }
        return 0.0;
    }
    label = truncf(label);
    if (!(label >= 0.0f && label < (float)u->width)) {
        return 0.0;
    }
    return in_top(u->p, u->width, (size_t)label, k);
}

const struct metric_class metric_accuracy = {
    .name = "Accuracy",
    .snake = "accuracy",
    .value = equal,
};

const struct metric_class metric_binary_accuracy = {
    .name = "BinaryAccuracy",
    .snake = "binary_accuracy",
    .function = "binary_accuracy",
    .options = binary_options,
    .value = binary,
};

const struct metric_class metric_categorical_accuracy = {
    .name = "CategoricalAccuracy",
    .snake = "categorical_accuracy",
    .function = "categorical_accuracy",
    .value = categorical,
};

const struct metric_class metric_sparse_categorical_accuracy = {
    .name = "SparseCategoricalAccuracy",
    .snake = "sparse_categorical_accuracy",
    .function = "sparse_categorical_accuracy",
    .sparse = true,
    .value = sparse,
};

const struct metric_class metric_top_k_categorical_accuracy = {
    .name = "TopKCategoricalAccuracy",
    .snake = "top_k_categorical_accuracy",
    .function = "top_k_categorical_accuracy",
    .options = top_options,
    .value = top,
};

const struct metric_class metric_sparse_top_k_categorical_accuracy = {
    .name = "SparseTopKCategoricalAccuracy",
    .snake = "sparse_top_k_categorical_accuracy",
    .function = "sparse_top_k_categorical_accuracy",
    .options = sparse_top_options,
    .sparse = true,
    .value = sparse_top,
};
