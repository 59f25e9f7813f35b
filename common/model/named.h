/* SPDX-License-Identifier: MIT
 *
 * named: how Keras writes down a small object with options (a regularizer, a
 * constraint): null, a name in one of two spellings ("MaxNorm", "max_norm"),
 * or an object {"class_name": ..., "config": {...}}.
 */
#ifndef COMMON_MODEL_NAMED_H
#define COMMON_MODEL_NAMED_H

#include "common/err.h"

#include <jansson.h>
#include <stddef.h>

/* One name of a kind, as a table ends with {NULL, 0}. */
struct named_kind {
    const char *name;
    int kind;
};

/* *config becomes the options, borrowed, or NULL if there are none; refuses
 * what is not in the table, and custom objects, as ERR_UNSUPPORTED; `what` is
 * "regularizer". value is not null. */
int named_read(const json_t *value, const char *what,
               const struct named_kind *kinds, int *kind, const json_t **config,
               struct err *err) ERR_CHECKED;

/* Refuses options that are not among keys (NULL-terminated). */
int named_keys(const json_t *config, const char *const *keys,
               struct err *err) ERR_CHECKED;

#endif
