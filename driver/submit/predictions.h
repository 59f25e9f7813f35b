/* SPDX-License-Identifier: MIT
 *
 * predictions: the rows of GET /v1/jobs/ID/predictions (csv) on their way to
 * the output, as they come. --predict-class adds a column `class`: the number
 * of the largest prediction of the row, the first one of equals; with a single
 * output unit 1 if it is over 0.5, else 0.
 */
#ifndef DRIVER_SUBMIT_PREDICTIONS_H
#define DRIVER_SUBMIT_PREDICTIONS_H

#include "common/buf.h"

#include <stdbool.h>
#include <stdio.h>

struct predictions {
    FILE *out;
    bool with_class;
    const char *name; /* of the output, for messages */
    struct buf line;  /* a line that has not ended yet */
    size_t lines;     /* lines written, the header among them */
};

void predictions_init(struct predictions *p, FILE *out, const char *name,
                      bool with_class);
void predictions_deinit(struct predictions *p);
/* Takes the next bytes. ERR_IO if the output fails, ERR_PROTO for what is no
 * row of numbers. */
int predictions_feed(struct predictions *p, struct view piece,
                     struct err *err) ERR_CHECKED;
/* The stream has ended: ERR_PROTO if a line is not complete. */
int predictions_end(struct predictions *p, struct err *err) ERR_CHECKED;

#endif
