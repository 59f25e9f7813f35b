/* SPDX-License-Identifier: MIT
 *
 * b64: a line is base64 (RFC 4648) of packed little-endian float32 numbers,
 * one or more whole rows of all columns. The width of a row cannot be seen in
 * the line: it is what the model and the chosen columns ask for, or the
 * number of names in a header line.
 */
#include "worker/format.h"

#include "common/mem.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "packed numbers are little-endian and are not swapped"
#endif

#define BAD 0xff

struct b64 {
    size_t width;
    float *values; /* owned */
    size_t room;   /* floats allocated */
    uint8_t table[256];
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
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
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
    memset(s->table, BAD, sizeof(s->table));
    for (size_t i = 0; digits[i] != '\0'; i++) {
        s->table[(unsigned char)digits[i]] = (uint8_t)i;
    }
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

/* Decodes whole groups of four; the length of *out is in bytes. False for a
 * byte that is not base64. */
static bool decode(const struct b64 *s, const uint8_t *in, size_t len,
                   uint8_t *out, size_t *out_len)
{
    const uint8_t *t = s->table;
    size_t n = 0;
    size_t pad = 0;
    unsigned bad = 0;

    while (pad < 2 && pad < len && in[len - 1 - pad] == '=') {
        pad++;
    }
    for (size_t i = 0; i < len; i += 4) {
        bool last = i + 4 == len;
        uint32_t a = t[in[i]];
        uint32_t b = t[in[i + 1]];
        uint32_t c = last && pad > 1 ? 0 : t[in[i + 2]];
        uint32_t d = last && pad > 0 ? 0 : t[in[i + 3]];
        uint32_t bits = a << 18 | b << 12 | c << 6 | d;

        bad |= (a | b | c | d) & 0xc0;
        out[n] = (uint8_t)(bits >> 16);
        out[n + 1] = (uint8_t)(bits >> 8);
        out[n + 2] = (uint8_t)bits;
        n += 3;
    }
    *out_len = n - pad;
    return bad == 0;
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
    if (line.len % 4 != 0) {
        return err_set(err, ERR_INVALID,
                       "%zu characters, which is no multiple of 4: the base64 "
                       "is cut off",
                       line.len);
    }
    rc = make_room(s, line.len / 4 * 3, err);
    if (rc != 0) {
        return rc;
    }
    if (!decode(s, line.data, line.len, (uint8_t *)s->values, &bytes)) {
        return err_set(err, ERR_INVALID, "is not base64");
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
