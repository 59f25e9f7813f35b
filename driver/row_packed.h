/* SPDX-License-Identifier: MIT
 *
 * row_packed: takes a line of b64 apart. Such a line is base64 (RFC 4648) of
 * packed rows, one or more; dealing, splitting and counting work on rows, so
 * the feeder makes a line of its own of each. How wide a row is the line does
 * not tell: it follows from the model and the chosen columns.
 *
 * Input is untrusted: what is no base64, or no whole number of rows, is
 * ERR_INVALID. What the numbers are the worker looks at.
 */
#ifndef DRIVER_ROW_PACKED_H
#define DRIVER_ROW_PACKED_H

#include "common/buf.h"

#include <stdbool.h>

struct row_packed;

/* Rows of row_bytes bytes, at least 1. */
int row_packed_create(size_t row_bytes, struct row_packed **out,
                      struct err *err) ERR_CHECKED;
/* Accepts NULL. */
void row_packed_destroy(struct row_packed **packed);

/* The next line; it must stay where it is until its rows are taken. */
int row_packed_open(struct row_packed *packed, struct view line,
                    struct err *err) ERR_CHECKED;
/* Its next row as a line of base64, valid until the next call; *end if there
 * is none, and before the first line. */
int row_packed_next(struct row_packed *packed, struct view *row, bool *end,
                    struct err *err) ERR_CHECKED;

#endif
