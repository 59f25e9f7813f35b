/* SPDX-License-Identifier: MIT
 *
 * table: text in aligned columns, for people.
 */
#ifndef DRIVER_SUBMIT_TABLE_H
#define DRIVER_SUBMIT_TABLE_H

#include "common/buf.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#define TABLE_MAX_COLUMNS 32

struct table {
    size_t columns;
    bool right[TABLE_MAX_COLUMNS]; /* align to the right; false by default */
    json_t *cells;                 /* texts, row by row; owned */
};

/* Columns over TABLE_MAX_COLUMNS are cut off. */
int table_init(struct table *t, size_t columns, struct err *err) ERR_CHECKED;
void table_deinit(struct table *t);
/* The next cell; NULL and text that is not UTF-8 print as "-". */
int table_add(struct table *t, const char *text, struct err *err) ERR_CHECKED;
/* Rows with two blanks between columns and `indent` before. */
void table_print(const struct table *t, const char *indent, FILE *out);

/* An object of numbers, one a line. */
int table_print_metrics(const json_t *metrics, const char *indent, FILE *out,
                        struct err *err) ERR_CHECKED;
/* The last `rows` entries of a history {"loss":[..],..}, with epochs. */
int table_print_history(const json_t *history, size_t rows, const char *indent,
                        FILE *out, struct err *err) ERR_CHECKED;

#endif
