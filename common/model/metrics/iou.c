/* SPDX-License-Identifier: MIT
 *
 * iou: intersection over union of classes, after keras.metrics.IoU and its
 * relatives. Their dtype is an integer one unless another is given:
 * predictions, labels and weights are then cut to whole numbers.
 */
#include "common/mem.h"
#include "common/model/metric_class.h"

#include <math.h>
#include <string.h>

/* The classes have different options; prepare() puts the meaning of all of
 * them behind those that were read. */
enum {
    NUM_CLASSES = 8,
    IGNORE_CLASS,
    SPARSE_Y_TRUE,
    SPARSE_Y_PRED,
    THRESHOLD /* NAN: predictions are classes */
};
_Static_assert(THRESHOLD < METRIC_MAX_OPTIONS, "options do not fit");

#define NUM_CLASSES_OPTION                                                     \
    {                                                                          \
        "num_classes", METRIC_INTEGER, .missing = 0.0, .required = true,       \
                                       .min = 1.0, .max = 1024.0               \
    }
#define TARGETS_OPTION(is_required)                                            \
    {                                                                          \
        "target_class_ids", METRIC_NUMBERS,                                    \
            .missing = (double)NAN, .required = (is_required), .min = 0.0,     \
            .max = 1023.0, .list = 0                                           \
    }
#define IGNORE_OPTION                                                          \
    {                                                                          \
        "ignore_class", METRIC_INTEGER, .missing = (double)NAN, .min = -1e9,   \
                                        .max = 1e9                             \
    }

static const struct metric_option iou_options[] = {
    NUM_CLASSES_OPTION,
    TARGETS_OPTION(true),
    IGNORE_OPTION,
    {"sparse_y_true", METRIC_FLAG, .missing = 1.0},
    {"sparse_y_pred", METRIC_FLAG, .missing = 1.0},
    {"axis", METRIC_INTEGER, .missing = -1.0},
    {0},
};

static const struct metric_option mean_options[] = {
    NUM_CLASSES_OPTION,
    IGNORE_OPTION,
    {"sparse_y_true", METRIC_FLAG, .missing = 1.0},
    {"sparse_y_pred", METRIC_FLAG, .missing = 1.0},
    {"axis", METRIC_INTEGER, .missing = -1.0},
    {0},
};

static const struct metric_option one_hot_options[] = {
    NUM_CLASSES_OPTION,
    TARGETS_OPTION(true),
    IGNORE_OPTION,
    {"sparse_y_pred", METRIC_FLAG, .missing = 0.0},
    {"axis", METRIC_INTEGER, .missing = -1.0},
    {0},
};

static const struct metric_option one_hot_mean_options[] = {
    NUM_CLASSES_OPTION,
    IGNORE_OPTION,
    {"sparse_y_pred", METRIC_FLAG, .missing = 0.0},
    {"axis", METRIC_INTEGER, .missing = -1.0},
    {0},
};

static const struct metric_option binary_options[] = {
    TARGETS_OPTION(false),
    {"threshold", METRIC_NUMBER, .missing = 0.5},
    {0},
};

/* The value of an option, or what holds for a class that lacks it. */
static double setting(const struct metric *metric, const char *name,
                      double otherwise)
{
    const struct metric_option *o = metric->class->options;

    for (size_t i = 0; o[i].name != NULL; i++) {
        if (strcmp(o[i].name, name) == 0) {
            return metric->options[i];
        }
    }
    return otherwise;
}

static int check_targets(const struct metric *metric, struct err *err)
{
    const struct metric_list *list = &metric->lists[0];

    for (size_t i = 0; i < list->count; i++) {
        double id = list->values[i];

        if (id != floor(id) || id >= metric->options[NUM_CLASSES]) {
            return err_set(err, ERR_INVALID,
                           "target_class_ids: %g is not one of the %g classes",
                           id, metric->options[NUM_CLASSES]);
        }
    }
    return 0;
}

/* Labels and predictions must be as many. */
static int check_counts(struct metric *metric, const struct shape *output,
                        struct err *err)
{
    bool y = metric->options[SPARSE_Y_TRUE] != 0.0;
    bool p = metric->options[SPARSE_Y_PRED] != 0.0;
    double axis = setting(metric, "axis", -1.0);

    if (!y && p && metric->width != 1) {
        return err_set(err, ERR_INVALID,
                       "sparse_y_pred: the labels are vectors of %zu, so the "
                       "predictions must be, too",
                       metric->width);
    }
    if ((!y || !p) && axis != -1.0 && axis != (double)output->rank) {
        return err_set(err, ERR_UNSUPPORTED,
                       "axis %g is not supported: only the last one is", axis);
    }
    metric->sparse = y && !p;
    return 0;
}

static int prepare(struct metric *metric, const struct shape *output,
                   struct err *err)
{
    bool one_hot = metric->class->options == one_hot_options ||
                   metric->class->options == one_hot_mean_options;
    double *o = metric->options;
    int rc;

    o[NUM_CLASSES] = setting(metric, "num_classes", 2.0);
    o[IGNORE_CLASS] = setting(metric, "ignore_class", (double)NAN);
    o[SPARSE_Y_TRUE] = setting(metric, "sparse_y_true", one_hot ? 0.0 : 1.0);
    o[SPARSE_Y_PRED] = setting(metric, "sparse_y_pred", 1.0);
    o[THRESHOLD] = setting(metric, "threshold", (double)NAN);
    if (metric->dtype == NULL) {
        metric->whole_numbers = true;
        metric->dtype = mem_strdup("int64");
        if (metric->dtype == NULL) {
            return err_nomem(err);
        }
    }
    rc = check_targets(metric, err);
    return rc != 0 ? rc : check_counts(metric, output, err);
}

static size_t state_size(const struct metric *metric)
{
    size_t n = (size_t)metric->options[NUM_CLASSES];

    return n * n;
}

static double argmax(const float *v, size_t n)
{
    size_t best = 0;

    for (size_t i = 1; i < n; i++) {
        best = v[i] > v[best] ? i : best;
    }
    return (double)best;
}

/* Class number i of an array of class numbers or of vectors. */
static double class_of(const struct metric *metric, const float *v, size_t i,
                       double sparse)
{
    double number = sparse != 0.0
                        ? (double)v[i]
                        : argmax(v + i * metric->width, metric->width);

    return metric->whole_numbers ? trunc(number) : number;
}

static double predicted(const struct metric *metric, const float *p, size_t i)
{
    double threshold = metric->options[THRESHOLD];

    if (!metric_is_null(threshold)) {
        return p[i] >= (float)threshold ? 1.0 : 0.0;
    }
    return class_of(metric, p, i, metric->options[SPARSE_Y_PRED]);
}

static bool in_range(const struct metric *metric, double class)
{
    return class >= 0.0 && class < metric->options[NUM_CLASSES];
}

/* Element (i, j) counts rows of class i that were called j. */
static void update(const struct metric *metric, const struct metric_batch *b,
                   double *state)
{
    const double *o = metric->options;
    size_t classes = (size_t)o[NUM_CLASSES];
    size_t n = o[SPARSE_Y_PRED] != 0.0 ? metric->output_size
                                       : metric->output_size / metric->width;

    for (size_t r = 0; r < b->rows; r++) {
        const float *y = b->y + r * metric->label_size;
        const float *p = b->p + r * metric->output_size;
        double weight = b->weights != NULL ? (double)b->weights[r] : 1.0;

        weight = metric->whole_numbers ? trunc(weight) : weight;
        for (size_t i = 0; i < n; i++) {
            double is = class_of(metric, y, i, o[SPARSE_Y_TRUE]);
            double called = predicted(metric, p, i);

            if (in_range(metric, is) && in_range(metric, called) &&
                is != o[IGNORE_CLASS]) {
                state[(size_t)is * classes + (size_t)called] += weight;
            }
        }
    }
}

/* Classes that neither labels nor predictions have do not count. */
static void result(const struct metric *metric, const double *state,
                   double *out)
{
    const struct metric_list *targets = &metric->lists[0];
    size_t classes = (size_t)metric->options[NUM_CLASSES];
    size_t n = targets->values != NULL ? targets->count : classes;
    double sum = 0.0;
    double valid = 0.0;

    for (size_t k = 0; k < n; k++) {
        size_t c = targets->values != NULL ? (size_t)targets->values[k] : k;
        double both = state[c * classes + c];
        double any = -both;

        for (size_t i = 0; i < classes; i++) {
            any += state[c * classes + i] + state[i * classes + c];
        }
        if (any > 1e-9) {
            sum += both / (any + (double)LOSS_EPSILON);
            valid += 1.0;
        }
    }
    out[0] = sum / (valid + (double)LOSS_EPSILON);
}

#define IOU_CLASS(symbol, class_name, word, option_table)                      \
    const struct metric_class metric_##symbol = {                              \
        .name = class_name,                                                    \
        .snake = word,                                                         \
        .options = option_table,                                               \
        .prepare = prepare,                                                    \
        .state_size = state_size,                                              \
        .update = update,                                                      \
        .result = result,                                                      \
    }

IOU_CLASS(iou, "IoU", "io_u", iou_options);
IOU_CLASS(mean_iou, "MeanIoU", "mean_io_u", mean_options);
IOU_CLASS(one_hot_iou, "OneHotIoU", "one_hot_io_u", one_hot_options);
IOU_CLASS(one_hot_mean_iou, "OneHotMeanIoU", "one_hot_mean_io_u",
          one_hot_mean_options);
IOU_CLASS(binary_iou, "BinaryIoU", "binary_io_u", binary_options);
