/* SPDX-License-Identifier: MIT
 *
 * crew: threads that block all signals, which belong to the daemon's loop, and
 * work that is done by several of them at once.
 */
#ifndef DRIVER_CREW_H
#define DRIVER_CREW_H

#include <pthread.h>
#include <stddef.h>

/* As pthread_create(), without attributes. */
int crew_thread(pthread_t *thread, void *(*start)(void *arg), void *arg);

/* Processors that this process may use; at most CREW_MAX. */
size_t crew_size(void);
#define CREW_MAX 16

/* part(arg, i) for each i < parts, the first by the caller and the others, as
 * far as there are threads to be had, beside it. Returns when all are through.
 * A thread is begun and ended for each, which takes some 0.05 ms. */
void crew_run(void (*part)(void *arg, size_t i), void *arg, size_t parts);

#endif
