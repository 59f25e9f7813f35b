/* SPDX-License-Identifier: MIT
 *
 * train_serve: GET parameters of a training job; see train.h. The values of
 * a version are copied once, when the first reader asks (off the loop if there
 * are many), and all its readers are sent from that copy: the training may go
 * on while the bytes are on the way.
 */
#include "driver/train_parts.h"

#include "common/mem.h"
#include "common/wire.h"
#include "driver/daemon.h"
#include "driver/http.h"
#include "driver/metrics.h"
#include "driver/offload.h"
#include "elephas/v1/parameters.pb-c.h"

#include <stdio.h>
#include <string.h>

static void free_version(void *argument)
{
    struct version *v = argument;

    mem_free_aligned(v->values);
    mem_free(v);
}

static void nothing(void *argument)
{
    (void)argument;
}

void version_put(void *version)
{
    struct version *v = version;

    if (v == NULL || --v->refs != 0) {
        return;
    }
    /* a client who reads slowly may have it longer than there is a helper */
    if (v->daemon == NULL || v->daemon->vectors == NULL ||
        offload_run(v->daemon->vectors, free_version, nothing, v, NULL) != 0) {
        free_version(v);
    }
}

struct version *train_copy_version(const struct training *training,
                                   size_t count)
{
    struct version *v = mem_zalloc(sizeof(*v));

    if (v == NULL || (v->values = mem_floats(count)) == NULL) {
        mem_free(v);
        return NULL;
    }
    memcpy(v->values, training_state(training)->values, count * sizeof(float));
    v->count = count;
    v->version = training_version(training);
    v->refs = 1;
    return v;
}

bool train_is_copied(const struct train *t, size_t count)
{
    const struct version *v = t->current;

    return v != NULL && v->version == training_version(t->training) &&
           v->count >= count;
}

struct version *train_version(struct train *t, size_t count)
{
    if (!train_is_copied(t, count)) {
        version_put(t->current);
        t->current = train_copy_version(t->training, count);
    }
    if (t->current != NULL) {
        t->current->refs++;
    }
    return t->current;
}

void train_share_version(struct job *job, struct version *v)
{
    struct train *t = train_of(job);

    v->daemon = job->daemon;
    v->refs++;
    version_put(t->current);
    t->current = v;
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

static const char *etag_text(const struct train *t, char text[JOB_ETAG_SIZE])
{
    char lineage[24];

    (void)snprintf(lineage, sizeof(lineage), "%llu",
                   (unsigned long long)t->lineage);
    return job_etag(training_version(t->training), t->relived ? lineage : NULL,
                    text);
}

void train_put_etag(const struct job *job, struct http_exchange *x)
{
    char etag[JOB_ETAG_SIZE];

    etag_text(train_of(job), etag);
    http_reply_header(x, "ETag", etag);
}

static void send_copy(struct job *job, struct http_exchange *x, uint64_t begin,
                      uint64_t end)
{
    struct err err = {0};
    struct version *v = train_version(train_of(job), (size_t)end);
    struct buf head;

    buf_init(&head, 65536);
    if (v == NULL) {
        (void)err_nomem(&err);
        http_reply_error(x, &err);
    } else if (train_head(job, begin, end, NULL, &head, &err) != 0) {
        http_reply_error(x, &err);
        version_put(v);
    } else {
        train_put_etag(job, x);
        train_pulled(job, head.len + (size_t)(end - begin) * sizeof(float));
        http_reply_reference(
            x, 200, "application/x-protobuf", buf_view(&head),
            (struct view){(const uint8_t *)(v->values + begin),
                          (size_t)(end - begin) * sizeof(float)},
            version_put, v);
    }
    buf_deinit(&head);
}

void train_say_closed(struct http_exchange *x)
{
    http_reply_problem(x, 410, "state",
                       "the job takes no more from this partition: end");
}

void train_drop_reader(struct train_task *task, bool kept)
{
    if (kept) {
        job_say_stopping(task->x);
    } else {
        train_say_closed(task->x);
    }
}

/* ---- the Model ---- */

/* How many values it has, the first of the state. */
static size_t model_values(const struct train *t)
{
    const struct model_state *state = training_state(t->training);

    return state->has_optimizer ? state->count : t->model->parameters;
}

static void give_model(struct job *job, struct http_exchange *x,
                       work_have_model *then)
{
    struct train *t = train_of(job);
    struct version *v = train_version(t, model_values(t));
    struct work_model m = {.release = version_put, .handle = v};
    struct err err = {0};
    size_t n = 0;
    int rc;

    buf_init(&m.head, MODEL_WIRE_HEAD_MAX);
    rc = v != NULL ? model_encode_head(t->model, training_state(t->training),
                                       &m.head, &n, &err)
                   : err_nomem(&err);
    if (rc != 0) {
        work_model_deinit(&m);
        then(job->daemon, x, NULL, &err);
        return;
    }
    m.values = (struct view){(const uint8_t *)v->values, n * sizeof(float)};
    then(job->daemon, x, &m, NULL);
}

/* ---- a copy of a large model ---- */

struct copy_task {
    struct train_task task;
    uint64_t begin, end;   /* what the owner is sent */
    work_have_model *then; /* or what he is given */
    struct version *version;
};

static void copy_work(struct train_task *task)
{
    struct copy_task *c = (struct copy_task *)task;

    c->version = train_copy_version(task->training, (size_t)c->end);
}

static void copy_done(struct train_task *task)
{
    struct copy_task *c = (struct copy_task *)task;

    if (c->version != NULL) {
        train_share_version(task->job, c->version);
        if (task->x != NULL && c->then != NULL) {
            give_model(task->job, task->x, c->then);
        } else if (task->x != NULL) {
            send_copy(task->job, task->x, c->begin, c->end);
        }
    } else if (task->x != NULL) {
        http_reply_problem(task->x, 503, "nomem", "out of memory");
    }
}

static void copy_release(struct train_task *task)
{
    struct copy_task *c = (struct copy_task *)task;

    version_put(c->version);
    mem_free(c);
}

static const struct train_task_class copy_class = {.work = copy_work,
                                                   .done = copy_done,
                                                   .drop = train_drop_reader,
                                                   .release = copy_release};

static void begin_copy(struct job *job, struct http_exchange *x, uint64_t begin,
                       uint64_t end, work_have_model *then, job_handler *again)
{
    struct copy_task *c = mem_zalloc(sizeof(*c));
    struct err err = {0};
    int rc = c == NULL ? err_nomem(&err) : 0;

    if (rc == 0) {
        c->begin = begin;
        c->end = end;
        c->then = then;
        c->task.again = again;
        rc = train_begin(job, &c->task, &copy_class, x, &err);
        if (rc != 0) {
            copy_release(&c->task);
        }
    }
    if (rc != 0) {
        http_reply_error(x, &err);
    }
}

void train_current(struct job *job, struct http_exchange *x,
                   work_have_model *then, job_handler *again)
{
    struct train *t = train_of(job);
    struct err err = {0};

    if (job_spec_is_sharded(job->spec)) {
        (void)err_set(&err, ERR_STATE,
                      "job %s: its parameters are spread over several servers; "
                      "the model is put together at the end",
                      job->id);
        then(job->daemon, x, NULL, &err);
    } else if (train_is_large(job) && !train_is_copied(t, model_values(t))) {
        begin_copy(job, x, 0, model_values(t), then, again);
    } else {
        give_model(job, x, then);
    }
}

/* Of a large model, the answer may come later; a task of the job runs then. */
static void send_parameters(struct job *job, struct http_exchange *x,
                            const struct train_query *q)
{
    struct train *t = train_of(job);
    char etag[JOB_ETAG_SIZE];
    uint64_t begin;
    uint64_t end;

    if (http_knows(x, etag_text(t, etag))) {
        train_put_etag(job, x);
        http_reply(x, 304, NULL, (struct view){NULL, 0});
        return;
    }
    find_range(t, q, &begin, &end);
    if (q->has_since && train_send_changes(job, x, q, begin, end)) {
        return;
    }
    if (train_is_large(job) && !train_is_copied(t, (size_t)end)) {
        begin_copy(job, x, begin, end, NULL, NULL);
    } else {
        send_copy(job, x, begin, end);
    }
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
        train_say_closed(x);
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

    /* with a task, the rest is looked at when it is over */
    for (struct waiter *w = t->waiters; w != NULL && t->task == NULL;
         w = next) {
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
            train_say_closed(x);
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
        train_say_closed(x);
    }
}
