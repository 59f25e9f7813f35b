/* SPDX-License-Identifier: MIT
 *
 * json: a row is an array of numbers (nested ones are flattened row-major) or
 * an object of columns by name, whose values are numbers or arrays of them.
 * The first row fixes the kind and the columns; later objects may hold their
 * members in any order, but must hold the same ones.
 *
 * Rows are scanned for numbers without building a tree; whatever the scan does
 * not take (escapes in names, an empty array, any fault) is read again by
 * the JSON library, which knows the rest and says what is wrong.
 */
#include "worker/format.h"

#include "common/jget.h"
#include "common/mem.h"
#include "worker/number.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct json_rows {
    bool objects;  /* rows are objects, not arrays */
    float *values; /* owned */
    bool *seen;    /* names of the row being scanned; owned */
    bool *needed;  /* numbers that are used; NULL: all; owned */
};

static void json_rows_destroy(void **state)
{
    struct json_rows *s = *state;

    if (s != NULL) {
        mem_free(s->values);
        mem_free(s->seen);
        mem_free(s->needed);
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
    s->seen = mem_array(columns->name_count + 1, sizeof(*s->seen));
    if (s->values == NULL || s->seen == NULL) {
        rc = err_nomem(err);
    }
out:
    json_decref(row);
    return rc;
}

static int json_rows_select(void *state, const struct columns *columns,
                            const bool *needed, struct err *err)
{
    struct json_rows *s = state;

    if (s->objects) { /* an array must be numbers to be counted */
        s->needed = mem_copy(needed, columns->count * sizeof(*needed));
        if (s->needed == NULL) {
            return err_nomem(err);
        }
    }
    return 0;
}

/* Whether any number of the column is used. */
static bool is_needed(const struct json_rows *s, const struct column_name *c)
{
    for (size_t i = 0; s->needed != NULL && i < c->count; i++) {
        if (s->needed[c->first + i]) {
            return true;
        }
    }
    return s->needed == NULL;
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

static int read_object(const struct json_rows *s, const json_t *row,
                       const struct columns *columns, struct err *err)
{
    const char *key;
    json_t *value;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < columns->name_count; i++) {
        const struct column_name *c = &columns->names[i];
        const json_t *member = json_object_get(row, c->name);

        if (!is_needed(s, c)) {
            continue;
        }
        if (member == NULL) {
            return err_set(err, ERR_INVALID, "column '%s' is missing", c->name);
        }
        rc = read_part(member, columns, c->name, c->first, c->count, s->values,
                       err);
    }
    if (rc != 0 || s->needed != NULL ||
        json_object_size(row) == columns->name_count) {
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

/* ---- scanning without a tree ---- */

static const char *skip_blanks(const char *p)
{
    while (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n') {
        p++;
    }
    return p;
}

/* Reads a number or nested arrays of them at p, `count` numbers in all, to
 * out. Returns what is behind, NULL for anything else. */
static const char *scan_numbers(const char *p, float *out, size_t count)
{
    size_t depth = 0;
    size_t n = 0;

    for (;;) {
        for (p = skip_blanks(p); *p == '['; p = skip_blanks(p + 1)) {
            depth++;
        }
        if (n == count || number_parse(p, &p, &out[n]) != NUMBER_OK) {
            return NULL;
        }
        n++;
        for (p = skip_blanks(p); depth > 0 && *p == ']';
             p = skip_blanks(p + 1)) {
            depth--;
        }
        if (depth == 0) {
            return n == count ? p : NULL;
        }
        if (*p != ',') {
            return NULL;
        }
        p++;
    }
}

/* Index of the column with this name, searched from `from` on. */
static size_t find_name(const struct columns *columns, const char *name,
                        size_t len, size_t from)
{
    for (size_t k = 0; k < columns->name_count; k++) {
        size_t i = (from + k) % columns->name_count;
        const char *candidate = columns->names[i].name;

        if (strncmp(candidate, name, len) == 0 && candidate[len] == '\0') {
            return i;
        }
    }
    return columns->name_count;
}

/* Whether the line is an object with just these columns; reads them. */
static bool scan_object(const struct json_rows *s,
                        const struct columns *columns, const char *p)
{
    size_t next = 0;

    memset(s->seen, 0, columns->name_count * sizeof(*s->seen));
    for (size_t n = 0; n < columns->name_count; n++) {
        const struct column_name *c;
        size_t len;

        p = skip_blanks(p);
        if (*p != (n == 0 ? '{' : ',')) {
            return false;
        }
        p = skip_blanks(p + 1);
        if (*p != '"') {
            return false;
        }
        len = strcspn(++p, "\"\\");
        next = find_name(columns, p, len, next);
        if (p[len] != '"' || next == columns->name_count || s->seen[next]) {
            return false;
        }
        s->seen[next] = true;
        c = &columns->names[next];
        p = skip_blanks(p + len + 1);
        if (*p != ':') {
            return false;
        }
        p = scan_numbers(p + 1, s->values + c->first, c->count);
        if (p == NULL) {
            return false;
        }
        next = (next + 1) % columns->name_count;
    }
    return *p == '}' && *skip_blanks(p + 1) == '\0';
}

static bool scan_row(const struct json_rows *s, struct view line,
                     const struct columns *columns)
{
    const char *p = skip_blanks((const char *)line.data);
    const char *end = (const char *)line.data + line.len;

    if (s->objects) {
        return columns->name_count != 0 && scan_object(s, columns, p);
    }
    if (*p != '[') {
        return false;
    }
    p = scan_numbers(p, s->values, columns->count);
    return p == end;
}

static int json_rows_parse(void *state, struct view line,
                           const struct columns *columns,
                           struct row_values *out, struct err *err)
{
    struct json_rows *s = state;
    json_t *row = NULL;
    int rc;

    out->rows = 0;
    out->values = s->values;
    if (scan_row(s, line, columns)) {
        out->rows = 1;
        return 0;
    }
    rc = jget_parse((const char *)line.data, line.len, &row, err);
    if (rc != 0) {
        return rc;
    }
    if (json_is_object(row) != s->objects ||
        (!s->objects && !json_is_array(row))) {
        rc = err_set(err, ERR_INVALID, "%s is wanted, not %s",
                     s->objects ? "an object like the first row" : "an array",
                     jget_type_name(row));
    } else if (s->objects) {
        rc = read_object(s, row, columns, err);
    } else {
        rc = read_part(row, columns, "", 0, columns->count, s->values, err);
    }
    out->rows = rc == 0 ? 1 : 0;
    json_decref(row);
    return rc;
}

const struct row_format row_format_json = {
    "json",          json_rows_create, json_rows_destroy,
    json_rows_begin, json_rows_select, json_rows_parse};
