/* SPDX-License-Identifier: MIT
 *
 * follow: a job's events (docs/PROTOCOL.md section 4) until the last one.
 * When the stream breaks, it is opened again behind the last event that came,
 * for as long as a daemon may take to restart. When the user wants to stop, the
 * job is cancelled and followed to its end, or just left alone.
 */
#ifndef DRIVER_SUBMIT_FOLLOW_H
#define DRIVER_SUBMIT_FOLLOW_H

#include "driver/submit/session.h"

#include <jansson.h>

/* How long a daemon may be away, and how long a cancelled job may take. */
#define FOLLOW_AWAY_MS 60000
#define FOLLOW_CANCEL_MS 60000

struct follow {
    bool cancel_on_interrupt; /* else the wish to stop ends following */
    const char *until;        /* an event that ends following too, or NULL */
    /* Each event but the last, and a note for people now and then. */
    int (*on_event)(void *context, const json_t *event, struct err *err);
    void (*on_note)(void *context, const char *text);
    void *context;
};

/* Follows to the end. *last: the done, failed or cancelled event, a new
 * reference; jobs_result() tells what it means. ERR_CANCELLED if the user
 * stopped it, ERR_UNREACHABLE if the daemon stays away. */
int follow_job(struct command *c, struct session *s, const char *id,
               const struct follow *f, json_t **last,
               struct err *err) ERR_CHECKED;

#endif
