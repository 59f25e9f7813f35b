/* SPDX-License-Identifier: MIT
 *
 * compat_parts: what the files of compat share: compat.c, compat_task.c,
 * compat_http.c and compat_socket.c. Nobody else includes this.
 */
#ifndef DRIVER_COMPAT_PARTS_H
#define DRIVER_COMPAT_PARTS_H

#include "common/buf.h"
#include "driver/compat.h"

#include <stdint.h>

struct body_gate;
struct body_room;
struct compat_reader;
struct compat_socket_server;
struct http_server;
struct offload;

struct compat {
    struct event_base *base; /* borrowed */
    struct compat_backend backend;
    struct bodies *bodies; /* owned, if there are no shared ones */
    struct body_gate *gate;
    struct offload *helper; /* of its own; or NULL */
    struct http_server *http;
    struct compat_socket_server *socket;
};

/* Weights of more bytes than this are not touched on the loop. */
#define COMPAT_LARGE ((size_t)1 << 20)

/* A read that has to wait for a version asks again after this. */
#define COMPAT_RETRY_MS 2

/* Weights on their way to a client: pieces that point into the layout and a
 * version, which is held until release. */
struct compat_answer {
    /* Of the backend, which may be gone: a connection that is ended gives its
     * output back in a later turn of the loop. */
    void (*release)(void *handle);
    struct ps_view view;
    size_t count;
    struct view pieces[]; /* headers and numbers in turn */
};
/* ERR_STATE: ask again soon. */
int compat_answer_create(const struct compat_backend *backend,
                         struct compat_answer **out,
                         struct err *err) ERR_CHECKED;
/* For release callbacks; also accepts NULL. */
void compat_answer_release(void *answer);

/* A delta in Elephas' form has come so far. *reader is made at the first call;
 * if there is no memory, compat_apply() will say so. */
void compat_look(const struct compat_backend *backend,
                 struct compat_reader **reader, struct view so_far);
/* It is whole: it is applied, or refused, which is still to be reported. The
 * reader, or NULL, ends with it. */
int compat_apply(const struct compat_backend *backend,
                 struct compat_reader **reader, struct view message,
                 struct err *err) ERR_CHECKED;

/* Whether weights are touched in tasks; else on the loop, at once. */
bool compat_has_tasks(const struct compat *compat);

struct compat_task {
    struct compat *compat;
    void (*done)(void *owner, struct compat_task *task);
    void *owner; /* NULL: it has gone */
    bool reads;
    struct buf body; /* of an update, its room and reader */
    struct body_room *room;
    struct compat_reader *reader;
    struct compat_answer *answer; /* of a read; the owner may take it */
    bool worked;
    int rc; /* an error before it worked */
    struct err err;
};
/* A read, or an update whose body, room and reader the caller then puts in.
 * on_done is called on the loop, unless `owner` was made NULL before; the task
 * ends with it. */
int compat_task_create(struct compat *c, bool reads,
                       void (*on_done)(void *owner, struct compat_task *task),
                       void *owner, struct compat_task **out,
                       struct err *err) ERR_CHECKED;
/* The task is gone if it fails. */
int compat_task_start(struct compat_task *task, struct err *err) ERR_CHECKED;

int compat_http_create(struct compat *c, struct err *err) ERR_CHECKED;

int compat_socket_create(struct compat *c, struct compat_socket_server **out,
                         struct err *err) ERR_CHECKED;
void compat_socket_destroy(struct compat_socket_server **server);
int compat_socket_listen(struct compat_socket_server *server, const char *host,
                         unsigned want_port, unsigned *port,
                         struct err *err) ERR_CHECKED;
int compat_socket_share(struct compat_socket_server *server,
                        const struct compat_socket_server *with,
                        struct err *err) ERR_CHECKED;
void compat_socket_drain(struct compat_socket_server *server);
/* Connections; while draining, on which something may be under way. */
size_t compat_socket_busy(const struct compat_socket_server *server);

#endif
