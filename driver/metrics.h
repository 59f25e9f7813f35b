/* SPDX-License-Identifier: MIT
 *
 * metrics: counters of one daemon, and all its figures as Prometheus text
 * (exposition format 0.0.4).
 */
#ifndef DRIVER_METRICS_H
#define DRIVER_METRICS_H

#include "common/buf.h"
#include "common/err.h"
#include "driver/core/staleness.h"
#include "driver/turns.h"

#include <stddef.h>
#include <stdint.h>

struct daemon;

#define METRICS_MAX_ROUTES 48
#define METRICS_MAX_STATUS 24

struct metrics_route {
    const char *path;   /* static: compared by address; NULL: free */
    const char *method; /* static */
    struct {
        int status; /* 0: the client went away */
        uint64_t count;
    } status[METRICS_MAX_STATUS];
};

struct metrics {
    struct metrics_route routes[METRICS_MAX_ROUTES];
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t bytes_pushed; /* of them, updates of workers */
    uint64_t bytes_pulled; /* and parameters of running trainings */
    uint64_t updates_applied;
    uint64_t updates_duplicate;
    uint64_t updates_superseded;
    uint64_t updates_stopped;
    uint64_t updates_refused;
    uint64_t rounds;
    uint64_t workers_restarted;
    uint64_t snapshots;
    struct staleness staleness; /* of asynchronous updates, all jobs */
    struct turns turns;         /* of the daemon's loop */
};

/* Counts an answer; path (NULL: no route) and method are static. */
void metrics_request(struct metrics *m, const char *path, const char *method,
                     int status, uint64_t bytes_in, uint64_t bytes_out);
/* Appends the text. */
int metrics_write(const struct daemon *d, struct buf *out,
                  struct err *err) ERR_CHECKED;

#endif
