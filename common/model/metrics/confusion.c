/* SPDX-License-Identifier: MIT
 *
 * confusion: see confusion.h.
 */
#include "common/model/metrics/confusion.h"

#include "common/mem.h"
#include "common/model/vector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NOT_AMONG_TOP (-1e10f)

static int compare(const void *a, const void *b)
{
    float x = *(const float *)a;
    float y = *(const float *)b;

    return x < y ? -1 : x > y ? 1 : 0;
}

bool confusion_is_even(const double *thresholds, size_t n)
{
    for (size_t i = 0; n >= 3 && i < n; i++) {
        double even = (double)((float)i / (float)(n - 1));

        if (!(fabs(thresholds[i] - even) <= 1e-7 + 1e-5 * even)) {
            return false;
        }
    }
    return n >= 3;
}

int confusion_set_points(struct metric *metric, const double *thresholds,
                         size_t n, bool ends, struct err *err)
{
    size_t first = ends ? 1 : 0;

    metric->point_count = n + 2 * first;
    metric->points = mem_array(metric->point_count, sizeof(float));
    if (metric->points == NULL) {
        return err_nomem(err);
    }
    for (size_t i = 0; i < n; i++) {
        metric->points[first + i] = (float)thresholds[i];
    }
    qsort(metric->points + first, n, sizeof(float), compare);
    if (ends) {
        metric->points[0] = -1e-7f;
        metric->points[n + 1] = 1.0f + 1e-7f;
    }
    metric->epsilon = ends;
    return 0;
}

int confusion_set_even(struct metric *metric, size_t n, bool ends,
                       struct err *err)
{
    const double half = 0.5;

    if (n == 1) {
        return confusion_set_points(metric, &half, 1, false, err);
    }
    metric->even = true;
    metric->epsilon = ends;
    metric->point_count = n;
    metric->points = mem_array(n, sizeof(float));
    if (metric->points == NULL) {
        return err_nomem(err);
    }
    for (size_t i = 0; i < n; i++) {
        metric->points[i] = (float)((double)i / (double)(n - 1));
    }
    return 0;
}

size_t confusion_state_size(const struct metric *metric)
{
    return 2 * (metric->point_count + 1);
}

/* How many points are below the prediction. */
static size_t bucket_of(const struct metric *metric, float p)
{
    size_t low = 0;
    size_t high = metric->point_count;

    if (metric->even) {
        float top = (float)(metric->point_count - 1);
        float c = p > 0.0f ? fminf(p, 1.0f) : 0.0f;
        size_t bucket = (size_t)ceilf(c * top);

        return bucket == 0 && metric->epsilon ? 1 : bucket;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (p > metric->points[middle]) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Whether element j is one of the k largest; of equals the first are. */
static bool in_top(const float *p, size_t width, size_t j, double k)
{
    size_t before = 0;

    for (size_t i = 0; i < width && (double)before < k; i++) {
        before += p[i] > p[j] || (p[i] == p[j] && i < j);
    }
    return (double)before < k;
}

static void add_position(const struct metric *metric, const float *y,
                         const float *p, double weight,
                         const struct confusion_options *o, double *state)
{
    size_t size = metric->point_count + 1;
    size_t width = metric->width;
    bool one = !metric_is_null(o->class_id);
    size_t from = one ? (size_t)o->class_id : 0;
    size_t to = one ? from + 1 : width;

    for (size_t j = from; j < to; j++) {
        double w = weight * (o->weights != NULL ? o->weights[j] : 1.0);
        double *group = state + (o->groups > 1 ? 2 * j * size : 0);
        float value = o->from_logits ? vector_sigmoid(p[j]) : p[j];

        if (!metric_is_null(o->top_k) && !in_top(p, width, j, o->top_k)) {
            value = NOT_AMONG_TOP;
        }
        group[(y[j] != 0.0f ? 0 : size) + bucket_of(metric, value)] += w;
    }
}

void confusion_add(const struct metric *metric, const struct metric_batch *b,
                   const struct confusion_options *options, double *state)
{
    size_t n = metric->output_size;

    for (size_t r = 0; r < b->rows; r++) {
        double weight = b->weights != NULL ? (double)b->weights[r] : 1.0;

        for (size_t i = 0; i < n; i += metric->width) {
            add_position(metric, b->y + r * n + i, b->p + r * n + i, weight,
                         options, state);
        }
    }
}

/* Above the highest point of all nothing is called positive. */
void confusion_begin(const struct metric *metric, const double *state,
                     struct confusion *at)
{
    size_t size = metric->point_count + 1;

    *at = (struct confusion){0};
    for (size_t i = 0; i < size; i++) {
        at->fn += state[i];
        at->tn += state[size + i];
    }
}

void confusion_next(const struct metric *metric, const double *state, size_t i,
                    struct confusion *at)
{
    size_t size = metric->point_count + 1;

    at->tp += state[i + 1];
    at->fn -= state[i + 1];
    at->fp += state[size + i + 1];
    at->tn -= state[size + i + 1];
}
