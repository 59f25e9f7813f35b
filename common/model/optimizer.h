/* SPDX-License-Identifier: MIT
 *
 * optimizer: the update rules, element-wise plain C, used by the worker in
 * its epochs and by the daemon in synchronous batch mode. One file each in
 * optimizers/; optimizers.def lists them. The rules and defaults are those of
 * Keras 3 (keras.optimizers), computed in float32 in Keras' order of
 * operations; each file names its paper.
 *
 * An optimizer is immutable. Its state is a struct optimizer_state: a step
 * count, scalars, and S slot vectors, each as long as the flat parameter
 * vector (elements of untrained variables stay 0), which follow the
 * parameters in the job's state vector. The averages of use_ema and the sums of
 * gradient_accumulation_steps are slots, too.
 */
#ifndef COMMON_MODEL_OPTIMIZER_H
#define COMMON_MODEL_OPTIMIZER_H

#include "common/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gradient_pieces;
struct model;
struct optimizer;

#define OPTIMIZER_MAX_SLOTS 5
#define OPTIMIZER_MAX_SCALARS 4

struct optimizer_state {
    uint64_t iterations;                   /* calls of optimizer_step() */
    double scalars[OPTIMIZER_MAX_SCALARS]; /* [0] is the learning rate as the
                                              file or user set it; the others
                                              belong to the optimizer */
    float *slots; /* S * parameters, borrowed; may be NULL if S is 0 */
};

/* From Keras' class name, in upper or lower case ("RMSprop", "rmsprop"), and
 * config (NULL: defaults). Options that are not supported are ERR_UNSUPPORTED
 * by name. */
int optimizer_create(const char *class_name, const json_t *config,
                     struct optimizer **out, struct err *err) ERR_CHECKED;
void optimizer_destroy(struct optimizer **opt);

const char *optimizer_class_name(const struct optimizer *opt);
/* The full Keras config; a new reference. NULL without memory. */
json_t *optimizer_config(const struct optimizer *opt);

/* S, and how many scalars are in use (at least 1). */
size_t optimizer_slot_count(const struct optimizer *opt);
size_t optimizer_scalar_count(const struct optimizer *opt);
/* Keras' name of a slot, as in the variables of a saved file: "momentum". */
const char *optimizer_slot_name(const struct optimizer *opt, size_t slot);

/* How a saved file orders the slots. Behind the iteration and the learning
 * rate, the file has variable number `index` (0, 1, ...) of `trained` variables
 * (those of the model that are trainable, in its order) times S slots; it is
 * slot *slot of trained variable number *variable. Keras puts the slots that
 * are made together variable by variable, and slots made later behind them. */
void optimizer_file_order(const struct optimizer *opt, size_t trained,
                          size_t index, size_t *variable, size_t *slot);

/* The state before the first step: iterations 0, slots as Keras starts them
 * (slots: room for S * model->parameters floats; NULL: they are not wanted). */
void optimizer_state_init(const struct optimizer *opt,
                          const struct model *model,
                          struct optimizer_state *state, float *slots);

/* The rate of the step with this number, from the schedule or the scalar. */
double optimizer_learning_rate(const struct optimizer *opt,
                               const struct optimizer_state *state);

/* Whether the rate comes from a schedule; it is then no variable of a saved
 * file. */
bool optimizer_has_schedule(const struct optimizer *opt);

/* Whether a step of an element depends on no other one: without norms of whole
 * gradients or variables. The constraints of a model are not looked at. */
bool optimizer_is_elementwise(const struct optimizer *opt);

/* What Keras does when training ends: with use_ema, the averages become the
 * weights. Slots that no step has written yet change nothing. */
bool optimizer_has_averages(const struct optimizer *opt);
void optimizer_finalize(const struct optimizer *opt, const struct model *model,
                        const struct optimizer_state *state, float *params);

/* One step: params (model->parameters floats) change by the gradient of the
 * mean loss. Elements of moving statistics hold before - after in `gradient`
 * and are subtracted as they are; frozen and constant ones stay. The gradient
 * may be overwritten (clipping). */
void optimizer_step(const struct optimizer *opt, const struct model *model,
                    struct optimizer_state *state, float *params,
                    float *gradient);
/* The same; pieces (may be NULL) are those that the gradients of tables are
 * the sums of (pieces.h), which makes a difference to what is not linear. */
void optimizer_step_pieces(const struct optimizer *opt,
                           const struct model *model,
                           struct optimizer_state *state, float *params,
                           float *gradient,
                           const struct gradient_pieces *pieces);

#endif
