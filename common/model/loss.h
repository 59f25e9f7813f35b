/* SPDX-License-Identifier: MIT
 *
 * loss: Keras' losses: names, options and configs. losses.def lists them,
 * losses/ has a file for each family, with the formulas, which metrics share;
 * weights, masks and reductions are in worker/nn/loss.h. The daemon knows them
 * to report and to refuse, the worker to compute.
 */
#ifndef COMMON_MODEL_LOSS_H
#define COMMON_MODEL_LOSS_H

#include "common/err.h"
#include "common/model/plugin.h"
#include "common/model/shape.h"
#include "common/model/units.h"

#include <jansson.h>
#include <stdbool.h>

struct loss_class;

enum loss_reduction {
    LOSS_SUM_OVER_BATCH_SIZE, /* default: sum / number of values; "mean" too */
    LOSS_SUM,
    LOSS_MEAN, /* "mean_with_sample_weight": sum / sum of weights */
    LOSS_NONE  /* never in a loss made by loss_create() */
};

/* Read-only after loss_create(); options that a class does not have keep
 * Keras' defaults. */
struct loss {
    const struct loss_class *class;
    enum loss_reduction reduction;
    bool from_logits;
    double label_smoothing;
    double delta;        /* Huber */
    double alpha, gamma; /* focal; alpha also of Tversky */
    double beta;         /* Tversky */
    double q;            /* generalized crossentropy */
    bool apply_class_balancing;
    struct axes axes; /* along which a value is computed */
    bool has_ignore_class;
    int64_t ignore_class;
    char *name; /* Keras' name of the object: "mean_squared_error" */
    const struct elephas_loss *plugin; /* that computes it, or NULL */
    void *plugin_state;                /* of its create() */
    json_t *plugin_config;             /* what Keras wrote; owned */
};

/* From a class name, function name or alias ("MeanSquaredError",
 * "mean_squared_error", "mse", "MSE") and config (NULL: defaults). */
int loss_create(const char *name, const json_t *config, struct loss **out,
                struct err *err) ERR_CHECKED;
void loss_destroy(struct loss **loss);
/* Canonical class name (of a plug-in's: the registered one), function name, and
 * full Keras config (a new reference; NULL without memory). */
const char *loss_class_name(const struct loss *loss);
const char *loss_function_name(const struct loss *loss);
json_t *loss_config(const struct loss *loss);
/* Adds the options of the class to a config: those that Keras saves, and
 * others where they are not the default. 0, or -1 without memory. */
int loss_put_options(const struct loss *loss, json_t *config);
/* Whether there is a loss of this class, function or alias, or a plug-in's. */
bool loss_is_known(const char *name);
/* Labels are class numbers, not vectors. */
bool loss_is_sparse(const struct loss *loss);
/* Over classes, one of which is right: one-hot labels or class numbers. */
bool loss_is_categorical(const struct loss *loss);
/* One value for all rows of a batch, or one that reaches over them. */
bool loss_takes_batch(const struct loss *loss);
/* Refuses an output shape on which the loss is not defined. */
int loss_check(const struct loss *loss, const struct shape *output,
               struct err *err) ERR_CHECKED;

#endif
