/* SPDX-License-Identifier: MIT
 *
 * slots: the variables of an optimizer in the order of a Keras file: the
 * iteration, the learning rate (unless a schedule gives it), the slots, and
 * further scalars.
 */
#ifndef COMMON_KERAS_SLOTS_H
#define COMMON_KERAS_SLOTS_H

#include "common/err.h"
#include "common/model/model.h"

#include <stdbool.h>
#include <stddef.h>

/* Of one optimizer and model. */
struct slot_map {
    const struct model *model;
    size_t *trained; /* variables that have slots; owned */
    size_t trained_count;
    bool has_rate;   /* the learning rate is a variable */
    size_t first;    /* variables before slots and scalars: 1 or 2 */
    size_t slots;    /* variables that are slots */
    size_t scalars;  /* others, behind the slots; old files: before them */
    size_t count;    /* all */
    size_t slots_at; /* number of the first slot, and of the first scalar */
    size_t scalars_at;
};

/* The model must have an optimizer. */
int slot_map_init(struct slot_map *map, const struct model *model,
                  struct err *err) ERR_CHECKED;
void slot_map_deinit(struct slot_map *map);

/* The order of Keras up to 3.3, which wrote the product of Nadam before the
 * slots: scalars first. */
void slot_map_turn(struct slot_map *map);
/* Whether variable i of the file is a slot. */
bool slot_map_is_slot(const struct slot_map *map, size_t i);

/* Slot variable i (0 to slots - 1): the model's variable that it belongs to,
 * and where its values begin, counted in floats from the first slot vector. */
const struct variable *slot_map_at(const struct slot_map *map, size_t i,
                                   size_t *offset);

#endif
