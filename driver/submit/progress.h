/* SPDX-License-Identifier: MIT
 *
 * progress: what people see of a running job. On a terminal one line that is
 * drawn again in place, for each epoch one that stays:
 *
 *   Epoch  3/10 ━━━━━━━━━━━━─────────  56%  loss 0.3124  acc 0.9031 ...
 *
 * Elsewhere a plain line at the end of each epoch. The renderer is a pure
 * function of numbers and width, so that it can be tested.
 */
#ifndef DRIVER_SUBMIT_PROGRESS_H
#define DRIVER_SUBMIT_PROGRESS_H

#include "common/buf.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

enum progress_style {
    PROGRESS_PLAIN = 0,
    PROGRESS_COLOR = 1, /* escape sequences for colour */
    PROGRESS_UTF8 = 2   /* lines instead of = and > */
};

/* What a line says. */
struct progress_line {
    const char *label;     /* "Epoch  3/10" */
    bool complete;         /* of the epoch; the bar is full */
    double fraction;       /* 0 to 1 */
    const json_t *metrics; /* object of numbers, or NULL */
    double rate;           /* rows a second; 0: unknown */
    double seconds;        /* complete: what it took; else what is left;
                              negative: unknown */
};

/* Appends the line, without a line break, no wider than `columns` characters
 * (escape sequences not counted; 0: no limit and no bar). What does not fit is
 * left out, the rate first, then the last metrics. */
int progress_render(const struct progress_line *line, size_t columns,
                    unsigned style, struct buf *out,
                    struct err *err) ERR_CHECKED;

/* "850 ms"-like texts: 0.4s, 12s, 3m05s, 2h07m; rows: 950, 4.1k, 2.3M. */
#define PROGRESS_TEXT_SIZE 32
const char *progress_duration(double seconds, char text[PROGRESS_TEXT_SIZE]);
const char *progress_count(double n, char text[PROGRESS_TEXT_SIZE]);
/* A metric as Keras prints it: four decimals, or two with an exponent. */
const char *progress_number(const json_t *value, char text[PROGRESS_TEXT_SIZE]);

/* The display of one job. */
struct progress {
    FILE *out; /* NULL: shows nothing */
    bool live; /* out is a terminal that can be drawn on */
    unsigned style;
    const char *verb; /* "Predicting": what a job without epochs does */
    bool open;        /* a live line stands, without a line break */
};

/* Looks at the stream and the environment (TERM, NO_COLOR, locale). */
void progress_init(struct progress *p, FILE *out, const char *verb);
/* Shows an event: progress, epoch, worker, state. */
int progress_event(struct progress *p, const json_t *event,
                   struct err *err) ERR_CHECKED;
/* A remark on a line of its own. */
void progress_note(struct progress *p, const char *text);
/* Leaves the cursor at the beginning of a line. */
void progress_end(struct progress *p);

#endif
