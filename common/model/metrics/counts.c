/* SPDX-License-Identifier: MIT
 *
 * counts: the confusion matrix at chosen thresholds, precision and recall, and
 * the best of one where the other is good enough, after keras.metrics.
 */
#include "common/model/metrics/confusion.h"

#include <math.h>

/* ---- at thresholds ------------------------------------------------------- */

enum { THRESHOLDS, TOP_K, CLASS_ID };

#define UP_TO_MANY .min = 0.0, .max = 1e9

static const struct metric_option count_options[] = {
    [THRESHOLDS] = {"thresholds", METRIC_NUMBERS, .missing = (double)NAN,
                    .min = 0.0, .max = 1.0, .list = 0},
    {0},
};

static const struct metric_option rate_options[] = {
    [THRESHOLDS] = {"thresholds", METRIC_NUMBERS, .missing = (double)NAN,
                    .min = 0.0, .max = 1.0, .list = 0},
    [TOP_K] = {"top_k", METRIC_INTEGER, .missing = (double)NAN, .min = 1.0,
               .max = 1e9},
    [CLASS_ID] = {"class_id", METRIC_INTEGER, .missing = (double)NAN,
                  UP_TO_MANY},
    {0},
};

static int check_class(const struct metric *metric, double class_id,
                       struct err *err)
{
    if (class_id >= (double)metric->width) {
        return err_set(err, ERR_INVALID,
                       "class_id: %g is not one of the %zu classes", class_id,
                       metric->width);
    }
    return 0;
}

static int set_thresholds(struct metric *metric, double otherwise,
                          struct err *err)
{
    const struct metric_list *list = &metric->lists[0];

    if (list->values == NULL) {
        return confusion_set_points(metric, &otherwise, 1, false, err);
    }
    if (confusion_is_even(list->values, list->count)) {
        return confusion_set_even(metric, list->count, false, err);
    }
    return confusion_set_points(metric, list->values, list->count, false, err);
}

static int prepare_counts(struct metric *metric, const struct shape *output,
                          struct err *err)
{
    (void)output;
    return set_thresholds(metric, 0.5, err);
}

static int prepare_rates(struct metric *metric, const struct shape *output,
                         struct err *err)
{
    bool top = !metric_is_null(metric->options[TOP_K]);
    int rc;

    (void)output;
    if (metric->options[TOP_K] > (double)metric->width) {
        return err_set(err, ERR_INVALID, "top_k: %g of %zu classes",
                       metric->options[TOP_K], metric->width);
    }
    rc = check_class(metric, metric->options[CLASS_ID], err);
    return rc != 0 ? rc : set_thresholds(metric, top ? -1e10 : 0.5, err);
}

static size_t result_size(const struct metric *metric)
{
    return metric->point_count;
}

static void update_counts(const struct metric *metric,
                          const struct metric_batch *b, double *state)
{
    confusion_add(metric, b,
                  &(struct confusion_options){.groups = 1,
                                              .top_k = (double)NAN,
                                              .class_id = (double)NAN},
                  state);
}

static void update_rates(const struct metric *metric,
                         const struct metric_batch *b, double *state)
{
    confusion_add(
        metric, b,
        &(struct confusion_options){.groups = 1,
                                    .top_k = metric->options[TOP_K],
                                    .class_id = metric->options[CLASS_ID]},
        state);
}

/* of(matrix) at every threshold, in the order in which they were given. */
static void at_thresholds(const struct metric *metric, const double *state,
                          double (*of)(const struct confusion *),
                          double *result)
{
    const struct metric_list *list = &metric->lists[0];
    struct confusion at;

    confusion_begin(metric, state, &at);
    for (size_t i = metric->point_count; i-- > 0;) {
        confusion_next(metric, state, i, &at);
        if (list->values == NULL || metric->even) {
            result[i] = of(&at);
            continue;
        }
        for (size_t k = 0; k < list->count; k++) {
            if ((float)list->values[k] == metric->points[i]) {
                result[k] = of(&at);
            }
        }
    }
}

static double tp_of(const struct confusion *c)
{
    return c->tp;
}

static double fp_of(const struct confusion *c)
{
    return c->fp;
}

static double tn_of(const struct confusion *c)
{
    return c->tn;
}

static double fn_of(const struct confusion *c)
{
    return c->fn;
}

static double precision_of(const struct confusion *c)
{
    return metric_ratio(c->tp, c->tp + c->fp);
}

static double recall_of(const struct confusion *c)
{
    return metric_ratio(c->tp, c->tp + c->fn);
}

static double specificity_of(const struct confusion *c)
{
    return metric_ratio(c->tn, c->tn + c->fp);
}

static void true_positives(const struct metric *metric, const double *state,
                           double *result)
{
    at_thresholds(metric, state, tp_of, result);
}

static void false_positives(const struct metric *metric, const double *state,
                            double *result)
{
    at_thresholds(metric, state, fp_of, result);
}

static void true_negatives(const struct metric *metric, const double *state,
                           double *result)
{
    at_thresholds(metric, state, tn_of, result);
}

static void false_negatives(const struct metric *metric, const double *state,
                            double *result)
{
    at_thresholds(metric, state, fn_of, result);
}

static void precision(const struct metric *metric, const double *state,
                      double *result)
{
    at_thresholds(metric, state, precision_of, result);
}

static void recall(const struct metric *metric, const double *state,
                   double *result)
{
    at_thresholds(metric, state, recall_of, result);
}

#define COUNT_CLASS(symbol, class_name, result_fn)                             \
    const struct metric_class metric_##symbol = {                              \
        .name = class_name,                                                    \
        .snake = #symbol,                                                      \
        .options = count_options,                                              \
        .prepare = prepare_counts,                                             \
        .state_size = confusion_state_size,                                    \
        .result_size = result_size,                                            \
        .update = update_counts,                                               \
        .result = result_fn,                                                   \
    }

COUNT_CLASS(true_positives, "TruePositives", true_positives);
COUNT_CLASS(false_positives, "FalsePositives", false_positives);
COUNT_CLASS(true_negatives, "TrueNegatives", true_negatives);
COUNT_CLASS(false_negatives, "FalseNegatives", false_negatives);

const struct metric_class metric_precision = {
    .name = "Precision",
    .snake = "precision",
    .options = rate_options,
    .prepare = prepare_rates,
    .state_size = confusion_state_size,
    .result_size = result_size,
    .update = update_rates,
    .result = precision,
};

const struct metric_class metric_recall = {
    .name = "Recall",
    .snake = "recall",
    .options = rate_options,
    .prepare = prepare_rates,
    .state_size = confusion_state_size,
    .result_size = result_size,
    .update = update_rates,
    .result = recall,
};

/* ---- the best of one, given the other ------------------------------------ */

enum { GIVEN, NUM_THRESHOLDS, BEST_CLASS_ID };

#define BEST_OPTIONS(word)                                                     \
    {                                                                          \
        [GIVEN] =                                                              \
            {word,       METRIC_NUMBER, .missing = 0.0, .required = true,      \
             .min = 0.0, .max = 1.0},                                          \
        [NUM_THRESHOLDS] = {"num_thresholds", METRIC_INTEGER,                  \
                            .missing = 200.0, .min = 1.0, .max = 1e6},         \
        [BEST_CLASS_ID] = {"class_id", METRIC_INTEGER, .missing = (double)NAN, \
                           UP_TO_MANY},                                        \
        {0},                                                                   \
    }

static const struct metric_option by_recall[] = BEST_OPTIONS("recall");
static const struct metric_option by_precision[] = BEST_OPTIONS("precision");
static const struct metric_option by_specificity[] =
    BEST_OPTIONS("specificity");
static const struct metric_option by_sensitivity[] =
    BEST_OPTIONS("sensitivity");

static int prepare_best(struct metric *metric, const struct shape *output,
                        struct err *err)
{
    int rc = check_class(metric, metric->options[BEST_CLASS_ID], err);

    (void)output;
    return rc != 0 ? rc
                   : confusion_set_even(metric,
                                        (size_t)metric->options[NUM_THRESHOLDS],
                                        false, err);
}

static void update_best(const struct metric *metric,
                        const struct metric_batch *b, double *state)
{
    confusion_add(
        metric, b,
        &(struct confusion_options){.groups = 1,
                                    .top_k = (double)NAN,
                                    .class_id = metric->options[BEST_CLASS_ID]},
        state);
}

/* Thresholds at which nothing is as good as wanted count as 0. Keras compares
 * in float32. */
static double best(const struct metric *metric, const double *state,
                   double (*given)(const struct confusion *),
                   double (*wanted)(const struct confusion *))
{
    float least = (float)metric->options[GIVEN];
    struct confusion at;
    double most = 0.0;

    confusion_begin(metric, state, &at);
    for (size_t i = metric->point_count; i-- > 0;) {
        confusion_next(metric, state, i, &at);
        if ((float)given(&at) >= least) {
            most = fmax(most, wanted(&at));
        }
    }
    return most;
}

static void precision_at_recall(const struct metric *metric,
                                const double *state, double *result)
{
    result[0] = best(metric, state, recall_of, precision_of);
}

static void recall_at_precision(const struct metric *metric,
                                const double *state, double *result)
{
    result[0] = best(metric, state, precision_of, recall_of);
}

static void sensitivity_at_specificity(const struct metric *metric,
                                       const double *state, double *result)
{
    result[0] = best(metric, state, specificity_of, recall_of);
}

static void specificity_at_sensitivity(const struct metric *metric,
                                       const double *state, double *result)
{
    result[0] = best(metric, state, recall_of, specificity_of);
}

#define BEST_CLASS(symbol, class_name, option_table)                           \
    const struct metric_class metric_##symbol = {                              \
        .name = class_name,                                                    \
        .snake = #symbol,                                                      \
        .options = option_table,                                               \
        .prepare = prepare_best,                                               \
        .state_size = confusion_state_size,                                    \
        .update = update_best,                                                 \
        .result = symbol,                                                      \
    }

BEST_CLASS(precision_at_recall, "PrecisionAtRecall", by_recall);
BEST_CLASS(recall_at_precision, "RecallAtPrecision", by_precision);
BEST_CLASS(sensitivity_at_specificity, "SensitivityAtSpecificity",
           by_specificity);
BEST_CLASS(specificity_at_sensitivity, "SpecificityAtSensitivity",
           by_sensitivity);
