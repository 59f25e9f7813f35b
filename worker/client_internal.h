/* SPDX-License-Identifier: MIT
 *
 * client_internal: what the parts of the client share: client.c asks,
 * client_report.c tells, client_shard.c speaks to
 * servers with a part of the parameters.
 */
#ifndef WORKER_CLIENT_INTERNAL_H
#define WORKER_CLIENT_INTERNAL_H

#include "common/frame_client.h"
#include "common/http_client.h"
#include "worker/client.h"

struct client {
    struct http_client *http;
    struct frame_client *frames; /* for the hot path; NULL: HTTP for all */
    char *job;                   /* owned */
    char *path;                  /* "/v1/jobs/ID", encoded; owned */
    uint32_t partition;
    uint32_t attempt;
    uint32_t stage;
    long retry_ms;
    bool reached; /* it has answered once, or is known to be there */
    uint64_t interruptions;
    unsigned wait_s;
};

/* Sends a request: transport errors and 5xx answers are tried again for
 * retry_ms from the first failure on. frame (or NULL) is the same request as a
 * frame, which goes first where the server takes frames. The response is to be
 * released with http_response_deinit() also on failure. */
int client_call(struct client *client, const struct http_request *request,
                const struct frame_request *frame,
                struct http_response *response, struct err *err) ERR_CHECKED;

/* GET of parameters with this query ("step=1&wait=30"), of which
 * `total` floats are wanted; 204 is CLIENT_AGAIN, 410 CLIENT_STOP. */
int client_get_parameters(struct client *client, const char *query,
                          size_t total, struct client_parameters *out,
                          enum client_outcome *outcome,
                          struct err *err) ERR_CHECKED;
/* POST of a message, and values behind it, to a route of the job, as
 * client_call(). */
int client_post(struct client *client, const char *route,
                const ProtobufCMessage *message, struct view values,
                struct http_response *response, struct err *err) ERR_CHECKED;

#endif
