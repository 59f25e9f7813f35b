/* SPDX-License-Identifier: MIT
 *
 * feed: one feeder process and the pipes it fills, seen from the daemon (the
 * process itself is feeder.h). The daemon keeps both ends of every pipe open
 * until the feeder has ended:
 *  - the read ends, so that the feeder does not fail because one worker was
 *    killed: what was meant for that worker is read over here, and the other
 *    workers get their rows undisturbed;
 *  - the write ends, so that workers see the end of their rows only after the
 *    feeder's exit status is known. Whatever went wrong is then heard in the
 *    order in which it happened: the feeder's reason before the workers'
 *    complaints about missing rows.
 */
#ifndef DRIVER_FEED_H
#define DRIVER_FEED_H

#include "driver/engine.h"

struct feed;

struct feed_hooks {
    void (*on_line)(void *context, const char *line);
    /* The feeder ended; why->code is ERR_OK if all rows went out. The feed may
     * be destroyed by the loop afterwards, not in this call. */
    void (*on_end)(void *context, struct feed *feed, const struct err *why,
                   uint64_t rows, uint64_t validation_rows);
    void *context;
};

/* Makes the pipes of partitions first .. first + count - 1, whose workers then
 * are to be started with feed_input() as standard input, and attempt numbers
 * attempts[0 .. count - 1] in their first lines. */
int feed_create(const struct engine_order *order, uint32_t first,
                uint32_t count, const struct feed_hooks *hooks,
                struct feed **out, struct err *err) ERR_CHECKED;
int feed_input(const struct feed *feed, uint32_t partition);
/* Starts the feeder. */
int feed_start(struct feed *feed, const uint32_t *attempts,
               struct err *err) ERR_CHECKED;
bool feed_has(const struct feed *feed, uint32_t partition);
bool feed_is_running(const struct feed *feed);
/* Looks after the feeder (monotonic ms): one that was stopped for stuck_ms is
 * killed, and on_end hears why. */
void feed_look(struct feed *feed, int64_t now_ms, int64_t stuck_ms);
/* Nobody reads this partition any more: its rows are read over. */
void feed_abandon(struct feed *feed, uint32_t partition);
void feed_kill(struct feed *feed, int signal);
/* Kills a feeder that runs; accepts NULL. */
void feed_destroy(struct feed **feed);

#endif
