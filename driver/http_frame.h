/* SPDX-License-Identifier: MIT
 *
 * http_frame: the frames of docs/PROTOCOL.md section 9, which take the place of
 * HTTP on an upgraded connection. A frame asks what an HTTP request asks, with
 * less to read and to say: it is turned into the head of that request, so that
 * routes, tokens, limits and handlers are the same. Pure parsing of untrusted
 * bytes.
 */
#ifndef DRIVER_HTTP_FRAME_H
#define DRIVER_HTTP_FRAME_H

#include "common/buf.h"
#include "common/err.h"
#include "common/frame.h"

#include <stddef.h>

/* More of the input need not be looked at. */
#define FRAME_LOOK (FRAME_HEADER + FRAME_PULL_MAX)

/* Looks at the bytes that are there. If they hold a frame's beginning (with the
 * whole message, unless it is an update, whose message is the body of the
 * request), *used is its length and the head is appended to *head; else *used
 * is 0. path is that of the job, as it stands in a request line; more is header
 * lines for every head, each with its end. ERR_PROTO, ERR_LIMIT, ERR_NOMEM. */
int frame_head(struct view bytes, const char *path, const char *more,
               struct buf *head, size_t *used, struct err *err) ERR_CHECKED;

#endif
