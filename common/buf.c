/* SPDX-License-Identifier: MIT
 *
 * buf: growth by doubling, one spare byte kept for the terminator; see buf.h.
 */
#include "common/buf.h"

#include "common/mem.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BUF_FIRST_SIZE 256

void buf_init(struct buf *b, size_t max)
{
    memset(b, 0, sizeof(*b));
    b->max = max;
}

void buf_deinit(struct buf *b)
{
    mem_free(b->data);
    buf_init(b, b->max);
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    if (b->data != NULL) {
        b->data[0] = '\0';
    }
}

int buf_reserve(struct buf *b, size_t n, struct err *err)
{
    size_t need;
    size_t size;
    uint8_t *data;

    if (n > b->max || b->len > b->max - n) {
        return err_set(err, ERR_LIMIT, "more than %zu bytes", b->max);
    }
    need = b->len + n + 1;
    if (need <= b->size) {
        return 0;
    }
    size = b->size != 0 ? b->size : BUF_FIRST_SIZE;
    while (size < need) {
        size = size > SIZE_MAX / 2 ? need : size * 2;
    }
    if (size > b->max && need <= b->max + 1) {
        size = b->max + 1;
    }
    data = mem_resize(b->data, size);
    if (data == NULL) {
        return err_nomem(err);
    }
    b->data = data;
    b->size = size;
    b->data[b->len] = '\0';
    return 0;
}

int buf_append(struct buf *b, const void *data, size_t n, struct err *err)
{
    int rc = buf_reserve(b, n, err);

    if (rc != 0) {
        return rc;
    }
    if (n != 0) {
        memcpy(b->data + b->len, data, n);
        b->len += n;
    }
    b->data[b->len] = '\0';
    return 0;
}

int buf_puts(struct buf *b, const char *text, struct err *err)
{
    return buf_append(b, text, strlen(text), err);
}

int buf_printf(struct buf *b, struct err *err, const char *format, ...)
{
    va_list ap;
    int n;
    int rc;

    va_start(ap, format);
    n = vsnprintf(NULL, 0, format, ap);
    va_end(ap);
    if (n < 0) {
        return err_set(err, ERR_INVALID, "text that cannot be formatted");
    }
    rc = buf_reserve(b, (size_t)n, err);
    if (rc != 0) {
        return rc;
    }
    va_start(ap, format);
    (void)vsnprintf((char *)b->data + b->len, (size_t)n + 1, format, ap);
    va_end(ap);
    b->len += (size_t)n;
    return 0;
}

void buf_drain(struct buf *b, size_t n)
{
    assert(n <= b->len);
    if (n == 0) {
        return;
    }
    memmove(b->data, b->data + n, b->len - n);
    b->len -= n;
    b->data[b->len] = '\0';
}

char *buf_take(struct buf *b, size_t *len)
{
    char *data;

    if (b->data == NULL && buf_reserve(b, 0, NULL) != 0) {
        return NULL;
    }
    data = (char *)b->data;
    if (len != NULL) {
        *len = b->len;
    }
    buf_init(b, b->max);
    return data;
}

struct view buf_view(const struct buf *b)
{
    struct view v = {b->data, b->len};

    return v;
}

const char *buf_str(const struct buf *b)
{
    return b->data != NULL ? (const char *)b->data : "";
}
