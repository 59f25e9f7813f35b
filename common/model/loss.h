/* SPDX-License-Identifier: MIT
 *
 * loss: the names and options of Keras' losses; losses.def lists them. What
 * they compute is in worker/nn/loss.h. The daemon knows them to report and to
 * refuse, the worker to compute.
 */
#ifndef COMMON_MODEL_LOSS_H
#define COMMON_MODEL_LOSS_H

#include "common/err.h"
#include "common/model/shape.h"

#include <jansson.h>
#include <stdbool.h>

enum loss_kind {
#define LOSS(symbol, class_name, function_name) LOSS_##symbol,
#include "common/model/losses.def"
#undef LOSS
};

enum loss_reduction {
    LOSS_SUM_OVER_BATCH_SIZE, /* default: sum / number of values; "mean" too */
    LOSS_SUM,
    LOSS_MEAN, /* "mean_with_sample_weight": sum / sum of weights */
    LOSS_NONE  /* never in a loss made by loss_create() */
};

/* Read-only after loss_create(); options that a kind does not have keep
 * Keras' defaults. */
struct loss {
    enum loss_kind kind;
    enum loss_reduction reduction;
    bool from_logits;
    double label_smoothing;
    double delta;        /* Huber */
    double alpha, gamma; /* focal */
    bool apply_class_balancing;
    int axis;
    bool has_ignore_class;
    int64_t ignore_class;
    char *name; /* Keras' function name: "mean_squared_error" */
};

/* From a class name, function name or alias ("MeanSquaredError",
 * "mean_squared_error", "mse", "MSE") and config (NULL: defaults). */
int loss_create(const char *name, const json_t *config, struct loss **out,
                struct err *err) ERR_CHECKED;
void loss_destroy(struct loss **loss);
/* Canonical class name and full Keras config (a new reference). */
const char *loss_class_name(const struct loss *loss);
json_t *loss_config(const struct loss *loss);
/* Labels are class numbers, not vectors. */
bool loss_is_sparse(const struct loss *loss);
/* A crossentropy over classes: categorical or sparse categorical. */
bool loss_is_categorical(const struct loss *loss);
/* Refuses an output shape on which the loss is not defined. */
int loss_check(const struct loss *loss, const struct shape *output,
               struct err *err) ERR_CHECKED;

#endif
