/* SPDX-License-Identifier: MIT
 *
 * api_work: what workers say: task, join, updates, results. Messages are
 * unpacked here and given to the work of the job; values stay where they lie
 * in the body.
 */
#include "driver/api.h"

#include "common/mem.h"
#include "common/wire.h"
#include "driver/bodies.h"
#include "driver/daemon.h"
#include "driver/http.h"
#include "driver/jobs.h"
#include "driver/metric_wire.h"
#include "driver/train.h"
#include "elephas/v1/task.pb-c.h"

#include <string.h>

#define HEAD_MAX ((size_t)4 << 20)

static void reply_message(struct http_exchange *x, const ProtobufCMessage *m)
{
    struct err err = {0};
    struct buf out;

    buf_init(&out, (size_t)64 << 20);
    if (wire_pack(m, &out, &err) != 0) {
        buf_deinit(&out);
        http_reply_error(x, &err);
        return;
    }
    http_reply_buf(x, 200, "application/x-protobuf", &out);
}

static bool has_ended(const struct job *job)
{
    return job_state_ended(job->state) || job->state == JOB_FINISHING;
}

static const char ended_text[] = "the job has ended";

/* Whether the job is at work; if not, that is answered. */
static bool is_at_work(const struct job *job, struct http_exchange *x)
{
    if (job->spec->kind == JOB_SERVE) {
        http_reply_problem(x, 409, "state",
                           "a parameter server has no workers: it speaks to "
                           "Elephas clients, on its own ports");
        return false;
    }
    if (job->work == NULL) {
        http_reply_problem(x, 409, "state", "the job is not running");
        return false;
    }
    return true;
}

/* Unpacks the body into *out; *values is the field of that name. False: it was
 * answered. */
static bool unpack(const struct job *job, struct http_exchange *x,
                   const ProtobufCMessageDescriptor *type,
                   ProtobufCMessage **out, struct view *values)
{
    struct err err = {0};
    struct view head;
    int rc = wire_split(http_body(x), &head, values, &err);

    /* small fields unpack to many times their size */
    if (rc == 0 && head.len > HEAD_MAX) {
        rc = err_set(&err, ERR_LIMIT,
                     "the message has %zu bytes beside its values, %zu are "
                     "allowed",
                     head.len, HEAD_MAX);
    }
    if (rc == 0) {
        rc = wire_unpack(type, head, out, &err);
    }
    if (rc == 0) {
        /* the first field of all these messages is the job */
        const char *named = *(const char *const *)(*out + 1);

        if (strcmp(named, job->id) != 0) {
            rc = err_set(&err, ERR_INVALID,
                         "job: the message is for job %.80s, the path names %s",
                         named, job->id);
        }
    }
    if (rc != 0) {
        wire_free(out);
        http_reply_error(x, &err);
        return false;
    }
    return true;
}

/* ---- task ---- */

struct task_parts {
    Elephas__V1__Task task;
    Elephas__V1__DataSpec data;
    Elephas__V1__DataSpec__ClassWeightEntry *weights;
    Elephas__V1__DataSpec__ClassWeightEntry **weight_list;
    Elephas__V1__Range range;
    Elephas__V1__Shard *shards;
    Elephas__V1__Range *ranges;
    Elephas__V1__Shard **shard_list;
};

static int fill_weights(struct task_parts *t, const struct job_spec *spec)
{
    size_t n = spec->class_weight_count;

    t->weights = mem_array(n, sizeof(*t->weights));
    t->weight_list = mem_array(n, sizeof(*t->weight_list));
    if (t->weights == NULL || t->weight_list == NULL) {
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        elephas__v1__data_spec__class_weight_entry__init(&t->weights[i]);
        t->weights[i].key = spec->class_weight_class[i];
        t->weights[i].value = spec->class_weight_value[i];
        t->weight_list[i] = &t->weights[i];
    }
    t->data.n_class_weight = n;
    t->data.class_weight = t->weight_list;
    return 0;
}

/* The other servers, each with the token of its workers. */
static int fill_shards(struct task_parts *t, const struct job_spec *spec)
{
    size_t n = spec->shard_count;

    if (n == 0) {
        return 0;
    }
    t->shards = mem_array(n, sizeof(*t->shards));
    t->ranges = mem_array(n, sizeof(*t->ranges));
    t->shard_list = mem_array(n, sizeof(*t->shard_list));
    if (t->shards == NULL || t->ranges == NULL || t->shard_list == NULL) {
        return -1;
    }
    elephas__v1__range__init(&t->range);
    t->range.begin = spec->begin;
    t->range.end = spec->end;
    for (size_t i = 0; i < n; i++) {
        const struct job_shard *s = &spec->shards[i];

        elephas__v1__range__init(&t->ranges[i]);
        t->ranges[i].begin = s->begin;
        t->ranges[i].end = s->end;
        elephas__v1__shard__init(&t->shards[i]);
        t->shards[i].server = s->server;
        t->shards[i].job = s->job;
        t->shards[i].token = s->token;
        t->shards[i].range = &t->ranges[i];
        t->shard_list[i] = &t->shards[i];
    }
    t->task.range = &t->range;
    t->task.n_shards = n;
    t->task.shards = t->shard_list;
    return 0;
}

static void fill_data(struct task_parts *t, const struct job_spec *spec)
{
    Elephas__V1__DataSpec *d = &t->data;

    elephas__v1__data_spec__init(d);
    d->format = spec->format;
    d->labels = spec->labels.items;
    d->n_labels = spec->labels.count;
    d->features = spec->features.items;
    d->n_features = spec->features.count;
    if (spec->sample_weight != NULL) {
        d->sample_weight = spec->sample_weight;
    }
    d->scale = spec->scale;
    d->nb_classes = spec->nb_classes;
    d->header = spec->header < 0 ? ELEPHAS__V1__DATA_SPEC__HEADER__HEADER_GUESS
                : spec->header == 0
                    ? ELEPHAS__V1__DATA_SPEC__HEADER__HEADER_ABSENT
                    : ELEPHAS__V1__DATA_SPEC__HEADER__HEADER_PRESENT;
}

static Elephas__V1__Mode mode_of(enum training_mode mode)
{
    switch (mode) {
    case TRAINING_ASYNCHRONOUS:
        return ELEPHAS__V1__MODE__MODE_ASYNCHRONOUS;
    case TRAINING_HOGWILD:
        return ELEPHAS__V1__MODE__MODE_HOGWILD;
    case TRAINING_EASGD:
        return ELEPHAS__V1__MODE__MODE_EASGD;
    default:
        return ELEPHAS__V1__MODE__MODE_SYNCHRONOUS;
    }
}

static Elephas__V1__Encoding encoding_of(enum codec_kind kind)
{
    static const Elephas__V1__Encoding encodings[] = {
        [CODEC_FLOAT32] = ELEPHAS__V1__ENCODING__ENCODING_FLOAT32,
        [CODEC_FP16] = ELEPHAS__V1__ENCODING__ENCODING_FP16,
        [CODEC_BF16] = ELEPHAS__V1__ENCODING__ENCODING_BF16,
        [CODEC_INT8] = ELEPHAS__V1__ENCODING__ENCODING_INT8,
        [CODEC_TOPK] = ELEPHAS__V1__ENCODING__ENCODING_TOPK};

    return encodings[kind];
}

static void fill_task(struct task_parts *t, const struct daemon *d,
                      struct job *job)
{
    static const Elephas__V1__TaskKind kinds[] = {
        [JOB_SERVE] = ELEPHAS__V1__TASK_KIND__TASK_KIND_UNSPECIFIED,
        [JOB_TRAIN] = ELEPHAS__V1__TASK_KIND__TASK_KIND_TRAIN,
        [JOB_EVALUATE] = ELEPHAS__V1__TASK_KIND__TASK_KIND_EVALUATE,
        [JOB_PREDICT] = ELEPHAS__V1__TASK_KIND__TASK_KIND_PREDICT,
        [JOB_SHARD] = ELEPHAS__V1__TASK_KIND__TASK_KIND_UNSPECIFIED};
    const struct job_spec *spec = job->spec;
    Elephas__V1__Task *m = &t->task;

    elephas__v1__task__init(m);
    m->job = job->id;
    m->kind = kinds[spec->kind];
    m->data = &t->data;
    m->model = job->model;
    m->partitions = spec->workers;
    m->batch_size = spec->batch_size;
    m->seed = spec->seed;
    m->shuffle = spec->shuffle;
    if (spec->kind == JOB_TRAIN) {
        m->mode = mode_of(spec->training.mode);
        m->frequency = spec->training.frequency == TRAINING_BATCH
                           ? ELEPHAS__V1__FREQUENCY__FREQUENCY_BATCH
                           : ELEPHAS__V1__FREQUENCY__FREQUENCY_EPOCH;
        m->memory_limit =
            spec->memory != 0 ? spec->memory : (uint64_t)d->settings->memory;
        m->period = spec->training.period;
        m->elastic_alpha = job_spec_elastic_alpha(spec);
        m->elastic_return = job_spec_elastic_return(spec);
        m->encoding = encoding_of(spec->compress.kind);
        m->kept = spec->compress.kept;
        m->epochs = spec->training.epochs;
        m->validation = job_spec_has_validation(spec);
    }
}

void api_job_task(struct daemon *d, struct http_exchange *x, struct job *job)
{
    struct task_parts t = {0};

    if (has_ended(job)) {
        http_reply_problem(x, 410, "state", ended_text);
        return;
    }
    if (job_park(job, x, api_job_task) || !is_at_work(job, x)) {
        return;
    }
    fill_data(&t, job->spec);
    fill_task(&t, d, job);
    if (fill_weights(&t, job->spec) != 0 || fill_shards(&t, job->spec) != 0) {
        http_reply_problem(x, 503, "nomem", "out of memory");
    } else {
        if (job->spec->kind != JOB_TRAIN) {
            job_running(job); /* rows come next */
        }
        reply_message(x, &t.task.base);
    }
    mem_free(t.weights);
    mem_free(t.weight_list);
    mem_free(t.shards);
    mem_free(t.ranges);
    mem_free(t.shard_list);
}

/* ---- training ---- */

void api_job_join(struct daemon *d, struct http_exchange *x, struct job *job)
{
    ProtobufCMessage *message = NULL;
    const Elephas__V1__Join *m;
    Elephas__V1__Assignment reply = ELEPHAS__V1__ASSIGNMENT__INIT;
    struct training_assignment assignment = {0};
    struct train_place place;
    struct train_join join;
    struct view values;
    struct err err = {0};

    (void)d;
    if (!job_spec_trains(job->spec)) {
        http_reply_problem(x, 409, "state", "this is no training job");
        return;
    }
    if (has_ended(job)) {
        reply.stop = true;
        reply.detail = (char *)(uintptr_t)ended_text;
        reply_message(x, &reply.base);
        return;
    }
    if (job_park(job, x, api_job_join) || !is_at_work(job, x) ||
        !unpack(job, x, &elephas__v1__join__descriptor, &message, &values)) {
        return;
    }
    m = (const Elephas__V1__Join *)message;
    join = (struct train_join){
        .join = {.partition = m->partition,
                 .attempt = m->attempt,
                 .stage = m->stage,
                 .samples = m->samples,
                 .validation_samples = m->validation_samples},
        .host = m->host,
        .pid = m->pid};
    if (train_join(job, &join, &assignment, &err) != 0) {
        http_reply_error(x, &err);
    } else {
        train_place(job, &place);
        reply.version = place.version;
        reply.life = place.life;
        reply.kept = place.kept;
        reply.n_kept = place.kept_count;
        reply.stop = assignment.stop;
        reply.next_step = assignment.next_step;
        reply.next_validation = assignment.next_validation;
        if (assignment.detail != NULL) {
            reply.detail = (char *)(uintptr_t)assignment.detail;
        }
        reply_message(x, &reply.base);
    }
    wire_free(&message);
}

static void reply_update(struct http_exchange *x,
                         const struct training_reply *r)
{
    static const Elephas__V1__UpdateStatus statuses[] = {
        [TRAINING_APPLIED] = ELEPHAS__V1__UPDATE_STATUS__UPDATE_STATUS_APPLIED,
        [TRAINING_DUPLICATE] =
            ELEPHAS__V1__UPDATE_STATUS__UPDATE_STATUS_DUPLICATE,
        [TRAINING_SUPERSEDED] =
            ELEPHAS__V1__UPDATE_STATUS__UPDATE_STATUS_SUPERSEDED,
        [TRAINING_STOP] = ELEPHAS__V1__UPDATE_STATUS__UPDATE_STATUS_STOP};
    Elephas__V1__UpdateReply m = ELEPHAS__V1__UPDATE_REPLY__INIT;

    m.status = statuses[r->status];
    m.version = r->version;
    m.next_step = r->next_step;
    if (r->detail != NULL) {
        m.detail = (char *)(uintptr_t)r->detail;
    }
    reply_message(x, &m.base);
}

static void reply_stop(struct http_exchange *x)
{
    const struct training_reply stop = {.status = TRAINING_STOP,
                                        .detail = ended_text};

    reply_update(x, &stop);
}

/* An update on its way to the training. Of a large model it goes there on the
 * helper thread, with its body; a client who leaves meanwhile is told nothing,
 * but his update counts. */
struct update_task {
    struct train_task task;
    ProtobufCMessage *message; /* what the rest points to */
    struct view values;
    struct buf body; /* if it is not the exchange's any more */
    struct body_room *room;
    struct totals *totals;
    int encoding;
    struct training_update update;
    struct training_reply reply;
    int rc;
    struct err err;
};

static void release_update(struct train_task *task)
{
    struct update_task *u = (struct update_task *)task;

    totals_destroy(&u->totals);
    wire_free(&u->message);
    body_room_leave(&u->room, &u->body);
    mem_free(u);
}

static int read_update(const struct job *job, struct update_task *u)
{
    const Elephas__V1__ParameterUpdate *m =
        (const Elephas__V1__ParameterUpdate *)u->message;
    size_t n = u->values.len / sizeof(float);

    u->encoding = (int)m->encoding;
    u->update = (struct training_update){
        .partition = m->partition,
        .attempt = m->attempt,
        .stage = m->stage,
        .step = m->step,
        .base_version = m->base_version,
        .gradient = m->kind == ELEPHAS__V1__UPDATE_KIND__UPDATE_KIND_GRADIENT,
        .begin = m->range != NULL ? m->range->begin : 0,
        .end = m->range != NULL ? m->range->end : 0,
        .samples = m->samples,
        .iterations = m->iterations,
        .scalars = m->optimizer_scalars,
        .scalar_count = m->n_optimizer_scalars,
        .first_loss = m->first_loss,
        .keep = m->keep != 0,
        .values = u->values.data};
    if (m->kind != ELEPHAS__V1__UPDATE_KIND__UPDATE_KIND_GRADIENT &&
        m->kind != ELEPHAS__V1__UPDATE_KIND__UPDATE_KIND_DELTA) {
        return err_set(&u->err, ERR_INVALID,
                       "kind: delta or gradient is wanted");
    }
    if (m->encoding == ELEPHAS__V1__ENCODING__ENCODING_FLOAT32 &&
        (m->range == NULL || u->update.begin > u->update.end ||
         u->update.end - u->update.begin != n)) {
        return err_set(&u->err, ERR_INVALID,
                       "range: %llu to %llu, but %zu values came",
                       (unsigned long long)u->update.begin,
                       (unsigned long long)u->update.end, n);
    }
    return metric_wire_totals(job->class->model(job), m->n_metrics, m->metrics,
                              &u->totals, &u->err);
}

static void work_update(struct train_task *task)
{
    struct update_task *u = (struct update_task *)task;

    u->update.metrics = u->totals;
    u->rc = train_apply(task->train, u->encoding, u->values, &u->update,
                        &u->reply, &u->err);
    buf_deinit(&u->body); /* it may take long to free */
}

static void end_update(struct train_task *task)
{
    struct update_task *u = (struct update_task *)task;
    struct http_exchange *x = task->x;
    int rc = train_updated(task->job, &u->update, u->rc, &u->reply, &u->err);

    if (x != NULL && rc != 0) {
        http_reply_error(x, &u->err);
    } else if (x != NULL) {
        reply_update(x, &u->reply);
    }
}

/* Who is told to stop, though his update counts, would send it again. */
static void drop_update(struct train_task *task, bool kept)
{
    const struct update_task *u = (struct update_task *)task;

    if (kept && u->rc == 0) {
        reply_update(task->x, &u->reply);
    } else {
        reply_stop(task->x);
    }
}

static const struct train_task_class update_class = {.changes = true,
                                                     .work = work_update,
                                                     .done = end_update,
                                                     .drop = drop_update,
                                                     .release = release_update};

static void give_update(struct job *job, struct http_exchange *x,
                        struct update_task *u)
{
    int rc = read_update(job, u);

    if (rc == 0 && train_is_large(job)) {
        rc = train_begin(job, &u->task, &update_class, x, &u->err);
        if (rc == 0) {
            return;
        }
    } else if (rc == 0) {
        u->task.job = job;
        u->task.train = (struct train *)job->work;
        u->task.x = x;
        work_update(&u->task);
        end_update(&u->task);
    }
    if (rc != 0) {
        http_reply_error(x, &u->err);
    }
    release_update(&u->task);
}

void api_job_update(struct daemon *d, struct http_exchange *x, struct job *job)
{
    struct update_task *u;

    (void)d;
    if (!job_spec_trains(job->spec)) {
        http_reply_problem(x, 409, "state", "this is no training job");
        return;
    }
    if (has_ended(job)) {
        reply_stop(x);
        return;
    }
    if (job_park(job, x, api_job_update) || !is_at_work(job, x)) {
        return;
    }
    u = mem_zalloc(sizeof(*u));
    if (u == NULL) {
        http_reply_problem(x, 503, "nomem", "out of memory");
        return;
    }
    buf_init(&u->body, 0);
    if (!unpack(job, x, &elephas__v1__parameter_update__descriptor, &u->message,
                &u->values)) {
        release_update(&u->task);
        return;
    }
    train_pushed(job, http_body(x).len);
    if (train_is_large(job)) {
        http_take_body(x, &u->body, &u->room); /* stays where it lies */
    }
    give_update(job, x, u);
}

/* ---- results ---- */

static int give_result(struct job *job, const Elephas__V1__Result *m,
                       struct training_reply *reply, struct err *err)
{
    struct work_result r = {.partition = m->partition,
                            .epoch = m->epoch,
                            .samples = m->samples,
                            .progress = m->progress};
    const struct model *model = job->class->model(job);
    int rc =
        metric_wire_totals(model, m->n_metrics, m->metrics, &r.metrics, err);

    if (rc == 0) {
        rc = job->class->result(job, &r, reply, err);
    }
    totals_destroy(&r.metrics);
    return rc;
}

void api_job_result(struct daemon *d, struct http_exchange *x, struct job *job)
{
    ProtobufCMessage *message = NULL;
    struct training_reply reply = {0};
    struct view values;
    struct err err = {0};

    (void)d;
    if (has_ended(job)) {
        reply_stop(x);
        return;
    }
    if (job_park(job, x, api_job_result) || !is_at_work(job, x) ||
        !unpack(job, x, &elephas__v1__result__descriptor, &message, &values)) {
        return;
    }
    if (give_result(job, (const Elephas__V1__Result *)message, &reply, &err) !=
        0) {
        http_reply_error(x, &err);
    } else {
        reply_update(x, &reply);
    }
    wire_free(&message);
}
