/* SPDX-License-Identifier: MIT
 *
 * auc: the area under a curve over thresholds, after keras.metrics.AUC: ROC,
 * precision over recall (interpolated as in Davis and Goadrich, ICML 2006) and
 * precision over recall gain (Flach and Kull, NIPS 2015).
 */
#include "common/model/metrics/confusion.h"

#include <math.h>

enum {
    NUM_THRESHOLDS,
    CURVE,
    SUMMATION,
    THRESHOLDS,
    MULTI_LABEL,
    NUM_LABELS,
    LABEL_WEIGHTS,
    FROM_LOGITS
};
enum { ROC, PR, PRGAIN };
enum { INTERPOLATION, MAJORING, MINORING };
enum { THRESHOLD_LIST, WEIGHT_LIST };

static const char *const curves[] = {
    [ROC] = "ROC", [PR] = "PR", [PRGAIN] = "PRGAIN", NULL};
static const char *const summations[] = {[INTERPOLATION] = "interpolation",
                                         [MAJORING] = "majoring",
                                         [MINORING] = "minoring",
                                         NULL};

static const struct metric_option options[] = {
    [NUM_THRESHOLDS] = {"num_thresholds", METRIC_INTEGER, .missing = 200.0,
                        .min = 2.0, .max = 1e6},
    [CURVE] = {"curve", METRIC_CHOICE, .missing = ROC, .choices = curves},
    [SUMMATION] = {"summation_method", METRIC_CHOICE, .missing = INTERPOLATION,
                   .choices = summations},
    [THRESHOLDS] = {"thresholds", METRIC_NUMBERS, .missing = (double)NAN,
                    .list = THRESHOLD_LIST},
    [MULTI_LABEL] = {"multi_label", METRIC_FLAG, .missing = 0.0},
    [NUM_LABELS] = {"num_labels", METRIC_INTEGER, .missing = (double)NAN,
                    .min = 1.0, .max = 1e9},
    [LABEL_WEIGHTS] = {"label_weights", METRIC_NUMBERS, .missing = (double)NAN,
                       .list = WEIGHT_LIST},
    [FROM_LOGITS] = {"from_logits", METRIC_FLAG, .missing = 0.0},
    {0},
};

static bool is_multi(const struct metric *metric)
{
    return metric->options[MULTI_LABEL] != 0.0;
}

static size_t groups_of(const struct metric *metric)
{
    return is_multi(metric) ? metric->width : 1;
}

static int check_labels(const struct metric *metric, const struct shape *output,
                        struct err *err)
{
    const struct metric_list *weights = &metric->lists[WEIGHT_LIST];
    double labels = metric->options[NUM_LABELS];

    if (is_multi(metric) && output->rank != 1) {
        return err_set(err, ERR_INVALID,
                       "multi_label: an output of one axis is wanted");
    }
    if (!metric_is_null(labels) &&
        (!is_multi(metric) || labels != (double)metric->width)) {
        return err_set(err, ERR_INVALID,
                       is_multi(metric)
                           ? "num_labels: %g, but the output has %zu"
                           : "num_labels: %g: only with multi_label (the "
                             "output has %zu)",
                       labels, metric->width);
    }
    if (weights->values != NULL && weights->count != metric->width) {
        return err_set(err, ERR_INVALID,
                       "label_weights: %zu are given for %zu labels",
                       weights->count, metric->width);
    }
    return 0;
}

/* Evenly spaced thresholds count so with 0 and 1 around them. */
static bool even_with_ends(const struct metric_list *list)
{
    size_t n = list->count + 2;

    for (size_t i = 0; i < list->count; i++) {
        double even = (double)((float)(i + 1) / (float)(n - 1));

        if (!(fabs(list->values[i] - even) <= 1e-7 + 1e-5 * even)) {
            return false;
        }
    }
    return true;
}

static int prepare(struct metric *metric, const struct shape *output,
                   struct err *err)
{
    const struct metric_list *list = &metric->lists[THRESHOLD_LIST];
    int rc = check_labels(metric, output, err);

    if (rc != 0) {
        return rc;
    }
    if (list->values == NULL) {
        return confusion_set_even(
            metric, (size_t)metric->options[NUM_THRESHOLDS], true, err);
    }
    metric->options[NUM_THRESHOLDS] = (double)(list->count + 2);
    if (even_with_ends(list)) {
        return confusion_set_even(metric, list->count + 2, true, err);
    }
    return confusion_set_points(metric, list->values, list->count, true, err);
}

static size_t state_size(const struct metric *metric)
{
    return confusion_state_size(metric) * groups_of(metric);
}

static void update(const struct metric *metric, const struct metric_batch *b,
                   double *state)
{
    confusion_add(metric, b,
                  &(struct confusion_options){
                      .groups = groups_of(metric),
                      .top_k = (double)NAN,
                      .class_id = (double)NAN,
                      .from_logits = metric->options[FROM_LOGITS] != 0.0,
                      .weights = is_multi(metric)
                                     ? NULL
                                     : metric->lists[WEIGHT_LIST].values},
                  state);
}

/* ---- areas --------------------------------------------------------------- */

struct point {
    double x, y;
};

static struct point gains(const struct confusion *c)
{
    double scale = metric_ratio(c->tp + c->fn, c->tn + c->fp);
    struct point p = {.x = 0.0, .y = 1.0};

    if (c->tp != 0.0) {
        p.x = fmax(1.0 - scale * metric_ratio(c->fn, c->tp), 0.0);
        p.y = 1.0 - scale * metric_ratio(c->fp, c->tp);
    }
    return p;
}

static struct point point_of(const struct metric *metric,
                             const struct confusion *c)
{
    double recall = metric_ratio(c->tp, c->tp + c->fn);

    switch ((int)metric->options[CURVE]) {
    case ROC:
        return (struct point){metric_ratio(c->fp, c->fp + c->tn), recall};
    case PR:
        return (struct point){recall, metric_ratio(c->tp, c->tp + c->fp)};
    default:
        return gains(c);
    }
}

static double height(const struct metric *metric, double a, double b)
{
    switch ((int)metric->options[SUMMATION]) {
    case INTERPOLATION:
        return (a + b) / 2.0;
    case MINORING:
        return fmin(a, b);
    default:
        return fmax(a, b);
    }
}

/* Between two thresholds the true positives grow linearly with all that are
 * called positive. */
static double interpolated(const struct confusion *low,
                           const struct confusion *high)
{
    double d_tp = low->tp - high->tp;
    double p_low = low->tp + low->fp;
    double p_high = high->tp + high->fp;
    double slope = metric_ratio(d_tp, fmax(p_low - p_high, 0.0));
    double intercept = high->tp - slope * p_high;
    double ratio = p_low > 0.0 && p_high > 0.0 ? p_low / p_high : 1.0;

    return metric_ratio(slope * (d_tp + intercept * log(ratio)),
                        fmax(high->tp + high->fn, 0.0));
}

static double area(const struct metric *metric, const double *state)
{
    bool pr = metric->options[CURVE] == (double)PR &&
              metric->options[SUMMATION] == (double)INTERPOLATION;
    size_t n = metric->point_count;
    struct confusion high;
    struct confusion low;
    double sum = 0.0;

    confusion_begin(metric, state, &high);
    confusion_next(metric, state, n - 1, &high);
    for (size_t i = n - 1; i-- > 0; high = low) {
        low = high;
        confusion_next(metric, state, i, &low);
        if (pr) {
            sum += interpolated(&low, &high);
        } else {
            struct point a = point_of(metric, &low);
            struct point b = point_of(metric, &high);

            sum += (a.x - b.x) * height(metric, a.y, b.y);
        }
    }
    return sum;
}

/* The mean over the labels where they are judged apart. */
static void result(const struct metric *metric, const double *state,
                   double *out)
{
    const double *label_weights =
        is_multi(metric) ? metric->lists[WEIGHT_LIST].values : NULL;
    size_t groups = groups_of(metric);
    double sum = 0.0;
    double weights = 0.0;

    for (size_t g = 0; g < groups; g++) {
        double weight = label_weights != NULL ? label_weights[g] : 1.0;

        sum += weight * area(metric, state + g * confusion_state_size(metric));
        weights += weight;
    }
    out[0] = metric_ratio(sum, weights);
}

const struct metric_class metric_auc = {
    .name = "AUC",
    .snake = "auc",
    .options = options,
    .prepare = prepare,
    .state_size = state_size,
    .update = update,
    .result = result,
};
