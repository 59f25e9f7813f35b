/* SPDX-License-Identifier: MIT
 *
 * spark_rows: the lines of a prediction as executors send them, piece by piece,
 * into files of the job's directory. Every attempt of a partition has a file of
 * its own; the first that comes to its end becomes job_dir/part-P and the
 * others are dropped, so a retried or speculative task cannot mix its lines
 * with another's.
 */
#ifndef DRIVER_SPARK_ROWS_H
#define DRIVER_SPARK_ROWS_H

#include "common/err.h"
#include "driver/engine.h"

struct spark_rows;

/* dir is copied. */
int spark_rows_create(const char *dir, struct spark_rows **out,
                      struct err *err) ERR_CHECKED;
/* Accepts NULL. */
void spark_rows_destroy(struct spark_rows **rows);
/* ERR_STATE: a piece is missing before this one; ERR_IO. A piece that was
 * taken before is taken again without a word. */
int spark_rows_add(struct spark_rows *rows, const struct engine_rows *piece,
                   struct err *err) ERR_CHECKED;

#endif
