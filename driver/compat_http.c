/* SPDX-License-Identifier: MIT
 *
 * compat_http: the HTTP side of compat.h. Paths and answers are those of
 * Elephas; what is wrong is answered with a problem document.
 */
#include "driver/compat_parts.h"

#include "driver/compat_reader.h"
#include "driver/compat_wire.h"
#include "driver/http.h"

#include <stdint.h>
#include <string.h>

#define GREETING "Elephas"
#define THANKS "Update done"

enum route { ROUTE_HOME, ROUTE_PARAMETERS, ROUTE_UPDATE, ROUTE_NONE };

static enum route route_of(const struct http_exchange *x)
{
    const char *first = http_segment(x, 0);

    if (http_segment_count(x) == 0) {
        return ROUTE_HOME;
    }
    if (http_segment_count(x) != 1) {
        return ROUTE_NONE;
    }
    return strcmp(first, "parameters") == 0 ? ROUTE_PARAMETERS
           : strcmp(first, "update") == 0   ? ROUTE_UPDATE
                                            : ROUTE_NONE;
}

static void on_head(void *context, struct http_exchange *x)
{
    const struct compat *c = context;
    const char *method = http_method(x);
    enum route route = route_of(x);
    bool update = route == ROUTE_UPDATE;
    bool fits = update
                    ? strcmp(method, "POST") == 0
                    : strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;

    if (route == ROUTE_NONE) {
        http_reply_problem(x, 404, "not_found",
                           "there are /, /parameters and /update");
    } else if (!fits) {
        http_reply_header(x, "Allow", update ? "POST" : "GET");
        http_reply_problem(x, 405, "invalid", "this path has other methods");
    } else {
        http_limit_body(x, update ? compat_size_max(c->backend.layout) : 0,
                        "what the weights of this model can have");
    }
}

/* Data of an exchange: the reader of an update, while it comes, and the task of
 * one that is held. */
enum slot { SLOT_TASK, SLOT_READER };

static void on_gone(void *context, struct http_exchange *x)
{
    struct compat_task *task = http_data(x, SLOT_TASK);

    (void)context;
    if (task != NULL) {
        task->owner = NULL;
    }
}

/* More of an update has come. */
static void on_body(void *context, struct http_exchange *x)
{
    const struct compat *c = context;
    struct compat_reader *reader = http_data(x, SLOT_READER);

    if (route_of(x) == ROUTE_UPDATE) {
        compat_look(&c->backend, &reader, http_body(x));
        http_set_data(x, SLOT_READER, reader);
    }
}

static struct compat_reader *take_reader(struct http_exchange *x)
{
    struct compat_reader *reader = http_data(x, SLOT_READER);

    http_set_data(x, SLOT_READER, NULL);
    return reader;
}

static void on_over(void *context, struct http_exchange *x)
{
    struct compat_reader *reader = take_reader(x);

    (void)context;
    compat_reader_destroy(&reader);
}

static void start_task(struct compat *c, struct http_exchange *x, bool reads,
                       void (*on_done)(void *owner, struct compat_task *task))
{
    struct compat_task *task = NULL;
    struct err err = {0};

    if (compat_task_create(c, reads, on_done, x, &task, &err) != 0) {
        http_reply_error(x, &err);
        return;
    }
    if (!reads) {
        http_take_body(x, &task->body, &task->room);
        task->reader = take_reader(x);
    }
    http_set_data(x, SLOT_TASK, task);
    http_hold(x, 0, NULL, on_gone, c);
    if (compat_task_start(task, &err) != 0) {
        http_set_data(x, SLOT_TASK, NULL);
        http_reply_error(x, &err);
    }
}

static void send_weights(void *context, struct http_exchange *x);

static void have_weights(struct compat *c, struct http_exchange *x, int rc,
                         struct compat_answer *answer, const struct err *err)
{
    if (rc == ERR_STATE) {
        http_hold(x, COMPAT_RETRY_MS, send_weights, on_gone, c);
    } else if (rc != 0) {
        http_reply_error(x, err);
    } else {
        http_reply_pieces(x, 200, "application/octet-stream", answer->pieces,
                          answer->count, compat_answer_release, answer);
    }
}

static void on_read(void *owner, struct compat_task *task)
{
    struct http_exchange *x = owner;
    struct compat_answer *answer = task->answer;

    task->answer = NULL;
    http_set_data(x, SLOT_TASK, NULL);
    have_weights(task->compat, x, task->rc, answer, &task->err);
}

static void send_weights(void *context, struct http_exchange *x)
{
    struct compat *c = context;
    struct compat_answer *answer = NULL;
    struct err err = {0};
    int rc;

    if (compat_has_tasks(c)) {
        start_task(c, x, true, on_read);
        return;
    }
    rc = compat_answer_create(&c->backend, &answer, &err);
    have_weights(c, x, rc, answer, &err);
}

static void on_applied(void *owner, struct compat_task *task)
{
    struct http_exchange *x = owner;

    http_set_data(x, SLOT_TASK, NULL);
    if (task->rc != 0) {
        http_reply_error(x, &task->err);
    } else {
        http_reply_text(x, 200, THANKS);
    }
}

static void update(struct compat *c, struct http_exchange *x)
{
    struct compat_reader *reader;
    struct err err = {0};

    if (compat_has_tasks(c)) {
        start_task(c, x, false, on_applied);
        return;
    }
    reader = take_reader(x);
    if (compat_apply(&c->backend, &reader, http_body(x), &err) != 0) {
        c->backend.refused(c->backend.context, &err);
        http_reply_error(x, &err);
    } else {
        http_reply_text(x, 200, THANKS);
    }
}

static void on_request(void *context, struct http_exchange *x)
{
    struct compat *c = context;

    switch (route_of(x)) {
    case ROUTE_HOME:
        http_reply_text(x, 200, GREETING);
        return;
    case ROUTE_PARAMETERS:
        send_weights(c, x);
        return;
    case ROUTE_UPDATE:
        update(c, x);
        return;
    case ROUTE_NONE:
        return; /* was refused */
    }
}

int compat_http_create(struct compat *c, struct err *err)
{
    struct http_options o;

    http_options_init(&o);
    o.max_body = UINT64_MAX; /* on_head() knows better */
    o.gate = c->gate;
    o.on_head = on_head;
    o.on_body = on_body;
    o.on_over = on_over;
    o.on_request = on_request;
    o.context = c;
    return http_server_create(c->base, &o, &c->http, err);
}
