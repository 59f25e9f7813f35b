/* SPDX-License-Identifier: MIT
 *
 * two_servers: two masters, each with a part of the parameters, behind one
 * struct shards, with faults to order; for the tests of shards.h.
 */
#ifndef TESTS_UNIT_WORKER_TWO_SERVERS_H
#define TESTS_UNIT_WORKER_TWO_SERVERS_H

#include "tests/unit/worker/master.h"

#include "common/model/narrow.h"
#include "worker/shards.h"

#include <stdatomic.h>

#define CUT 7

/* A server: a master with a narrowed model, and what shards.h asks beside. */
struct server {
    struct master master;
    struct fake fake;
    uint64_t life; /* 0: the job has ended */
    uint64_t kept[2];
    size_t kept_count;
    atomic_int backs;
    atomic_int back_to;
    int ends;          /* so often "not yet" */
    int refuses;       /* so many updates */
    int updates;       /* that came */
    uint8_t last[256]; /* what the values of the last one were sent as */
    size_t last_len;
    char pulled[512]; /* the path of the last pull */
    size_t begin, end;
};

static inline void give_place(struct server *s, struct fake_reply *reply)
{
    Elephas__V1__Assignment a = ELEPHAS__V1__ASSIGNMENT__INIT;
    static char ended[] = "the job has ended";

    s->master.joins++;
    a.next_step = s->master.next_step;
    a.next_validation = s->master.next_validation;
    a.version = s->master.version;
    a.life = s->life;
    a.kept = s->kept;
    a.n_kept = s->kept_count;
    a.stop = s->life == 0;
    if (a.stop) {
        a.detail = ended;
    }
    pack(reply, &a.base);
}

static inline void take_order(struct server *s, struct view body)
{
    ProtobufCMessage *message = NULL;
    const Elephas__V1__ShardOrder *order;
    struct err err = {0};

    unit_ok(wire_unpack(&elephas__v1__shard_order__descriptor, body, &message,
                        &err),
            &err);
    order = (const Elephas__V1__ShardOrder *)message;
    ck_assert_int_eq((int)order->action,
                     ELEPHAS__V1__SHARD_ACTION__SHARD_ACTION_BACK);
    ck_assert_uint_eq(order->life, s->life);
    atomic_store(&s->back_to, (int)order->version);
    atomic_fetch_add(&s->backs, 1);
    wire_free(&message);
}

static inline void take_values(struct server *s, struct view body)
{
    struct view head;
    struct view values;
    struct err err = {0};

    unit_ok(wire_split(body, &head, &values, &err), &err);
    ck_assert_uint_le(values.len, sizeof(s->last));
    memcpy(s->last, values.data, values.len);
    s->last_len = values.len;
    s->updates++;
}

static inline void answer(void *context, const struct fake_request *request,
                          struct fake_reply *reply)
{
    struct server *s = context;
    const char *path = request->path;

    if (strstr(path, "/updates") != NULL) {
        take_values(s, request->body);
    }
    if (strstr(path, "/parameters") != NULL) {
        memcpy(s->pulled, path, sizeof(s->pulled));
    }
    if (strstr(path, "/updates") != NULL && s->refuses > 0) {
        s->refuses--;
        reply->status = 409;
    } else if (strstr(path, "/partitions") != NULL) {
        give_place(s, reply);
    } else if (strstr(path, "/shard") != NULL) {
        take_order(s, request->body);
    } else if (strstr(path, "finished=1") != NULL && s->ends-- > 0) {
        reply->status = 204;
    } else if (strstr(path, "finished=1") != NULL) {
        size_t parameters = s->master.model->parameters;

        s->master.model->parameters = 1; /* one float, as a sign */
        give_parameters(&s->master, "", reply);
        s->master.model->parameters = parameters;
    } else {
        master_answer(&s->master, request, reply);
    }
}

struct setup {
    struct master whole;
    struct server servers[2];
    struct client *home;
    struct shards *shards;
};

static inline void start_encoded(struct setup *u, Elephas__V1__Mode mode,
                                 bool by_batch, Elephas__V1__Encoding encoding)
{
    static char token[] = "t2";
    static char job[] = "j";
    Elephas__V1__Task task = ELEPHAS__V1__TASK__INIT;
    Elephas__V1__Range ranges[2];
    Elephas__V1__Shard other = ELEPHAS__V1__SHARD__INIT;
    Elephas__V1__Shard *list[] = {&other};
    struct err err = {0};

    memset(u, 0, sizeof(*u));
    master_init(&u->whole);
    for (size_t i = 0; i < 2; i++) {
        struct server *s = &u->servers[i];

        master_init(&s->master);
        s->begin = i == 0 ? 0 : CUT;
        s->end = i == 0 ? CUT : u->whole.model->parameters;
        s->life = 10 + i;
        s->master.asynchronous = mode != ELEPHAS__V1__MODE__MODE_SYNCHRONOUS;
        s->master.by_batch = by_batch;
        unit_ok(narrow_model(s->master.model, &s->master.state, s->begin,
                             s->end, &err),
                &err);
        fake_start(&s->fake, answer, s);
        elephas__v1__range__init(&ranges[i]);
        ranges[i].begin = s->begin;
        ranges[i].end = s->end;
    }
    task.mode = mode;
    task.frequency = by_batch ? ELEPHAS__V1__FREQUENCY__FREQUENCY_BATCH
                              : ELEPHAS__V1__FREQUENCY__FREQUENCY_EPOCH;
    task.encoding = encoding;
    task.kept = 0.2;
    task.seed = SEED;
    other.server = u->servers[1].fake.url;
    other.job = job;
    other.token = token;
    other.range = &ranges[1];
    task.range = &ranges[0];
    task.shards = list;
    task.n_shards = 1;
    unit_ok(client_create(
                &(struct client_options){
                    .server = u->servers[0].fake.url, .job = "j", .token = "t"},
                &u->home, &err),
            &err);
    unit_ok(shards_create(&(struct shards_options){.home = u->home,
                                                   .task = &task,
                                                   .model = u->whole.model,
                                                   .retry_ms = 200},
                          &u->shards, &err),
            &err);
    ck_assert_uint_eq(shards_count(u->shards), 2);
}

static inline void start(struct setup *u, bool asynchronous, bool by_batch)
{
    start_encoded(u,
                  asynchronous ? ELEPHAS__V1__MODE__MODE_ASYNCHRONOUS
                               : ELEPHAS__V1__MODE__MODE_SYNCHRONOUS,
                  by_batch, ELEPHAS__V1__ENCODING__ENCODING_FLOAT32);
}

static inline void finish(struct setup *u)
{
    shards_destroy(&u->shards);
    client_destroy(&u->home);
    for (size_t i = 0; i < 2; i++) {
        fake_stop(&u->servers[i].fake);
        master_deinit(&u->servers[i].master);
    }
    master_deinit(&u->whole);
}

static inline enum client_outcome join(struct setup *u,
                                       struct client_assignment *at)
{
    enum client_outcome outcome = CLIENT_OK;
    struct err err = {0};

    unit_ok(shards_join(u->shards, ROWS, 0, at, &outcome, &err), &err);
    return outcome;
}

#endif
