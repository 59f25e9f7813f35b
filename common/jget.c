/* SPDX-License-Identifier: MIT
 *
 * jget: see jget.h. jansson limits nesting itself (2048 levels).
 */
#include "common/jget.h"

#include "common/mem.h"

#include <math.h>

int jget_parse(const char *text, size_t len, json_t **out, struct err *err)
{
    unsigned long refused = mem_refused();
    json_error_t fault;
    json_t *value = json_loadb(
        text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL,
        &fault);

    if (value == NULL) {
        /* jansson takes memory that ends for an error of syntax */
        if (json_error_code(&fault) == json_error_out_of_memory ||
            mem_refused() != refused) {
            return err_nomem(err);
        }
        if (len == 0) {
            return err_set(err, ERR_INVALID,
                           "not valid JSON at line 1, column 0: it is empty");
        }
        return err_set(err, ERR_INVALID,
                       "not valid JSON at line %d, column %d: %s", fault.line,
                       fault.column, fault.text);
    }
    *out = value;
    return 0;
}

char *jget_dump(const json_t *value)
{
    size_t flags = JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(17);
    size_t size = json_dumpb(value, NULL, 0, flags);
    char *text = size != 0 ? mem_alloc(size + 1) : NULL;

    if (text == NULL || json_dumpb(value, text, size, flags) != size) {
        mem_free(text);
        return NULL;
    }
    text[size] = '\0';
    return text;
}

const char *jget_type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    default:
        return "null";
    }
}

const json_t *jget_member(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    return value == NULL || json_is_null(value) ? NULL : value;
}

static int missing_key(const char *key, struct err *err)
{
    return err_set(err, ERR_INVALID, "%s: missing", key);
}

static int wrong_type(const char *key, const char *wanted, const json_t *value,
                      struct err *err)
{
    return err_set(err, ERR_INVALID, "%s: %s is wanted, not %s", key, wanted,
                   jget_type_name(value));
}

static int as_int(const char *key, const json_t *value, int64_t *out,
                  struct err *err)
{
    double d;

    if (json_is_integer(value)) {
        *out = (int64_t)json_integer_value(value);
        return 0;
    }
    if (!json_is_real(value)) {
        return wrong_type(key, "an integer", value, err);
    }
    d = json_real_value(value);
    if (d != floor(d) || fabs(d) > 0x1p53) {
        return err_set(err, ERR_INVALID, "%s: %g is not an integer", key, d);
    }
    *out = (int64_t)d;
    return 0;
}

int jget_int(const json_t *object, const char *key, int64_t *out,
             struct err *err)
{
    const json_t *value = jget_member(object, key);

    return value == NULL ? missing_key(key, err) : as_int(key, value, out, err);
}

int jget_int_or(const json_t *object, const char *key, int64_t missing,
                int64_t *out, struct err *err)
{
    if (jget_member(object, key) == NULL) {
        *out = missing;
        return 0;
    }
    return jget_int(object, key, out, err);
}

int jget_double(const json_t *object, const char *key, double *out,
                struct err *err)
{
    const json_t *value = jget_member(object, key);

    if (value == NULL) {
        return missing_key(key, err);
    }
    if (!json_is_number(value)) {
        return wrong_type(key, "a number", value, err);
    }
    *out = json_number_value(value);
    return 0;
}

int jget_double_or(const json_t *object, const char *key, double missing,
                   double *out, struct err *err)
{
    if (jget_member(object, key) == NULL) {
        *out = missing;
        return 0;
    }
    return jget_double(object, key, out, err);
}

int jget_bool(const json_t *object, const char *key, bool *out, struct err *err)
{
    const json_t *value = jget_member(object, key);

    if (value == NULL) {
        return missing_key(key, err);
    }
    if (!json_is_boolean(value)) {
        return wrong_type(key, "a boolean", value, err);
    }
    *out = json_is_true(value);
    return 0;
}

int jget_bool_or(const json_t *object, const char *key, bool missing, bool *out,
                 struct err *err)
{
    if (jget_member(object, key) == NULL) {
        *out = missing;
        return 0;
    }
    return jget_bool(object, key, out, err);
}

int jget_string(const json_t *object, const char *key, const char **out,
                struct err *err)
{
    const json_t *value = jget_member(object, key);

    if (value == NULL) {
        return missing_key(key, err);
    }
    if (!json_is_string(value)) {
        return wrong_type(key, "a string", value, err);
    }
    *out = json_string_value(value);
    return 0;
}

int jget_string_or(const json_t *object, const char *key, const char *missing,
                   const char **out, struct err *err)
{
    if (jget_member(object, key) == NULL) {
        *out = missing;
        return 0;
    }
    return jget_string(object, key, out, err);
}

int jget_object(const json_t *object, const char *key, const json_t **out,
                struct err *err)
{
    const json_t *value = jget_member(object, key);

    if (value == NULL) {
        return missing_key(key, err);
    }
    if (!json_is_object(value)) {
        return wrong_type(key, "an object", value, err);
    }
    *out = value;
    return 0;
}

int jget_array(const json_t *object, const char *key, const json_t **out,
               struct err *err)
{
    const json_t *value = jget_member(object, key);

    if (value == NULL) {
        return missing_key(key, err);
    }
    if (!json_is_array(value)) {
        return wrong_type(key, "an array", value, err);
    }
    *out = value;
    return 0;
}
