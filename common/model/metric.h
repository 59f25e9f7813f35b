/* SPDX-License-Identifier: MIT
 *
 * metric: Keras' metrics as mergeable states, and the totals of a run: the
 * loss and all metrics of all outputs. A state is a short vector of doubles;
 * adding two states element by element gives the state of both row sets, so
 * totals over partitions are exactly what one process would compute.
 *
 * The worker updates totals from labels and predictions, both sides add them,
 * and the daemon turns them into the numbers of a history. Names and
 * resolution ("acc") are Keras' own.
 */
#ifndef COMMON_MODEL_METRIC_H
#define COMMON_MODEL_METRIC_H

#include "common/err.h"
#include "common/model/shape.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loss;
struct metric;
struct model;

/* Doubles in the state of one metric, at most. */
#define METRIC_MAX_STATE ((size_t)1 << 20)

/* Rows of one output; arrays are borrowed. A position is a vector along the
 * last axis: a row has one or, with more axes, several. */
struct metric_batch {
    size_t rows;
    const struct shape *output;
    const float *y;       /* rows x elements of the label */
    const float *p;       /* rows x elements of the output */
    const float *logits;  /* what a closing softmax or sigmoid got, or NULL */
    const float *weights; /* one per row, or NULL for 1 */
    const float *mask;    /* one per position, 0: left out; or NULL */
};

/* One metric of an output. `name` as in compile(): class, function or alias;
 * "acc" and "accuracy" without a config are resolved from the output's shape
 * and the loss (NULL: none) as Keras does. A MeanMetricWrapper has the
 * function in its config, as "fn": that of a loss or of an accuracy. as_name:
 * reported name; NULL for Keras' default, which is the config's "name" or the
 * class's own, or, without a config, `name` as given. weighted: it takes sample
 * weights (weighted_metrics). Metrics that the labels of the loss do not suit
 * are refused. */
int metric_create(const char *name, const json_t *config, const char *as_name,
                  bool weighted, const struct shape *output,
                  const struct loss *loss, struct metric **out,
                  struct err *err) ERR_CHECKED;
void metric_destroy(struct metric **metric);
const char *metric_name(const struct metric *metric);
const char *metric_class_name(const struct metric *metric);
json_t *metric_config(const struct metric *metric); /* new reference */
bool metric_is_weighted(const struct metric *metric);
/* Doubles in its state, and numbers in its result (1 for most). */
size_t metric_state_size(const struct metric *metric);
size_t metric_result_size(const struct metric *metric);
/* Whether it is computed from `logits` where there are any. */
bool metric_takes_logits(const struct metric *metric);
/* Adds rows to a state. Those metrics that Keras computes as means of a
 * function heed the mask, others do not. */
void metric_update(const struct metric *metric,
                   const struct metric_batch *batch, double *state);
void metric_result(const struct metric *metric, const double *state,
                   double *result);

/* All totals of a run over a model, in the order in which they are reported:
 * "loss", with several losses "<output>_loss" each, then the metrics: in the
 * order of compile, or, with several outputs, sorted, their names prefixed with
 * "<output>_". Equal names are told apart as Keras does ("weighted_mse",
 * "mse_1"). */
struct totals;

/* ERR_STATE if the model has no training. The model must outlive it. */
int totals_create(const struct model *model, struct totals **out,
                  struct err *err) ERR_CHECKED;
void totals_destroy(struct totals **totals);
void totals_clear(struct totals *totals);
size_t totals_count(const struct totals *totals);
const char *totals_name(const struct totals *totals, size_t i);
/* The state of entry i; n doubles. May be written (decoding a message). */
double *totals_state(struct totals *totals, size_t i, size_t *n);
/* Index of the entry of that name; totals_count() if there is none. */
size_t totals_find(const struct totals *totals, const char *name);
/* Of which output entry i is the loss; model->output_count: of all together;
 * SIZE_MAX: it is a metric. */
size_t totals_loss_of(const struct totals *totals, size_t i);
/* a += b; both of the same model. */
void totals_merge(struct totals *a, const struct totals *b);
/* Numbers of entry i: usually one. out has room for totals_result_size(). An
 * entry without rows gives 0, as Keras does. */
size_t totals_result_size(const struct totals *totals, size_t i);
void totals_result(const struct totals *totals, size_t i, double *out);

/* For the worker: one batch. Arrays with one entry per output; `logits` and
 * `masks` may be NULL, and so may their entries (see struct metric_batch). */
struct totals_batch {
    size_t rows;
    double loss;                 /* of the batch, with penalties */
    const double *output_losses; /* without loss weights */
    const float *const *y;
    const float *const *p;
    const float *const *logits;
    const float *const *masks;
    const float *weights; /* one per row, or NULL for 1 */
};
void totals_add_batch(struct totals *totals, const struct totals_batch *batch);

#endif
