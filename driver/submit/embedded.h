/* SPDX-License-Identifier: MIT
 *
 * embedded: a private elephasd for one command (--embedded). It gets a
 * temporary state directory and a free loopback port.
 *
 * Between the two stands a keeper, a child of its own session that does
 * nothing but hold one end of a socket pair and wait. When the other end
 * closes, because the command ended, failed or was killed with SIGKILL, the
 * keeper stops elephasd with SIGTERM (SIGKILL when that does not help in time)
 * and removes the directory. If the keeper itself is killed, the kernel stops
 * elephasd (PR_SET_PDEATHSIG). So no way to end leaves a process.
 */
#ifndef DRIVER_SUBMIT_EMBEDDED_H
#define DRIVER_SUBMIT_EMBEDDED_H

#include "common/err.h"

#include <stdbool.h>

struct embedded;

/* Starts it and waits until it answers. The program is the elephasd next to
 * the running executable, else the one in PATH. ERR_UNREACHABLE says why it
 * does not start. interrupted (may be NULL) ends the wait with
 * ERR_CANCELLED. Call it before threads start. */
int embedded_start(bool (*interrupted)(void *), void *context,
                   struct embedded **out, struct err *err) ERR_CHECKED;

/* "http://127.0.0.1:PORT" and the path of its token file. */
const char *embedded_url(const struct embedded *e);
const char *embedded_token_file(const struct embedded *e);

/* Whether elephasd has ended on its own. */
bool embedded_ended(const struct embedded *e);

/* Stops it and waits until nothing is left; accepts NULL. */
void embedded_stop(struct embedded **e);

#endif
