/* SPDX-License-Identifier: MIT
 *
 * row_sinks: many pipes that are written at once. Each has a buffer of bounded
 * size; when one is full, all that have something to write are polled, so that
 * a slow reader holds up the others only as far as the order of the rows
 * demands. SIGPIPE must be ignored by the process.
 */
#ifndef DRIVER_ROW_SINKS_H
#define DRIVER_ROW_SINKS_H

#include "common/err.h"

#include <stddef.h>

/* All buffers together. */
#define ROW_SINKS_MEMORY ((size_t)64 << 20)

struct row_sinks;

/* fds[n]: pipes, owned by the sinks from now on; -1 takes everything and
 * writes nothing. */
int row_sinks_create(const int *fds, size_t n, struct row_sinks **out,
                     struct err *err) ERR_CHECKED;
/* Closes what is open, without writing what is buffered. */
void row_sinks_destroy(struct row_sinks **sinks);

/* Appends bytes to sink i. ERR_CANCELLED: its reader has closed the pipe, or
 * that of another one. ERR_IO. */
int row_sinks_put(struct row_sinks *sinks, size_t i, const void *data,
                  size_t len, struct err *err) ERR_CHECKED;
/* Writes everything and closes each pipe as soon as it is through. */
int row_sinks_finish(struct row_sinks *sinks, struct err *err) ERR_CHECKED;

#endif
