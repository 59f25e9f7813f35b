/* SPDX-License-Identifier: MIT
 *
 * row_source: see row_source.h. One large buffer is filled by read(2) or
 * gzread() and rows are handed out where they lie in it.
 */
#include "driver/row_source.h"

#include "common/mem.h"

#include "driver/row_header.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define BUFFER_SIZE ((size_t)1 << 20)
#define MARK "#elephas/1"

struct row_source {
    const struct row_files *files; /* borrowed */
    size_t index;                  /* of the file that is open, or comes next */
    enum row_source_header mode;
    bool settled;      /* whether there is a header is known */
    struct buf header; /* the first file's, empty if it has none */
    size_t header_file;
    int fd;     /* -1: no file is open */
    gzFile zip; /* or NULL; owns fd */
    bool at_end;
    bool comments; /* are skipped */
    bool is_first; /* no line of this file was taken yet */
    uint64_t line; /* lines read of this file */
    char *data;    /* owned; size bytes */
    size_t size;
    size_t at;   /* first byte not handed out */
    size_t fill; /* one past the last byte read */
};

int row_source_create(const struct row_files *files,
                      enum row_source_header header, struct view known,
                      struct row_source **out, struct err *err)
{
    struct row_source *s = mem_zalloc(sizeof(*s));
    int rc;

    if (s == NULL) {
        return err_nomem(err);
    }
    s->files = files;
    s->mode = header;
    s->fd = -1;
    s->header_file = SIZE_MAX;
    s->size = BUFFER_SIZE;
    s->data = mem_alloc(s->size);
    buf_init(&s->header, ROW_SOURCE_MAX_LINE);
    rc = s->data != NULL ? buf_append(&s->header, known.data, known.len, err)
                         : err_nomem(err);
    s->settled = known.len != 0;
    if (rc != 0) {
        row_source_destroy(&s);
        return rc;
    }
    *out = s;
    return 0;
}

static void close_file(struct row_source *s)
{
    if (s->zip != NULL) {
        (void)gzclose(s->zip);
    } else if (s->fd >= 0) {
        (void)close(s->fd);
    }
    s->zip = NULL;
    s->fd = -1;
}

void row_source_destroy(struct row_source **source)
{
    struct row_source *s = *source;

    if (s != NULL) {
        close_file(s);
        buf_deinit(&s->header);
        mem_free(s->data);
        mem_free(s);
        *source = NULL;
    }
}

static const char *path_of(const struct row_source *s)
{
    return s->files->paths[s->index];
}

/* By its name, or by the first bytes (RFC 1952). */
static bool is_zipped(const char *path, int fd)
{
    static const uint8_t magic[2] = {0x1f, 0x8b};
    size_t len = strlen(path);
    uint8_t first[2];

    return (len > 3 && strcmp(path + len - 3, ".gz") == 0) ||
           (pread(fd, first, 2, 0) == 2 && memcmp(first, magic, 2) == 0);
}

static int open_file(struct row_source *s, struct err *err)
{
    const char *path = path_of(s);
    struct stat st;

    /* not to hang on a pipe that took the file's name */
    s->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (s->fd < 0 || fstat(s->fd, &st) != 0) {
        int number = errno;

        close_file(s);
        return err_errno(err,
                         number == ENOENT   ? ERR_NOT_FOUND
                         : number == EACCES ? ERR_DENIED
                                            : ERR_IO,
                         number, "%s", path);
    }
    if (!S_ISREG(st.st_mode)) {
        close_file(s);
        return err_set(err, ERR_INVALID, "%s: not a regular file", path);
    }
    if (is_zipped(path, s->fd)) {
        s->zip = gzdopen(s->fd, "rb");
        if (s->zip == NULL) {
            close_file(s);
            return err_nomem(err);
        }
        (void)gzbuffer(s->zip, 1 << 18);
    }
    s->at = 0;
    s->fill = 0;
    s->line = 0;
    s->at_end = false;
    return 0;
}

static int zip_fault(struct row_source *s, int code, struct err *err)
{
    if (code == Z_MEM_ERROR) {
        return err_nomem(err);
    }
    if (code == Z_ERRNO) {
        return err_errno(err, ERR_IO, errno, "%s", path_of(s));
    }
    return err_set(err, ERR_INVALID, "%s: the gzip file is %s after line %llu",
                   path_of(s), code == Z_BUF_ERROR ? "cut off" : "damaged",
                   (unsigned long long)s->line);
}

static int read_zipped(struct row_source *s, size_t *got, struct err *err)
{
    size_t room = s->size - s->fill;
    int n = gzread(s->zip, s->data + s->fill,
                   room > INT_MAX ? INT_MAX : (unsigned)room);
    int code = Z_OK;

    if (n >= 0 && gzdirect(s->zip) && (n > 0 || s->fill != 0)) {
        return err_set(err, ERR_INVALID,
                       "%s: not a gzip file, in spite of its name", path_of(s));
    }
    (void)gzerror(s->zip, &code);
    if (n < 0 || (n == 0 && code != Z_OK && code != Z_STREAM_END)) {
        return zip_fault(s, code, err);
    }
    *got = (size_t)n;
    return 0;
}

static int read_plain(struct row_source *s, size_t *got, struct err *err)
{
    ssize_t n;

    do {
        n = read(s->fd, s->data + s->fill, s->size - s->fill);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return err_errno(err, ERR_IO, errno, "%s", path_of(s));
    }
    *got = (size_t)n;
    return 0;
}

/* More bytes behind those not handed out; the buffer grows if they fill it. */
static int fill_more(struct row_source *s, struct err *err)
{
    size_t got = 0;
    int rc;

    if (s->at != 0) {
        memmove(s->data, s->data + s->at, s->fill - s->at);
        s->fill -= s->at;
        s->at = 0;
    }
    if (s->fill == s->size) {
        char *bigger = NULL;

        if (s->size >= ROW_SOURCE_MAX_LINE) {
            return err_set(err, ERR_LIMIT,
                           "%s, line %llu: longer than %zu bytes", path_of(s),
                           (unsigned long long)s->line + 1,
                           ROW_SOURCE_MAX_LINE);
        }
        bigger = mem_resize(s->data, s->size * 2);
        if (bigger == NULL) {
            return err_nomem(err);
        }
        s->data = bigger;
        s->size *= 2;
    }
    rc = s->zip != NULL ? read_zipped(s, &got, err) : read_plain(s, &got, err);
    if (rc == 0) {
        s->fill += got;
        s->at_end = got == 0;
    }
    return rc;
}

/* The next line of the open file; *end if there is none. */
static int read_line(struct row_source *s, struct view *line, bool *end,
                     struct err *err)
{
    size_t scanned = s->at;
    char *found;

    *end = false;
    while ((found = memchr(s->data + scanned, '\n', s->fill - scanned)) ==
           NULL) {
        size_t seen = s->fill - s->at;
        int rc;

        if (s->at_end) {
            break;
        }
        rc = fill_more(s, err);
        if (rc != 0) {
            return rc;
        }
        scanned = s->at + seen;
    }
    line->data = (const uint8_t *)s->data + s->at;
    if (found != NULL) {
        line->len = (size_t)(found - s->data) - s->at;
        s->at += line->len + 1;
    } else {
        line->len = s->fill - s->at;
        s->at = s->fill;
        *end = line->len == 0;
    }
    s->line++;
    if (line->len != 0 && line->data[line->len - 1] == '\r') {
        line->len--;
    }
    if (s->line == 1 && line->len >= 3 &&
        memcmp(line->data, "\xef\xbb\xbf", 3) == 0) {
        line->data += 3;
        line->len -= 3;
    }
    return 0;
}

static bool is_blank(struct view line)
{
    size_t i = 0;

    while (i < line.len && (line.data[i] == ' ' || line.data[i] == '\t')) {
        i++;
    }
    return i == line.len;
}

static bool is_comment(const struct row_source *s, struct view line)
{
    size_t i = 0;

    while (i < line.len && (line.data[i] == ' ' || line.data[i] == '\t')) {
        i++;
    }
    return s->comments && i < line.len && line.data[i] == '#';
}

static bool is_control(struct view line)
{
    size_t n = sizeof(MARK) - 1;

    return line.len >= n && line.data[0] == '#' &&
           memcmp(line.data, MARK, n) == 0 &&
           (line.len == n || line.data[n] == ' ');
}

/* Whether the first line of the first file with lines is a header. */
static int settle(struct row_source *s, struct view line, bool *header,
                  struct err *err)
{
    enum row_header_guess guess;

    s->settled = true;
    *header = s->mode == ROW_SOURCE_PRESENT;
    if (s->mode == ROW_SOURCE_GUESS) {
        guess = row_header_guess(line);
        if (guess == ROW_HEADER_MIXED) {
            return err_set(err, ERR_INVALID,
                           "%s: the first line has numbers and words: say "
                           "--header if it names the columns, --no-header if "
                           "not",
                           path_of(s));
        }
        *header = guess == ROW_HEADER_NAMES;
    }
    if (!*header) {
        return 0;
    }
    s->header_file = s->index;
    return buf_append(&s->header, line.data, line.len, err);
}

/* The first line of a file: is it a header, and the same as before? */
static int check_first(struct row_source *s, struct view line, bool *header,
                       struct err *err)
{
    *header = false;
    if (s->mode == ROW_SOURCE_ABSENT && s->header.len == 0) {
        return 0;
    }
    if (!s->settled) {
        return settle(s, line, header, err);
    }
    *header = s->header.len != 0 && s->header.len == line.len &&
              memcmp(s->header.data, line.data, line.len) == 0;
    if (*header || row_header_guess(line) != ROW_HEADER_NAMES) {
        return 0;
    }
    return err_set(err, ERR_INVALID,
                   s->header.len != 0
                       ? "%s: the header is not that of %s"
                       : "%s: the first line names columns, that of %s does "
                         "not",
                   path_of(s),
                   s->header_file < s->files->count
                       ? s->files->paths[s->header_file]
                   : s->header.len != 0 ? "the training data"
                                        : s->files->paths[0]);
}

/* A line that is not blank: a row, or a header. */
static int take_line(struct row_source *s, struct view line, bool *is_row,
                     struct err *err)
{
    bool header = false;
    int rc = 0;

    if (s->is_first) {
        s->is_first = false;
        rc = check_first(s, line, &header, err);
    }
    if (rc == 0 && is_control(line)) {
        rc = err_set(err, ERR_INVALID,
                     "%s, line %llu: begins with %s, which no row may",
                     path_of(s), (unsigned long long)s->line, MARK);
    }
    *is_row = !header;
    return rc;
}

int row_source_next(struct row_source *source, struct view *row, bool *end,
                    struct err *err)
{
    struct row_source *s = source;
    bool is_row = false;

    *end = false;
    while (!is_row) {
        bool file_end = false;
        int rc;

        if (s->fd < 0) {
            *end = s->index == s->files->count;
            if (*end) {
                return 0;
            }
            rc = open_file(s, err);
            if (rc != 0) {
                return rc;
            }
            s->is_first = true;
        }
        rc = read_line(s, row, &file_end, err);
        if (rc != 0) {
            return rc;
        }
        if (file_end) {
            close_file(s);
            s->index++;
        } else if (!is_blank(*row) &&
                   (!is_comment(s, *row) || is_control(*row))) {
            rc = take_line(s, *row, &is_row, err);
            if (rc != 0) {
                return rc;
            }
        }
    }
    return 0;
}

void row_source_skip_comments(struct row_source *s)
{
    s->comments = true;
}

int row_source_wrap(const struct row_source *s, struct err *err)
{
    return err_wrap(err, "%s, line %llu", path_of(s),
                    (unsigned long long)s->line);
}

struct view row_source_header(const struct row_source *source)
{
    return buf_view(&source->header);
}
