/* SPDX-License-Identifier: MIT
 *
 * ps_server: the threads and ports of a parameter server that is no training:
 * a few event loops, each on a thread of its own, that share the listening
 * sockets and the parameters (driver/core/ps.h). The daemon's loop is not
 * touched by what they do.
 */
#ifndef DRIVER_PS_SERVER_H
#define DRIVER_PS_SERVER_H

#include "common/err.h"
#include "driver/core/ps.h"

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct model;
struct ps_server;

struct ps_server_options {
    struct event_base *base;   /* the daemon's: on_drained is called on it */
    const struct model *model; /* borrowed */
    struct ps *ps;             /* borrowed */
    const char *host;
    unsigned http_port; /* 0: a free one; of sockets, if they are possible */
    unsigned socket_port;
    unsigned threads; /* > 0 */
    /* All connections have ended after ps_server_drain(). May destroy the
     * server. */
    void (*on_drained)(void *context);
    void *context;
};

struct ps_server_counts {
    uint64_t reads;
    uint64_t changes;
    uint64_t refused;
    char last_refused[256]; /* why, or "" */
};

/* Binds the ports and starts the threads. ERR_STATE: a port is in use.
 * ERR_UNSUPPORTED: a socket port was named, and the weights are too large for
 * the protocol. */
int ps_server_create(const struct ps_server_options *options,
                     struct ps_server **out, struct err *err) ERR_CHECKED;
unsigned ps_server_http_port(const struct ps_server *server);
/* 0: there is none. */
unsigned ps_server_socket_port(const struct ps_server *server);
void ps_server_counts(struct ps_server *server, struct ps_server_counts *out);
/* Closes the ports; updates that clients have sent, or are sending, are
 * applied, for a few seconds. */
void ps_server_drain(struct ps_server *server);
/* Ends everything at once; accepts NULL. No thread and no port is left. */
void ps_server_destroy(struct ps_server **server);

#endif
