/* SPDX-License-Identifier: MIT
 *
 * job_read: see job_read.h.
 */
#include "driver/core/job_read.h"

#include "common/jget.h"
#include "common/mem.h"

#include <string.h>

#define STRINGS_MAX 65536
#define STRING_MAX_BYTES 4096

int job_check_keys(const json_t *object, const char *const *keys,
                   struct err *err)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)object, key, value)
    {
        size_t i = 0;

        while (keys[i] != NULL && strcmp(keys[i], key) != 0) {
            i++;
        }
        if (keys[i] == NULL) {
            return err_set(err, ERR_INVALID, "%.64s: unknown key", key);
        }
    }
    return 0;
}

int job_read_object(const json_t *object, const char *key, const json_t **out,
                    struct err *err)
{
    *out = NULL;
    if (jget_member(object, key) == NULL) {
        return 0;
    }
    return jget_object(object, key, out, err);
}

int job_copy_text(const char *key, const char *text, char **out,
                  struct err *err)
{
    if (text[0] == '\0' || strlen(text) > STRING_MAX_BYTES) {
        return err_set(err, ERR_INVALID,
                       "%s: a text of 1 to %d bytes is wanted", key,
                       STRING_MAX_BYTES);
    }
    for (const char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            return err_set(err, ERR_INVALID,
                           "%s: line breaks and control characters are not "
                           "allowed",
                           key);
        }
    }
    *out = mem_strdup(text);
    return *out != NULL ? 0 : err_nomem(err);
}

int job_read_text(const json_t *object, const char *key, char **out,
                  struct err *err)
{
    const char *text = NULL;
    int rc = jget_string_or(object, key, NULL, &text, err);

    if (rc == 0 && text != NULL && strlen(text) != 0) {
        rc = job_copy_text(key, text, out, err);
    } else if (rc == 0 && text != NULL) {
        rc = err_set(err, ERR_INVALID, "%s: is empty", key);
    }
    return rc;
}

int job_read_int(const json_t *object, const char *key, int64_t missing,
                 int64_t min, int64_t max, int64_t *out, struct err *err)
{
    int rc = jget_int_or(object, key, missing, out, err);

    if (rc == 0 && (*out < min || *out > max)) {
        rc = err_set(err, ERR_INVALID,
                     "%s: %lld is out of range, %lld to %lld is possible", key,
                     (long long)*out, (long long)min, (long long)max);
    }
    return rc;
}

void job_strings_deinit(struct job_strings *strings)
{
    for (size_t i = 0; i < strings->count; i++) {
        mem_free(strings->items[i]);
    }
    mem_free(strings->items);
    strings->items = NULL;
    strings->count = 0;
}

int job_read_strings(const json_t *object, const char *key,
                     struct job_strings *out, struct err *err)
{
    const json_t *value = jget_member(object, key);
    size_t n = 1;

    if (value == NULL) {
        return 0;
    }
    if (json_is_array(value)) {
        n = json_array_size(value);
    } else if (!json_is_string(value) && !json_is_integer(value)) {
        return err_set(err, ERR_INVALID,
                       "%s: a list of texts is wanted, not %s", key,
                       jget_type_name(value));
    }
    if (n > STRINGS_MAX) {
        return err_set(err, ERR_LIMIT, "%s: more than %d entries", key,
                       STRINGS_MAX);
    }
    out->items = mem_zarray(n, sizeof(*out->items));
    if (out->items == NULL) {
        return err_nomem(err);
    }
    for (; out->count < n; out->count++) {
        const json_t *item =
            json_is_array(value) ? json_array_get(value, out->count) : value;
        char **target = &out->items[out->count];
        int rc;

        if (json_is_integer(item) && json_integer_value(item) >= 0) {
            *target = mem_printf("%lld", (long long)json_integer_value(item));
            rc = *target != NULL ? 0 : err_nomem(err);
        } else if (json_is_string(item) && strlen(json_string_value(item)) ==
                                               json_string_length(item)) {
            rc = job_copy_text(key, json_string_value(item), target, err);
        } else {
            rc = err_set(err, ERR_INVALID, "%s: entry %zu: a text is wanted",
                         key, out->count);
        }
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}
