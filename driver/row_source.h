/* SPDX-License-Identifier: MIT
 *
 * row_source: the rows of a list of files, one after the other, as lines.
 * Line breaks ("\n" or "\r\n"), byte order marks and blank lines are taken
 * away, files that are gzip by name or content are inflated, the header of a
 * csv file is recognised and not a row; it must be the same in all files that
 * have one.
 *
 * Input is untrusted: a line is at most ROW_SOURCE_MAX_LINE bytes, and one
 * that would be taken for a control line (docs/PROTOCOL.md section 6) is
 * refused. Errors name the file, and the line where there is one; all but
 * ERR_NOMEM and ERR_IO are the data's fault.
 */
#ifndef DRIVER_ROW_SOURCE_H
#define DRIVER_ROW_SOURCE_H

#include "common/buf.h"
#include "driver/row_files.h"

#include <stdbool.h>
#include <stdint.h>

#define ROW_SOURCE_MAX_LINE ((size_t)64 << 20)

enum row_source_header {
    ROW_SOURCE_GUESS,
    ROW_SOURCE_PRESENT,
    ROW_SOURCE_ABSENT
};

struct row_source;

/* files is borrowed. `header` says what the first line is. `known` (may be
 * empty) is a header found in other files of the same data: then every file
 * may begin with it, and with no other. */
int row_source_create(const struct row_files *files,
                      enum row_source_header header, struct view known,
                      struct row_source **out, struct err *err) ERR_CHECKED;
void row_source_destroy(struct row_source **source);

/* Lines that begin with # are comments, not rows. */
void row_source_skip_comments(struct row_source *source);
/* The next row without its line break; valid until the next call. At the end
 * *end is true. */
int row_source_next(struct row_source *source, struct view *row, bool *end,
                    struct err *err) ERR_CHECKED;

/* Puts the file and line of the row that row_source_next() gave last before
 * the message of err; returns its code. */
int row_source_wrap(const struct row_source *source, struct err *err);

/* The header; empty if there is none, or before the first row. */
struct view row_source_header(const struct row_source *source);

#endif
