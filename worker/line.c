/* SPDX-License-Identifier: MIT
 *
 * line: see line.h. The buffer holds [at, fill) unread bytes and always one
 * byte more than it may fill, for the NUL behind a last line without a line
 * break.
 */
#include "worker/line.h"

#include "common/mem.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define FIRST_SIZE ((size_t)1 << 18)

struct line_reader {
    int fd;
    size_t max;
    char *data; /* size + 1 bytes; owned */
    size_t size;
    size_t at;      /* first byte not handed out */
    size_t scanned; /* no line break before this */
    size_t fill;    /* one past the last byte read */
    uint64_t lines;
    bool eof;
};

int line_reader_create(int fd, size_t max, struct line_reader **out,
                       struct err *err)
{
    struct line_reader *r = mem_zalloc(sizeof(*r));

    *out = NULL;
    if (r == NULL) {
        return err_nomem(err);
    }
    r->fd = fd;
    r->max = max != 0 ? max : LINE_MAX_BYTES;
    r->size = FIRST_SIZE;
    r->data = mem_alloc(r->size + 1);
    if (r->data == NULL) {
        line_reader_destroy(&r);
        return err_nomem(err);
    }
    *out = r;
    return 0;
}

void line_reader_destroy(struct line_reader **reader)
{
    if (*reader != NULL) {
        mem_free((*reader)->data);
        mem_free(*reader);
        *reader = NULL;
    }
}

/* Makes room behind fill: moves the unread bytes to the front, and doubles
 * the buffer when they are all of it. */
static int make_room(struct line_reader *r, struct err *err)
{
    size_t unread = r->fill - r->at;
    size_t size;
    char *data;

    if (r->at != 0) {
        memmove(r->data, r->data + r->at, unread);
        r->scanned -= r->at;
        r->fill = unread;
        r->at = 0;
    }
    if (r->fill < r->size) {
        return 0;
    }
    if (r->size > r->max) {
        return err_set(err, ERR_LIMIT, "line %llu is longer than %zu bytes",
                       (unsigned long long)(r->lines + 1), r->max);
    }
    size = r->size * 2;
    data = mem_resize(r->data, size + 1);
    if (data == NULL) {
        return err_nomem(err);
    }
    r->data = data;
    r->size = size;
    return 0;
}

static int fill_more(struct line_reader *r, struct err *err)
{
    int rc = make_room(r, err);
    ssize_t n;

    if (rc != 0) {
        return rc;
    }
    do {
        n = read(r->fd, r->data + r->fill, r->size - r->fill);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return err_errno(err, ERR_IO, errno, "rows cannot be read");
    }
    r->fill += (size_t)n;
    r->eof = n == 0;
    return 0;
}

static int hand_out(struct line_reader *r, size_t len, size_t skip,
                    struct view *line, struct err *err)
{
    char *start = r->data + r->at;

    if (len > r->max) {
        return err_set(err, ERR_LIMIT, "line %llu is longer than %zu bytes",
                       (unsigned long long)(r->lines + 1), r->max);
    }
    r->at += skip;
    r->scanned = r->at;
    r->lines++;
    if (len > 0 && start[len - 1] == '\r') {
        len--;
    }
    start[len] = '\0';
    line->data = (const uint8_t *)start;
    line->len = len;
    return 0;
}

int line_read(struct line_reader *r, struct view *line, bool *end,
              struct err *err)
{
    *end = false;
    for (;;) {
        const char *from = r->data + r->scanned;
        const char *found = memchr(from, '\n', r->fill - r->scanned);
        int rc;

        if (found != NULL) {
            size_t len = (size_t)(found - (r->data + r->at));

            return hand_out(r, len, len + 1, line, err);
        }
        r->scanned = r->fill;
        if (r->eof) {
            break;
        }
        rc = fill_more(r, err);
        if (rc != 0) {
            return rc;
        }
    }
    if (r->fill > r->at) { /* a last line without a line break */
        return hand_out(r, r->fill - r->at, r->fill - r->at, line, err);
    }
    line->data = (const uint8_t *)"";
    line->len = 0;
    *end = true;
    return 0;
}
