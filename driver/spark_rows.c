/* SPDX-License-Identifier: MIT
 *
 * spark_rows: see spark_rows.h. A file is opened for each piece: pieces are
 * half a megabyte, partitions may be thousands.
 */
#include "driver/spark_rows.h"

#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* One attempt. */
struct stream {
    uint32_t partition;
    uint32_t attempt;
    uint64_t lines; /* taken so far */
    bool complete;
    struct stream *next;
};

struct spark_rows {
    char *dir;
    struct stream *first;
};

int spark_rows_create(const char *dir, struct spark_rows **out, struct err *err)
{
    struct spark_rows *rows = mem_zalloc(sizeof(*rows));

    if (rows == NULL) {
        return err_nomem(err);
    }
    rows->dir = mem_strdup(dir);
    if (rows->dir == NULL) {
        mem_free(rows);
        return err_nomem(err);
    }
    *out = rows;
    return 0;
}

void spark_rows_destroy(struct spark_rows **out)
{
    struct spark_rows *rows = *out;

    if (rows == NULL) {
        return;
    }
    while (rows->first != NULL) {
        struct stream *s = rows->first;

        rows->first = s->next;
        mem_free(s);
    }
    mem_free(rows->dir);
    mem_free(rows);
    *out = NULL;
}

static bool is_complete(const struct spark_rows *rows, uint32_t partition)
{
    for (const struct stream *s = rows->first; s != NULL; s = s->next) {
        if (s->partition == partition && s->complete) {
            return true;
        }
    }
    return false;
}

static struct stream *find(const struct spark_rows *rows,
                           const struct engine_rows *piece)
{
    struct stream *s = rows->first;

    while (s != NULL &&
           (s->partition != piece->partition || s->attempt != piece->attempt)) {
        s = s->next;
    }
    return s;
}

static uint64_t count_lines(struct view text)
{
    const uint8_t *p = text.data;
    const uint8_t *end = p + text.len;
    uint64_t n = 0;

    while (p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
        n++;
        p++;
    }
    return n;
}

/* A piece goes in whole or not at all: what was there before stays. */
static int append(const char *path, bool fresh, struct view lines,
                  struct err *err)
{
    int fd = open(
        path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (fresh ? O_TRUNC : 0),
        0600);
    off_t before = fd >= 0 ? lseek(fd, 0, SEEK_END) : -1;
    size_t done = 0;
    int rc = 0;

    if (before < 0) {
        rc = err_errno(err, ERR_IO, errno, "%s", path);
    }
    while (rc == 0 && done < lines.len) {
        ssize_t n = write(fd, lines.data + done, lines.len - done);

        if (n < 0 && errno != EINTR) {
            rc = err_errno(err, ERR_IO, errno, "%s", path);
            (void)!ftruncate(fd, before);
        }
        done += n > 0 ? (size_t)n : 0;
    }
    if (fd >= 0 && close(fd) != 0 && rc == 0) {
        rc = err_errno(err, ERR_IO, errno, "%s", path);
    }
    return rc;
}

static int finish(struct spark_rows *rows, struct stream *s, const char *path,
                  struct err *err)
{
    char *whole = mem_printf("%s/part-%u", rows->dir, s->partition);
    int rc = whole != NULL ? 0 : err_nomem(err);

    if (rc == 0 && rename(path, whole) != 0) {
        rc = err_errno(err, ERR_IO, errno, "%s", whole);
    }
    s->complete = rc == 0;
    mem_free(whole);
    return rc;
}

static int take(struct spark_rows *rows, struct stream *s,
                const struct engine_rows *piece, struct err *err)
{
    uint64_t n = count_lines(piece->lines);
    char *path;
    int rc;

    if (piece->first + n <= s->lines && n != 0 && !piece->last) {
        return 0; /* its answer was lost on the way */
    }
    if (piece->first != s->lines) {
        return err_set(err, ERR_STATE,
                       "partition %u: line %llu comes next, not %llu",
                       s->partition, (unsigned long long)s->lines,
                       (unsigned long long)piece->first);
    }
    path = mem_printf("%s/part-%u.%u", rows->dir, s->partition, s->attempt);
    rc = path != NULL ? append(path, s->lines == 0, piece->lines, err)
                      : err_nomem(err);
    if (rc == 0) {
        s->lines += n;
    }
    if (rc == 0 && piece->last) {
        rc = finish(rows, s, path, err);
    }
    mem_free(path);
    return rc;
}

int spark_rows_add(struct spark_rows *rows, const struct engine_rows *piece,
                   struct err *err)
{
    struct stream *s = find(rows, piece);

    if (piece->lines.len != 0 &&
        piece->lines.data[piece->lines.len - 1] != '\n') {
        return err_set(err, ERR_INVALID, "rows: the last line is cut off");
    }
    if (is_complete(rows, piece->partition)) {
        return 0; /* another attempt, or this one again */
    }
    if (s == NULL) {
        s = mem_zalloc(sizeof(*s));
        if (s == NULL) {
            return err_nomem(err);
        }
        s->partition = piece->partition;
        s->attempt = piece->attempt;
        s->next = rows->first;
        rows->first = s;
    }
    return take(rows, s, piece, err);
}
