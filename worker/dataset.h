/* SPDX-License-Identifier: MIT
 *
 * dataset: packed float32 rows of one partition, read once and used in any
 * order. Kept in memory up to a limit, then in a temporary file that has no
 * name any more and is mapped, so a partition may be larger than memory and
 * nothing is left behind, however the process ends. Disk space is reserved
 * before it is written: a full disk is an error, not a signal.
 */
#ifndef WORKER_DATASET_H
#define WORKER_DATASET_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dataset;

/* Rows of `width` floats. memory: bytes of rows kept in memory; directory for
 * the file past that (NULL: TMPDIR, or /tmp); borrowed until destroyed. */
int dataset_create(size_t width, size_t memory, const char *directory,
                   struct dataset **out, struct err *err) ERR_CHECKED;
/* Accepts NULL. */
void dataset_destroy(struct dataset **dataset);

/* Room for one more row: *row may be written until the next call. ERR_NOMEM,
 * ERR_IO (the directory, or a full disk). */
int dataset_append(struct dataset *dataset, float **row,
                   struct err *err) ERR_CHECKED;
size_t dataset_rows(const struct dataset *dataset);
const float *dataset_row(const struct dataset *dataset, size_t index);
/* Bytes of rows in memory (0 once they are in the file). */
size_t dataset_memory(const struct dataset *dataset);
bool dataset_is_spilled(const struct dataset *dataset);

#endif
