/* SPDX-License-Identifier: MIT
 *
 * journal: see journal.h. A reader is pumped when it begins, when a line was
 * appended, and when what it was given has left.
 */
#include "driver/journal.h"

#include "common/buf.h"
#include "common/mem.h"
#include "driver/http.h"

#include <event2/event.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK ((size_t)64 << 10)
#define PENDING_MAX ((size_t)256 << 10)
#define LINE_MAX_BYTES ((size_t)16 << 20)
#define KEEP_ALIVE_SECONDS 15

struct reader {
    struct reader *prev;
    struct reader *next;
    struct journal *journal;
    struct http_exchange *x;
    int fd;         /* -1 until the file exists */
    uint64_t line;  /* number of the last whole line read */
    uint64_t after; /* lines up to this one are not sent */
    bool follow;
    bool at_end;     /* has seen all that is in the file */
    struct buf part; /* of a line that is not whole yet */
};

struct journal {
    struct event_base *base;
    char *path;
    enum journal_kind kind;
    uint64_t max_bytes;
    int fd; /* for writing; -1 until the first line */
    uint64_t size;
    bool full;
    bool ended;
    struct reader *readers;
    size_t reader_count;
    struct event *keep_alive;
};

/* ---- readers ---- */

static void reader_free(struct reader *r)
{
    struct journal *j = r->journal;

    if (r->prev != NULL) {
        r->prev->next = r->next;
    } else {
        j->readers = r->next;
    }
    if (r->next != NULL) {
        r->next->prev = r->prev;
    }
    j->reader_count--;
    if (j->reader_count == 0 && j->keep_alive != NULL) {
        (void)event_del(j->keep_alive);
    }
    if (r->fd >= 0) {
        (void)close(r->fd);
    }
    buf_deinit(&r->part);
    mem_free(r);
}

static void on_gone(void *context, struct http_exchange *x)
{
    (void)x;
    reader_free(context);
}

static void end_reader(struct reader *r)
{
    struct http_exchange *x = r->x;

    reader_free(r);
    http_stream_end(x);
}

/* Sends one line as an event. A line that a crash cut off is no object and is
 * left out. */
static int send_event(struct reader *r, const char *line, size_t len)
{
    struct buf frame;
    int rc;

    r->line++;
    if (r->line <= r->after || len < 2 || line[0] != '{' ||
        line[len - 1] != '}') {
        return 0;
    }
    buf_init(&frame, LINE_MAX_BYTES + 64);
    rc = buf_printf(&frame, NULL,
                    "id: %llu\ndata: ", (unsigned long long)r->line);
    if (rc == 0) {
        rc = buf_append(&frame, line, len, NULL);
    }
    if (rc == 0) {
        rc = buf_puts(&frame, "\n\n", NULL);
    }
    if (rc == 0) {
        http_stream_write(r->x, buf_view(&frame));
    }
    buf_deinit(&frame);
    return rc;
}

static int take_lines(struct reader *r, const char *data, size_t len)
{
    int rc = buf_append(&r->part, data, len, NULL);
    size_t used = 0;

    while (rc == 0) {
        const char *line = (const char *)r->part.data + used;
        const char *end =
            r->part.len > used ? memchr(line, '\n', r->part.len - used) : NULL;

        if (end == NULL) {
            break;
        }
        rc = send_event(r, line, (size_t)(end - line));
        used += (size_t)(end - line) + 1;
    }
    buf_drain(&r->part, used);
    return rc;
}

/* Sends what the reader can take now; false once it has ended. */
static bool pump(struct reader *r)
{
    struct journal *j = r->journal;
    char chunk[CHUNK];

    r->at_end = false;
    if (r->fd < 0) {
        r->fd = open(j->path, O_RDONLY | O_CLOEXEC);
    }
    while (http_stream_pending(r->x) < PENDING_MAX) {
        ssize_t n = r->fd >= 0 ? read(r->fd, chunk, sizeof(chunk)) : 0;
        int rc = 0;

        if (n > 0 && j->kind == JOURNAL_TEXT) {
            http_stream_write(r->x, (struct view){(uint8_t *)chunk, (size_t)n});
        } else if (n > 0) {
            rc = take_lines(r, chunk, (size_t)n);
        }
        if (n < 0 || rc != 0 || (n == 0 && (j->ended || !r->follow))) {
            end_reader(r);
            return false;
        }
        if (n == 0) {
            r->at_end = true;
            break;
        }
    }
    return true;
}

static void on_drain(void *context, struct http_exchange *x)
{
    struct reader *r = context;

    (void)x;
    if (!r->at_end) {
        (void)pump(r);
    }
}

static void pump_all(struct journal *j)
{
    struct reader *next;

    for (struct reader *r = j->readers; r != NULL; r = next) {
        next = r->next;
        (void)pump(r);
    }
}

static void on_keep_alive(evutil_socket_t fd, short what, void *arg)
{
    struct journal *j = arg;

    (void)fd;
    (void)what;
    for (struct reader *r = j->readers; r != NULL; r = r->next) {
        if (http_stream_pending(r->x) == 0) {
            http_stream_write(r->x, (struct view){(const uint8_t *)":\n\n", 3});
        }
    }
}

void journal_read(struct journal *j, struct http_exchange *x, uint64_t after,
                  bool follow)
{
    struct reader *r;
    struct timeval tv = {KEEP_ALIVE_SECONDS, 0};
    const char *type = j->kind == JOURNAL_EVENTS ? "text/event-stream"
                                                 : "text/plain; charset=utf-8";

    if (strcmp(http_method(x), "HEAD") == 0) {
        /* the length of what a GET would send is not known */
        http_stream_begin(x, 200, type, NULL, NULL, NULL);
        http_stream_end(x);
        return;
    }
    r = mem_zalloc(sizeof(*r));
    if (r == NULL) {
        http_reply_problem(x, 503, "nomem", "out of memory");
        return;
    }
    r->journal = j;
    r->x = x;
    r->fd = -1;
    r->after = after;
    r->follow = follow;
    buf_init(&r->part, LINE_MAX_BYTES);
    r->next = j->readers;
    if (r->next != NULL) {
        r->next->prev = r;
    }
    j->readers = r;
    j->reader_count++;
    if (j->kind == JOURNAL_EVENTS && j->reader_count == 1 &&
        j->keep_alive != NULL) {
        (void)event_add(j->keep_alive, &tv);
    }
    http_stream_begin(x, 200, type, on_drain, on_gone, r);
    (void)pump(r);
}

/* ---- the file ---- */

int journal_create(struct event_base *base, const char *path,
                   enum journal_kind kind, uint64_t max_bytes,
                   struct journal **out, struct err *err)
{
    struct journal *j = mem_zalloc(sizeof(*j));

    if (j == NULL) {
        return err_nomem(err);
    }
    j->base = base;
    j->kind = kind;
    j->max_bytes = max_bytes;
    j->fd = -1;
    j->path = mem_strdup(path);
    j->keep_alive = event_new(base, -1, EV_PERSIST, on_keep_alive, j);
    if (j->path == NULL || j->keep_alive == NULL) {
        journal_destroy(&j);
        return err_nomem(err);
    }
    *out = j;
    return 0;
}

void journal_destroy(struct journal **journal)
{
    struct journal *j = *journal;

    if (j == NULL) {
        return;
    }
    while (j->readers != NULL) {
        end_reader(j->readers);
    }
    if (j->keep_alive != NULL) {
        event_free(j->keep_alive);
    }
    if (j->fd >= 0) {
        (void)close(j->fd);
    }
    mem_free(j->path);
    mem_free(j);
    *journal = NULL;
}

/* Opens the file and, if a crash cut its last line off, ends that line. */
static int open_file(struct journal *j, struct err *err)
{
    struct stat st;
    char last = '\n';

    j->fd = open(j->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (j->fd < 0 || fstat(j->fd, &st) != 0) {
        return err_errno(err, ERR_IO, errno, "%s", j->path);
    }
    j->size = (uint64_t)st.st_size;
    if (st.st_size > 0 && pread(j->fd, &last, 1, st.st_size - 1) == 1 &&
        last != '\n' && write(j->fd, "\n", 1) == 1) {
        j->size++;
    }
    return 0;
}

static int write_line(struct journal *j, const char *line, struct err *err)
{
    size_t len = strlen(line);
    char *copy = mem_alloc(len + 1);
    int rc = 0;
    ssize_t n;

    if (copy == NULL) {
        return err_nomem(err);
    }
    for (size_t i = 0; i < len; i++) {
        copy[i] = line[i];
        if (copy[i] == '\n' || copy[i] == '\r') {
            copy[i] = ' ';
        }
    }
    copy[len] = '\n';
    n = write(j->fd, copy, len + 1);
    if (n != (ssize_t)len + 1) {
        rc = err_errno(err, ERR_IO, n < 0 ? errno : ENOSPC, "%s", j->path);
    } else {
        j->size += len + 1;
    }
    mem_free(copy);
    return rc;
}

int journal_append(struct journal *j, const char *line, struct err *err)
{
    int rc = 0;

    if (j->full) {
        return 0;
    }
    if (j->fd < 0) {
        rc = open_file(j, err);
    }
    if (rc == 0 && j->size + strlen(line) > j->max_bytes) {
        j->full = true;
        line = "(the log has reached its limit; what follows is not kept)";
    }
    if (rc == 0) {
        rc = write_line(j, line, err);
    }
    if (rc == 0) {
        pump_all(j);
    }
    return rc;
}

void journal_send(struct journal *j, const char *line)
{
    struct buf frame;

    buf_init(&frame, LINE_MAX_BYTES);
    if (buf_printf(&frame, NULL, "data: %s\n\n", line) == 0) {
        for (struct reader *r = j->readers; r != NULL; r = r->next) {
            if (r->at_end && http_stream_pending(r->x) < PENDING_MAX) {
                http_stream_write(r->x, buf_view(&frame));
            }
        }
    }
    buf_deinit(&frame);
}

void journal_end(struct journal *j)
{
    j->ended = true;
    if (j->fd >= 0) {
        (void)close(j->fd);
        j->fd = -1;
    }
    pump_all(j);
}

size_t journal_readers(const struct journal *j)
{
    return j->reader_count;
}
