/* SPDX-License-Identifier: MIT
 *
 * ports: what people and programs are told of a job's ports of the Elephas
 * protocol.
 */
#ifndef DRIVER_PORTS_H
#define DRIVER_PORTS_H

#include "common/err.h"

#include <jansson.h>

struct job;

/* Puts "http" and "socket" as HOST:PORT into a document; a port that is 0 is
 * not open. -1 without memory. */
int ports_put(const struct job *job, unsigned http, unsigned socket,
              json_t *document);
/* The port that a former run had (key: http, socket), or 0. */
unsigned ports_former(const struct job *job, const char *key);
/* Remembers them in the store, for the next run. */
int ports_keep(struct job *job, unsigned http, unsigned socket,
               struct err *err) ERR_CHECKED;
/* The event "ready": clients may come. */
int ports_announce(struct job *job, unsigned http, unsigned socket,
                   struct err *err) ERR_CHECKED;

#endif
