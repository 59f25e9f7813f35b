/* SPDX-License-Identifier: MIT
 *
 * watchdog: whether a process on this machine has come to a standstill. It is
 * seen in /proc, not asked: a process that was stopped (SIGSTOP), or whose main
 * thread has not had a processor for long although it asks the daemon for news
 * every half minute, will not answer. Where /proc does not tell, nothing is
 * ever at a standstill.
 */
#ifndef DRIVER_WATCHDOG_H
#define DRIVER_WATCHDOG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct watchdog {
    pid_t pid;          /* last looked at; 0: none */
    uint64_t ran;       /* ns on a processor, at the last change */
    int64_t since_ms;   /* when that was */
    int64_t stopped_ms; /* when it was first seen stopped; 0: it is not */
};

/* Looks at the process now (monotonic ms). *stopped_for and *idle_for: for how
 * many ms it has been stopped, and has not run. Another pid begins anew. */
void watchdog_look(struct watchdog *watchdog, pid_t pid, int64_t now_ms,
                   int64_t *stopped_for, int64_t *idle_for);

#endif
