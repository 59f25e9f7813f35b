/* SPDX-License-Identifier: MIT
 *
 * compile_object: one loss, metric or optimizer as a compile configuration has
 * it: a name, an object of Keras' or someone's own, or a function in a wrapper.
 */
#ifndef COMMON_KERAS_COMPILE_OBJECT_H
#define COMMON_KERAS_COMPILE_OBJECT_H

#include "common/keras/compile.h"

/* The array that a list or tuple is; NULL: it is none. */
const json_t *compile_list(const json_t *value);
/* One loss, metric or optimizer, as opposed to a list or object of them. */
bool compile_is_leaf(const json_t *value);
/* Whose an object is: *name, its class, becomes the registered name if it is
 * someone's own, which has to be a plug-in's. */
int compile_check_known(const json_t *value, const char **name,
                        struct err *err) ERR_CHECKED;
/* The name of a function in "fn", which is a string or a function object. */
const char *compile_function_name(const json_t *fn);
/* Reads one; what *out points to belongs to value and spec. */
int compile_read_object(struct compile_spec *spec, const json_t *value,
                        struct object_spec *out, struct err *err) ERR_CHECKED;

#endif
