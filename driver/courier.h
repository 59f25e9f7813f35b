/* SPDX-License-Identifier: MIT
 *
 * courier: what the server of a training has to do with the other servers that
 * hold parts of it. A daemon speaks to nobody by itself: a short-lived
 * elephas-worker is sent, which gets its order (servers and tokens) on its
 * standard input. It fetches the parts at the end, and says that all is over.
 */
#ifndef DRIVER_COURIER_H
#define DRIVER_COURIER_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>

struct courier;
struct job;

enum courier_errand {
    COURIER_GATHER, /* brings the parts here: train_take_part() */
    COURIER_DONE,   /* the other servers may forget them */
    COURIER_CANCEL
};

/* on_end: on the loop, once; why is one line, "" if all went well; hopeless:
 * another one would not fare better. The courier
 * may be destroyed in it. vectors: in the state vector, to gather. */
int courier_start(struct job *job, enum courier_errand errand, size_t vectors,
                  void (*on_end)(struct job *job, const char *why,
                                 bool hopeless),
                  struct courier **out, struct err *err) ERR_CHECKED;
/* Ends it; accepts NULL. */
void courier_destroy(struct courier **courier);

/* Of a job that has ended: tells the other servers, if there are any; they are
 * told once, and end by themselves if that fails. */
void courier_say_end(struct job *job, bool done);

#endif
