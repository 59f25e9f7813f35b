/* SPDX-License-Identifier: MIT
 *
 * compat: see compat.h; what both protocols do with weights.
 */
#include "driver/compat_parts.h"

#include "common/mem.h"
#include "driver/bodies.h"
#include "driver/compat_reader.h"
#include "driver/compat_wire.h"
#include "driver/http.h"
#include "driver/offload.h"

#include <string.h>

/* Bytes of updates in memory at once; at least one. */
#define BODIES ((size_t)32 << 20)

int compat_bodies(const struct compat_layout *layout, struct bodies **out,
                  struct err *err)
{
    size_t one = compat_size(layout);

    return bodies_create(one > BODIES ? one : BODIES, out, err);
}

int compat_create(struct event_base *base, const struct compat_backend *backend,
                  struct compat **out, struct err *err)
{
    struct compat *c = mem_zalloc(sizeof(*c));
    int rc = 0;

    if (c == NULL) {
        return err_nomem(err);
    }
    c->base = base;
    c->backend = *backend;
    if (backend->bodies == NULL) {
        rc = compat_bodies(backend->layout, &c->bodies, err);
        c->backend.bodies = c->bodies;
    }
    if (rc == 0) {
        rc = body_gate_create(c->backend.bodies, base, &c->gate, err);
    }
    if (rc == 0 && backend->any_thread &&
        compat_size(backend->layout) > COMPAT_LARGE) {
        rc = offload_create(base, &c->helper, err);
    }
    if (rc == 0) {
        rc = compat_http_create(c, err);
    }
    if (rc == 0) {
        rc = compat_socket_create(c, &c->socket, err);
    }
    if (rc != 0) {
        compat_destroy(&c);
        return rc;
    }
    *out = c;
    return 0;
}

void compat_destroy(struct compat **compat)
{
    struct compat *c = *compat;

    if (c != NULL) {
        http_server_destroy(&c->http);
        compat_socket_destroy(&c->socket);
        if (c->backend.settle != NULL) { /* tasks whose clients have gone */
            c->backend.settle(c->backend.context);
        }
        offload_destroy(&c->helper);
        body_gate_destroy(&c->gate);
        bodies_destroy(&c->bodies);
        mem_free(c);
        *compat = NULL;
    }
}

int compat_listen_http(struct compat *c, const char *host, unsigned want_port,
                       unsigned *port, struct err *err)
{
    return http_server_listen(c->http, host, want_port, port, err);
}

int compat_listen_socket(struct compat *c, const char *host, unsigned want_port,
                         unsigned *port, struct err *err)
{
    size_t size = compat_size(c->backend.layout);

    if (size > UINT32_MAX) {
        return err_set(
            err, ERR_UNSUPPORTED,
            "no socket port: the weights take %zu bytes, and lengths "
            "in this protocol of Elephas end at %u; HTTP has no such "
            "limit",
            size, UINT32_MAX);
    }
    return compat_socket_listen(c->socket, host, want_port, port, err);
}

int compat_share(struct compat *c, const struct compat *with, struct err *err)
{
    int rc = http_server_share(c->http, with->http, err);

    return rc == 0 ? compat_socket_share(c->socket, with->socket, err) : rc;
}

bool compat_has_tasks(const struct compat *c)
{
    return c->helper != NULL || c->backend.run != NULL;
}

void compat_drain(struct compat *c)
{
    http_server_drain(c->http);
    compat_socket_drain(c->socket);
}

bool compat_is_idle(const struct compat *c)
{
    return http_server_connections(c->http) == 0 &&
           compat_socket_busy(c->socket) == 0;
}

/* ---- weights ---- */

void compat_answer_release(void *answer)
{
    struct compat_answer *a = answer;

    if (a != NULL) {
        a->release(a->view.handle);
        mem_free(a);
    }
}

int compat_answer_create(const struct compat_backend *backend,
                         struct compat_answer **out, struct err *err)
{
    const struct compat_layout *l = backend->layout;
    size_t n = compat_arrays(l);
    struct compat_answer *a =
        mem_alloc(sizeof(*a) + 2 * n * sizeof(a->pieces[0]));
    int rc;

    if (a == NULL) {
        return err_nomem(err);
    }
    rc = backend->read(backend->context, &a->view, err);
    if (rc != 0) {
        mem_free(a);
        return rc;
    }
    a->release = backend->release;
    a->count = 2 * n;
    for (size_t i = 0; i < n; i++) {
        size_t begin;
        size_t count;

        compat_range(l, i, &begin, &count);
        a->pieces[2 * i] = compat_header(l, i);
        a->pieces[2 * i + 1] = (struct view){
            (const uint8_t *)(a->view.values + begin), count * sizeof(float)};
    }
    *out = a;
    return 0;
}

void compat_look(const struct compat_backend *backend,
                 struct compat_reader **reader, struct view so_far)
{
    if (*reader != NULL ||
        compat_reader_create(backend->layout, reader, NULL) == 0) {
        compat_reader_look(*reader, so_far);
    }
}

int compat_apply(const struct compat_backend *backend,
                 struct compat_reader **reader, struct view message,
                 struct err *err)
{
    struct delta delta;
    int rc = *reader == NULL
                 ? compat_reader_create(backend->layout, reader, err)
                 : 0;

    if (rc == 0) {
        rc = compat_reader_end(*reader, message, &delta, err);
    }
    if (rc == 0) {
        rc = backend->change(backend->context, &delta, err);
    }
    compat_reader_destroy(reader);
    return rc;
}
