/* SPDX-License-Identifier: MIT
 *
 * job_shard: the part of a training's parameters that this server holds for a
 * training on another one: a training without an engine. Workers of the other
 * job speak to it as they do to their own, and say when all is over. Where
 * nobody says so, because the other server is gone for good, it ends by itself,
 * --shard-timeout after it was last heard of: an hour. If no worker has come
 * yet (the training may wait in a queue), it is a day.
 */
#include "driver/train_parts.h"

#include "common/clock.h"

#include "driver/core/job_shards.h"
#include "driver/daemon.h"

#include <event2/event.h>

/* How often it is looked at, in each timeout and at least. */
#define LOOKS 4
#define LOOK_MS 10000

static void on_look(evutil_socket_t fd, short what, void *arg)
{
    struct job *job = arg;
    const struct train *t = train_of(job);
    int64_t most = job_shard_patience(job->daemon->settings->shard_timeout,
                                      training_joined(t->training) != 0);
    struct err why = {0};

    (void)fd;
    (void)what;
    if (t->waiters != NULL) {
        train_heard(job); /* who waits is there */
    }
    if (clock_ms() - t->heard < most * 1000) {
        return;
    }
    (void)err_set(&why, ERR_TIMEOUT,
                  "nothing was heard of the training that this is a part of "
                  "for %lld s (--shard-timeout)",
                  (long long)most);
    job_fail(job, &why);
}

static int shard_start(struct job *job, void *loaded, bool *complete,
                       struct err *err)
{
    int64_t often = job->daemon->settings->shard_timeout * 1000 / LOOKS;
    int64_t ms = often < LOOK_MS ? often : LOOK_MS;
    const struct timeval pause = {ms / 1000, ms % 1000 * 1000};
    int rc = train_start(job, loaded, complete, err);
    struct train *t = train_of(job);

    if (rc != 0) {
        return rc;
    }
    t->watch = event_new(job->daemon->base, -1, EV_PERSIST, on_look, job);
    if (t->watch == NULL || event_add(t->watch, &pause) != 0) {
        return err_nomem(err);
    }
    return 0;
}

static void shard_destroy(struct job *job)
{
    struct train *t = train_of(job);

    if (t != NULL && t->watch != NULL) {
        event_free(t->watch);
    }
    train_destroy(job);
}

/* The parameters have gone home. */
static void shard_finish(struct job *job)
{
    job_done(job);
}

const struct work_class work_shard = {
    .alone = true,
    .load = train_load,
    .unload = train_unload,
    .start = shard_start,
    .result = train_result,
    .model = train_model_of,
    .finish = shard_finish,
    .save = train_suspend,
    .current = train_current,
    .describe = train_describe,
    .destroy = shard_destroy,
};
