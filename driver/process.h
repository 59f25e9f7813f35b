/* SPDX-License-Identifier: MIT
 *
 * process: starting child processes and hearing of their end. Every child has
 * a process group of its own and dies with the daemon (PR_SET_PDEATHSIG,
 * SIGKILL), however that ends. The end comes through a pidfd in the event
 * loop: no signal handler, so that several loops can live in one process.
 */
#ifndef DRIVER_PROCESS_H
#define DRIVER_PROCESS_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct event_base;
struct process;

struct process_spec {
    const char *path;
    const char *const *argv; /* NULL at the end */
    const char *dir;         /* working directory; NULL: the daemon's */
    const char *const *env;  /* NAME=VALUE ..., NULL at the end: besides, or
                                instead of, what the daemon has; or NULL */
    int fds[3];      /* the child's 0, 1 and 2; borrowed; -1 for /dev/null */
    const int *keep; /* further descriptors the child keeps, same numbers */
    size_t keep_count;
    int death_signal; /* what it gets when the daemon dies; 0: SIGKILL */
    /* On the loop, once, with the status of waitpid(2). */
    void (*on_exit)(void *context, struct process *process, int status);
    void *context;
};

/* Returns once the program runs. ERR_NOT_FOUND, ERR_DENIED or ERR_IO names the
 * path if it cannot be run. */
int process_start(struct event_base *base, const struct process_spec *spec,
                  struct process **out, struct err *err) ERR_CHECKED;
pid_t process_pid(const struct process *process);
bool process_has_ended(const struct process *process);
/* Sends a signal to the child and its group, if it has not ended. */
void process_kill(struct process *process, int signal);
/* Kills a child that still runs and waits for it; accepts NULL. */
void process_destroy(struct process **process);

/* "killed by signal 9 (Killed)" or "exit status 1", static or in buffer. */
const char *process_status_text(int status, char *buffer, size_t size);

#endif
