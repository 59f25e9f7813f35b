/* SPDX-License-Identifier: MIT
 *
 * lines: what a child says on a pipe, line by line, on the event loop. Lines
 * longer than LINES_MAX are cut into several. Control characters other than
 * tabs become blanks, so that a child cannot forge lines of a log;
 * what is not UTF-8 becomes question marks.
 */
#ifndef DRIVER_LINES_H
#define DRIVER_LINES_H

#include "common/err.h"

struct event_base;
struct lines;

#define LINES_MAX 4096

/* Makes a pipe; *write_end is for the child and to be closed by the caller
 * once it has been started. */
int lines_create(struct event_base *base,
                 void (*on_line)(void *context, const char *line),
                 void *context, struct lines **out, int *write_end,
                 struct err *err) ERR_CHECKED;
/* Reads all that is there now, an unfinished last line too: for the moment
 * after the child's end. */
void lines_drain(struct lines *lines);
/* Accepts NULL. */
void lines_destroy(struct lines **lines);

#endif
