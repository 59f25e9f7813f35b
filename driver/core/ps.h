/* SPDX-License-Identifier: MIT
 *
 * ps: the parameters of a server that any number of threads read and change.
 * It starts no thread and waits for none but in short locks.
 *
 *  asynchronous  one change after the other under a lock; a reader gets a
 *                version: a copy that is made when the first reader asks for it
 *                and shared by all that ask before the next change.
 *  hogwild       readers get the parameters themselves, while they change:
 *                no copy and no lock. Writers take no lock either: the vector
 *                is cut into ranges, a writer claims one after the other and
 *                passes over those that another one has, coming back to them
 *                later. So no two write the same element at once, and no change
 *                is lost (as in Niu, Recht, Re, Wright: Hogwild!, 2011, section
 *                2, where each component is changed atomically). That a reader
 *                may see a change half made is meant, and the only race there
 *                is (tests/tsan.supp).
 *
 * Memory: in asynchronous mode at most PS_VERSIONS versions exist, or as many
 * as fit PS_SMALL bytes. While readers hold all of them, a further one is told
 * ERR_STATE and asks again.
 */
#ifndef DRIVER_CORE_PS_H
#define DRIVER_CORE_PS_H

#include "common/err.h"
#include "driver/core/delta.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PS_VERSIONS 2
#define PS_SMALL ((size_t)32 << 20)

struct ps;

enum ps_mode { PS_ASYNCHRONOUS, PS_HOGWILD };

/* A server of the first n of these values (mem_floats()), which move in on
 * success and are the parameters from then on; `version` is where it begins. */
int ps_create(float *values, size_t n, enum ps_mode mode, uint64_t version,
              struct ps **out, struct err *err) ERR_CHECKED;
/* What readers hold is released when the last of them lets go; accepts NULL. */
void ps_destroy(struct ps **ps);
/* The parameters. Only while nobody changes them. */
const float *ps_values(const struct ps *ps);

/* Who works on large vectors in several places at once: run() calls part(arg,
 * i) for each i < parts, on threads of its own, and returns when all are
 * through. */
struct ps_crew {
    void (*run)(void (*part)(void *arg, size_t i), void *arg, size_t parts);
    size_t parts; /* that make sense: processors */
};
/* Before it is used by several threads. Without one, each change is the work of
 * the thread that asks for it. */
void ps_set_crew(struct ps *ps, const struct ps_crew *crew);

size_t ps_count(const struct ps *ps);
/* Rises by one with each change. */
uint64_t ps_version(const struct ps *ps);

/* What a reader holds. */
struct ps_view {
    const float *values; /* ps_count() of them */
    uint64_t version;    /* of a whole copy; in hogwild mode: at least that */
    void *handle;        /* for ps_release() */
};
/* Gives *out, to be released from any thread. ERR_STATE: ask again soon;
 * ERR_NOMEM. */
int ps_read(struct ps *ps, struct ps_view *out, struct err *err) ERR_CHECKED;
void ps_release(void *handle);

/* values -= delta. ERR_INVALID if an element would not be finite any more:
 * nothing is changed, and *at is its index. *version (may be NULL) is that with
 * the change in it. */
int ps_change(struct ps *ps, const struct delta *delta, uint64_t *version,
              size_t *at, struct err *err) ERR_CHECKED;

#endif
