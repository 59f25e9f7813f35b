/* SPDX-License-Identifier: MIT
 *
 * confusion: what the metrics over thresholds share, after Keras'
 * metrics_utils. Their state is a histogram of the predictions between the
 * sorted thresholds (metric->points), one of positive and one of negative
 * labels, from which the confusion matrix at every threshold follows. With
 * several groups (labels judged apart), one pair of histograms after the
 * other.
 */
#ifndef COMMON_MODEL_METRICS_CONFUSION_H
#define COMMON_MODEL_METRICS_CONFUSION_H

#include "common/model/metric_class.h"

#include <stdbool.h>
#include <stddef.h>

/* What is counted, beside weights and thresholds. */
struct confusion_options {
    size_t groups;         /* 1, or one for each element of the last axis */
    double top_k;          /* only the k largest count as positive; NAN: all */
    double class_id;       /* the one element of the last axis; NAN: all */
    bool from_logits;      /* predictions go through a sigmoid */
    const double *weights; /* of the elements of the last axis, or NULL */
};

/* The matrix at one threshold. */
struct confusion {
    double tp, fp, tn, fn;
};

/* Takes n thresholds, sorted and as float32, with one more at each end beyond
 * [0, 1] if `ends`. */
int confusion_set_points(struct metric *metric, const double *thresholds,
                         size_t n, bool ends, struct err *err) ERR_CHECKED;

/* n thresholds at equal distances over [0, 1]; 0.5 if n is 1. With `ends` the
 * outer ones lie just outside. */
int confusion_set_even(struct metric *metric, size_t n, bool ends,
                       struct err *err) ERR_CHECKED;

/* Whether Keras would count these thresholds as evenly spaced. */
bool confusion_is_even(const double *thresholds, size_t n);

/* Doubles of one group. */
size_t confusion_state_size(const struct metric *metric);

void confusion_add(const struct metric *metric, const struct metric_batch *b,
                   const struct confusion_options *options, double *state);

/* The matrices of one group at all points, in rising order: calls with the
 * highest first. The caller begins with {0} and i = point_count - 1; each call
 * moves `at` on to point i. */
void confusion_begin(const struct metric *metric, const double *state,
                     struct confusion *at);
void confusion_next(const struct metric *metric, const double *state, size_t i,
                    struct confusion *at);

#endif
