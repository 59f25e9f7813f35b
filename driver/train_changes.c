/* SPDX-License-Identifier: MIT
 *
 * train_changes: GET parameters with since: the ranges that have changed after
 * a version which the asker has, copied into the answer in one go, so that the
 * asker's copy becomes a whole version again. Where that would be nearly
 * everything, the copy of the version that all readers share is cheaper.
 */
#include "driver/train_parts.h"

#include "common/mem.h"
#include "driver/http.h"

/* Of eight parts: if more have changed, all is sent. */
#define MOST 7

static int find_changes(const struct train *t, uint64_t since, size_t begin,
                        size_t end, struct changes *c, struct err *err)
{
    size_t from;
    size_t to;
    size_t n = 0;

    for (size_t at = begin;
         training_changed_since(t->training, since, at, end, &from, &to);
         at = to) {
        n += 2;
    }
    c->bounds = mem_array(n + 1, sizeof(*c->bounds));
    if (c->bounds == NULL) {
        return err_nomem(err);
    }
    for (size_t at = begin;
         training_changed_since(t->training, since, at, end, &from, &to);
         at = to) {
        c->bounds[c->count++] = from;
        c->bounds[c->count++] = to;
        c->values += to - from;
    }
    return 0;
}

/* Behind the head. */
static int append_changes(const struct training *training,
                          const struct changes *c, struct buf *body,
                          struct err *err)
{
    const float *values = training_state(training)->values;
    int rc = buf_reserve(body, c->values * sizeof(*values), err);

    for (size_t i = 0; rc == 0 && i < c->count; i += 2) {
        size_t from = (size_t)c->bounds[i];
        size_t to = (size_t)c->bounds[i + 1];

        rc =
            buf_append(body, values + from, (to - from) * sizeof(*values), err);
    }
    return rc;
}

/* ---- much of a large model ---- */

struct pack_task {
    struct train_task task;
    struct changes changes;
    struct buf body;
    int rc;
    struct err err;
};

static void pack_work(struct train_task *task)
{
    struct pack_task *p = (struct pack_task *)task;

    p->rc = append_changes(task->training, &p->changes, &p->body, &p->err);
}

static void answer(struct job *job, struct http_exchange *x, int rc,
                   struct buf *body, const struct err *err)
{
    if (rc != 0) {
        http_reply_error(x, err);
        return;
    }
    train_put_etag(job, x);
    train_pulled(job, body->len);
    http_reply_buf(x, 200, "application/x-protobuf", body);
}

static void pack_done(struct train_task *task)
{
    struct pack_task *p = (struct pack_task *)task;

    if (task->x != NULL) {
        answer(task->job, task->x, p->rc, &p->body, &p->err);
    }
}

static void pack_release(struct train_task *task)
{
    struct pack_task *p = (struct pack_task *)task;

    buf_deinit(&p->body);
    mem_free(p->changes.bounds);
    mem_free(p);
}

static const struct train_task_class pack_class = {.work = pack_work,
                                                   .done = pack_done,
                                                   .drop = train_drop_reader,
                                                   .release = pack_release};

/* The changes, and the body, which has its head, move in on success. */
static int begin_pack(struct job *job, struct http_exchange *x,
                      struct changes *changes, struct buf *body,
                      struct err *err)
{
    struct pack_task *p = mem_zalloc(sizeof(*p));
    int rc;

    if (p == NULL) {
        return err_nomem(err);
    }
    p->changes = *changes;
    p->body = *body;
    rc = train_begin(job, &p->task, &pack_class, x, err);
    if (rc != 0) {
        mem_free(p);
        return rc;
    }
    *changes = (struct changes){0};
    buf_init(body, 0);
    return 0;
}

bool train_send_changes(struct job *job, struct http_exchange *x,
                        const struct train_query *q, uint64_t begin,
                        uint64_t end)
{
    const struct train *t = train_of(job);
    struct changes c = {0};
    struct err err = {0};
    struct buf body;
    bool sent = false;
    int rc;

    if (q->lineage != t->lineage || q->since > training_version(t->training)) {
        return false;
    }
    buf_init(&body, SIZE_MAX / 2);
    rc = find_changes(t, q->since, (size_t)begin, (size_t)end, &c, &err);
    if (rc == 0 && c.values <= (end - begin) / 8 * MOST) {
        sent = true;
        rc = train_head(job, begin, end, &c, &body, &err);
        if (rc == 0 && train_is_large(job) && c.values > TRAIN_LARGE) {
            rc = begin_pack(job, x, &c, &body, &err);
        } else if (rc == 0) {
            rc = append_changes(t->training, &c, &body, &err);
            answer(job, x, rc, &body, &err);
            rc = 0;
        }
    }
    if (rc != 0) {
        http_reply_error(x, &err);
    }
    buf_deinit(&body);
    mem_free(c.bounds);
    return sent || rc != 0;
}
