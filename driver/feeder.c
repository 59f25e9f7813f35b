/* SPDX-License-Identifier: MIT
 *
 * feeder: see feeder.h. One pass over the files deals the rows out; with a
 * validation split an earlier pass counts them, because the last part of the
 * rows is known only then.
 */
#include "driver/feeder.h"

#include "common/buf.h"
#include "common/jget.h"
#include "common/mem.h"
#include "driver/row_packed.h"
#include "driver/row_sinks.h"
#include "driver/row_source.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ORDER_MAX ((size_t)64 << 20)
#define PARTITIONS_MAX 65536
#define STATUS_FAILED 1
#define STATUS_BAD_INPUT 2
#define STATUS_CLOSED 3

struct feeder {
    json_t *order; /* owned; strings are borrowed from it */
    enum row_source_header header;
    bool is_csv;
    bool has_comments;
    size_t partitions;
    int *fds; /* owned */
    struct row_files files;
    struct row_files validation_files;
    double split; /* 0: none */
    struct row_source *source;
    struct row_packed *packed; /* of b64, else NULL */
    struct row_sinks *sinks;
    uint64_t *sent; /* rows of each partition, both parts */
    uint64_t rows;  /* training */
    uint64_t validation_rows;
};

static int read_order(struct feeder *f, struct err *err)
{
    struct buf text;
    ssize_t n = 1;
    int rc = 0;

    buf_init(&text, ORDER_MAX);
    while (rc == 0 && n != 0) {
        rc = buf_reserve(&text, 1 << 16, err);
        if (rc == 0) {
            n = read(STDIN_FILENO, text.data + text.len, 1 << 16);
            if (n > 0) {
                text.len += (size_t)n;
            } else if (n < 0 && errno != EINTR) {
                rc = err_errno(err, ERR_IO, errno, "the feeder's order");
            }
        }
    }
    if (rc == 0) {
        rc = jget_parse((const char *)text.data, text.len, &f->order, err);
    }
    buf_deinit(&text);
    return rc;
}

static int read_files(const json_t *object, struct row_files *files,
                      struct err *err)
{
    const json_t *list;
    int rc = jget_array(object, "source", &list, err);

    for (size_t i = 0; rc == 0 && i < json_array_size(list); i++) {
        const char *path = json_string_value(json_array_get(list, i));

        rc = path != NULL ? row_files_add(files, path, err)
                          : err_set(err, ERR_PROTO, "source: texts are wanted");
    }
    return rc;
}

static int read_validation(struct feeder *f, struct err *err)
{
    const json_t *validation = jget_member(f->order, "validation");
    int rc;

    if (validation == NULL) {
        return 0;
    }
    rc = jget_double_or(validation, "split", 0.0, &f->split, err);
    if (rc == 0 && !(f->split >= 0 && f->split < 1)) {
        rc = err_set(err, ERR_PROTO, "split: %g is out of range", f->split);
    }
    if (rc == 0 && jget_member(validation, "source") != NULL) {
        rc = read_files(validation, &f->validation_files, err);
    }
    return rc;
}

/* The pipes, and that there is a first line for each. */
static int read_partitions(struct feeder *f, struct err *err)
{
    const json_t *fds;
    const json_t *lines;
    int64_t n = 0;
    int rc;

    if ((rc = jget_int(f->order, "partitions", &n, err)) != 0 ||
        (rc = jget_array(f->order, "fds", &fds, err)) != 0 ||
        (rc = jget_array(f->order, "first_lines", &lines, err)) != 0) {
        return rc;
    }
    if (n < 1 || n > PARTITIONS_MAX || json_array_size(fds) != (size_t)n ||
        json_array_size(lines) != (size_t)n) {
        return err_set(err, ERR_PROTO,
                       "partitions, fds and first_lines do not agree");
    }
    f->partitions = (size_t)n;
    f->fds = mem_zarray(f->partitions, sizeof(*f->fds));
    f->sent = mem_zarray(f->partitions, sizeof(*f->sent));
    if (f->fds == NULL || f->sent == NULL) {
        return err_nomem(err);
    }
    for (size_t i = 0; i < f->partitions; i++) {
        const json_t *fd = json_array_get(fds, i);
        const char *line = json_string_value(json_array_get(lines, i));

        if (!json_is_integer(fd) || line == NULL ||
            strpbrk(line, "\r\n") != NULL) {
            return err_set(err, ERR_PROTO, "fds or first_lines: entry %zu", i);
        }
        f->fds[i] = (int)json_integer_value(fd);
    }
    return 0;
}

static int read_options(struct feeder *f, struct err *err)
{
    const char *format = "csv";
    bool header = false;
    int64_t row_bytes = 0;
    int rc = jget_string_or(f->order, "format", format, &format, err);

    if (rc == 0) {
        rc = jget_bool_or(f->order, "header", false, &header, err);
    }
    if (rc == 0) {
        rc = jget_int_or(f->order, "row_bytes", 0, &row_bytes, err);
    }
    if (rc == 0 && (row_bytes < 0 || row_bytes > INT32_MAX)) {
        rc = err_set(err, ERR_PROTO, "row_bytes: out of range");
    }
    if (rc == 0 && row_bytes != 0) {
        rc = row_packed_create((size_t)row_bytes, &f->packed, err);
    }
    if (rc != 0) {
        return rc;
    }
    f->is_csv = strcmp(format, "csv") == 0;
    f->has_comments = strcmp(format, "libsvm") == 0;
    if (!f->is_csv && header) {
        return err_set(err, ERR_INVALID,
                       "header: only csv files have one, not %.32s", format);
    }
    f->header = !f->is_csv                                ? ROW_SOURCE_ABSENT
                : jget_member(f->order, "header") == NULL ? ROW_SOURCE_GUESS
                : header                                  ? ROW_SOURCE_PRESENT
                                                          : ROW_SOURCE_ABSENT;
    return 0;
}

static int open_source(struct feeder *f, const struct row_files *files,
                       struct view header, struct err *err)
{
    struct row_source *source = NULL;
    int rc = row_source_create(files, f->header, header, &source, err);

    if (rc == 0) {
        if (f->has_comments) {
            row_source_skip_comments(source);
        }
        row_source_destroy(&f->source);
        f->source = source;
    }
    return rc;
}

/* The next row of the source that is open. */
static int next_row(struct feeder *f, struct view *row, bool *end,
                    struct err *err)
{
    bool line_end = true;
    int rc = 0;

    if (f->packed == NULL) {
        return row_source_next(f->source, row, end, err);
    }
    *end = false;
    while (rc == 0 && !*end) {
        struct view line;

        rc = row_packed_next(f->packed, row, &line_end, err);
        if (rc != 0 || !line_end) {
            break;
        }
        rc = row_source_next(f->source, &line, end, err);
        if (rc == 0 && !*end &&
            (rc = row_packed_open(f->packed, line, err)) != 0) {
            (void)row_source_wrap(f->source, err);
        }
    }
    return rc;
}

static int no_rows(const struct row_files *files, struct err *err)
{
    return files->count == 1
               ? err_set(err, ERR_INVALID, "no rows in %s", files->paths[0])
               : err_set(err, ERR_INVALID, "no rows in %s and %zu more files",
                         files->paths[0], files->count - 1);
}

/* How many of the rows train, by the split. The expression is Keras' own:
 * floor(n * (1 - split)). */
static int count_rows(struct feeder *f, uint64_t *train, struct err *err)
{
    uint64_t n = 0;
    bool end = false;
    struct view row;
    int rc = open_source(f, &f->files, (struct view){0}, err);

    while (rc == 0 && !end) {
        rc = next_row(f, &row, &end, err);
        n += !end;
    }
    if (rc != 0) {
        return rc;
    }
    *train = (uint64_t)floor((double)n * (1.0 - f->split));
    if (n != 0 && (*train == 0 || *train == n)) {
        return err_set(err, ERR_INVALID,
                       "a validation split of %g leaves no rows for %s: "
                       "%s has only %llu",
                       f->split, *train == 0 ? "training" : "validation",
                       f->files.count == 1 ? f->files.paths[0] : "the data",
                       (unsigned long long)n);
    }
    return 0;
}

static int put_text(struct feeder *f, size_t i, const char *text,
                    struct err *err)
{
    return row_sinks_put(f->sinks, i, text, strlen(text), err);
}

static int put_line(struct feeder *f, size_t i, struct view line,
                    struct err *err)
{
    int rc = row_sinks_put(f->sinks, i, line.data, line.len, err);

    return rc == 0 ? row_sinks_put(f->sinks, i, "\n", 1, err) : rc;
}

/* What comes before the rows: identity, and the header if there is one. */
static int put_first_lines(struct feeder *f, struct err *err)
{
    const json_t *lines = json_object_get(f->order, "first_lines");
    struct view header = row_source_header(f->source);
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < f->partitions; i++) {
        char more[128];

        (void)snprintf(more, sizeof(more),
                       " header=%d first=%zu step=%zu end=1\n", header.len != 0,
                       i + 1, f->partitions);
        rc = put_text(f, i, json_string_value(json_array_get(lines, i)), err);
        if (rc == 0) {
            rc = put_text(f, i, more, err);
        }
        if (rc == 0 && header.len != 0) {
            rc = put_line(f, i, header, err);
        }
    }
    return rc;
}

/* Tells every partition that validation rows follow; `begin` is the index of
 * the first of them in its data. */
static int put_validation_lines(struct feeder *f, uint64_t begin,
                                struct err *err)
{
    uint64_t n = f->partitions;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < f->partitions; i++) {
        char line[128];
        uint64_t first = begin + (i + n - begin % n) % n;

        (void)snprintf(line, sizeof(line),
                       "#elephas/1 validation first=%" PRIu64 " step=%" PRIu64
                       "\n",
                       first + 1, n);
        rc = put_text(f, i, line, err);
    }
    return rc;
}

static int put_last_lines(struct feeder *f, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < f->partitions; i++) {
        char line[64];

        (void)snprintf(line, sizeof(line), "#elephas/1 end rows=%" PRIu64 "\n",
                       f->sent[i]);
        rc = put_text(f, i, line, err);
    }
    return rc == 0 ? row_sinks_finish(f->sinks, err) : rc;
}

/* Deals out the rows of the source that is open. Row `train` and those after
 * it are validation rows. */
static int deal(struct feeder *f, uint64_t train, uint64_t *count,
                struct err *err)
{
    uint64_t index = 0;
    size_t turn = 0;
    struct view row;
    bool end = false;
    int rc = 0;

    for (;;) {
        rc = next_row(f, &row, &end, err);
        if (rc == 0 && !end && f->sinks == NULL) {
            /* the header is known only now */
            rc = row_sinks_create(f->fds, f->partitions, &f->sinks, err);
            if (rc == 0) {
                rc = put_first_lines(f, err);
            }
        }
        if (rc == 0 && !end && index == train) {
            rc = put_validation_lines(f, index, err);
        }
        if (rc == 0 && !end) {
            rc = put_line(f, turn, row, err);
        }
        if (rc != 0 || end) {
            break;
        }
        f->sent[turn]++;
        index++;
        turn = turn + 1 == f->partitions ? 0 : turn + 1;
    }
    *count = index;
    return rc;
}

static int deal_validation(struct feeder *f, struct err *err)
{
    struct view header = row_source_header(f->source);
    int rc;

    if (f->validation_files.count == 0) {
        return 0;
    }
    if ((rc = open_source(f, &f->validation_files, header, err)) != 0 ||
        (rc = put_validation_lines(f, 0, err)) != 0 ||
        (rc = deal(f, UINT64_MAX, &f->validation_rows, err)) != 0) {
        return rc;
    }
    return f->validation_rows != 0 ? 0 : no_rows(&f->validation_files, err);
}

static int feed(struct feeder *f, struct err *err)
{
    uint64_t train = UINT64_MAX;
    int rc = 0;

    if (f->split > 0) {
        rc = count_rows(f, &train, err);
    }
    if (rc != 0 ||
        (rc = open_source(f, &f->files, (struct view){0}, err)) != 0 ||
        (rc = deal(f, train, &f->rows, err)) != 0) {
        return rc;
    }
    if (f->rows == 0) {
        return no_rows(&f->files, err);
    }
    if (f->split > 0) {
        if (f->rows <= train) {
            return err_set(err, ERR_INVALID,
                           "%s changed while it was being read",
                           f->files.paths[0]);
        }
        f->validation_rows = f->rows - train;
        f->rows = train;
    }
    rc = deal_validation(f, err);
    return rc == 0 ? put_last_lines(f, err) : rc;
}

static int run(struct feeder *f, struct err *err)
{
    int rc;

    if ((rc = read_order(f, err)) != 0 || (rc = read_options(f, err)) != 0 ||
        (rc = read_partitions(f, err)) != 0 ||
        (rc = read_files(f->order, &f->files, err)) != 0 ||
        (rc = read_validation(f, err)) != 0) {
        return rc;
    }
    return f->files.count != 0 ? feed(f, err)
                               : err_set(err, ERR_PROTO, "source: no file");
}

static int status_of(int rc)
{
    switch (rc) {
    case ERR_OK:
        return 0;
    case ERR_CANCELLED:
        return STATUS_CLOSED;
    case ERR_INVALID:
    case ERR_LIMIT:
    case ERR_NOT_FOUND:
    case ERR_DENIED:
        return STATUS_BAD_INPUT;
    default:
        return STATUS_FAILED;
    }
}

int feeder_main(void)
{
    struct feeder f = {0};
    struct err err = {0};
    int status;

    (void)signal(SIGPIPE, SIG_IGN);
    status = status_of(run(&f, &err));
    if (status == 0) {
        (void)printf("{\"rows\":%" PRIu64 ",\"validation_rows\":%" PRIu64 "}\n",
                     f.rows, f.validation_rows);
        if (fflush(stdout) != 0) {
            status = STATUS_FAILED;
        }
    } else if (status != STATUS_CLOSED) {
        (void)fprintf(stderr, "%s\n", err.msg);
    }
    row_sinks_destroy(&f.sinks);
    row_source_destroy(&f.source);
    row_packed_destroy(&f.packed);
    row_files_deinit(&f.files);
    row_files_deinit(&f.validation_files);
    mem_free(f.fds);
    mem_free(f.sent);
    json_decref(f.order);
    return status;
}
