/* SPDX-License-Identifier: MIT
 *
 * http_client: requests to elephasd (libcurl), one kept connection per client,
 * used by one thread at a time. Errors of the transport are ERR_UNREACHABLE or
 * ERR_TIMEOUT and name the URL; an HTTP error status becomes an err_code by
 * its problem+json document, whose `detail` is the message. Proxies of the
 * environment are not used: elephasd is reached directly.
 */
#ifndef COMMON_HTTP_CLIENT_H
#define COMMON_HTTP_CLIENT_H

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_client;

/* base_url: "http://127.0.0.1:4000", also with a path prefix or https; token
 * (may be NULL) is sent as "Authorization: Bearer ...". */
int http_client_create(const char *base_url, const char *token,
                       struct http_client **out, struct err *err) ERR_CHECKED;
void http_client_destroy(struct http_client **client);
const char *http_client_url(const struct http_client *client);

struct http_request {
    const char *method;        /* "GET", "POST", "DELETE" */
    const char *path;          /* "/v1/jobs?x=1", behind the base URL */
    const char *content_type;  /* of the body, or NULL */
    struct view body[2];       /* sent one after the other; may be empty */
    const char *if_none_match; /* ETag or NULL */
    const char *last_event_id; /* for event streams, or NULL */
    long timeout_ms;           /* whole request; 0: default (60 s) */
    size_t max_response;       /* bytes; 0: default (16 MiB) */
    /* Called with every piece of the body of a 2xx answer instead of
     * collecting it; a non-zero return ends the request with that code. */
    int (*on_data)(void *context, struct view piece, struct err *err);
    /* Asked about once a second and after signals, if not NULL: true ends the
     * request with ERR_CANCELLED. */
    bool (*interrupted)(void *context);
    void *context;
    bool stream; /* no whole-request timeout: ends with the
                    stream, or when nothing comes for
                    timeout_ms */
};

struct http_response {
    int status;
    struct buf body;
    char etag[80]; /* without quotes; empty if none */
};

/* response is initialised by the call and to be released with
 * http_response_deinit() also on failure. Statuses 2xx and 304 are success.
 * Connection refused and broken connections are not retried here. */
int http_client_send(struct http_client *client,
                     const struct http_request *request,
                     struct http_response *response,
                     struct err *err) ERR_CHECKED;
/* The err_code for the word of a problem (or NULL) and its status. */
enum err_code http_client_code(const char *name, int status);
void http_response_deinit(struct http_response *response);

#endif
