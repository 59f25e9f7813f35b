/* SPDX-License-Identifier: MIT
 *
 * interleave: puts the predictions of N partitions into the order of the data:
 * row i is line i / N of partition i mod N. Runs on the helper thread.
 */
#ifndef DRIVER_INTERLEAVE_H
#define DRIVER_INTERLEAVE_H

#include "common/err.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* Writes header and the lines of parts[0 .. n-1] to `out` (atomically), and
 * checks that they are `rows` together, each with the columns of the header;
 * ERR_STATE names the partition that has too few or too many. *cancelled (may
 * be NULL) ends it with ERR_CANCELLED. The parts stay. */
int interleave(const char *const *parts, uint32_t n, uint64_t rows,
               const char *header, const char *out, atomic_bool *cancelled,
               struct err *err) ERR_CHECKED;

/* The same for partitions that are runs of rows: one after the other. */
int interleave_runs(const char *const *parts, uint32_t n, uint64_t rows,
                    const char *header, const char *out, atomic_bool *cancelled,
                    struct err *err) ERR_CHECKED;

#endif
