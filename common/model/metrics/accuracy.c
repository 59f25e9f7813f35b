/* SPDX-License-Identifier: MIT
 *
 * accuracy: how often predictions equal labels, after
 * keras.metrics.BinaryAccuracy, CategoricalAccuracy and
 * SparseCategoricalAccuracy. With more axes than the classes', the value of a
 * row is the mean over its positions. Of equal predictions the first wins.
 */
#include "common/model/metric_class.h"

enum { THRESHOLD };

static const struct metric_option binary_options[] = {
    [THRESHOLD] = {"threshold", METRIC_NUMBER, 0.5},
    {0},
};

static double binary(const struct metric *metric, const float *y,
                     const float *p, const struct shape *output)
{
    float threshold = (float)metric->options[THRESHOLD];
    size_t n = shape_size(output);
    size_t hits = 0;

    for (size_t i = 0; i < n; i++) {
        hits += y[i] == (p[i] > threshold ? 1.0f : 0.0f);
    }
    return (double)hits / (double)n;
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

static size_t classes_of(const struct shape *output)
{
    return output->rank > 0 ? (size_t)output->dim[output->rank - 1] : 1;
}

static double categorical(const struct metric *metric, const float *y,
                          const float *p, const struct shape *output)
{
    size_t classes = classes_of(output);
    size_t n = shape_size(output) / classes;
    size_t hits = 0;

    (void)metric;
    for (size_t i = 0; i < n; i++) {
        hits += argmax(y + i * classes, classes) ==
                argmax(p + i * classes, classes);
    }
    return (double)hits / (double)n;
}

static double sparse(const struct metric *metric, const float *y,
                     const float *p, const struct shape *output)
{
    size_t classes = classes_of(output);
    size_t hits = 0;

    for (size_t i = 0; i < metric->label_size; i++) {
        hits += y[i] == (float)argmax(p + i * classes, classes);
    }
    return (double)hits / (double)metric->label_size;
}

const struct metric_class metric_binary_accuracy = {
    .name = "BinaryAccuracy",
    .default_name = "binary_accuracy",
    .options = binary_options,
    .row = binary,
};

const struct metric_class metric_categorical_accuracy = {
    .name = "CategoricalAccuracy",
    .default_name = "categorical_accuracy",
    .row = categorical,
};

const struct metric_class metric_sparse_categorical_accuracy = {
    .name = "SparseCategoricalAccuracy",
    .default_name = "sparse_categorical_accuracy",
    .labels = METRIC_LABELS_CLASS,
    .row = sparse,
};
