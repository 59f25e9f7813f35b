/* SPDX-License-Identifier: MIT
 *
 * job_shard: the part of a training's parameters that this server holds for a
 * training on another one: a training without an engine. Workers of the other
 * job speak to it as they do to their own, and say when all is over. Where
 * nobody says so, because the other server is gone for good, it ends by itself:
 * an hour after it was last heard of, a day if no worker has come yet (the
 * training may wait in a queue).
 */
#include "driver/train_parts.h"

#include "common/clock.h"

#include "driver/daemon.h"

#include <event2/event.h>

#define LOOK_SECONDS 10
#define QUIET_MS ((int64_t)3600 * 1000)
#define QUEUE_MS ((int64_t)24 * 3600 * 1000)

static void on_look(evutil_socket_t fd, short what, void *arg)
{
    struct job *job = arg;
    const struct train *t = train_of(job);
    int64_t most = training_joined(t->training) != 0 ? QUIET_MS : QUEUE_MS;
    struct err why = {0};

    (void)fd;
    (void)what;
    if (t->waiters != NULL || clock_ms() - t->heard < most) {
        return;
    }
    (void)err_set(&why, ERR_TIMEOUT,
                  "nothing was heard of the training that this is a part of "
                  "for %d min",
                  (int)(most / 60000));
    job_fail(job, &why);
}

static int shard_start(struct job *job, bool *complete, struct err *err)
{
    static const struct timeval often = {LOOK_SECONDS, 0};
    int rc = train_start(job, complete, err);
    struct train *t = train_of(job);

    if (rc != 0) {
        return rc;
    }
    t->watch = event_new(job->daemon->base, -1, EV_PERSIST, on_look, job);
    if (t->watch == NULL || event_add(t->watch, &often) != 0) {
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
    .start = shard_start,
    .result = train_result,
    .model = train_model_of,
    .finish = shard_finish,
    .save = train_suspend,
    .current = train_model,
    .describe = train_describe,
    .destroy = shard_destroy,
};
