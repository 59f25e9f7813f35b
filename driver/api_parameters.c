/* SPDX-License-Identifier: MIT
 *
 * api_parameters: GET parameters. Of a training that runs they come from
 * memory (train.h); of any other job from its stored model, read when asked.
 */
#include "driver/api.h"

#include "common/mem.h"
#include "common/model/model_wire.h"
#include "common/wire.h"
#include "driver/daemon.h"
#include "driver/http.h"
#include "driver/jobs.h"
#include "driver/store.h"
#include "driver/train.h"
#include "elephas/v1/parameters.pb-c.h"

#include <stdio.h>
#include <string.h>

#define MAX_WAIT_SECONDS 60

static int read_query(const struct http_exchange *x, struct train_query *q,
                      struct err *err)
{
    uint64_t partition;
    uint64_t wait;
    uint64_t whole;
    uint64_t finished;
    int rc;

    memset(q, 0, sizeof(*q));
    q->has_step = http_query(x, "step") != NULL;
    q->has_epoch = http_query(x, "epoch") != NULL;
    q->has_since = http_query(x, "since") != NULL;
    q->has_range =
        http_query(x, "begin") != NULL || http_query(x, "end") != NULL;
    if ((rc = http_query_u64(x, "partition", 0, &partition, err)) != 0 ||
        (rc = http_query_u64(x, "step", 0, &q->step, err)) != 0 ||
        (rc = http_query_u64(x, "epoch", 0, &q->epoch, err)) != 0 ||
        (rc = http_query_u64(x, "wait", 0, &wait, err)) != 0 ||
        (rc = http_query_u64(x, "state", 0, &whole, err)) != 0 ||
        (rc = http_query_u64(x, "since", 0, &q->since, err)) != 0 ||
        (rc = http_query_u64(x, "lineage", 0, &q->lineage, err)) != 0 ||
        (rc = http_query_u64(x, "finished", 0, &finished, err)) != 0 ||
        (rc = http_query_u64(x, "begin", 0, &q->begin, err)) != 0 ||
        (rc = http_query_u64(x, "end", 0, &q->end, err)) != 0) {
        return rc;
    }
    if (partition > UINT32_MAX) {
        return err_set(err, ERR_INVALID, "partition: there are not so many");
    }
    if (q->has_range && http_query(x, "end") == NULL) {
        return err_set(err, ERR_INVALID, "begin: give end too");
    }
    q->partition = (uint32_t)partition;
    q->whole = whole != 0;
    q->finished = finished != 0;
    wait = wait < MAX_WAIT_SECONDS ? wait : MAX_WAIT_SECONDS;
    q->wait_ms = (unsigned)wait * 1000;
    return 0;
}

static int pack_stored(const struct job *job, const struct model *model,
                       const struct model_state *state,
                       const struct train_query *q, struct buf *out,
                       struct err *err)
{
    Elephas__V1__Parameters p = ELEPHAS__V1__PARAMETERS__INIT;
    Elephas__V1__Range range = ELEPHAS__V1__RANGE__INIT;
    Elephas__V1__OptimizerState o = ELEPHAS__V1__OPTIMIZER_STATE__INIT;
    double scalars[OPTIMIZER_MAX_SCALARS];

    range.end = q->whole ? state->count : model->parameters;
    if (q->has_range) {
        range.begin = q->begin;
        range.end = q->end;
    }
    if (range.end > state->count || range.begin > range.end) {
        return err_set(err, ERR_INVALID,
                       "begin and end: the state has %zu values", state->count);
    }
    if (model->optimizer != NULL) {
        memcpy(scalars, state->optimizer.scalars, sizeof(scalars));
        o.iterations = state->optimizer.iterations;
        o.scalars = scalars;
        o.n_scalars = optimizer_scalar_count(model->optimizer);
        o.slots = (uint32_t)optimizer_slot_count(model->optimizer);
        p.optimizer = &o;
    }
    p.job = (char *)job->id;
    p.version =
        (uint64_t)json_integer_value(json_object_get(job->result, "version"));
    p.epoch =
        (uint64_t)json_integer_value(json_object_get(job->result, "epoch"));
    p.range = &range;
    p.total = state->count;
    return wire_pack_values(&p.base, state->values + range.begin,
                            (size_t)(range.end - range.begin), out, err);
}

/* What a job has left does not change any more: its version is its name.
 * Returns whether the asker has it already; it is answered then. */
static bool is_known(struct http_exchange *x, const struct job *job)
{
    char etag[32];

    if (job->output[0] == '\0') {
        return false;
    }
    (void)snprintf(
        etag, sizeof(etag), "\"%lld\"",
        (long long)json_integer_value(json_object_get(job->result, "version")));
    http_reply_header(x, "ETag", etag);
    if (!http_knows(x, etag)) {
        return false;
    }
    http_reply(x, 304, NULL, (struct view){NULL, 0});
    return true;
}

/* The values of a job whose parameters are not in memory. */
static void send_stored(struct daemon *d, struct http_exchange *x,
                        const struct job *job, const struct train_query *q)
{
    const char *hash = job->output[0] != '\0' ? job->output : job->model;
    struct model *model = NULL;
    struct model_state state = {0};
    struct err err = {0};
    struct buf message;
    struct buf body;
    int rc;

    buf_init(&message, MODEL_WIRE_MAX);
    buf_init(&body, MODEL_WIRE_MAX);
    rc = store_get_model(d->store, hash, &message, &err);
    if (rc == 0) {
        rc = model_decode(buf_view(&message), &model, &state, &err);
    }
    buf_deinit(&message);
    if (rc == 0 && !state.has_weights) {
        rc = err_set(&err, ERR_STATE,
                     "job %s has no parameters: it has not begun", job->id);
    }
    if (rc == 0) {
        rc = pack_stored(job, model, &state, q, &body, &err);
    }
    model_state_deinit(&state);
    model_destroy(&model);
    if (rc != 0) {
        buf_deinit(&body);
        http_reply_error(x, &err);
        return;
    }
    http_reply_buf(x, 200, "application/x-protobuf", &body);
}

void api_job_parameters(struct daemon *d, struct http_exchange *x,
                        struct job *job)
{
    struct train_query q;
    struct err err = {0};

    if (read_query(x, &q, &err) != 0) {
        http_reply_error(x, &err);
    } else if (job_spec_trains(job->spec) && job->work != NULL) {
        if (!train_park(job, x, api_job_parameters)) {
            train_parameters(job, x, &q);
        }
    } else if (job_state_ended(job->state) &&
               (q.has_step || q.has_epoch || q.finished)) {
        http_reply_problem(x, 410, "state", "the job has ended");
    } else if (q.has_step || q.has_epoch || q.finished) {
        http_reply_problem(x, 409, "state", "the job is not running");
    } else if (!is_known(x, job)) {
        send_stored(d, x, job, &q);
    }
}
