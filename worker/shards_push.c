/* SPDX-License-Identifier: MIT
 *
 * shards_push: updates are taken apart; each server is sent what is its own, in
 * an encoding with a memory of its own (compress.h).
 */
#include "worker/shards_parts.h"

#include "common/model/narrow.h"

#include <string.h>

/* The part of the update that a server has; returns its floats. */
static size_t cut(const struct shards *s, const struct one *o,
                  const struct shards_update *u)
{
    size_t vectors = u->head.count / s->model->parameters;

    if (u->head.gradient) {
        return narrow_round(&s->layout, u->values, o->begin, o->end, o->part);
    }
    narrow_copy(u->values, s->model->parameters, vectors, o->begin, o->end,
                o->part);
    return vectors * (o->end - o->begin);
}

/* Encodes and sends update->count values. A request that is sent again has the
 * same bytes, so what came of any of them is true of all. */
static int send_part(struct one *o, float *values, bool whole,
                     struct client_update *update, uint64_t *next,
                     enum client_outcome *outcome, struct err *err)
{
    int rc = compress_update(o->compress, values, whole, update, err);

    update->values = values;
    update->base_version = o->version;
    if (rc == 0) {
        rc = client_push(o->client, update, next, outcome, err);
    }
    if (rc == 0 && *outcome == CLIENT_OK) {
        compress_counted(o->compress, values);
        o->next_step = *next;
        o->counted = true;
    }
    return rc;
}

static int push_one(struct shards *s, struct one *o,
                    const struct round_trip *call)
{
    struct client_update update = call->update->head;
    uint64_t next;

    o->counted = false;
    if (o->next_step > update.step) {
        return 0; /* it was counted, with other bytes perhaps */
    }
    update.count = cut(s, o, call->update);
    update.keep = s->keep;
    return send_part(o, o->part, call->update->whole, &update, &next,
                     &o->outcome, &o->err);
}

/* Only where a server's centre has moved, may the worker's weights do so. */
static void keep_counted(struct shards *s, float *values)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct one *o = &s->list[i];
        size_t n = o->end - o->begin;

        if (o->counted) {
            memcpy(values + o->begin, o->part, n * sizeof(*values));
        } else {
            memset(values + o->begin, 0, n * sizeof(*values));
        }
    }
}

int shards_push(struct shards *s, const struct shards_update *update,
                uint64_t *next_step, enum client_outcome *outcome,
                struct err *err)
{
    const struct round_trip call = {.run = push_one, .update = update};
    struct client_update head = update->head;
    int rc;

    if (s->count == 1) {
        return send_part(&s->list[0], update->values, update->whole, &head,
                         next_step, outcome, err);
    }
    rc = shards_run(s, &call, err);
    shards_sum_up(s, outcome);
    if (rc != 0) {
        return shards_try_again(s, rc, outcome);
    }
    if (s->elastic) {
        keep_counted(s, update->values);
    }
    if (*outcome == CLIENT_OK) {
        s->refused = 0;
        *next_step = s->list[0].next_step;
        for (size_t i = 1; i < s->count; i++) {
            uint64_t next = s->list[i].next_step;

            *next_step = next < *next_step ? next : *next_step;
        }
    }
    return 0;
}
