/* SPDX-License-Identifier: MIT
 *
 * output: bytes to standard output through one buffer, with every failure
 * reported: a reader that went away or a full disk must not look like success.
 */
#ifndef WORKER_OUTPUT_H
#define WORKER_OUTPUT_H

#include "common/buf.h"
#include "common/err.h"

#include <stddef.h>

struct output {
    int fd; /* borrowed */
    struct buf buf;
};

void output_init(struct output *output, int fd);
void output_deinit(struct output *output);
/* n floats, comma-separated, and a line break. */
int output_row(struct output *output, const float *values, size_t n,
               struct err *err) ERR_CHECKED;
/* Text as it is. */
int output_text(struct output *output, const char *text,
                struct err *err) ERR_CHECKED;
/* Writes what is left. ERR_IO. */
int output_flush(struct output *output, struct err *err) ERR_CHECKED;

#endif
