/* SPDX-License-Identifier: MIT
 *
 * feeder: reads the data of a local job and deals its rows out to the workers'
 * pipes, in a process of its own (the daemon runs its own executable as
 * `elephasd --internal-feed`), so that neither slow disks nor hostile files
 * touch the daemon's loop.
 *
 * The order is a JSON object on standard input:
 *
 *   {"source": [paths, globs, directories], "format": "csv",
 *    "header": true|false|absent (guess), "delimiter" is found by itself,
 *    "partitions": N,
 *    "fds": [fd of partition 0, ...],      -1: leave that partition out
 *    "first_lines": ["#elephas/1 ...", ...],  per partition, sent before the
 *                                            rows; the feeder appends
 *                                            header=1, first=, step=, end=1
 *    "row_bytes": N,          of b64 rows, which are then dealt one by one
 *    "validation": {"split": F} | {"source": [...]}}
 *
 * `.gz` files are inflated. Files of a glob or directory are read in the
 * order of their names; each may have the header, which must be the same.
 * Rows go out as docs/PROTOCOL.md section 6 says, in turn. On success one JSON
 * line {"rows":N,"validation_rows":M} is printed and the status is 0.
 * On bad input: one line on standard error that names the file (and row), exit
 * status 2; 1 for other failures. A worker that closes its pipe early ends the
 * feeder with status 3 and no message (the worker's own error is the reason).
 */
#ifndef DRIVER_FEEDER_H
#define DRIVER_FEEDER_H

/* The whole process; returns its exit status. */
int feeder_main(void);

#endif
