/* SPDX-License-Identifier: MIT
 *
 * json: a row is an array of numbers (nested ones are flattened row-major) or
 * an object of columns by name, whose values are numbers or arrays of them.
 * The first row fixes the kind and the columns; later objects may hold their
 * members in any order, but must hold the same ones.
 */
#include "worker/format.h"

#include "common/jget.h"
#include "common/mem.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct json_rows {
    bool objects;  /* rows are objects, not arrays */
    float *values; /* owned */
};

static void json_rows_destroy(void **state)
{
    struct json_rows *s = *state;

    if (s != NULL) {
        mem_free(s->values);
        mem_free(s);
        *state = NULL;
    }
}

static int json_rows_create(const struct row_hints *hints, void **state,
                            struct err *err)
{
    if (hints->header == ROW_HEADER_PRESENT) {
        return err_set(err, ERR_INVALID,
                       "json rows have no header line: leave out --header");
    }
    *state = mem_zalloc(sizeof(struct json_rows));
    return *state != NULL ? 0 : err_nomem(err);
}

/* How many numbers a value holds; depth is bounded by the parser. */
static size_t count_numbers(const json_t *value)
{
    size_t n = 0;

    if (!json_is_array(value)) {
        return 1;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        n += count_numbers(json_array_get(value, i));
    }
    return n;
}

static int json_rows_begin(void *state, struct view line,
                           struct columns *columns, bool *header,
                           struct err *err)
{
    struct json_rows *s = state;
    json_t *row = NULL;
    const char *key;
    json_t *value;
    int rc = jget_parse((const char *)line.data, line.len, &row, err);

    *header = false;
    if (rc != 0) {
        return rc;
    }
    s->objects = json_is_object(row);
    if (!s->objects) {
        columns->count = count_numbers(row);
    } else {
        json_object_foreach(row, key, value)
        {
            rc = columns_add(columns, key, strlen(key), count_numbers(value),
                             err);
            if (rc != 0) {
                goto out;
            }
        }
    }
    s->values = mem_array(columns->count + 1, sizeof(*s->values));
    if (s->values == NULL) {
        rc = err_nomem(err);
    }
out:
    json_decref(row);
    return rc;
}

/* Writes the numbers of value to out[*at..end). */
static int flatten(const json_t *value, const struct columns *columns,
                   float *out, size_t *at, size_t end, struct err *err)
{
    char text[COLUMN_TEXT_SIZE];
    double number;
    int rc = 0;

    if (json_is_array(value)) {
        for (size_t i = 0; rc == 0 && i < json_array_size(value); i++) {
            rc = flatten(json_array_get(value, i), columns, out, at, end, err);
        }
        return rc;
    }
    if (*at == end) {
        return ERR_LIMIT; /* too many: the caller counts and says it */
    }
    if (!json_is_number(value)) {
        return err_set(err, ERR_INVALID, "%s: a number is wanted, not %s",
                       columns_text(columns, *at, text), jget_type_name(value));
    }
    number = json_number_value(value);
    if (!(fabs(number) <= (double)FLT_MAX)) {
        return err_set(err, ERR_INVALID,
                       "%s: %g is not a finite float32 number",
                       columns_text(columns, *at, text), number);
    }
    out[(*at)++] = (float)number;
    return 0;
}

static int read_part(const json_t *value, const struct columns *columns,
                     const char *name, size_t first, size_t count, float *out,
                     struct err *err)
{
    size_t at = first;
    int rc = flatten(value, columns, out, &at, first + count, err);

    if (rc == ERR_LIMIT || (rc == 0 && at != first + count)) {
        return err_set(err, ERR_INVALID, "%s%s%zu numbers instead of %zu", name,
                       name[0] != '\0' ? ": " : "", count_numbers(value),
                       count);
    }
    return rc;
}

static int read_object(const json_t *row, const struct columns *columns,
                       float *out, struct err *err)
{
    const char *key;
    json_t *value;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < columns->name_count; i++) {
        const struct column_name *c = &columns->names[i];
        const json_t *member = json_object_get(row, c->name);

        if (member == NULL) {
            return err_set(err, ERR_INVALID, "column '%s' is missing", c->name);
        }
        rc = read_part(member, columns, c->name, c->first, c->count, out, err);
    }
    if (rc != 0 || json_object_size(row) == columns->name_count) {
        return rc;
    }
    json_object_foreach((json_t *)(uintptr_t)row, key, value)
    {
        size_t i = 0;

        while (i < columns->name_count &&
               strcmp(columns->names[i].name, key) != 0) {
            i++;
        }
        if (i == columns->name_count) {
            return err_set(err, ERR_INVALID,
                           "column '%s' is not in the first row", key);
        }
    }
    return 0;
}

static int json_rows_parse(void *state, struct view line,
                           const struct columns *columns,
                           struct row_values *out, struct err *err)
{
    struct json_rows *s = state;
    json_t *row = NULL;
    int rc = jget_parse((const char *)line.data, line.len, &row, err);

    out->rows = 0;
    out->values = s->values;
    if (rc != 0) {
        return rc;
    }
    if (json_is_object(row) != s->objects ||
        (!s->objects && !json_is_array(row))) {
        rc = err_set(err, ERR_INVALID, "%s is wanted, not %s",
                     s->objects ? "an object like the first row" : "an array",
                     jget_type_name(row));
    } else if (s->objects) {
        rc = read_object(row, columns, s->values, err);
    } else {
        rc = read_part(row, columns, "", 0, columns->count, s->values, err);
    }
    out->rows = rc == 0 ? 1 : 0;
    json_decref(row);
    return rc;
}

const struct row_format row_format_json = {"json", json_rows_create,
                                           json_rows_destroy, json_rows_begin,
                                           json_rows_parse};
