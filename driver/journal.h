/* SPDX-License-Identifier: MIT
 *
 * journal: a job's append-only file of lines, and clients that follow it over
 * HTTP: the event log (server-sent events, whose ids are line numbers) and the
 * log text. Readers read the file, never memory: a slow reader costs one
 * descriptor and the piece that is on its way, and a reader that comes after a
 * restart sees the same lines under the same numbers.
 */
#ifndef DRIVER_JOURNAL_H
#define DRIVER_JOURNAL_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct http_exchange;
struct journal;

enum journal_kind {
    JOURNAL_TEXT,  /* sent as it is */
    JOURNAL_EVENTS /* each line framed as a server-sent event */
};

/* The file is made by the first line. max_bytes: further lines are dropped,
 * and a last line says so. */
int journal_create(struct event_base *base, const char *path,
                   enum journal_kind kind, uint64_t max_bytes,
                   struct journal **out, struct err *err) ERR_CHECKED;
/* Ends all readers; accepts NULL. */
void journal_destroy(struct journal **journal);

/* Appends a line (without its end; line breaks become blanks) and shows it to
 * the readers. */
int journal_append(struct journal *journal, const char *line,
                   struct err *err) ERR_CHECKED;
/* Shows a line to the readers that have seen everything, without keeping it
 * (events only). */
void journal_send(struct journal *journal, const char *line);
/* No line comes any more: readers end after the last one. */
void journal_end(struct journal *journal);
size_t journal_readers(const struct journal *journal);

/* Answers x with the lines behind line number `after` and, if follow is set,
 * further ones as they come. */
void journal_read(struct journal *journal, struct http_exchange *x,
                  uint64_t after, bool follow);

#endif
