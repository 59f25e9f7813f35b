/* SPDX-License-Identifier: MIT
 *
 * csv_line: how a line of csv is divided. The feeder, the worker and
 * elephas-submit must see the same columns in it.
 */
#ifndef COMMON_CSV_LINE_H
#define COMMON_CSV_LINE_H

#include "common/buf.h"

#include <stddef.h>

/* The delimiter of a file, from its first line: a comma if there is one
 * outside of quotes, else a semicolon or tab, else a comma. */
char csv_line_delimiter(struct view line);
/* Fields of a line; delimiters in quotes do not count. */
size_t csv_line_fields(struct view line, char delimiter);

#endif
