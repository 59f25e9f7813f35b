/* SPDX-License-Identifier: MIT
 *
 * offload: one helper thread for work that would hold the event loop: syncing
 * snapshots to disk, interleaving predictions, changing large vectors. Tasks
 * run in the order in which they were given; `done` is called on the loop
 * afterwards. Work must touch nothing that the loop touches meanwhile.
 */
#ifndef DRIVER_OFFLOAD_H
#define DRIVER_OFFLOAD_H

#include "common/err.h"

struct event_base;
struct offload;

int offload_create(struct event_base *base, struct offload **out,
                   struct err *err) ERR_CHECKED;
/* Finishes what was given (work and done) and ends the thread; accepts
 * NULL. */
void offload_destroy(struct offload **offload);
/* work runs on the helper, then done on the loop. */
int offload_run(struct offload *offload, void (*work)(void *argument),
                void (*done)(void *argument), void *argument,
                struct err *err) ERR_CHECKED;

/* Waits until all work given so far is over; `done` is called later, from the
 * loop, as ever. */
void offload_wait(struct offload *offload);

/* Until nothing is left to do: waits for the work, and calls `done`. On the
 * loop's thread. */
void offload_finish(struct offload *offload);

#endif
