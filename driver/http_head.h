/* SPDX-License-Identifier: MIT
 *
 * http_head: the head of an HTTP/1.x request, and bodies in chunks (RFC 9112).
 * Pure parsing of untrusted bytes: no sockets, no memory but what the caller
 * gives. Strict where leniency lets two readers disagree about where a request
 * ends: no folded headers, no blanks before the colon, never both a length and
 * a transfer encoding, one length only.
 */
#ifndef DRIVER_HTTP_HEAD_H
#define DRIVER_HTTP_HEAD_H

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_MAX_HEADERS 64
#define HTTP_MAX_SEGMENTS 8
#define HTTP_MAX_QUERY 16

struct http_pair {
    const char *name; /* of a header: in lower case */
    const char *value;
};

/* All strings point into the text that was parsed. */
struct http_head {
    const char *method;
    const char *target;    /* as sent, for messages: "/v1/jobs?x=1" */
    const char *authority; /* of a target "http://HOST/..."; also the Host */
    const char *segments[HTTP_MAX_SEGMENTS]; /* of the path, decoded */
    size_t segment_count;
    struct http_pair query[HTTP_MAX_QUERY]; /* decoded */
    size_t query_count;
    struct http_pair headers[HTTP_MAX_HEADERS];
    size_t header_count;
    unsigned minor;       /* HTTP/1.minor */
    bool keep_alive;      /* the client allows another request */
    bool expect_continue; /* it waits for 100 before it sends the body */
    bool chunked;
    bool has_length;
    uint64_t length; /* of the body; 0 without one */
};

/* The length of the head with its final empty line, 0 while that has not come
 * yet. */
size_t http_head_length(const char *data, size_t len);

/* Parses a head of http_head_length() bytes with a NUL behind; the text is cut
 * up in place and must live as long as *out. On failure (ERR_PROTO; ERR_LIMIT;
 * ERR_NOT_FOUND for a path that cannot be one of ours) *status is the HTTP
 * status to answer with: 400, 404, 417, 431, 501 or 505. `scratch` has room
 * for HTTP_SCRATCH(len) bytes and lives as long (decoded copies of the target,
 * where a parameter without a value needs a terminator more than it has). */
#define HTTP_SCRATCH(len) ((len) + HTTP_MAX_QUERY + 1)
int http_head_parse(char *text, char *scratch, size_t len,
                    struct http_head *out, int *status,
                    struct err *err) ERR_CHECKED;

/* Whether a comma-separated list, as in "keep-alive, Upgrade", has the word;
 * case does not matter, nor what follows a semicolon. */
bool http_head_has_word(const char *list, const char *word);
/* The value of a header (name in lower case), or NULL. */
const char *http_head_header(const struct http_head *head, const char *name);
/* Whether If-None-Match names this ETag (in quotes): the asker has it already
 * (RFC 9110, 13.1.2: a list, weak or not, or a star). */
bool http_head_knows(const struct http_head *head, const char *etag);
/* The value of a query parameter ("" for "?x"), or NULL. */
const char *http_head_query(const struct http_head *head, const char *name);

/* A body in chunks, while it comes. */
struct http_chunks {
    enum {
        HTTP_CHUNK_SIZE,
        HTTP_CHUNK_DATA,
        HTTP_CHUNK_DATA_END,
        HTTP_CHUNK_TRAILER,
        HTTP_CHUNK_DONE
    } state;
    uint64_t left;   /* bytes of this chunk still to come */
    size_t line_len; /* bytes of the size line or trailers so far */
    char line[40];   /* the size line */
};

void http_chunks_init(struct http_chunks *chunks);
/* Takes the next bytes, appends what is body to `body`; *used says how many
 * were taken (fewer than len only at the end of the body). ERR_PROTO,
 * ERR_LIMIT (the ceiling of body), ERR_NOMEM. */
int http_chunks_feed(struct http_chunks *chunks, struct view data,
                     struct buf *body, size_t *used,
                     struct err *err) ERR_CHECKED;

#endif
