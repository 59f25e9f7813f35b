/* SPDX-License-Identifier: MIT
 *
 * line: lines from a file descriptor, fast. One large buffer is filled by
 * read(2) and lines are handed out where they lie; a line that does not fit
 * makes it grow up to a limit, so hostile input cannot take all memory. Knows
 * nothing about what a line means.
 */
#ifndef WORKER_LINE_H
#define WORKER_LINE_H

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>

#define LINE_MAX_BYTES ((size_t)64 << 20)

struct line_reader;

/* fd is borrowed; max (0: LINE_MAX_BYTES) bounds a line. */
int line_reader_create(int fd, size_t max, struct line_reader **out,
                       struct err *err) ERR_CHECKED;
/* Accepts NULL. */
void line_reader_destroy(struct line_reader **reader);

/* The next line without its line break ("\n" or "\r\n"), valid until the next
 * call; line->data[line->len] is a NUL that may be relied on. At the end of
 * input *end is true and the line empty. ERR_LIMIT for a line over the limit,
 * ERR_IO. */
int line_read(struct line_reader *reader, struct view *line, bool *end,
              struct err *err) ERR_CHECKED;

#endif
