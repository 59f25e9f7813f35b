/* SPDX-License-Identifier: MIT
 *
 * session: the elephasd a command talks to: which one, with which token,
 * and, with --embedded, its life.
 *
 * The token is that of --token-file, else of $ELEPHAS_TOKEN_FILE, else that in
 * the default state directory, but only if the elephasd of that directory is
 * the server in question: a token is never sent to someone else.
 */
#ifndef DRIVER_SUBMIT_SESSION_H
#define DRIVER_SUBMIT_SESSION_H

#include "common/http_client.h"
#include "driver/submit/command.h"

struct embedded;

struct session {
    struct http_client *http;
    struct embedded *embedded; /* or NULL */
    bool local;                /* the daemon is on this machine */
};

/* Whether the elephasd these options name is on this machine. */
bool session_is_local(const struct options *o);

/* Starts or finds the daemon. Does not talk to it yet unless it is
 * embedded. */
int session_open(struct command *c, struct session *s,
                 struct err *err) ERR_CHECKED;
/* Another daemon, that is not started, at url. */
int session_connect(const struct options *o, const char *url, struct session *s,
                    struct err *err) ERR_CHECKED;
/* Stops an embedded daemon; accepts a zeroed session. */
void session_close(struct session *s);

/* The state directory elephasd uses when it is not told another: of the
 * service if this is root, else of the user. NULL without memory. */
char *session_default_state_dir(void);

/* The URL of the daemon these options name, if it is not embedded. */
const char *session_url(const struct options *o);

/* Whether two texts name the same HOST:PORT; a URL may have a scheme and a
 * path. */
bool session_same_address(const char *url, const char *address);

#endif
