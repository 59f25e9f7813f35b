/* SPDX-License-Identifier: MIT
 *
 * schedule: learning rates that depend on the step, after
 * keras.optimizers.schedules, in float32 as there.
 */
#ifndef COMMON_MODEL_SCHEDULE_H
#define COMMON_MODEL_SCHEDULE_H

#include "common/err.h"

#include <jansson.h>
#include <stdint.h>

struct schedule;

/* From Keras' object: {"class_name": "ExponentialDecay", "config": {...}}.
 * Unknown classes and options are ERR_UNSUPPORTED by name. */
int schedule_create(const json_t *object, struct schedule **out,
                    struct err *err) ERR_CHECKED;
void schedule_destroy(struct schedule **schedule);

/* The object as Keras writes it; a new reference. NULL without memory. */
json_t *schedule_object(const struct schedule *schedule);

/* The rate of the step after `iterations` others. */
double schedule_rate(const struct schedule *schedule, uint64_t iterations);

#endif
