/* SPDX-License-Identifier: MIT
 *
 * compat_task: large weights are copied and changed on a helper thread, of the
 * loop or where the backend says, and the loop goes on with the others' small
 * requests meanwhile. A task whose client has left is finished, and tells
 * nobody.
 */
#include "driver/compat_parts.h"

#include "common/mem.h"
#include "driver/bodies.h"
#include "driver/compat_reader.h"
#include "driver/offload.h"

static void task_free(struct compat_task *t)
{
    body_room_leave(&t->room, &t->body);
    compat_reader_destroy(&t->reader);
    compat_answer_release(t->answer);
    mem_free(t);
}

static void work(void *argument)
{
    struct compat_task *t = argument;
    const struct compat_backend *backend = &t->compat->backend;

    t->worked = true;
    t->err.code = ERR_OK;
    t->rc = t->reads ? compat_answer_create(backend, &t->answer, &t->err)
                     : compat_apply(backend, &t->reader, buf_view(&t->body),
                                    &t->err);
}

static void done(void *argument)
{
    struct compat_task *t = argument;
    const struct compat_backend *backend = &t->compat->backend;

    if (t->worked && !t->reads && t->rc != 0) {
        backend->refused(backend->context, &t->err);
    }
    body_room_leave(&t->room, &t->body); /* the next one may come */
    if (t->owner != NULL) {
        t->done(t->owner, t);
    }
    task_free(t);
}

int compat_task_create(struct compat *c, bool reads,
                       void (*on_done)(void *owner, struct compat_task *task),
                       void *owner, struct compat_task **out, struct err *err)
{
    struct compat_task *t = mem_zalloc(sizeof(*t));

    if (t == NULL) {
        return err_nomem(err);
    }
    t->compat = c;
    t->rc = err_nomem(&t->err);
    t->reads = reads;
    t->done = on_done;
    t->owner = owner;
    *out = t;
    return 0;
}

int compat_task_start(struct compat_task *t, struct err *err)
{
    const struct compat *c = t->compat;
    int rc =
        c->backend.run != NULL
            ? c->backend.run(c->backend.context, t->reads, work, done, t, err)
            : offload_run(c->helper, work, done, t, err);

    if (rc != 0) {
        task_free(t);
    }
    return rc;
}
