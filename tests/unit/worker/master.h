/* SPDX-License-Identifier: MIT
 *
 * master: the daemon's side of training for one partition, as
 * docs/PROTOCOL.md section 5 says, with faults to order. A test's fake server
 * answers with master_answer().
 */
#ifndef TESTS_UNIT_WORKER_MASTER_H
#define TESTS_UNIT_WORKER_MASTER_H

#include "tests/unit/worker/fake.h"
#include "tests/unit/worker/fixture.h"

#include "common/mem.h"
#include "common/model/model_wire.h"
#include "common/model/optimizer.h"
#include "common/model/update_code.h"
#include "common/wire.h"

#include "elephas/v1/parameters.pb-c.h"
#include "elephas/v1/task.pb-c.h"

#define ROWS 23
#define VALIDATION 5
#define BATCH 4
#define EPOCHS 3
#define STEPS 6 /* ceil(ROWS / BATCH) */
#define SEED 99
#define HASH "00ff"

/* The master: answers as docs/PROTOCOL.md section 5 says for one partition. */
struct master {
    struct model *model;
    struct model_state state;
    struct buf encoded;
    bool by_batch;
    bool asynchronous;
    uint32_t period; /* batches of a step; 0: one */
    double alpha;    /* elastic averaging, or 0 */
    double back;     /* how far the worker moves, by alpha */
    bool shuffle;
    uint64_t version;
    uint64_t next_step;
    uint64_t next_validation;
    uint64_t joins;
    uint64_t samples;
    uint64_t validation_samples;
    uint64_t progress;
    double train_rows; /* of the last update's metrics */
    uint64_t lineage;
    uint64_t changed[2]; /* all that is given to who asks for changes, or 0 */
    /* faults */
    uint64_t stop_at;      /* step from which on the job is over */
    uint64_t supersede_at; /* step that is told it is superseded */
    uint64_t refuse_at;    /* step that is refused by 409, always */
    uint64_t not_yet;      /* so often 204 */
    uint64_t unjoined_at;  /* step at which it has forgotten who joined */
    bool unjoined;
    uint64_t forget_at; /* step at which it falls back, after a 503 */
    bool quietly;       /* or so soon that nobody sees it: 409 */
    bool forgot;
    struct model_state old; /* state it falls back to, of old_step */
    uint64_t old_step;
};

static inline size_t state_size(const struct master *m)
{
    return m->model->parameters *
           (1 + optimizer_slot_count(m->model->optimizer));
}

static inline void copy_state(const struct master *m,
                              const struct model_state *from,
                              struct model_state *to)
{
    memcpy(to->values, from->values, state_size(m) * sizeof(float));
    to->optimizer.iterations = from->optimizer.iterations;
    memcpy(to->optimizer.scalars, from->optimizer.scalars,
           sizeof(to->optimizer.scalars));
}

static inline void pack(struct fake_reply *reply,
                        const ProtobufCMessage *message)
{
    struct err err = {0};

    unit_ok(wire_pack(message, &reply->body, &err), &err);
}

static inline void give_task(const struct master *m, struct fake_reply *reply)
{
    Elephas__V1__Task task = ELEPHAS__V1__TASK__INIT;
    Elephas__V1__DataSpec data = ELEPHAS__V1__DATA_SPEC__INIT;
    char hash[] = HASH;
    char label[] = "3";
    char *labels[] = {label};

    data.labels = labels;
    data.n_labels = 1;
    data.nb_classes = 2;
    task.kind = ELEPHAS__V1__TASK_KIND__TASK_KIND_TRAIN;
    task.data = &data;
    task.model = hash;
    task.partitions = 1;
    task.period = m->period;
    task.elastic_alpha = m->alpha;
    task.elastic_return = m->alpha * m->back;
    task.mode = m->alpha != 0     ? ELEPHAS__V1__MODE__MODE_EASGD
                : m->asynchronous ? ELEPHAS__V1__MODE__MODE_ASYNCHRONOUS
                                  : ELEPHAS__V1__MODE__MODE_SYNCHRONOUS;
    task.frequency = m->by_batch ? ELEPHAS__V1__FREQUENCY__FREQUENCY_BATCH
                                 : ELEPHAS__V1__FREQUENCY__FREQUENCY_EPOCH;
    task.epochs = EPOCHS;
    task.batch_size = BATCH;
    task.seed = SEED;
    task.shuffle = m->shuffle;
    pack(reply, &task.base);
}

static inline void give_parameters(struct master *m, const char *query,
                                   struct fake_reply *reply)
{
    Elephas__V1__Parameters p = ELEPHAS__V1__PARAMETERS__INIT;
    Elephas__V1__Range range = ELEPHAS__V1__RANGE__INIT;
    Elephas__V1__OptimizerState o = ELEPHAS__V1__OPTIMIZER_STATE__INIT;
    size_t n =
        strstr(query, "state=1") != NULL ? state_size(m) : m->model->parameters;
    const float *values = m->state.values;
    struct err err = {0};

    if (m->next_step == m->unjoined_at && strstr(query, "since=") != NULL) {
        m->unjoined_at = UINT64_MAX;
        m->unjoined = true;
    }
    if (m->unjoined && strstr(query, "step=") != NULL) {
        reply->status = 204;
        return;
    }
    if (m->not_yet > 0) {
        m->not_yet--;
        reply->status = 204;
        return;
    }
    if (strstr(query, "step=") != NULL && m->next_step >= m->stop_at) {
        reply->status = 410;
        return;
    }
    o.iterations = m->state.optimizer.iterations;
    o.scalars = m->state.optimizer.scalars;
    o.n_scalars = optimizer_scalar_count(m->model->optimizer);
    o.slots = (uint32_t)optimizer_slot_count(m->model->optimizer);
    range.end = n;
    p.version = m->version;
    p.lineage = m->lineage;
    p.range = &range;
    p.optimizer = &o;
    if (strstr(query, "since=") != NULL && m->changed[1] != 0) {
        p.partial = true;
        p.changed = m->changed;
        p.n_changed = 2;
        values += m->changed[0];
        n = m->changed[1] - m->changed[0];
    }
    unit_ok(wire_pack_values(&p.base, values, n, &reply->body, &err), &err);
}

static inline void apply(struct master *m,
                         const Elephas__V1__ParameterUpdate *u,
                         struct view values)
{
    size_t n = (size_t)u->range->end;
    float *delta = mem_floats(n);
    struct err err = {0};

    unit_ok(update_code_decode(m->model, (enum codec_kind)u->encoding, values,
                               delta, n, &err),
            &err);
    ck_assert_uint_eq(u->base_version, m->version);
    if (m->by_batch && !m->asynchronous && m->period == 0) {
        ck_assert_int_eq(u->kind,
                         ELEPHAS__V1__UPDATE_KIND__UPDATE_KIND_GRADIENT);
        ck_assert_uint_eq(n, m->model->parameters);
        optimizer_step(m->model->optimizer, m->model, &m->state.optimizer,
                       m->state.values, delta);
    } else {
        ck_assert_int_eq(u->kind, ELEPHAS__V1__UPDATE_KIND__UPDATE_KIND_DELTA);
        ck_assert_uint_eq(n, m->asynchronous ? m->model->parameters
                                             : state_size(m));
        for (size_t i = 0; i < n; i++) {
            m->state.values[i] -= delta[i];
        }
        m->state.optimizer.iterations += u->iterations;
    }
    mem_free_aligned(delta);
    ck_assert_str_eq(u->metrics[0]->name, "loss");
    ck_assert(u->first_loss > 0);
    m->train_rows = u->metrics[0]->values[u->metrics[0]->n_values - 1];
    ck_assert(m->train_rows == (double)u->samples);
    m->version++;
    m->next_step++;
}

static inline void take_update(struct master *m, struct view body,
                               struct fake_reply *reply)
{
    Elephas__V1__UpdateReply answer = ELEPHAS__V1__UPDATE_REPLY__INIT;
    ProtobufCMessage *message = NULL;
    const Elephas__V1__ParameterUpdate *u;
    struct view head;
    struct view values;
    struct err err = {0};

    unit_ok(wire_split(body, &head, &values, &err), &err);
    unit_ok(wire_unpack(&elephas__v1__parameter_update__descriptor, head,
                        &message, &err),
            &err);
    u = (const Elephas__V1__ParameterUpdate *)message;
    answer.status = ELEPHAS__V1__UPDATE_STATUS__UPDATE_STATUS_APPLIED;
    if (u->step == m->supersede_at) {
        answer.status = ELEPHAS__V1__UPDATE_STATUS__UPDATE_STATUS_SUPERSEDED;
    } else if (u->step < m->next_step) {
        answer.status = ELEPHAS__V1__UPDATE_STATUS__UPDATE_STATUS_DUPLICATE;
    } else if (u->step > m->next_step || u->step == m->refuse_at) {
        reply->status = 409; /* "has not come yet" */
    } else if (u->step == m->forget_at && !m->forgot) {
        /* dies, and comes back from an old snapshot */
        m->forgot = true;
        copy_state(m, &m->old, &m->state);
        m->next_step = m->old_step;
        m->version = m->old_step;
        reply->status = m->quietly ? 409 : 503;
    } else {
        apply(m, u, values);
        if (m->next_step == m->old_step) {
            copy_state(m, &m->state, &m->old);
        }
    }
    answer.next_step = m->next_step;
    answer.version = m->version;
    if (reply->status == 200) {
        pack(reply, &answer.base);
    }
    wire_free(&message);
}

static inline void take_result(struct master *m, struct view body,
                               struct fake_reply *reply)
{
    Elephas__V1__UpdateReply answer = ELEPHAS__V1__UPDATE_REPLY__INIT;
    ProtobufCMessage *message = NULL;
    const Elephas__V1__Result *r;
    struct err err = {0};

    unit_ok(wire_unpack(&elephas__v1__result__descriptor, body, &message, &err),
            &err);
    r = (const Elephas__V1__Result *)message;
    if (r->progress) {
        m->progress++;
    } else {
        ck_assert_uint_eq(r->epoch, m->next_validation);
        ck_assert_uint_eq(r->samples, VALIDATION);
        m->next_validation++;
    }
    answer.status = ELEPHAS__V1__UPDATE_STATUS__UPDATE_STATUS_APPLIED;
    pack(reply, &answer.base);
    wire_free(&message);
}

static inline void take_join(struct master *m, struct view body,
                             struct fake_reply *reply)
{
    Elephas__V1__Assignment a = ELEPHAS__V1__ASSIGNMENT__INIT;
    ProtobufCMessage *message = NULL;
    const Elephas__V1__Join *join;
    struct err err = {0};

    unit_ok(wire_unpack(&elephas__v1__join__descriptor, body, &message, &err),
            &err);
    join = (const Elephas__V1__Join *)message;
    m->samples = join->samples;
    m->validation_samples = join->validation_samples;
    m->joins++;
    m->unjoined = false;
    a.next_step = m->next_step;
    a.next_validation = m->next_validation;
    pack(reply, &a.base);
    wire_free(&message);
}

static inline void master_answer(void *context,
                                 const struct fake_request *request,
                                 struct fake_reply *reply)
{
    struct master *m = context;
    const char *path = request->path;
    struct err err = {0};

    if (strcmp(path, "/v1/models/" HASH) == 0) {
        unit_ok(buf_append(&reply->body, m->encoded.data, m->encoded.len, &err),
                &err);
        return;
    }
    ck_assert_msg(strncmp(path, "/v1/jobs/j/", 11) == 0, "%s", path);
    path += 11;
    if (strcmp(path, "task") == 0) {
        give_task(m, reply);
    } else if (strncmp(path, "parameters", 10) == 0) {
        give_parameters(m, path, reply);
    } else if (strcmp(path, "partitions") == 0) {
        take_join(m, request->body, reply);
    } else if (strcmp(path, "updates") == 0) {
        take_update(m, request->body, reply);
    } else if (strcmp(path, "results") == 0) {
        take_result(m, request->body, reply);
    } else {
        reply->status = 404;
    }
}

/* 3 -> Dense 4 relu -> Dropout -> Dense 2 softmax, Adam. */
static inline struct model *make_model(void)
{
    struct model *m = NULL;
    struct tensor_ref at = {0, 0};
    const struct object_spec optimizer = {.class_name = "Adam"};
    const struct object_spec loss = {.class_name = "categorical_crossentropy"};
    const struct object_spec metric = {.class_name = "acc"};
    const struct output_spec output = {.name = "out",
                                       .loss = &loss,
                                       .loss_weight = 1,
                                       .metrics = &metric,
                                       .metric_count = 1};
    struct err err = {0};

    unit_ok(model_create("m", &m, &err), &err);
    at.call = fixture_layer(m, "in", "InputLayer", "{\"batch_shape\":[null,3]}",
                            NULL);
    at.call = fixture_layer(m, "hidden", "Dense",
                            "{\"units\":4,\"activation\":\"relu\"}", &at);
    at.call = fixture_layer(m, "drop", "Dropout", "{\"rate\":0.25}", &at);
    at.call = fixture_layer(m, "out", "Dense",
                            "{\"units\":2,\"activation\":\"softmax\"}", &at);
    unit_ok(model_set_inputs(m, &(struct tensor_ref){0, 0}, 1, &err), &err);
    unit_ok(model_set_outputs(m, &at, 1, &err), &err);
    unit_ok(model_finish(m, &err), &err);
    unit_ok(model_set_training(m, &optimizer, &output, 1, &err), &err);
    return m;
}

static inline void master_init(struct master *m)
{
    struct err err = {0};

    memset(m, 0, sizeof(*m));
    m->model = make_model();
    m->shuffle = true;
    m->stop_at = UINT64_MAX;
    m->supersede_at = UINT64_MAX;
    m->refuse_at = UINT64_MAX;
    m->forget_at = UINT64_MAX;
    m->old_step = UINT64_MAX;
    m->unjoined_at = UINT64_MAX;
    unit_ok(model_state_init(m->model, &m->state, &err), &err);
    unit_ok(model_state_init(m->model, &m->old, &err), &err);
    model_initialize(m->model, 5, m->state.values);
    buf_init(&m->encoded, 1 << 20);
    unit_ok(model_encode(m->model, NULL, &m->encoded, &err), &err);
}

static inline void master_deinit(struct master *m)
{
    model_state_deinit(&m->state);
    model_state_deinit(&m->old);
    buf_deinit(&m->encoded);
    model_destroy(&m->model);
}

#endif
