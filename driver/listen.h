/* SPDX-License-Identifier: MIT
 *
 * listen: the ports of a server: sockets that are bound and listened on, and
 * whose connections are handed to the server one by one. When no descriptor or
 * memory is left for another connection, it pauses: without that the loop
 * would spin.
 *
 * Sets that share their sockets, each on the loop of a thread of its own, deal
 * connections out: whoever accepts one gives it to the set that has fewest. By
 * chance alone one loop would often serve seven of eight clients, each of them
 * seven times as slowly as the eighth.
 */
#ifndef DRIVER_LISTEN_H
#define DRIVER_LISTEN_H

#include "common/err.h"

#include <stdbool.h>

struct event_base;
struct listen_set;

/* on_accept owns fd, which is non-blocking. */
int listen_create(struct event_base *base,
                  void (*on_accept)(void *context, int fd), void *context,
                  struct listen_set **out, struct err *err) ERR_CHECKED;
/* Closes the ports; accepts NULL. */
void listen_destroy(struct listen_set **set);

/* Binds and listens. A name may stand for several addresses ("localhost" often
 * for two): the port is opened on all that the machine has, or on none. Port 0
 * takes a free one; *port is what was taken. ERR_INVALID (no such name),
 * ERR_STATE (in use), ERR_DENIED. */
int listen_add(struct listen_set *set, const char *host, unsigned want_port,
               unsigned *port, struct err *err) ERR_CHECKED;
/* Accepts from the sockets of another set too, which may be on the loop of
 * another thread, and shares all connections with it. Before both loops run. */
int listen_share(struct listen_set *set, struct listen_set *with,
                 struct err *err) ERR_CHECKED;
/* A connection that was handed to the server is closed. */
void listen_left(struct listen_set *set);
/* Closes the ports, and leaves the set as it was made. Who has connected and
 * was not handed to the server yet is cut off ... */
void listen_close(struct listen_set *set);
/* ... or is handed to it now. */
void listen_drain(struct listen_set *set);
/* Whether something has come on a connection that was not read yet. */
bool listen_has_unread(int fd);
/* Leaves new connections where they are, until it is resumed. */
void listen_pause(struct listen_set *set, bool pause);

#endif
