/* SPDX-License-Identifier: MIT
 *
 * format: one way of writing rows as lines. Each format is one file behind
 * one struct row_format; it turns a line into numbers in the order of the
 * columns and knows nothing of features, labels or models. Errors name the
 * column; the caller puts the row in front.
 */
#ifndef WORKER_FORMAT_H
#define WORKER_FORMAT_H

#include "common/buf.h"
#include "common/err.h"
#include "common/columns.h"

#include <stdbool.h>
#include <stddef.h>

enum row_header { ROW_HEADER_GUESS, ROW_HEADER_PRESENT, ROW_HEADER_ABSENT };

/* What a format is told before the first line. */
struct row_hints {
    enum row_header header;
    bool needs_names; /* a column was chosen by name */
    size_t features;  /* numbers the model wants, for formats that need to be
                         told how long a row is; 0: unknown */
    size_t width;     /* numbers of a whole row, likewise */
    bool labelled;    /* rows hold a label (libsvm) */
};

/* The rows of one line. */
struct row_values {
    const float *values; /* rows x columns->count; the format's, valid until
                            the next line */
    size_t rows;         /* on failure: good rows before the one at fault */
};

struct row_format {
    const char *name;
    int (*create)(const struct row_hints *hints, void **state, struct err *err);
    void (*destroy)(void **state);
    /* Looks at the first line and fills *columns (zeroed). *header: the line
     * was the header and is no row. */
    int (*begin)(void *state, struct view line, struct columns *columns,
                 bool *header, struct err *err);
    /* Says which columns are used, where not all are: the others need not be
     * numbers. needed is copied. NULL: the format has no such columns. */
    int (*select)(void *state, const struct columns *columns,
                  const bool *needed, struct err *err);
    /* Reads a line (NUL behind it). */
    int (*parse)(void *state, struct view line, const struct columns *columns,
                 struct row_values *out, struct err *err);
};

extern const struct row_format row_format_csv;
extern const struct row_format row_format_libsvm;
extern const struct row_format row_format_json;
extern const struct row_format row_format_b64;

/* By name; NULL if there is none. */
const struct row_format *row_format_find(const char *name);

#endif
