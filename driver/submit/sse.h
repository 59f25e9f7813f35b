/* SPDX-License-Identifier: MIT
 *
 * sse: reads text/event-stream (WHATWG HTML, "Server-sent events") as it
 * arrives, in pieces of any size. Events end with an empty line; what is left
 * of an event when the stream ends is dropped, as the standard says. Input is
 * untrusted: lines and events have a ceiling.
 */
#ifndef DRIVER_SUBMIT_SSE_H
#define DRIVER_SUBMIT_SSE_H

#include "common/buf.h"

#include <stdbool.h>

#define SSE_EVENT_MAX ((size_t)4 << 20)
#define SSE_ID_MAX 128

struct sse {
    struct buf line; /* of the line under way */
    struct buf data; /* of the event under way, lines joined by \n */
    bool has_data;
    bool after_cr;            /* a \n right now ends no second line */
    bool begun;               /* the first bytes may be a byte order mark */
    char id[SSE_ID_MAX];      /* of the last event dispatched */
    char next_id[SSE_ID_MAX]; /* of the event under way */
    /* Called with the data of each event; a code other than 0 ends feeding. */
    int (*on_event)(void *context, struct view data, struct err *err);
    void *context;
};

void sse_init(struct sse *s, int (*on_event)(void *, struct view, struct err *),
              void *context);
void sse_deinit(struct sse *s);

/* Takes the next bytes of the stream. ERR_LIMIT for an event over
 * SSE_EVENT_MAX, ERR_NOMEM, or what on_event returned. */
int sse_feed(struct sse *s, struct view piece, struct err *err) ERR_CHECKED;

/* The stream broke and will be opened again: forgets the event under way and
 * keeps the last id. */
void sse_restart(struct sse *s);

/* What to send as Last-Event-ID; NULL before the first id. */
const char *sse_last_id(const struct sse *s);

#endif
