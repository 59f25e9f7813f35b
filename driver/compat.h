/* SPDX-License-Identifier: MIT
 *
 * compat: a parameter server that speaks the protocol of Elephas 7.3.0, so that
 * its clients work unchanged: over HTTP
 *
 *   GET /             Elephas
 *   GET /parameters   the weights (compat_wire.h)
 *   POST /update      a delta in the same form, which is subtracted
 *
 * and over plain sockets: one byte, `g` or `u`; then the weights, or a delta,
 * behind their length as u32 in network order; again and again on one
 * connection, if the client likes.
 *
 * The protocol knows no authentication, so it has ports of its own, which a
 * job opens when it is asked to. What is malformed is refused with a reason
 * (over HTTP as a problem document, over sockets by closing the connection)
 * and changes nothing.
 *
 * A compat lives on one event base; several, on loops of their own, can share
 * ports (compat_share) and parameters.
 */
#ifndef DRIVER_COMPAT_H
#define DRIVER_COMPAT_H

#include "common/err.h"
#include "driver/core/delta.h"
#include "driver/core/ps.h"

#include <stdbool.h>
#include <stddef.h>

struct bodies;
struct compat;
struct compat_layout;
struct event_base;

/* Where the parameters are. */
struct compat_backend {
    /* As ps_read() and ps_release(). */
    int (*read)(void *context, struct ps_view *out, struct err *err);
    void (*release)(void *handle);
    /* As ps_change(), with a message for people. */
    int (*change)(void *context, const struct delta *delta, struct err *err);
    /* A request was refused. Called on the loop. */
    void (*refused)(void *context, const struct err *why);
    void *context;
    const struct compat_layout *layout;
    /* Room for updates that are on their way (compat_bodies()), shared by
     * several; NULL: its own. */
    struct bodies *bodies;
    /* read() and change() may be called from helper threads: large weights are
     * not touched on the loop then. */
    bool any_thread;
    /* Or: large weights are touched when others let one. work(argument) is to
     * be called then, on any thread, and done(argument) on the loop afterwards;
     * NULL: see above. */
    int (*run)(void *context, bool reads, void (*work)(void *argument),
               void (*done)(void *argument), void *argument, struct err *err);
    /* The ports close: done() of all that was begun is called before it
     * returns, whether there was any work or not. */
    void (*settle)(void *context);
};

/* As many bytes of updates at once as suit these weights. */
int compat_bodies(const struct compat_layout *layout, struct bodies **out,
                  struct err *err) ERR_CHECKED;

int compat_create(struct event_base *base, const struct compat_backend *backend,
                  struct compat **out, struct err *err) ERR_CHECKED;
/* Ends all connections; accepts NULL. */
void compat_destroy(struct compat **compat);

/* Opens a port of one protocol; 0 takes a free one. *port is what was taken.
 * ERR_STATE: in use. ERR_UNSUPPORTED: weights of 4 GiB and more have no length
 * on a socket. */
int compat_listen_http(struct compat *compat, const char *host,
                       unsigned want_port, unsigned *port,
                       struct err *err) ERR_CHECKED;
int compat_listen_socket(struct compat *compat, const char *host,
                         unsigned want_port, unsigned *port,
                         struct err *err) ERR_CHECKED;
/* Serves the ports of another one too. */
int compat_share(struct compat *compat, const struct compat *with,
                 struct err *err) ERR_CHECKED;

/* Takes no more connections; what clients have begun, or sent before, is
 * finished. */
void compat_drain(struct compat *compat);
/* Whether nothing is under way any more. */
bool compat_is_idle(const struct compat *compat);

#endif
