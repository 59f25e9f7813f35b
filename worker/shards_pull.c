/* SPDX-License-Identifier: MIT
 *
 * shards_pull: parameters of all servers, put together; and what is done when
 * they are not of one version.
 */
#include "worker/shards_parts.h"

#include "common/model/narrow.h"

#include <string.h>

/* ---- going back ---- */

static bool has_kept(const struct one *o, uint64_t version)
{
    for (size_t i = 0; i < o->at.kept_count; i++) {
        if (o->at.kept[i] == version) {
            return true;
        }
    }
    return version == 0; /* what the job was made with */
}

static bool all_have(const struct shards *s, uint64_t version)
{
    for (size_t i = 0; i < s->count; i++) {
        if (!has_kept(&s->list[i], version) ||
            s->list[i].at.version < version) {
            return false;
        }
    }
    return true;
}

static int go_back_one(struct shards *s, struct one *o,
                       const struct round_trip *call)
{
    (void)s;
    return client_go_back(o->client, call->number, o->at.life, &o->err);
}

/* All go back to the greatest version that all of them have. */
static int settle(struct shards *s, struct err *err)
{
    struct round_trip call = {.run = go_back_one, .number = 0};
    const struct one *home = &s->list[0];
    int rc = shards_join_all(s, err);

    if (rc != 0 || shards_any(s, CLIENT_SUPERSEDED)) {
        return rc; /* the next join tells */
    }
    for (size_t i = 0; i < s->count; i++) {
        if (s->list[i].at.life == 0) {
            return 0; /* it has ended, likewise */
        }
    }
    for (size_t i = 0; i < home->at.kept_count; i++) {
        uint64_t version = home->at.kept[i];

        if (version > call.number && all_have(s, version)) {
            call.number = version;
        }
    }
    rc = shards_run(s, &call, err);
    return rc == ERR_STATE ? 0 : rc; /* one was started again meanwhile */
}

/* ---- pulling ---- */

static int pull_one(struct shards *s, struct one *o,
                    const struct round_trip *call)
{
    (void)call;
    return client_pull(o->client, shards_size(s, o, false), &o->in, &o->err);
}

static int pull_step_one(struct shards *s, struct one *o,
                         const struct round_trip *call)
{
    return client_pull_step(o->client, call->number, call->state,
                            shards_size(s, o, call->state), &o->in, &o->outcome,
                            &o->err);
}

static int pull_epoch_one(struct shards *s, struct one *o,
                          const struct round_trip *call)
{
    return client_pull_epoch(o->client, call->number, shards_size(s, o, false),
                             &o->in, &o->outcome, &o->err);
}

void shards_drop(struct shards *s)
{
    for (size_t i = 0; i < s->count; i++) {
        client_parameters_deinit(&s->list[i].in);
    }
}

/* What is computed now is computed from that. */
static void note(struct one *o, const struct client_parameters *came)
{
    o->version = came->head->version;
    if (o->replica != NULL) {
        replica_take(o->replica, came);
    }
}

/* The parts become a whole, with the head of the training's own. */
static int put_together(struct shards *s, bool state,
                        struct client_parameters *out, struct err *err)
{
    size_t n = shards_whole(s, state) * sizeof(float);
    int rc;

    memset(out, 0, sizeof(*out));
    buf_init(&out->body, n);
    rc = buf_reserve(&out->body, n, err);
    if (rc != 0) {
        return rc;
    }
    out->body.len = n;
    for (size_t i = 0; i < s->count; i++) {
        struct one *o = &s->list[i];

        narrow_put(o->in.values.data, s->model->parameters,
                   state ? 1 + s->slots : 1, o->begin, o->end,
                   (float *)(void *)out->body.data);
        note(o, &o->in);
    }
    out->values = buf_view(&out->body);
    out->head = s->list[0].in.head;
    s->list[0].in.head = NULL;
    s->keep = out->head->keep != 0;
    return 0;
}

static bool versions_agree(const struct shards *s)
{
    for (size_t i = 1; i < s->count; i++) {
        if (s->list[i].in.head->version != s->list[0].in.head->version) {
            return false;
        }
    }
    return true;
}

static int pull_all(struct shards *s, const struct round_trip *call,
                    struct client_parameters *out, enum client_outcome *outcome,
                    struct err *err)
{
    int rc = shards_run(s, call, err);

    memset(out, 0, sizeof(*out));
    shards_sum_up(s, outcome);
    if (rc != 0) {
        rc = shards_try_again(s, rc, outcome);
    } else if (*outcome == CLIENT_OK && s->synchronous && !versions_agree(s)) {
        rc = settle(s, err);
        *outcome = CLIENT_AGAIN;
    } else if (*outcome == CLIENT_OK) {
        rc = put_together(s, call->state, out, err);
    }
    shards_drop(s);
    return rc;
}

int shards_pull(struct shards *s, struct client_parameters *out,
                enum client_outcome *outcome, struct err *err)
{
    const struct round_trip call = {.run = pull_one};
    int rc;

    if (s->count > 1) {
        return pull_all(s, &call, out, outcome, err);
    }
    *outcome = CLIENT_OK;
    rc = client_pull(s->list[0].client, shards_whole(s, false), out, err);
    if (rc == 0) {
        note(&s->list[0], out);
    }
    return rc;
}

int shards_pull_step(struct shards *s, uint64_t step, bool state,
                     struct client_parameters *out,
                     enum client_outcome *outcome, struct err *err)
{
    const struct round_trip call = {
        .run = pull_step_one, .number = step, .state = state};
    int rc;

    if (s->count > 1) {
        return pull_all(s, &call, out, outcome, err);
    }
    rc = client_pull_step(s->list[0].client, step, state,
                          shards_whole(s, state), out, outcome, err);
    if (rc == 0 && *outcome == CLIENT_OK) {
        note(&s->list[0], out);
    }
    return rc;
}

const float *shards_replica(const struct shards *s)
{
    return s->replica;
}

static int pull_replica_one(struct shards *s, struct one *o,
                            const struct round_trip *call)
{
    int rc = replica_pull_step(o->replica, o->client, call->number, &o->outcome,
                               &o->err);

    (void)s;
    o->version = replica_version(o->replica);
    return rc;
}

int shards_pull_replica(struct shards *s, uint64_t step,
                        enum client_outcome *outcome, struct err *err)
{
    const struct round_trip call = {.run = pull_replica_one, .number = step};
    int rc = shards_run(s, &call, err);

    shards_sum_up(s, outcome);
    return rc != 0 && s->count > 1 ? shards_try_again(s, rc, outcome) : rc;
}

int shards_pull_epoch(struct shards *s, uint64_t epochs,
                      struct client_parameters *out,
                      enum client_outcome *outcome, struct err *err)
{
    const struct round_trip call = {.run = pull_epoch_one, .number = epochs};

    return s->count == 1
               ? client_pull_epoch(s->list[0].client, epochs,
                                   shards_whole(s, false), out, outcome, err)
               : pull_all(s, &call, out, outcome, err);
}
