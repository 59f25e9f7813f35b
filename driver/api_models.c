/* SPDX-License-Identifier: MIT
 *
 * api_models: Model messages in and out.
 */
#include "driver/api.h"

#include "common/elog.h"
#include "common/mem.h"
#include "common/model/model_wire.h"
#include "driver/bodies.h"
#include "driver/daemon.h"
#include "driver/http.h"
#include "driver/jobs.h"
#include "driver/later.h"
#include "driver/store.h"
#include "driver/train.h"
#include "driver/work.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static const char message_type[] = "application/x-protobuf";

/* A model on its way to the store. A large one goes there on the helper, with
 * its body; it is stored also if the client leaves meanwhile. */
struct upload {
    struct later later;
    struct view message;
    struct buf body; /* if it is not the exchange's any more */
    struct body_room *room;
    char hash[MODEL_HASH_SIZE];
    bool added;
    int rc;
    struct err err;
};

static void store_upload(struct upload *u, struct store *store)
{
    struct model *model = NULL;

    u->rc = model_decode(u->message, &model, NULL, &u->err);
    model_destroy(&model);
    if (u->rc == 0) {
        u->rc = model_hash(u->message, u->hash, &u->err);
    }
    if (u->rc == 0) {
        u->rc = store_put_model(store, u->hash, u->message, &u->added, &u->err);
    }
}

static void answer_upload(struct upload *u, struct http_exchange *x)
{
    if (u->rc == 0 && u->added) {
        elog(ELOG_INFO, "model.stored", E_STR("model", u->hash),
             E_INT("bytes", u->message.len));
    }
    if (u->rc != 0) {
        (void)err_wrap(&u->err, "model");
    }
    if (x != NULL && u->rc != 0) {
        http_reply_error(x, &u->err);
    } else if (x != NULL) {
        http_reply_json(x, u->added ? 201 : 200,
                        json_pack("{s:s}", "model", u->hash));
    }
}

static void work_upload(struct later *later)
{
    struct upload *u = (struct upload *)later;

    store_upload(u, later->daemon->store);
    buf_deinit(&u->body); /* it may take long to free */
}

static void end_upload(struct later *later)
{
    answer_upload((struct upload *)later, later->x);
}

static void release_upload(struct later *later)
{
    struct upload *u = (struct upload *)later;

    body_room_leave(&u->room, &u->body);
    mem_free(u);
}

static const struct later_class upload_class = {
    .work = work_upload, .done = end_upload, .release = release_upload};

static void store_later(struct daemon *d, struct http_exchange *x)
{
    struct upload *u = mem_zalloc(sizeof(*u));
    struct err err = {0};

    if (u == NULL) {
        http_reply_problem(x, 503, "nomem", "out of memory");
        return;
    }
    u->message = http_body(x);
    http_take_body(x, &u->body, &u->room); /* stays where it lies */
    if (later_begin(&u->later, &upload_class, d, x, &err) != 0) {
        release_upload(&u->later);
        http_reply_error(x, &err);
    }
}

void api_model_post(struct daemon *d, struct http_exchange *x, struct job *job)
{
    struct upload u = {.message = http_body(x)};

    (void)job;
    if (u.message.len > LATER_ABOVE) {
        store_later(d, x);
        return;
    }
    store_upload(&u, d->store);
    answer_upload(&u, x);
}

/* Sends a stored model straight from its file. */
static void send_model(struct daemon *d, struct http_exchange *x,
                       const char *hash)
{
    char *path = store_has_model(d->store, hash)
                     ? store_model_path(d->store, hash)
                     : NULL;
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    struct err err = {0};

    mem_free(path);
    if (fd < 0) {
        (void)err_set(&err, ERR_NOT_FOUND, "there is no model %.80s", hash);
        http_reply_error(x, &err);
        return;
    }
    http_reply_file(x, 200, message_type, fd);
}

void api_model_get(struct daemon *d, struct http_exchange *x, struct job *job)
{
    (void)job;
    send_model(d, x, http_segment(x, 2));
}

static void send_current(struct daemon *d, struct http_exchange *x,
                         struct work_model *m, const struct err *err)
{
    (void)d;
    if (m == NULL) {
        http_reply_error(x, err);
        return;
    }
    http_reply_reference(x, 200, message_type, buf_view(&m->head), m->values,
                         m->release, m->handle);
    m->release = NULL;
    work_model_deinit(m);
}

void api_job_model(struct daemon *d, struct http_exchange *x, struct job *job)
{
    if (job_park(job, x, api_job_model)) {
        return;
    }
    if (job->work == NULL || job->class->current == NULL) {
        send_model(d, x, job->output[0] != '\0' ? job->output : job->model);
    } else {
        job->class->current(job, x, send_current, api_job_model);
    }
}
