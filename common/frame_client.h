/* SPDX-License-Identifier: MIT
 *
 * frame_client: asks elephasd in frames (docs/PROTOCOL.md, section 9) over a
 * kept connection: one system call for a small message, vectors sent from and
 * received to where they lie. Used by one thread at a time. Where something
 * between does not let the upgrade through, the caller uses HTTP.
 */
#ifndef COMMON_FRAME_CLIENT_H
#define COMMON_FRAME_CLIENT_H

#include "common/frame.h"
#include "common/http_client.h"

struct frame_client;

/* http gives the URL, and must live as long; token may be NULL; path is that of
 * the job ("/v1/jobs/ID"). *out is NULL if the URL is not plain HTTP. */
int frame_client_create(const struct http_client *http, const char *token,
                        const char *path, struct frame_client **out,
                        struct err *err) ERR_CHECKED;
/* Accepts NULL. */
void frame_client_destroy(struct frame_client **client);

struct frame_request {
    enum frame_kind kind;
    struct view body[2];
    long timeout_ms;     /* of the whole request */
    size_t max_response; /* bytes */
};

/* As http_client_send(): connects when there is no connection, also once more
 * when a kept one turns out to be closed. *refused: whatever answers does not
 * upgrade; ask with HTTP. */
int frame_client_send(struct frame_client *client,
                      const struct frame_request *request,
                      struct http_response *response, bool *refused,
                      struct err *err) ERR_CHECKED;

#endif
