/* SPDX-License-Identifier: MIT
 *
 * loss: values and gradients of the losses; see loss.h.
 *
 * A loss gives one value per vector along the last axis ("position"; a row has
 * one or more). Keras weighs these and reduces them. Both come down to one
 * factor per position, which is known before anything is computed, so value
 * and gradient take one pass: each kind has a function for one position.
 */
#include "worker/nn/loss.h"

#include "worker/nn/vector.h"

#include <math.h>
#include <string.h>

/* keras.config.epsilon(): probabilities are clipped to [e, 1 - e]. */
#define EPSILON 1e-7f

/* What the function of a position is given. */
struct position {
    const struct loss *loss;
    size_t width;
    size_t label; /* class of sparse losses */
    const float *y;
    const float *p;  /* probabilities, values or logits: */
    bool logits;     /* p holds logits */
    float factor;    /* of the gradient */
    float *gradient; /* width elements, or NULL */
};

typedef double (*position_fn)(const struct position *q);

static double squared_error(const struct position *q)
{
    float slope = 2.0f * q->factor / (float)q->width;
    double sum = 0.0;

    for (size_t j = 0; j < q->width; j++) {
        float d = q->p[j] - q->y[j];

        sum += (double)(d * d);
        if (q->gradient != NULL) {
            q->gradient[j] = slope * d;
        }
    }
    return sum / (double)q->width;
}

static double absolute_error(const struct position *q)
{
    float slope = q->factor / (float)q->width;
    double sum = 0.0;

    for (size_t j = 0; j < q->width; j++) {
        float d = q->p[j] - q->y[j];

        sum += (double)fabsf(d);
        if (q->gradient != NULL) {
            q->gradient[j] = d > 0.0f ? slope : d < 0.0f ? -slope : 0.0f;
        }
    }
    return sum / (double)q->width;
}

/* Clips a probability; *inside becomes 0 where that stops the gradient. */
static float clip(float p, float *inside)
{
    const float top = 1.0f - EPSILON;
    float c = p < EPSILON ? EPSILON : p;

    c = c > top ? top : c;
    *inside = c == p ? 1.0f : 0.0f;
    return c;
}

static double binary_crossentropy(const struct position *q)
{
    float slope = q->factor / (float)q->width;
    float smoothing = (float)q->loss->label_smoothing;
    double sum = 0.0;

    for (size_t j = 0; j < q->width; j++) {
        float y = q->y[j] * (1.0f - smoothing) + 0.5f * smoothing;
        float p = q->p[j];
        float derivative;

        if (q->logits) {
            sum += (double)(fmaxf(p, 0.0f) - p * y + log1pf(expf(-fabsf(p))));
            derivative = vector_sigmoid(p) - y;
        } else {
            float inside;

            p = clip(p, &inside);
            sum -= (double)(y * logf(p) + (1.0f - y) * logf(1.0f - p));
            derivative = inside * ((1.0f - y) / (1.0f - p) - y / p);
        }
        if (q->gradient != NULL) {
            q->gradient[j] = slope * derivative;
        }
    }
    return sum / (double)q->width;
}

static float smoothed(const struct position *q, size_t j)
{
    float smoothing = (float)q->loss->label_smoothing;

    return q->y[j] * (1.0f - smoothing) + smoothing / (float)q->width;
}

static float greatest(const float *x, size_t n)
{
    float top = x[0];

    for (size_t j = 1; j < n; j++) {
        top = x[j] > top ? x[j] : top;
    }
    return top;
}

/* log(sum(exp(x - top))) and, into gradient if not NULL, factor times the
 * softmax of x. */
static float log_sum_exp(const struct position *q, float top)
{
    float sum = 0.0f;

    for (size_t j = 0; j < q->width; j++) {
        float e = vector_exp(q->p[j] - top);

        sum += e;
        if (q->gradient != NULL) {
            q->gradient[j] = e;
        }
    }
    if (q->gradient != NULL) {
        for (size_t j = 0; j < q->width; j++) {
            q->gradient[j] = q->factor * (q->gradient[j] / sum);
        }
    }
    return logf(sum);
}

/* The gradient is softmax - y also where y does not sum to one, as that of
 * TensorFlow's operation. */
static double categorical_from_logits(const struct position *q)
{
    float top = greatest(q->p, q->width);
    float log_sum = log_sum_exp(q, top);
    double sum = 0.0;

    for (size_t j = 0; j < q->width; j++) {
        float y = smoothed(q, j);

        sum += (double)(y * (log_sum - (q->p[j] - top)));
        if (q->gradient != NULL) {
            q->gradient[j] -= q->factor * y;
        }
    }
    return sum;
}

/* Probabilities are first divided by their sum s: with r = p/s and L(r), the
 * gradient is (dL/dr_j - sum_i r_i dL/dr_i) / s. */
static double categorical_crossentropy(const struct position *q)
{
    float s = 0.0f;
    float along = 0.0f;
    double sum = 0.0;

    if (q->logits) {
        return categorical_from_logits(q);
    }
    for (size_t j = 0; j < q->width; j++) {
        s += q->p[j];
    }
    for (size_t j = 0; j < q->width; j++) {
        float r = q->p[j] / s;
        float inside;
        float c = clip(r, &inside);
        float y = smoothed(q, j);

        sum -= (double)(y * logf(c));
        if (q->gradient != NULL) {
            q->gradient[j] = -inside * y / c;
            along += r * q->gradient[j];
        }
    }
    if (q->gradient != NULL) {
        for (size_t j = 0; j < q->width; j++) {
            q->gradient[j] = q->factor * (q->gradient[j] - along) / s;
        }
    }
    return sum;
}

/* From probabilities, Keras takes the logarithms of the clipped ones for
 * logits, which divides by their sum. */
static double sparse_from_probabilities(const struct position *q)
{
    float sum = 0.0f;
    float inside;

    for (size_t j = 0; j < q->width; j++) {
        sum += clip(q->p[j], &inside);
    }
    if (q->gradient != NULL) {
        for (size_t j = 0; j < q->width; j++) {
            float c = clip(q->p[j], &inside);
            float hit = j == q->label ? 1.0f / c : 0.0f;

            q->gradient[j] = q->factor * inside * (1.0f / sum - hit);
        }
    }
    return (double)(logf(sum) - logf(clip(q->p[q->label], &inside)));
}

static double sparse_crossentropy(const struct position *q)
{
    float top;
    float log_sum;

    if (!q->logits) {
        return sparse_from_probabilities(q);
    }
    top = greatest(q->p, q->width);
    log_sum = log_sum_exp(q, top);
    if (q->gradient != NULL) {
        q->gradient[q->label] -= q->factor;
    }
    return (double)(log_sum - (q->p[q->label] - top));
}

static const position_fn functions[] = {
    [LOSS_BINARY_CROSSENTROPY] = binary_crossentropy,
    [LOSS_CATEGORICAL_CROSSENTROPY] = categorical_crossentropy,
    [LOSS_MEAN_ABSOLUTE_ERROR] = absolute_error,
    [LOSS_MEAN_SQUARED_ERROR] = squared_error,
    [LOSS_SPARSE_CATEGORICAL_CROSSENTROPY] = sparse_crossentropy,
};

#define LOSS(symbol, class_name, function_name) +1
_Static_assert(sizeof(functions) / sizeof(functions[0]) == (0
#include "common/model/losses.def"
                                                            ),
               "a loss has no function");
#undef LOSS

/* With ignored classes the output no longer comes straight from the softmax:
 * Keras replaces the ignored positions first. */
bool loss_takes_logits(const struct loss *loss)
{
    switch (loss->kind) {
    case LOSS_BINARY_CROSSENTROPY:
    case LOSS_CATEGORICAL_CROSSENTROPY:
        return true;
    case LOSS_SPARSE_CATEGORICAL_CROSSENTROPY:
        return !loss->has_ignore_class;
    default:
        return false;
    }
}

static bool ignored(const struct loss *loss, float y)
{
    return loss->has_ignore_class && y == (float)loss->ignore_class;
}

static int check_labels(const struct loss_batch *b, size_t positions,
                        size_t width, struct err *err)
{
    size_t n = b->rows * positions;

    for (size_t i = 0; i < n; i++) {
        float y = b->y[i];

        if (ignored(b->loss, y)) {
            continue;
        }
        if (!(y >= 0.0f && y < (float)width)) {
            return err_set(err, ERR_INVALID,
                           "row %zu: label %g is not one of the %zu classes "
                           "0 to %zu",
                           i / positions, (double)y, width, width - 1);
        }
    }
    return 0;
}

static int check_options(const struct loss_batch *b, struct err *err)
{
    const struct loss *loss = b->loss;

    if (loss->reduction == LOSS_NONE) {
        return err_set(err, ERR_UNSUPPORTED,
                       "loss %s: reduction none gives no single loss to train",
                       loss->name);
    }
    if (loss->axis != -1 && loss->axis != b->output->rank) {
        return err_set(err, ERR_UNSUPPORTED,
                       "loss %s: axis %d: only the last axis is supported",
                       loss->name, loss->axis);
    }
    return 0;
}

/* What each weighted value is multiplied with for the reduction. Ignored
 * positions count for nothing; a mean over the batch is then one over the
 * others (keras.losses.Loss, apply_mask). Nothing to divide by gives 0. */
static double reduction_factor(const struct loss_batch *b, size_t positions)
{
    size_t n = b->rows * positions;
    size_t valid = n;
    double sum = (double)n;

    if (b->loss->reduction == LOSS_SUM) {
        return 1.0;
    }
    if (b->loss->has_ignore_class) {
        valid = 0;
        for (size_t i = 0; i < n; i++) {
            valid += ignored(b->loss, b->y[i]) ? 0 : 1;
        }
        sum = (double)valid;
    }
    if (b->loss->reduction == LOSS_MEAN && b->weights != NULL) {
        sum = 0.0;
        for (size_t i = 0; i < n; i++) {
            sum += ignored(b->loss, b->y[i])
                       ? 0.0
                       : (double)b->weights[i / positions];
        }
    }
    return sum != 0.0 ? 1.0 / sum : 0.0;
}

int loss_compute(const struct loss_batch *b, float scale, float *gradient,
                 double *value, struct err *err)
{
    bool sparse = loss_is_sparse(b->loss);
    bool from_activation = b->logits != NULL && loss_takes_logits(b->loss);
    const float *p = from_activation ? b->logits : b->p;
    size_t size = shape_size(b->output);
    size_t width =
        b->output->rank == 0 ? 1 : (size_t)b->output->dim[b->output->rank - 1];
    size_t positions = size / width;
    struct position q = {.loss = b->loss, .width = width};
    double reduction;
    double sum = 0.0;
    int rc;

    if ((rc = check_options(b, err)) != 0 ||
        (sparse && (rc = check_labels(b, positions, width, err)) != 0)) {
        return rc;
    }
    reduction = reduction_factor(b, positions);
    q.logits = from_activation || b->loss->from_logits;
    for (size_t i = 0; i < b->rows * positions; i++) {
        double weight =
            b->weights != NULL ? (double)b->weights[i / positions] : 1.0;

        q.gradient = gradient != NULL ? gradient + i * width : NULL;
        if (sparse && ignored(b->loss, b->y[i])) {
            if (q.gradient != NULL) {
                memset(q.gradient, 0, width * sizeof(float));
            }
            continue;
        }
        q.y = sparse ? NULL : b->y + i * width;
        q.label = sparse ? (size_t)b->y[i] : 0;
        q.p = p + i * width;
        q.factor = (float)((double)scale * weight * reduction);
        sum += weight * functions[b->loss->kind](&q);
    }
    *value = sum * reduction;
    return 0;
}
