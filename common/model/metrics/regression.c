/* SPDX-License-Identifier: MIT
 *
 * regression: errors and correlations of real-valued outputs that are no mean
 * of a loss, after keras.metrics.
 */
#include "common/model/metric_class.h"

#include <math.h>

static double squared(const struct metric *metric, const struct loss_unit *u)
{
    double sum = 0.0;

    (void)metric;
    for (size_t i = 0; i < u->width; i++) {
        double d = (double)u->p[i] - (double)u->y[i];

        sum += d * d;
    }
    return sum / (double)u->width;
}

/* ---- correlations -------------------------------------------------------- */

/* Moments of a position. */
struct moments {
    double mean_y, mean_p, var_y, var_p;
};

static struct moments moments_of(const struct loss_unit *u)
{
    struct moments m = {0};
    double n = (double)u->width;

    for (size_t i = 0; i < u->width; i++) {
        m.mean_y += (double)u->y[i] / n;
        m.mean_p += (double)u->p[i] / n;
    }
    for (size_t i = 0; i < u->width; i++) {
        double y = (double)u->y[i] - m.mean_y;
        double p = (double)u->p[i] - m.mean_p;

        m.var_y += y * y / n;
        m.var_p += p * p / n;
    }
    return m;
}

static double pearson(const struct metric *metric, const struct loss_unit *u)
{
    struct moments m = moments_of(u);
    double sum = 0.0;

    (void)metric;
    for (size_t i = 0; i < u->width; i++) {
        sum += ((double)u->y[i] - m.mean_y) * ((double)u->p[i] - m.mean_p);
    }
    return sum / (double)u->width / (sqrt(m.var_y) * sqrt(m.var_p));
}

/* Keras takes the covariance with the mean of the predictions twice. */
static double concordance(const struct metric *metric,
                          const struct loss_unit *u)
{
    struct moments m = moments_of(u);
    double apart = m.mean_y - m.mean_p;
    double norm = m.var_y + m.var_p + apart * apart;
    double sum = 0.0;

    (void)metric;
    for (size_t i = 0; i < u->width; i++) {
        sum += ((double)u->y[i] - m.mean_p) * ((double)u->p[i] - m.mean_p);
    }
    return 2.0 * (sum / (double)u->width) / (norm + (double)LOSS_EPSILON);
}

enum { AXIS };

static const struct metric_option axis_options[] = {
    [AXIS] = {"axis", METRIC_INTEGER, .missing = -1.0},
    {0},
};

static int check_axis(struct metric *metric, const struct shape *output,
                      struct err *err)
{
    double axis = metric->options[AXIS];

    if (axis != -1.0 && axis != (double)output->rank) {
        return err_set(err, ERR_UNSUPPORTED,
                       "axis %g is not supported: only the last one is", axis);
    }
    return 0;
}

/* ---- R2 ------------------------------------------------------------------ */

enum { AGGREGATION, REGRESSORS };
enum { UNIFORM, BY_VARIANCE };

static const char *const aggregations[] = {[UNIFORM] = "uniform_average",
                                           [BY_VARIANCE] =
                                               "variance_weighted_average",
                                           NULL};

static const struct metric_option r2_options[] = {
    [AGGREGATION] = {"class_aggregation", METRIC_CHOICE, .missing = UNIFORM,
                     .nullable = true, .choices = aggregations},
    [REGRESSORS] = {"num_regressors", METRIC_INTEGER, .missing = 0.0,
                    .min = 0.0, .max = 1e9},
    {0},
};

static int check_flat(struct metric *metric, const struct shape *output,
                      struct err *err)
{
    (void)metric;
    if (output->rank != 1) {
        char text[SHAPE_TEXT_SIZE];

        return err_set(err, ERR_INVALID,
                       "an output of one axis is wanted, not of shape %s",
                       shape_text(output, text));
    }
    return 0;
}

/* Per column: sum of y, of its squares, of the squared errors, of the
 * weights; then the number of elements. */
static size_t r2_state_size(const struct metric *metric)
{
    return 4 * metric->width + 1;
}

static void r2_update(const struct metric *metric, const struct metric_batch *b,
                      double *state)
{
    size_t n = metric->width;

    for (size_t r = 0; r < b->rows; r++) {
        double w = b->weights != NULL ? (double)b->weights[r] : 1.0;

        for (size_t j = 0; j < n; j++) {
            double y = (double)b->y[r * n + j];
            double d = y - (double)b->p[r * n + j];

            state[j] += w * y;
            state[n + j] += w * y * y;
            state[2 * n + j] += w * d * d;
            state[3 * n + j] += w;
        }
    }
    state[4 * n] += (double)(b->rows * n);
}

static bool by_column(const struct metric *metric)
{
    return metric_is_null(metric->options[AGGREGATION]);
}

static size_t r2_result_size(const struct metric *metric)
{
    return by_column(metric) ? metric->width : 1;
}

/* With p regressors and n samples, 1 - (1 - r)(n - 1)/(n - p - 1), where that
 * can be divided by. */
static double adjusted(const struct metric *metric, double score,
                       double samples)
{
    double p = metric->options[REGRESSORS];

    if (p == 0.0 || p >= samples - 1.0) {
        return score;
    }
    return 1.0 - (1.0 - score) * (samples - 1.0) / (samples - p - 1.0);
}

static void r2_result(const struct metric *metric, const double *state,
                      double *result)
{
    size_t n = metric->width;
    bool by_variance = metric->options[AGGREGATION] == (double)BY_VARIANCE;
    double sum = 0.0;
    double weights = 0.0;

    for (size_t j = 0; j < n; j++) {
        double total =
            state[n + j] - state[j] * metric_ratio(state[j], state[3 * n + j]);
        double score = 1.0 - state[2 * n + j] / total;
        double weight = by_variance ? total : 1.0;

        score = isinf(score) ? 0.0 : score;
        if (by_column(metric)) {
            result[j] = adjusted(metric, score, state[4 * n]);
        }
        sum += weight * score;
        weights += weight;
    }
    if (!by_column(metric)) {
        result[0] = adjusted(metric, sum / weights, state[4 * n]);
    }
}

const struct metric_class metric_root_mean_squared_error = {
    .name = "RootMeanSquaredError",
    .snake = "root_mean_squared_error",
    .unmasked = true,
    .value = squared,
    .finish = sqrt,
};

const struct metric_class metric_pearson_correlation = {
    .name = "PearsonCorrelation",
    .snake = "pearson_correlation",
    .function = "pearson_correlation",
    .options = axis_options,
    .prepare = check_axis,
    .value = pearson,
};

const struct metric_class metric_concordance_correlation = {
    .name = "ConcordanceCorrelation",
    .snake = "concordance_correlation",
    .function = "concordance_correlation",
    .options = axis_options,
    .prepare = check_axis,
    .value = concordance,
};

const struct metric_class metric_r2_score = {
    .name = "R2Score",
    .snake = "r2_score",
    .options = r2_options,
    .prepare = check_flat,
    .state_size = r2_state_size,
    .result_size = r2_result_size,
    .update = r2_update,
    .result = r2_result,
};
