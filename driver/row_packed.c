/* SPDX-License-Identifier: MIT
 *
 * row_packed: see row_packed.h. A line that holds one row, which is what most
 * files have, is checked and handed on as it is.
 */
#include "driver/row_packed.h"

#include "common/base64.h"
#include "common/mem.h"
#include "driver/row_source.h"

#include <string.h>

struct row_packed {
    size_t row_bytes;
    struct view line;
    struct buf bytes; /* the line, decoded */
    struct buf text;  /* a row, encoded again */
    size_t at;        /* bytes handed out */
};

int row_packed_create(size_t row_bytes, struct row_packed **out,
                      struct err *err)
{
    struct row_packed *p = mem_zalloc(sizeof(*p));

    if (p == NULL) {
        return err_nomem(err);
    }
    p->row_bytes = row_bytes;
    buf_init(&p->bytes, ROW_SOURCE_MAX_LINE);
    buf_init(&p->text, ROW_SOURCE_MAX_LINE);
    *out = p;
    return 0;
}

void row_packed_destroy(struct row_packed **packed)
{
    struct row_packed *p = *packed;

    if (p != NULL) {
        buf_deinit(&p->bytes);
        buf_deinit(&p->text);
        mem_free(p);
        *packed = NULL;
    }
}

int row_packed_open(struct row_packed *p, struct view line, struct err *err)
{
    int rc;

    buf_clear(&p->bytes);
    p->at = 0;
    while (line.len > 0 && strchr(" \t", line.data[line.len - 1]) != NULL) {
        line.len--;
    }
    p->line = line;
    rc = buf_reserve(&p->bytes, base64_room(line.len), err);
    if (rc == 0) {
        rc = base64_decode(line, p->bytes.data, &p->bytes.len, err);
    }
    if (rc != 0) {
        return rc;
    }
    if (p->bytes.len == 0 || p->bytes.len % p->row_bytes != 0) {
        rc = err_set(err, ERR_INVALID,
                     "%zu bytes are no whole number of rows of %zu columns "
                     "(%zu bytes)",
                     p->bytes.len, p->row_bytes / sizeof(float), p->row_bytes);
        buf_clear(&p->bytes);
    }
    return rc;
}

int row_packed_next(struct row_packed *p, struct view *row, bool *end,
                    struct err *err)
{
    int rc;

    *end = p->at == p->bytes.len;
    if (*end) {
        return 0;
    }
    if (p->bytes.len == p->row_bytes) {
        *row = p->line;
        p->at = p->bytes.len;
        return 0;
    }
    buf_clear(&p->text);
    rc = buf_reserve(&p->text, base64_length(p->row_bytes), err);
    if (rc == 0) {
        base64_encode(p->bytes.data + p->at, p->row_bytes,
                      (char *)p->text.data);
        p->text.len = base64_length(p->row_bytes);
        p->at += p->row_bytes;
        *row = buf_view(&p->text);
    }
    return rc;
}
