/* SPDX-License-Identifier: MIT
 *
 * loss_class: what a loss has to say about itself; for loss.c, the files of
 * losses/, what computes losses (worker/nn/loss.c) and metrics that are means
 * of a loss.
 *
 * To add a loss: one line in losses.def and its struct loss_class in losses/.
 */
#ifndef COMMON_MODEL_LOSS_CLASS_H
#define COMMON_MODEL_LOSS_CLASS_H

#include "common/model/loss.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

/* keras.config.epsilon() */
#define LOSS_EPSILON 1e-7f

/* Options of a class. */
enum {
    LOSS_HAS_LOGITS = 1 << 0,
    LOSS_HAS_SMOOTHING = 1 << 1,
    LOSS_HAS_AXIS = 1 << 2, /* one axis */
    LOSS_HAS_AXES = 1 << 3, /* null (all), one axis, or a list */
    LOSS_HAS_IGNORE = 1 << 4,
    LOSS_HAS_DELTA = 1 << 5,
    LOSS_HAS_ALPHA = 1 << 6,
    LOSS_HAS_GAMMA = 1 << 7,
    LOSS_HAS_BALANCING = 1 << 8,
    LOSS_HAS_BETA = 1 << 9,
    LOSS_HAS_Q = 1 << 10
};

/* One value of a loss: a vector of the output and its label. */
struct loss_unit {
    const struct loss *loss;
    size_t width;
    size_t classes;     /* last axis of the output */
    size_t label;       /* class number, for sparse losses */
    const float *y;     /* width labels; NULL for sparse losses */
    const float *p;     /* width values: what the model gives, or ... */
    bool logits;        /* ... what the closing softmax or sigmoid got */
    bool binary_labels; /* all labels of the batch are 0 or 1 */
    float factor;       /* of the gradient */
    float *gradient;    /* width elements to write, or NULL */
};

struct loss_class {
    const char *name;         /* "MeanSquaredError" */
    const char *function;     /* "mean_squared_error" */
    const char *default_name; /* of the object; NULL: the function's */
    const char *aliases[4];   /* unused ones NULL */
    unsigned options;
    unsigned unsaved;    /* options that Keras does not write into a config */
    double alpha, gamma; /* defaults of these options */
    bool sparse;         /* labels are class numbers */
    bool categorical;    /* a unit holds classes, one of which is right */
    bool asks_binary;    /* `binary_labels` matters */

    /* Whether it is computed from what a closing softmax or sigmoid got,
     * where there is one; NULL: never. */
    bool (*takes_logits)(const struct loss *loss);

    /* The value of a unit and, if wanted, factor times its gradient. */
    double (*value)(const struct loss_unit *u);
};

#define LOSS(symbol) extern const struct loss_class loss_##symbol;
#include "common/model/losses.def"
#undef LOSS

/* Losses of plug-ins: with labels like the output, and with class numbers. */
extern const struct loss_class loss_plugin;
extern const struct loss_class loss_plugin_sparse;
/* Keeps the config and lets loss->plugin read it; on failure loss_destroy()
 * releases what there is. */
int loss_plugin_create(struct loss *loss, const json_t *config,
                       struct err *err) ERR_CHECKED;

/* Whether `logits` of a unit may hold what the closing activation got, not
 * only what from_logits says. */
bool loss_takes_logits(const struct loss *loss);

/* Clips a probability to [e, 1 - e]; *inside becomes 0 where that stops the
 * gradient. */
static inline float loss_clip(float p, float *inside)
{
    const float top = 1.0f - LOSS_EPSILON;
    float c = p < LOSS_EPSILON ? LOSS_EPSILON : p;

    c = c > top ? top : c;
    *inside = c == p ? 1.0f : 0.0f;
    return c;
}

#endif
