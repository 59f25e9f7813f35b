/* SPDX-License-Identifier: MIT
 *
 * predictions: see predictions.h.
 */
#include "driver/submit/predictions.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES ((size_t)64 << 20)

void predictions_init(struct predictions *p, FILE *out, const char *name,
                      bool with_class)
{
    memset(p, 0, sizeof(*p));
    p->out = out;
    p->name = name;
    p->with_class = with_class;
    buf_init(&p->line, LINE_MAX_BYTES);
}

void predictions_deinit(struct predictions *p)
{
    buf_deinit(&p->line);
}

static int write_out(const struct predictions *p, const void *data, size_t n,
                     struct err *err)
{
    if (n != 0 && fwrite(data, 1, n, p->out) != n) {
        return err_errno(err, ERR_IO, errno, "%s", p->name);
    }
    return 0;
}

/* The class of a row "0.1,0.7,0.2". */
static int class_of(const struct predictions *p, const char *row, size_t *out,
                    struct err *err)
{
    double best = -INFINITY;
    double value = 0;
    size_t n = 0;
    const char *at = row;

    for (;;) {
        char *end = NULL;

        value = strtod(at, &end);
        if (end == at || (*end != ',' && *end != '\0')) {
            return err_set(err, ERR_PROTO, "prediction row %zu is malformed",
                           p->lines);
        }
        if (n == 0 || value > best) {
            best = value;
            *out = n;
        }
        n++;
        if (*end == '\0') {
            break;
        }
        at = end + 1;
    }
    if (n == 1) {
        *out = value > 0.5 ? 1 : 0;
    }
    return 0;
}

/* p->line holds a whole line, without its end. */
static int take_line(struct predictions *p, struct err *err)
{
    size_t class = 0;
    int rc = 0;

    if (p->line.len > 0 && p->line.data[p->line.len - 1] == '\r') {
        p->line.data[--p->line.len] = '\0';
    }
    if (p->lines == 0) {
        rc = buf_puts(&p->line, ",class\n", err);
    } else {
        rc = class_of(p, buf_str(&p->line), &class, err);
        if (rc == 0) {
            rc = buf_printf(&p->line, err, ",%zu\n", class);
        }
    }
    if (rc == 0) {
        rc = write_out(p, p->line.data, p->line.len, err);
    }
    p->lines++;
    buf_clear(&p->line);
    return rc;
}

int predictions_feed(struct predictions *p, struct view piece, struct err *err)
{
    int rc = 0;

    if (!p->with_class) {
        return write_out(p, piece.data, piece.len, err);
    }
    while (rc == 0 && piece.len != 0) {
        const uint8_t *end = memchr(piece.data, '\n', piece.len);
        size_t n = end != NULL ? (size_t)(end - piece.data) : piece.len;

        rc = buf_append(&p->line, piece.data, n, err);
        if (rc == 0 && end != NULL) {
            rc = take_line(p, err);
            n++;
        }
        piece.data += n;
        piece.len -= n;
    }
    return rc;
}

int predictions_end(struct predictions *p, struct err *err)
{
    if (p->line.len != 0) {
        return err_set(err, ERR_PROTO, "the predictions end within a row");
    }
    if (fflush(p->out) != 0 || ferror(p->out)) {
        return err_errno(err, ERR_IO, errno, "%s", p->name);
    }
    return 0;
}
