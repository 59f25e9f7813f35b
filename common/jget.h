/* SPDX-License-Identifier: MIT
 *
 * jget: typed reading of JSON objects (jansson) with errors that name the
 * key: "units: missing", "units: an integer is wanted, not a string". Integers
 * written as 3.0 count as integers. A key that is null is as good as missing
 * for the _or forms.
 */
#ifndef COMMON_JGET_H
#define COMMON_JGET_H

#include "common/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Depth and size limits apply to untrusted text; ERR_INVALID names line and
 * column. *out is owned by the caller (json_decref). Duplicate keys are
 * refused. */
int jget_parse(const char *text, size_t len, json_t **out,
               struct err *err) ERR_CHECKED;
/* Compact text, owned by the caller (free with mem_free); NULL without
 * memory. Key order is kept. */
char *jget_dump(const json_t *value);

/* Mandatory members; strings and nested values are borrowed. */
int jget_int(const json_t *object, const char *key, int64_t *out,
             struct err *err) ERR_CHECKED;
int jget_double(const json_t *object, const char *key, double *out,
                struct err *err) ERR_CHECKED;
int jget_bool(const json_t *object, const char *key, bool *out,
              struct err *err) ERR_CHECKED;
int jget_string(const json_t *object, const char *key, const char **out,
                struct err *err) ERR_CHECKED;
int jget_object(const json_t *object, const char *key, const json_t **out,
                struct err *err) ERR_CHECKED;
int jget_array(const json_t *object, const char *key, const json_t **out,
               struct err *err) ERR_CHECKED;

/* Optional members: the default if missing or null, an error if of another
 * type. */
int jget_int_or(const json_t *object, const char *key, int64_t missing,
                int64_t *out, struct err *err) ERR_CHECKED;
int jget_double_or(const json_t *object, const char *key, double missing,
                   double *out, struct err *err) ERR_CHECKED;
int jget_bool_or(const json_t *object, const char *key, bool missing, bool *out,
                 struct err *err) ERR_CHECKED;
int jget_string_or(const json_t *object, const char *key, const char *missing,
                   const char **out, struct err *err) ERR_CHECKED;

/* The member unless it is missing or null; NULL then. Borrowed. */
const json_t *jget_member(const json_t *object, const char *key);

/* "null", "a boolean", "an integer", "a number", "a string", "an array",
 * "an object" - for messages. */
const char *jget_type_name(const json_t *value);

#endif
