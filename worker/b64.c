/* SPDX-License-Identifier: MIT
 *
 * b64: a line is base64 (RFC 4648) of packed little-endian float32 numbers,
 * one or more whole rows of all columns. The width of a row cannot be seen in
 * the line: it is what the model and the chosen columns ask for, or the
 * number of names in a header line.
 */
#include "worker/format.h"

#include "common/base64.h"
#include "common/mem.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "packed numbers are little-endian and are not swapped"
#endif

struct b64 {
    size_t width;
    float *values; /* owned */
    size_t room;   /* floats allocated */
};

static void b64_destroy(void **state)
{
    struct b64 *s = *state;

    if (s != NULL) {
        mem_free(s->values);
        mem_free(s);
        *state = NULL;
    }
}

static int b64_create(const struct row_hints *hints, void **state,
                      struct err *err)
{
    struct b64 *s;

    if (hints->header == ROW_HEADER_PRESENT) {
        return err_set(err, ERR_INVALID,
                       "b64 rows have no header line: leave out --header");
    }
    s = mem_zalloc(sizeof(*s));
    if (s == NULL) {
        return err_nomem(err);
    }
    s->width = hints->width;
    *state = s;
    return 0;
}

static int b64_begin(void *state, struct view line, struct columns *columns,
                     bool *header, struct err *err)
{
    const struct b64 *s = state;

    (void)line;
    (void)err;
    columns->count = s->width;
    *header = false;
    return 0;
}

static int make_room(struct b64 *s, size_t bytes, struct err *err)
{
    size_t need = bytes / sizeof(*s->values) + 1;
    float *values;

    if (need <= s->room) {
        return 0;
    }
    values = mem_resize_array(s->values, need, sizeof(*values));
    if (values == NULL) {
        return err_nomem(err);
    }
    s->values = values;
    s->room = need;
    return 0;
}

static int b64_parse(void *state, struct view line,
                     const struct columns *columns, struct row_values *out,
                     struct err *err)
{
    struct b64 *s = state;
    size_t width = columns->count;
    size_t bytes = 0;
    size_t n;
    int rc;

    out->rows = 0;
    while (line.len > 0 && strchr(" \t", line.data[line.len - 1]) != NULL) {
        line.len--;
    }
    rc = make_room(s, base64_room(line.len), err);
    if (rc == 0) {
        rc = base64_decode(line, s->values, &bytes, err);
    }
    if (rc != 0) {
        return rc;
    }
    n = bytes / sizeof(float);
    if (bytes % sizeof(float) != 0 || n == 0 || n % width != 0) {
        return err_set(err, ERR_INVALID,
                       "%zu bytes are no whole number of rows of %zu columns "
                       "(%zu bytes)",
                       bytes, width, width * sizeof(float));
    }
    out->values = s->values;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(s->values[i])) {
            out->rows = i / width;
            return err_set(err, ERR_INVALID, "column %zu is not finite",
                           i % width);
        }
    }
    out->rows = n / width;
    return 0;
}

const struct row_format row_format_b64 = {"b64",     b64_create, b64_destroy,
                                          b64_begin, NULL,       b64_parse};
