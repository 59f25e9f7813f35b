/* SPDX-License-Identifier: MIT
 *
 * metric_class: what a metric has to say about itself; for metric.c and the
 * files of metrics/ only.
 *
 * To add a metric: one line in metrics.def and its struct metric_class in
 * metrics/. Most are means over rows and give only `value` or name a loss;
 * others keep a state of their own.
 */
#ifndef COMMON_MODEL_METRIC_CLASS_H
#define COMMON_MODEL_METRIC_CLASS_H

#include "common/model/loss_class.h"
#include "common/model/metric.h"

#include <stdbool.h>
#include <stddef.h>

#define METRIC_MAX_OPTIONS 16
#define METRIC_MAX_LISTS 2
#define METRIC_MAX_LIST 65536 /* numbers */

enum metric_option_type {
    METRIC_NUMBER,
    METRIC_INTEGER,
    METRIC_FLAG,
    METRIC_CHOICE, /* one of `choices`; its value is the index */
    METRIC_NUMBERS /* a list, or one number, into metric->lists[] */
};

/* One option of a class, beside name and dtype. */
struct metric_option {
    const char *name; /* Keras' name; NULL ends the table */
    enum metric_option_type type;
    double missing; /* Keras' default; flags: 0 or 1; NAN: null */
    bool required;  /* there is no default */
    bool nullable;  /* null is a value, not the default */
    double min;     /* of numbers and integers; both 0: any */
    double max;
    const char *const *choices; /* NULL ends them */
    size_t list;                /* index of its list */
};

/* A list that an option gave. */
struct metric_list {
    double *values; /* owned; NULL: null */
    size_t count;
    bool single; /* it was one number, not a list */
};

struct metric {
    const struct metric_class *class;
    char *name;  /* as reported */
    char *dtype; /* Keras' dtype: "float32" */
    bool weighted;
    bool whole_numbers;                 /* the dtype is an integer one */
    bool sparse;                        /* its labels are class numbers */
    size_t label_size;                  /* numbers of a row of labels */
    size_t output_size;                 /* of the output */
    size_t width;                       /* its last axis */
    double options[METRIC_MAX_OPTIONS]; /* parallel to class->options */
    struct metric_list lists[METRIC_MAX_LISTS];
    struct loss *loss; /* the mean is that of this loss; owned, or NULL */
    /* of confusion metrics: thresholds, rising, and how they lie */
    float *points; /* owned */
    size_t point_count;
    bool even;    /* point i is about i / (n - 1) */
    bool epsilon; /* and the outer ones lie outside [0, 1] */
    const struct elephas_metric *plugin; /* that computes it, or NULL */
    void *plugin_state;                  /* of its create() */
    json_t *plugin_config;               /* what Keras wrote; owned */
};

struct metric_class {
    const char *name;                    /* Keras' class: "MeanSquaredError" */
    const char *snake;                   /* "mean_squared_error", for strings */
    const char *default_name;            /* of objects; NULL: as snake */
    const char *aliases[2];              /* "mse", "MSE"; unused ones NULL */
    const char *function;                /* Keras function, or NULL */
    const struct metric_option *options; /* NULL: none */
    bool sparse;                         /* its labels are class numbers */
    bool unmasked;    /* a mean that does not heed the mask */
    const char *loss; /* a mean of the values of this loss */
    bool negated;     /* of their negatives */
    bool no_axis;     /* it lacks the axis option of that loss */

    /* Refuses options or an output on which it is not defined, and prepares
     * what the others need; may be NULL. May set metric->sparse. */
    int (*prepare)(struct metric *metric, const struct shape *output,
                   struct err *err);

    /* A mean over rows: the value of one position, y and p with its numbers
     * (or y with its one class number). */
    double (*value)(const struct metric *metric, const struct loss_unit *u);
    /* Of a mean: what becomes of it in the end; NULL: nothing. */
    double (*finish)(double mean);

    /* As in metric.h, for those that are no mean over rows. */
    size_t (*state_size)(const struct metric *metric);
    size_t (*result_size)(const struct metric *metric); /* NULL: 1 */
    void (*update)(const struct metric *metric,
                   const struct metric_batch *batch, double *state);
    void (*result)(const struct metric *metric, const double *state,
                   double *result);
};

#define METRIC(symbol) extern const struct metric_class metric_##symbol;
#include "common/model/metrics.def"
#undef METRIC

/* Keras' mean of a function that no class of its own stands for. */
extern const struct metric_class metric_mean_metric_wrapper;

/* Metrics of plug-ins: means of a value, and those with sums of their own. */
extern const struct metric_class metric_plugin_mean;
extern const struct metric_class metric_plugin;
/* Keeps the config and lets metric->plugin read it. */
int metric_plugin_create(struct metric *metric, const json_t *config,
                         struct err *err) ERR_CHECKED;

/* Keras' divide_no_nan. */
static inline double metric_ratio(double a, double b)
{
    return b != 0.0 ? a / b : 0.0;
}

static inline bool metric_is_null(double option)
{
    return isnan(option) != 0;
}

#endif
