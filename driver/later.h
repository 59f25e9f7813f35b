/* SPDX-License-Identifier: MIT
 *
 * later: answers that take long to make, because a large model is in them. The
 * exchange is held while a helper thread works; what follows is done on the
 * loop. Who leaves meanwhile is not waited for: the work is finished all the
 * same, and nobody is answered. The daemon's stop waits for it as it does for
 * requests that are being read.
 */
#ifndef DRIVER_LATER_H
#define DRIVER_LATER_H

#include "common/err.h"

#include <stddef.h>

struct daemon;
struct http_exchange;
struct later;

/* Bytes of a model that are worked on on the loop. */
#define LATER_ABOVE ((size_t)1 << 20)

struct later_class {
    void (*work)(struct later *later);    /* on the helper */
    void (*done)(struct later *later);    /* on the loop: answers, if x */
    void (*release)(struct later *later); /* after it */
};
/* The first member of what the work needs. */
struct later {
    const struct later_class *class;
    struct daemon *daemon;
    struct http_exchange *x; /* NULL: the client has left */
};

/* Holds x. On failure nothing has happened. Works on the helper for files, or
 * the one for vectors (later_compute()). */
int later_begin(struct later *later, const struct later_class *class,
                struct daemon *d, struct http_exchange *x,
                struct err *err) ERR_CHECKED;
int later_compute(struct later *later, const struct later_class *class,
                  struct daemon *d, struct http_exchange *x,
                  struct err *err) ERR_CHECKED;

#endif
