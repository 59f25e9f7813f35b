/* SPDX-License-Identifier: MIT
 *
 * serve_parts: what the files of a parameter server as a job share: job_serve.c
 * and serve_save.c. Nobody else includes this.
 */
#ifndef DRIVER_SERVE_PARTS_H
#define DRIVER_SERVE_PARTS_H

#include "common/model/model_wire.h"
#include "driver/jobs.h"
#include "driver/ps_server.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct event;
struct model;
struct ps;

/* What outlives the work while a helper reads it. */
struct serve_values {
    atomic_uint refs;
    struct model *model;
    struct model_state state; /* its values are of ps, if there is one */
    struct ps *ps;
    uint64_t version; /* where it begins */
    bool restored;
};

struct serve {
    struct serve_values *v;
    struct ps_server *server;
    struct event *timer;
    uint64_t saved; /* version of the last snapshot */
    bool saving;
    bool draining; /* the daemon stops: what clients have sent still counts */
    unsigned http_port;
    unsigned socket_port;
    struct ps_server_counts counts; /* when the server has ended */
};

/* On any thread. Accepts NULL. */
void serve_values_put(void *values);
struct serve_values *serve_values_get(struct serve_values *values);
struct serve *serve_of(const struct job *job);

/* ---- serve_save.c ---- */

/* Begins to write a snapshot. ERR_STATE: all versions are being read. */
int serve_snapshot(struct job *job, struct err *err) ERR_CHECKED;
/* The same if there was a change, and none is being written; large parameters
 * are copied off the loop. What fails is logged. */
void serve_save_sometimes(struct job *job);
/* Goes on from the snapshot, if there is one. */
int serve_restore(const struct job *job, struct serve_values *values,
                  struct err *err) ERR_CHECKED;

#endif
