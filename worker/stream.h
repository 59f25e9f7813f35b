/* SPDX-License-Identifier: MIT
 *
 * stream: the lines of docs/PROTOCOL.md section 6 around the rows: the
 * optional first line with identity and format, the change to validation rows,
 * and the trailer that proves a partition complete. Counts rows, so that
 * messages name them as they are numbered in the data.
 */
#ifndef WORKER_STREAM_H
#define WORKER_STREAM_H

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

/* The first line; strings are owned by the stream, NULL where the line does
 * not say. */
struct stream_identity {
    bool present;
    char *job;
    char *server;
    char *token;
    char *format;
    bool has_partition;
    uint32_t partition;
    uint32_t attempt;
    uint32_t stage;
    bool has_header; /* header= was given */
    bool header;
    bool end; /* a trailer must come */
    /* columns=1: label, features and weight say where things are in these
     * rows, whatever the task says */
    bool columns;
    char *label;
    char *features;
    char *weight;
    bool packed; /* rows are as `elephas-worker pack` writes them */
    bool tied;   /* end when the process that started us does */
    /* until=E or E.S: contribute to epochs before E (and S steps of E) */
    bool has_until;
    bool has_until_step;
    uint64_t until_epoch;
    uint64_t until_step;
};

enum stream_part { STREAM_TRAINING, STREAM_VALIDATION };

struct stream;

/* Reads the first line of fd (borrowed). */
int stream_create(int fd, struct stream **out, struct err *err) ERR_CHECKED;
/* Accepts NULL. */
void stream_destroy(struct stream **stream);

const struct stream_identity *stream_identity(const struct stream *stream);

/* The next line that is not a control line and not blank, valid until the
 * next call, with a NUL behind it. At the end *end is true; a trailer that is
 * missing or disagrees with the rows counted is ERR_PROTO. */
int stream_next(struct stream *stream, struct view *line, bool *end,
                struct err *err) ERR_CHECKED;

/* Which part the line last read belongs to. */
enum stream_part stream_part(const struct stream *stream);
/* The line that came was none of rows, though its sender may have counted
 * it. */
void stream_skip(struct stream *stream);
/* The line last read was `rows` rows (0 for a header). */
void stream_count(struct stream *stream, uint64_t rows);
/* The number, in the data, of the row `ahead` rows after those counted. */
uint64_t stream_row_number(const struct stream *stream, uint64_t ahead);

#endif
