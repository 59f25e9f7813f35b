/* SPDX-License-Identifier: MIT
 *
 * shards: joining, results, the end, and the life of it; see shards_parts.h.
 */
#include "worker/shards_parts.h"

#include "common/clock.h"
#include "common/mem.h"
#include "common/model/narrow.h"

/* A server that came back is noticed after so long by those who wait. */
#define WAIT_SECONDS 5
/* How long a server that is there, but not ready, is asked again. */
#define PATIENCE_MS 60000

size_t shards_size(const struct shards *s, const struct one *o, bool state)
{
    return (o->end - o->begin) * (state ? 1 + s->slots : 1);
}

size_t shards_whole(const struct shards *s, bool state)
{
    return s->model->parameters * (state ? 1 + s->slots : 1);
}

/* ---- joining ---- */

static int join_one(struct shards *s, struct one *o,
                    const struct round_trip *call)
{
    int rc = client_join(o->client, s->samples, s->validation_samples, &o->at,
                         &o->outcome, &o->err);

    (void)call;
    o->next_step = o->at.next_step;
    return rc;
}

/* Whether a server has ended while the training goes on. */
static int check_alive(const struct shards *s, struct err *err)
{
    for (size_t i = 1; i < s->count; i++) {
        const struct one *o = &s->list[i];

        if (o->outcome == CLIENT_STOP && o->at.life == 0) {
            return err_set(err, ERR_IO,
                           "server %s: job %s, which has a part of the "
                           "parameters, has ended",
                           o->name, client_job(o->client));
        }
    }
    return 0;
}

int shards_join_all(struct shards *s, struct err *err)
{
    const struct round_trip call = {.run = join_one};
    int64_t began = clock_ms();
    int rc;

    do { /* a server that has just been started has no job running yet */
        rc = shards_run(s, &call, err);
        if (rc == ERR_STATE) {
            clock_pause_ms(SHARDS_PAUSE_MS);
        }
    } while (rc == ERR_STATE && clock_ms() - began < PATIENCE_MS);
    return rc;
}

int shards_join(struct shards *s, uint64_t samples, uint64_t validation_samples,
                struct client_assignment *out, enum client_outcome *outcome,
                struct err *err)
{
    const struct one *home = &s->list[0];
    int rc;

    if (s->count == 1) {
        return client_join(home->client, samples, validation_samples, out,
                           outcome, err);
    }
    s->samples = samples;
    s->validation_samples = validation_samples;
    rc = shards_join_all(s, err);
    if (rc != 0) {
        return rc;
    }
    *outcome = shards_any(s, CLIENT_SUPERSEDED) ? CLIENT_SUPERSEDED : CLIENT_OK;
    if (home->outcome == CLIENT_STOP && home->at.life == 0) {
        *outcome = CLIENT_STOP;
    }
    if (*outcome != CLIENT_OK || (rc = check_alive(s, err)) != 0) {
        return rc;
    }
    *out = home->at;
    for (size_t i = 1; i < s->count; i++) {
        const struct client_assignment *at = &s->list[i].at;

        out->next_step =
            at->next_step < out->next_step ? at->next_step : out->next_step;
        out->next_validation = at->next_validation < out->next_validation
                                   ? at->next_validation
                                   : out->next_validation;
    }
    return 0;
}

/* ---- results ---- */

static int result_one(struct shards *s, struct one *o,
                      const struct round_trip *call)
{
    (void)s;
    return client_result(o->client, call->number, call->samples, call->metrics,
                         &o->outcome, &o->err);
}

int shards_result(struct shards *s, uint64_t epoch, uint64_t samples,
                  struct totals *metrics, enum client_outcome *outcome,
                  struct err *err)
{
    const struct round_trip call = {.run = result_one,
                                    .number = epoch,
                                    .samples = samples,
                                    .metrics = metrics};
    int rc;

    if (s->count == 1) {
        return client_result(s->list[0].client, epoch, samples, metrics,
                             outcome, err);
    }
    rc = shards_run(s, &call, err);
    shards_sum_up(s, outcome);
    if (rc == 0) {
        s->refused = 0;
    }
    return rc != 0 ? shards_try_again(s, rc, outcome) : 0;
}

static int progress_one(struct shards *s, struct one *o,
                        const struct round_trip *call)
{
    (void)s;
    client_progress(o->client, call->number, call->samples, call->metrics);
    return 0;
}

void shards_progress(struct shards *s, uint64_t epoch, uint64_t samples,
                     struct totals *metrics)
{
    const struct round_trip call = {.run = progress_one,
                                    .number = epoch,
                                    .samples = samples,
                                    .metrics = metrics};

    if (shards_run(s, &call, NULL) != 0) {
        return; /* without memory there is no report */
    }
}

/* ---- the end ---- */

static int end_one(struct shards *s, struct one *o,
                   const struct round_trip *call)
{
    (void)s;
    (void)call;
    return client_pull_end(o->client, false, 0, &o->in, &o->outcome, &o->err);
}

int shards_end(struct shards *s, enum client_outcome *outcome, struct err *err)
{
    const struct round_trip call = {.run = end_one};
    int rc;

    *outcome = CLIENT_OK;
    if (s->count == 1) {
        return 0;
    }
    rc = shards_run(s, &call, err);
    shards_sum_up(s, outcome);
    shards_drop(s);
    return rc != 0 ? shards_try_again(s, rc, outcome) : 0;
}

/* ---- life ---- */

uint64_t shards_interruptions(const struct shards *s)
{
    uint64_t n = 0;

    for (size_t i = 0; i < s->count; i++) {
        n += client_interruptions(s->list[i].client);
    }
    return n;
}

size_t shards_count(const struct shards *s)
{
    return s->count;
}

static int take_range(const struct shards *s, const Elephas__V1__Range *range,
                      size_t index, struct err *err)
{
    struct one *o = &s->list[index];
    size_t begin = index == 0 ? 0 : o[-1].end;

    if (range == NULL || range->begin != begin || range->end <= begin ||
        range->end > s->model->parameters ||
        (index + 1 == s->count && range->end != s->model->parameters)) {
        return err_set(err, ERR_PROTO,
                       "the parts of the servers are not those of the model");
    }
    o->begin = begin;
    o->end = (size_t)range->end;
    return 0;
}

static int add(struct shards *s, const struct shards_options *options,
               const Elephas__V1__Shard *shard, size_t index, struct err *err)
{
    const struct client_options c = {
        .server = shard->server,
        .token = shard->token[0] != '\0' ? shard->token : NULL,
        .job = shard->job,
        .partition = client_partition(options->home),
        .attempt = options->attempt,
        .stage = options->stage,
        .retry_ms = options->retry_ms,
        .known = true};
    struct one *o = &s->list[index];
    int rc = take_range(s, shard->range, index, err);

    if (rc != 0) {
        return rc;
    }
    o->name = mem_strdup(shard->server);
    rc = o->name != NULL ? client_create(&c, &o->client, err) : err_nomem(err);
    if (rc == 0) {
        client_wait_for(o->client, WAIT_SECONDS);
    }
    return rc;
}

/* Room for a server's part of what is sent. */
static int make_part(struct shards *s, struct one *o, struct err *err)
{
    size_t n = shards_size(s, o, true);

    if (s->layout.size != 0) {
        size_t more = narrow_round(&s->layout, NULL, o->begin, o->end, NULL);

        n = more > n ? more : n;
    }
    o->part = mem_floats(n);
    return o->part != NULL
               ? narrow_view(s->model, o->begin, o->end, &o->model, err)
               : err_nomem(err);
}

/* How updates for a server are encoded, and where what is pulled stays. */
static int prepare_one(struct shards *s, struct one *o,
                       const struct shards_options *options, struct err *err)
{
    bool alone = s->count == 1;
    int rc = alone ? 0 : make_part(s, o, err);

    if (rc == 0) {
        rc = compress_create(alone ? s->model : &o->model, options->task,
                             client_partition(options->home), o->begin,
                             &o->compress, err);
    }
    if (rc == 0 && !s->synchronous) {
        rc = replica_create(s->replica + o->begin, o->end - o->begin,
                            &o->replica, err);
    }
    return rc;
}

/* The clients of several servers, and the parts that these have. */
static int find_all(struct shards *s, const struct shards_options *options,
                    struct err *err)
{
    const Elephas__V1__Task *task = options->task;
    int rc = take_range(s, task->range, 0, err);

    client_wait_for(options->home, WAIT_SECONDS);
    for (size_t i = 1; rc == 0 && i < s->count; i++) {
        rc = add(s, options, task->shards[i - 1], i, err);
    }
    if (rc == 0 && s->synchronous &&
        task->frequency == ELEPHAS__V1__FREQUENCY__FREQUENCY_BATCH &&
        task->period <= 1) {
        rc = round_layout_init(s->model, &s->layout, err);
    }
    return rc;
}

static int prepare(struct shards *s, const struct shards_options *options,
                   struct err *err)
{
    size_t n = s->model->parameters;
    int rc = 0;

    s->list = mem_zarray(1 + options->task->n_shards, sizeof(*s->list));
    if (s->list == NULL) {
        return err_nomem(err);
    }
    s->count = 1 + options->task->n_shards;
    s->list[0].client = options->home;
    s->list[0].end = n;
    if (!s->synchronous && (s->replica = mem_zfloats(n)) == NULL) {
        return err_nomem(err);
    }
    if (s->count > 1) {
        rc = find_all(s, options, err);
    }
    for (size_t i = 0; rc == 0 && i < s->count; i++) {
        rc = prepare_one(s, &s->list[i], options, err);
    }
    return rc;
}

int shards_create(const struct shards_options *options, struct shards **out,
                  struct err *err)
{
    struct shards *s = mem_zalloc(sizeof(*s));
    int rc;

    *out = NULL;
    if (s == NULL) {
        return err_nomem(err);
    }
    s->model = options->model;
    s->slots = optimizer_slot_count(options->model->optimizer);
    s->synchronous = options->task->mode == ELEPHAS__V1__MODE__MODE_SYNCHRONOUS;
    s->elastic = options->task->mode == ELEPHAS__V1__MODE__MODE_EASGD;
    rc = prepare(s, options, err);
    if (rc != 0) {
        shards_destroy(&s);
        return rc;
    }
    *out = s;
    return 0;
}

void shards_destroy(struct shards **shards)
{
    struct shards *s = *shards;

    if (s == NULL) {
        return;
    }
    for (size_t i = 0; i < s->count; i++) {
        struct one *o = &s->list[i];

        if (i != 0) {
            client_destroy(&o->client);
        }
        mem_free(o->name);
        mem_free_aligned(o->part);
        compress_destroy(&o->compress);
        replica_destroy(&o->replica);
        narrow_release(&o->model);
    }
    round_layout_deinit(&s->layout);
    mem_free_aligned(s->replica);
    mem_free(s->list);
    mem_free(s);
    *shards = NULL;
}
