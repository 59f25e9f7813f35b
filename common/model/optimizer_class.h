/* SPDX-License-Identifier: MIT
 *
 * optimizer_class: what an optimizer has to say about itself; for optimizer.c
 * and the files of optimizers/ only. optimizer.c and optimizer_step.c do what
 * all have in common: the learning rate, accumulation, clipping, weight decay,
 * averages, the walk over the variables, and the config they share.
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

struct schedule;

struct optimizer {
    const struct optimizer_class *class;
    char *name;           /* of the config: "adam" */
    double learning_rate; /* a float32 value; the first one of a schedule */
    struct schedule *schedule;             /* owned, or NULL */
    double options[OPTIMIZER_MAX_OPTIONS]; /* parallel to class->options */
    /* those of use_ema and accumulation come first, then the class's own */
    struct optimizer_slot slots[OPTIMIZER_MAX_SLOTS];
    size_t slot_count;
    size_t own_slots; /* index of the first of the class's own */
    int own_groups;   /* its group */
    /* common options; the has_ ones are null in the config otherwise */
    bool has_weight_decay, has_clipnorm, has_clipvalue, has_global_clipnorm;
    double weight_decay, clipnorm, clipvalue, global_clipnorm;
    bool use_ema;
    double ema_momentum;
    uint64_t ema_overwrite; /* ema_overwrite_frequency; 0: null */
    uint64_t accumulation;  /* gradient_accumulation_steps; 0: null */
    bool has_loss_scale;
    double loss_scale; /* changes nothing: float32 needs no scaling */
};

/* What is the same for all variables in one step. */
struct optimizer_step {
    float lr;
    uint64_t number; /* of this step, from 1, as Keras' iterations + 1 */
    double *scalars; /* of the class: state->scalars + 1 */
};

/* One trainable variable, for one step. */
struct optimizer_span {
    size_t n;
    float *w;          /* weights */
    const float *g;    /* gradient, clipped */
    const float *g_of; /* what Keras takes for the squares (class->reads:
                          magnitudes) of g, if it is not just that; or NULL */
    float *slots[OPTIMIZER_MAX_SLOTS]; /* the class's own */
};

struct optimizer_class {
    const char *name;         /* Keras' class: "RMSprop" */
    const char *default_name; /* Keras' own: "rm_sprop" */
    double learning_rate;     /* default */
    double weight_decay;      /* default; 0: null */
    bool needs_weight_decay;  /* null is refused */
    /* which function of g, beside g itself, it reads; PIECES_VALUES: none */
    enum pieces_of reads;
    const struct optimizer_option *options; /* NULL-named entry at the end */
    /* scalars beside the learning rate, and their value before the first
     * step */
    size_t scalar_count;
    double initial_scalar;

    /* Checks the options and adds slots. */
    int (*configure)(struct optimizer *opt, struct err *err);

    /* Moves the scalars on, before the variables; may be NULL. */
    void (*begin)(const struct optimizer *opt,
                  const struct optimizer_step *step);

    /* One step of one variable. */
    void (*step)(const struct optimizer *opt, const struct optimizer_step *step,
                 const struct optimizer_span *span);
};

#define OPTIMIZER(symbol)                                                      \
    extern const struct optimizer_class optimizer_##symbol;
#include "common/model/optimizers.def"
#undef OPTIMIZER

/* For configure(): appends a slot; the class counts its groups from 0. */
void optimizer_add_slot(struct optimizer *opt, const char *name, int group,
                        float initial);
/* For configure(): refuses option number i outside [min, max]. */
int optimizer_check_range(const struct optimizer *opt, size_t i, double min,
                          double max, struct err *err) ERR_CHECKED;

#endif
