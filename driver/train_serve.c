/* SPDX-License-Identifier: MIT
 *
 * train_serve: GET parameters of a training job; see train.h. The values of
 * a version are copied once, when the first reader asks, and all its readers
 * are sent from that copy: the training may go on while the bytes are on the
 * way.
 */
#include "driver/train_parts.h"

#include "common/mem.h"
#include "common/wire.h"
#include "driver/daemon.h"
#include "driver/http.h"
#include "driver/metrics.h"
#include "elephas/v1/parameters.pb-c.h"

#include <stdio.h>
#include <string.h>

void version_put(void *version)
{
    struct version *v = version;

    if (v != NULL && --v->refs == 0) {
        mem_free_aligned(v->values);
        mem_free(v);
    }
}

struct version *train_version(struct train *t, size_t count)
{
    const struct model_state *state = training_state(t->training);
    struct version *v = t->current;

    if (v != NULL &&
        (v->version != training_version(t->training) || v->count < count)) {
        t->current = NULL;
        version_put(v);
        v = NULL;
    }
    if (v == NULL) {
        v = mem_zalloc(sizeof(*v));
        if (v == NULL || (v->values = mem_floats(count)) == NULL) {
            mem_free(v);
            return NULL;
        }
        memcpy(v->values, state->values, count * sizeof(float));
        v->count = count;
        v->version = training_version(t->training);
        v->refs = 1;
        t->current = v;
    }
    v->refs++;
    return v;
}

int train_head(const struct job *job, uint64_t begin, uint64_t end,
               const struct changes *changes, struct buf *out, struct err *err)
{
    const struct train *t = train_of(job);
    const struct model_state *state = training_state(t->training);
    Elephas__V1__Parameters p = ELEPHAS__V1__PARAMETERS__INIT;
    Elephas__V1__Range range = ELEPHAS__V1__RANGE__INIT;
    Elephas__V1__OptimizerState o = ELEPHAS__V1__OPTIMIZER_STATE__INIT;
    uint8_t header[WIRE_HEADER_MAX];
    double scalars[OPTIMIZER_MAX_SCALARS];
    size_t values = changes != NULL ? changes->values : (size_t)(end - begin);
    int rc;

    memcpy(scalars, state->optimizer.scalars, sizeof(scalars));
    range.begin = begin;
    range.end = end;
    o.iterations = state->optimizer.iterations;
    o.scalars = scalars;
    o.n_scalars = optimizer_scalar_count(t->model->optimizer);
    o.slots = (uint32_t)optimizer_slot_count(t->model->optimizer);
    p.job = (char *)job->id;
    p.version = training_version(t->training);
    p.range = &range;
    p.total = state->count;
    p.optimizer = &o;
    p.epoch = training_epochs_done(t->training);
    p.step = training_step(t->training);
    p.lineage = t->lineage;
    p.partial = changes != NULL;
    p.changed = changes != NULL ? changes->bounds : NULL;
    p.n_changed = changes != NULL ? changes->count : 0;
    p.keep = t->ask_keep;
    rc = wire_pack(&p.base, out, err);
    if (rc == 0 && values != 0) {
        rc =
            buf_append(out, header,
                       wire_values_header(values * sizeof(float), header), err);
    }
    return rc;
}

static void find_range(const struct train *t, const struct train_query *q,
                       uint64_t *begin, uint64_t *end)
{
    *begin = 0;
    *end = q->whole ? training_state(t->training)->count : t->model->parameters;
    if (q->has_range) {
        *begin = q->begin;
        *end = q->end;
    }
}

void train_pulled(struct job *job, size_t bytes)
{
    train_of(job)->traffic.pulled += bytes;
    job->daemon->metrics->bytes_pulled += bytes;
}

static void send_parameters(struct job *job, struct http_exchange *x,
                            const struct train_query *q)
{
    struct train *t = train_of(job);
    struct err err = {0};
    struct version *v = NULL;
    struct buf head;
    char etag[32];
    uint64_t begin;
    uint64_t end;

    (void)snprintf(etag, sizeof(etag), "\"%llu\"",
                   (unsigned long long)training_version(t->training));
    http_reply_header(x, "ETag", etag);
    if (http_knows(x, etag)) {
        http_reply(x, 304, NULL, (struct view){NULL, 0});
        return;
    }
    find_range(t, q, &begin, &end);
    if (q->has_since && train_send_changes(job, x, q, begin, end)) {
        return;
    }
    buf_init(&head, 65536);
    v = train_version(t, (size_t)end);
    if (v == NULL) {
        (void)err_nomem(&err);
        http_reply_error(x, &err);
    } else if (train_head(job, begin, end, NULL, &head, &err) != 0) {
        http_reply_error(x, &err);
        version_put(v);
    } else {
        train_pulled(job, head.len + (size_t)(end - begin) * sizeof(float));
        http_reply_reference(
            x, 200, "application/x-protobuf", buf_view(&head),
            (struct view){(const uint8_t *)(v->values + begin),
                          (size_t)(end - begin) * sizeof(float)},
            version_put, v);
    }
    buf_deinit(&head);
}

/* ---- waiting ---- */

static enum training_gate gate(const struct train *t,
                               const struct train_query *q)
{
    if (q->has_step) {
        return training_gate_step(t->training, q->partition, q->step);
    }
    if (q->finished && training_gate_epoch(t->training, 0) != TRAINING_CLOSED) {
        return t->complete && t->kept_end ? TRAINING_READY : TRAINING_WAIT;
    }
    if (q->has_epoch) {
        return training_gate_epoch(t->training, q->epoch);
    }
    return TRAINING_READY;
}

static void take_off(struct waiter *w)
{
    struct train *t = train_of(w->job);

    if (w->prev != NULL) {
        w->prev->next = w->next;
    } else {
        t->waiters = w->next;
    }
    if (w->next != NULL) {
        w->next->prev = w->prev;
    }
    mem_free(w);
}

static void on_gone(void *context, struct http_exchange *x)
{
    (void)x;
    take_off(context);
}

static void on_deadline(void *context, struct http_exchange *x)
{
    take_off(context);
    http_reply(x, 204, NULL, (struct view){NULL, 0});
}

static void say_closed(struct http_exchange *x)
{
    http_reply_problem(x, 410, "state",
                       "the job takes no more from this partition: end");
}

static void hold(struct job *job, struct http_exchange *x,
                 const struct train_query *q)
{
    struct train *t = train_of(job);
    struct waiter *w = mem_zalloc(sizeof(*w));

    if (w == NULL) {
        http_reply_problem(x, 503, "nomem", "out of memory");
        return;
    }
    w->job = job;
    w->x = x;
    w->query = *q;
    w->next = t->waiters;
    if (w->next != NULL) {
        w->next->prev = w;
    }
    t->waiters = w;
    http_hold(x, q->wait_ms, on_deadline, on_gone, w);
}

void train_parameters(struct job *job, struct http_exchange *x,
                      const struct train_query *q)
{
    const struct train *t = train_of(job);
    struct err err = {0};

    train_heard(job);
    if (q->has_range &&
        (q->begin >= q->end || q->end > training_state(t->training)->count)) {
        (void)err_set(&err, ERR_INVALID,
                      "begin and end: the state has %zu values",
                      training_state(t->training)->count);
        http_reply_error(x, &err);
        return;
    }
    switch (gate(t, q)) {
    case TRAINING_READY:
        send_parameters(job, x, q);
        return;
    case TRAINING_CLOSED:
        say_closed(x);
        return;
    case TRAINING_WAIT:
        if (q->wait_ms == 0) {
            http_reply(x, 204, NULL, (struct view){NULL, 0});
        } else {
            hold(job, x, q);
        }
        return;
    }
}

void train_wake(struct job *job)
{
    struct train *t = train_of(job);
    struct waiter *next;

    for (struct waiter *w = t->waiters; w != NULL; w = next) {
        struct http_exchange *x = w->x;
        struct train_query q = w->query;
        enum training_gate g = gate(t, &q);

        next = w->next;
        if (g == TRAINING_WAIT) {
            continue;
        }
        take_off(w);
        if (g == TRAINING_READY) {
            send_parameters(job, x, &q);
        } else {
            say_closed(x);
        }
    }
}

void train_send_back(struct job *job)
{
    struct train *t = train_of(job);

    while (t->waiters != NULL) {
        struct http_exchange *x = t->waiters->x;

        take_off(t->waiters);
        http_reply(x, 204, NULL, (struct view){NULL, 0});
    }
}

void train_dismiss(struct job *job)
{
    struct train *t = train_of(job);

    while (t->waiters != NULL) {
        struct http_exchange *x = t->waiters->x;

        take_off(t->waiters);
        say_closed(x);
    }
}
