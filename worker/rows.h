/* SPDX-License-Identifier: MIT
 *
 * rows: rows for a model, from lines on a file descriptor. Puts together the
 * stream (identity, parts, trailer), a format (text to numbers), columns
 * (which numbers are what) and labels. A row comes out as packed float32:
 * features in the order of the model's inputs, divided by the scale; labels in
 * the order of its outputs; and a weight, if there are any. Errors name the
 * row, counted from 1, and the column, counted from 0.
 */
#ifndef WORKER_ROWS_H
#define WORKER_ROWS_H

#include "common/err.h"
#include "common/model/model.h"
#include "worker/format.h"
#include "worker/labels.h"
#include "worker/stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How rows become features, labels and weights; everything is borrowed and
 * may be gone after rows_configure(). */
struct row_options {
    const char *format;     /* NULL: csv, or what the first line says */
    enum row_header header; /* the first line may know better */
    const char *const *labels;
    size_t label_count;
    const char *const *features; /* none: all but labels and weight */
    size_t feature_count;
    const char *sample_weight; /* or NULL */
    double scale;              /* 0: 1 */
    struct label_options label;
    /* Labels and weight are named for other rows (those of a training job):
     * rows that hold just the features are good too. To predict only. */
    bool maybe_unlabelled;
};

enum rows_purpose { ROWS_TRAIN, ROWS_EVALUATE, ROWS_PREDICT };

struct rows;

/* Reads the first line of fd (borrowed), no more. */
int rows_create(int fd, struct rows **out, struct err *err) ERR_CHECKED;
/* Accepts NULL. */
void rows_destroy(struct rows **rows);
const struct stream_identity *rows_identity(const struct rows *rows);

/* Says what the rows are for; the model must outlive rows. Labels are needed
 * unless the purpose is to predict, when they are skipped. */
int rows_configure(struct rows *rows, const struct row_options *options,
                   const struct model *model, enum rows_purpose purpose,
                   struct err *err) ERR_CHECKED;

/* How a packed row is laid out, in floats. */
struct row_layout {
    size_t features;
    size_t labels;
    bool weighted; /* one more at the end */
    size_t width;  /* of all */
};
const struct row_layout *rows_layout(const struct rows *rows);

/* The next row into row[width]; *end is true when there is none and the
 * partition is complete. */
int rows_next(struct rows *rows, float *row, bool *end,
              struct err *err) ERR_CHECKED;
/* The number, in the data, of the row after those read; step: the distance to
 * the one after it. */
uint64_t rows_number(const struct rows *rows, uint64_t *step);
/* The part of the row last read. Class weights are not used in validation. */
enum stream_part rows_part(const struct rows *rows);

#endif
