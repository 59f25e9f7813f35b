/* SPDX-License-Identifier: MIT
 *
 * bodies: room for the large bodies of requests, shared by loops on several
 * threads. Together they have a budget; a body that does not fit into it waits
 * its turn, in the order of asking, and is not read meanwhile, so that its
 * client is held up by TCP. The memory of bodies that are through is kept for
 * the next ones: fresh memory would have to be cleared by the kernel first.
 *
 * A client that stalls holds up nobody: while others wait, a body of which less
 * than BODIES_PROGRESS comes in a second no longer counts (it goes on when more
 * of it comes).
 *
 * A room belongs to the loop of its gate, and is touched there only.
 */
#ifndef DRIVER_BODIES_H
#define DRIVER_BODIES_H

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>

#define BODIES_PROGRESS ((size_t)1 << 20) /* bytes a second */
#define BODIES_SMALL ((size_t)64 << 10)   /* up to this, needs no room */

struct bodies;
struct body_gate;
struct body_room;
struct event_base;

/* Budget in bytes; a single body may have more. */
int bodies_create(size_t budget, struct bodies **out,
                  struct err *err) ERR_CHECKED;
/* Keeps no memory of bodies that are through: where they are rare. */
void bodies_keep_none(struct bodies *bodies);
/* After its gates; accepts NULL. */
void bodies_destroy(struct bodies **bodies);

/* The rooms of one loop. */
int body_gate_create(struct bodies *bodies, struct event_base *base,
                     struct body_gate **out, struct err *err) ERR_CHECKED;
/* After its rooms; accepts NULL. */
void body_gate_destroy(struct body_gate **gate);

/* Gives *out, to be left with body_room_leave(). If body_room_is_free() says
 * no then, on_room(context) is called later, from the loop. */
int body_room_ask(struct body_gate *gate, size_t bytes,
                  void (*on_room)(void *context), void *context,
                  struct body_room **out, struct err *err) ERR_CHECKED;
bool body_room_is_free(const struct body_room *room);
/* An empty *body gets memory for the bytes asked for. */
int body_room_reserve(struct body_room *room, struct buf *body,
                      struct err *err) ERR_CHECKED;
/* More of it came; when all is there, `complete`. */
void body_room_came(struct body_room *room, size_t bytes, bool complete);
/* The body is through, or was given up: *body is empty afterwards. Accepts a
 * room that is NULL. */
void body_room_leave(struct body_room **room, struct buf *body);

#endif
