/* SPDX-License-Identifier: MIT
 *
 * auth: who may do what. The daemon's token opens everything; each job has a
 * token of its own for its workers, which opens that job's worker routes. A
 * daemon that listens on loopback only serves requests without a token too,
 * unless a browser brings them from another site (its Host or Origin says so).
 * A wrong token is refused everywhere. Tokens are compared in constant time.
 */
#ifndef DRIVER_AUTH_H
#define DRIVER_AUTH_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>

#define AUTH_TOKEN_SIZE 65 /* 64 hex digits and a NUL */

enum auth_role {
    AUTH_ANYONE, /* no token */
    AUTH_WORKER,
    AUTH_READ,
    AUTH_SUBMIT
};

/* A new token: 32 random bytes in hex. */
int auth_new_token(char token[AUTH_TOKEN_SIZE], struct err *err) ERR_CHECKED;
/* Random bytes from the kernel. */
int auth_random(void *out, size_t size, struct err *err) ERR_CHECKED;

/* Reads the token file, or makes it (mode 0600) if there is none. A file that
 * others may read is ERR_DENIED. */
int auth_load_token(const char *path, char token[AUTH_TOKEN_SIZE],
                    struct err *err) ERR_CHECKED;

/* The token of an Authorization header ("Bearer T"), NULL if there is no
 * header; "" if it is of another kind, which matches nothing. */
const char *auth_bearer(const char *header);
/* Whether both are the same and not empty. The time depends on the length of
 * `given` only. */
bool auth_same(const char *given, const char *token);

/* Whether a request without a token may be served by a loopback daemon: the
 * Host is this machine, and the Origin, if there is one, the same. own is the
 * "HOST:PORT" the daemon answers at. */
bool auth_is_local(const char *host, const char *origin, const char *own);

#endif
