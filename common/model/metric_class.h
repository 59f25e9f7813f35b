/* SPDX-License-Identifier: MIT
 *
 * metric_class: what a metric has to say about itself; for metric.c and the
 * files of metrics/ only.
 *
 * To add a metric: one line in metrics.def and its struct metric_class in
 * metrics/. Most are means over rows and give only `row`; others keep a state
 * of their own.
 */
#ifndef COMMON_MODEL_METRIC_CLASS_H
#define COMMON_MODEL_METRIC_CLASS_H

#include "common/model/metric.h"

#include <stdbool.h>
#include <stddef.h>

#define METRIC_MAX_OPTIONS 8

enum metric_option_type { METRIC_NUMBER, METRIC_INTEGER, METRIC_FLAG };

/* One option of a class, beside name and dtype. */
struct metric_option {
    const char *name; /* Keras' name; NULL ends the table */
    enum metric_option_type type;
    double missing; /* Keras' default; flags: 0 or 1 */
};

/* What a metric's labels are. */
enum metric_labels {
    METRIC_LABELS_DENSE, /* shaped like the output */
    METRIC_LABELS_CLASS  /* class numbers: the output's shape without its last
                            axis, as sparse losses have them */
};

struct metric {
    const struct metric_class *class;
    char *name; /* as reported */
    bool weighted;
    size_t label_size;                  /* numbers of a row of labels */
    double options[METRIC_MAX_OPTIONS]; /* parallel to class->options */
};

struct metric_class {
    const char *name;                    /* Keras' class: "MeanSquaredError" */
    const char *default_name;            /* "mean_squared_error" */
    const char *aliases[3];              /* "mse", "MSE"; unused ones NULL */
    const struct metric_option *options; /* NULL: none */
    enum metric_labels labels;

    /* Refuses options or an output on which it is not defined; may be NULL. */
    int (*check)(const struct metric *metric, const struct shape *output,
                 struct err *err);

    /* A mean over rows: the value of one row, y with label_size numbers, p
     * with those of the output. NULL if it has the functions below. */
    double (*row)(const struct metric *metric, const float *y, const float *p,
                  const struct shape *output);

    /* As in metric.h, for those that are no mean over rows. */
    size_t (*state_size)(const struct metric *metric);
    size_t (*result_size)(const struct metric *metric); /* NULL: 1 */
    void (*update)(const struct metric *metric, const float *y, const float *p,
                   const float *w, size_t rows, const struct shape *output,
                   double *state);
    void (*result)(const struct metric *metric, const double *state,
                   double *result);
};

#define METRIC(symbol) extern const struct metric_class metric_##symbol;
#include "common/model/metrics.def"
#undef METRIC

#endif
