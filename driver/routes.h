/* SPDX-License-Identifier: MIT
 *
 * routes: from a request to its handler: which route, whether the method and
 * the body's type are right, who asks and whether he may, which job is meant.
 * All of that is decided from the head, before any of the body is read.
 */
#ifndef DRIVER_ROUTES_H
#define DRIVER_ROUTES_H

struct http_exchange;

/* The callbacks of the HTTP server; context is the struct daemon. */
void routes_on_head(void *context, struct http_exchange *x);
void routes_on_request(void *context, struct http_exchange *x);
void routes_on_over(void *context, struct http_exchange *x);

#endif
