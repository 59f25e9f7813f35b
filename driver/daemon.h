/* SPDX-License-Identifier: MIT
 *
 * daemon: the struct that owns everything of one elephasd. There is no state
 * outside it, so several daemons can live in one process.
 *
 * Life: daemon_create() opens the state directory (and locks it), loads the
 * jobs and listens; daemon_run() serves until daemon_stop() was called and the
 * stop is complete. A stop: no new jobs (readyz is 503), requests that are
 * being read are finished, running jobs are saved and their workers ended.
 */
#ifndef DRIVER_DAEMON_H
#define DRIVER_DAEMON_H

#include "common/err.h"
#include "driver/auth.h"
#include "driver/settings.h"

#include <stdbool.h>
#include <stdint.h>

struct bodies;
struct body_gate;
struct event;
struct event_base;
struct http_server;
struct jobs;
struct metrics;
struct offload;
struct store;

struct daemon {
    const struct settings *settings; /* borrowed */
    struct event_base *base;
    struct store *store;
    struct bodies *bodies; /* room for large ones */
    struct body_gate *gate;
    struct http_server *http;
    struct jobs *jobs;
    struct offload *offload; /* snapshots and models */
    struct offload *merger;  /* predictions, which may take minutes */
    struct offload *vectors; /* the values of large trainings */
    unsigned pending;        /* requests that are worked on off the loop */
    struct metrics *metrics;
    struct event *stop_timer;
    int lock_fd;
    char token[AUTH_TOKEN_SIZE];
    char *address;      /* "HOST:PORT" really listened on */
    char *local_url;    /* for workers on this machine */
    char *public_url;   /* for workers elsewhere (--advertise) */
    char *address_file; /* NULL until it is written */
    bool open;          /* loopback only: no token is needed */
    bool stopping;
    enum {
        DAEMON_READING, /* requests that are being read are finished, and what
                           clients of parameter servers have sent */
        DAEMON_WORKERS, /* jobs are saved, workers end */
        DAEMON_REPLIES  /* the last replies leave */
    } stop_phase;
    unsigned stop_ticks; /* of stop_timer in this phase */
};

/* settings must outlive the daemon. ERR_STATE: another daemon has the state
 * directory (its pid is named), or the port is in use. */
int daemon_create(const struct settings *settings, struct daemon **out,
                  struct err *err) ERR_CHECKED;
/* Serves until the stop is complete. */
int daemon_run(struct daemon *d, struct err *err) ERR_CHECKED;
/* Begins the stop; may be called more than once, from the loop. */
void daemon_stop(struct daemon *d);
/* Accepts NULL. */
void daemon_destroy(struct daemon **d);

#endif
