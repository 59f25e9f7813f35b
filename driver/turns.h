/* SPDX-License-Identifier: MIT
 *
 * turns: how long the turns of an event loop take, as the processor's time of
 * its thread: what else the machine does, and waiting, do not count. Whatever
 * is worked on within one turn holds up everybody else for so long.
 */
#ifndef DRIVER_TURNS_H
#define DRIVER_TURNS_H

#include "common/buf.h"
#include "common/err.h"

#include <stddef.h>
#include <stdint.h>

#define TURNS_BUCKETS 9

struct event_base;

struct turns {
    uint64_t counts[TURNS_BUCKETS]; /* by length; zeroed before use */
    uint64_t ns;                    /* all together */
};

/* Serves the loop until it is broken off or has nothing to wait for. Returns -1
 * if it fails. */
int turns_dispatch(struct turns *turns, struct event_base *base);
/* A turn of so many nanoseconds. */
void turns_add(struct turns *turns, uint64_t ns);
/* Appends a histogram as Prometheus text. */
int turns_write(const struct turns *turns, struct buf *out,
                struct err *err) ERR_CHECKED;

#endif
