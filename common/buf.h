/* SPDX-License-Identifier: MIT
 *
 * buf: a growable run of bytes with a ceiling. Text written with
 * buf_printf() is always NUL-terminated behind `len`, so `data` can be read
 * as a string. A view is a borrowed run of bytes that someone else owns.
 */
#ifndef COMMON_BUF_H
#define COMMON_BUF_H

#include "common/err.h"

#include <stddef.h>
#include <stdint.h>

struct view {
    const uint8_t *data; /* borrowed */
    size_t len;
};

struct buf {
    uint8_t *data; /* owned; NULL until the first byte */
    size_t len;    /* bytes in use */
    size_t size;   /* bytes allocated */
    size_t max;    /* ceiling for len */
};

/* An empty buffer that never holds more than max bytes. */
void buf_init(struct buf *b, size_t max);
/* Releases the memory; b is as after buf_init() with the same ceiling. */
void buf_deinit(struct buf *b);
/* Empties it and keeps the memory. */
void buf_clear(struct buf *b);
/* Makes room for n more bytes. ERR_LIMIT past the ceiling, ERR_NOMEM. */
int buf_reserve(struct buf *b, size_t n, struct err *err) ERR_CHECKED;
int buf_append(struct buf *b, const void *data, size_t n,
               struct err *err) ERR_CHECKED;
int buf_puts(struct buf *b, const char *text, struct err *err) ERR_CHECKED;
int buf_printf(struct buf *b, struct err *err, const char *format,
               ...) ERR_CHECKED ERR_PRINTF(3, 4);
/* Removes the first n bytes. */
void buf_drain(struct buf *b, size_t n);
/* The bytes; ownership passes to the caller (mem_free), b is left empty.
 * Terminated by a NUL that len does not count. NULL on ERR_NOMEM. */
char *buf_take(struct buf *b, size_t *len);
struct view buf_view(const struct buf *b);
/* The bytes as a string: "" while empty. */
const char *buf_str(const struct buf *b);

#endif
