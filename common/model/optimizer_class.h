/* SPDX-License-Identifier: MIT
 *
 * optimizer_class: what an optimizer has to say about itself; for optimizer.c
 * and the files of optimizers/ only. optimizer.c does what all have in common:
 * the learning rate, clipping, weight decay, the walk over the variables, and
 * the config they share.
 *
 * To add an optimizer: one line in optimizers.def and optimizers/NAME.c with
 * its struct optimizer_class.
 */
#ifndef COMMON_MODEL_OPTIMIZER_CLASS_H
#define COMMON_MODEL_OPTIMIZER_CLASS_H

#include "common/model/optimizer.h"
#include "common/model/pieces.h"

#include <stdbool.h>
#include <stddef.h>

enum optimizer_option_type { OPTIMIZER_NUMBER, OPTIMIZER_FLAG };

#define OPTIMIZER_MAX_OPTIONS 8

/* One option of a class, beside those that all have. */
struct optimizer_option {
    const char *name; /* Keras' name; NULL ends the table */
    enum optimizer_option_type type;
    double missing; /* Keras' default; flags: 0 or 1 */
};

/* One slot vector. Slots that Keras makes together (one call of
 * add_optimizer_variables) have the same group: in a file they alternate
 * variable by variable. Groups follow each other. */
struct optimizer_slot {
    const char *name; /* Keras' name: "momentum" */
    int group;        /* 0, 1, ... without gaps, rising */
    float initial;    /* value before the first step */
};

struct optimizer {
    const struct optimizer_class *class;
    char *name;                            /* of the config: "adam" */
    double learning_rate;                  /* a float32 value */
    double options[OPTIMIZER_MAX_OPTIONS]; /* parallel to class->options */
    struct optimizer_slot slots[OPTIMIZER_MAX_SLOTS];
    size_t slot_count;
    /* common options; the has_ ones are null in the config otherwise */
    bool has_weight_decay, has_clipnorm, has_clipvalue, has_global_clipnorm;
    double weight_decay, clipnorm, clipvalue, global_clipnorm;
    double ema_momentum; /* carried along, as use_ema is refused */
};

/* A run of elements of one trainable variable, for one step. */
struct optimizer_span {
    size_t n;
    float *w;       /* weights */
    const float *g; /* gradient, clipped */
    /* What Keras takes for the squares (class->reads: magnitudes) of g, if it
     * is not just that; else NULL. */
    const float *g_of;
    float *slots[OPTIMIZER_MAX_SLOTS]; /* the same elements of each slot */
};

struct optimizer_class {
    const char *name;                       /* Keras' class: "RMSprop" */
    const char *default_name;               /* Keras' own: "rm_sprop" */
    double learning_rate;                   /* default */
    const struct optimizer_option *options; /* NULL-named entry at the end */

    /* Checks the options and fills opt->slots. */
    int (*configure)(struct optimizer *opt, struct err *err);

    /* Which function of g, beside g itself, step reads: PIECES_SQUARES,
     * PIECES_MAGNITUDES, or PIECES_VALUES for none. */
    enum pieces_of reads;

    /* One step over one span. lr is the rate as float32; step the number of
     * this step from 1. */
    void (*step)(const struct optimizer *opt, float lr, uint64_t step,
                 const struct optimizer_span *span);
};

#define OPTIMIZER(symbol)                                                      \
    extern const struct optimizer_class optimizer_##symbol;
#include "common/model/optimizers.def"
#undef OPTIMIZER

/* For configure(): appends a slot. */
void optimizer_add_slot(struct optimizer *opt, const char *name, int group,
                        float initial);
/* For configure(): refuses option number i outside [min, max]. */
int optimizer_check_range(const struct optimizer *opt, size_t i, double min,
                          double max, struct err *err) ERR_CHECKED;

#endif
