/* SPDX-License-Identifier: MIT
 *
 * job_gather: the end of a training over several servers. All of them are
 * through, the workers are gone; a courier brings the parts of the others, and
 * with its own one the server makes the Model. The other servers keep theirs
 * until it is stored, so whatever fails is tried again, also after a restart;
 * after half an hour, or if a part is known to be lost, the job has failed.
 */
#include "driver/train_parts.h"

#include "common/clock.h"
#include "common/mem.h"
#include "common/model/narrow.h"
#include "driver/courier.h"
#include "driver/daemon.h"
#include "driver/job_save.h"

#include <event2/event.h>

#include <stdio.h>
#include <string.h>

#define PAUSE_SECONDS 2
#define PATIENCE_MS (JOB_SAVE_PATIENCE_S * (int64_t)1000)

struct gather {
    struct model *model; /* the whole */
    struct model_state state;
    size_t vectors; /* parameters, and slots */
    bool *here;     /* for each of spec->shards */
    struct courier *courier;
    struct event *again;
    int64_t began; /* monotonic ms */
};

void gather_destroy(struct gather **gather)
{
    struct gather *g = *gather;

    if (g == NULL) {
        return;
    }
    courier_destroy(&g->courier);
    if (g->again != NULL) {
        event_free(g->again);
    }
    model_state_deinit(&g->state);
    model_destroy(&g->model);
    mem_free(g->here);
    mem_free(g);
    *gather = NULL;
}

static void on_end(struct job *job, const char *why, bool hopeless);

static void send_courier(struct job *job)
{
    struct gather *g = train_of(job)->gather;
    struct err err = {0};

    if (courier_start(job, COURIER_GATHER, g->vectors, on_end, &g->courier,
                      &err) != 0) {
        (void)err_wrap(&err, "gathering the parts of the model");
        job_fail(job, &err);
    }
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    send_courier(arg);
}

static bool all_here(const struct job *job)
{
    const struct gather *g = train_of(job)->gather;

    for (size_t i = 0; i < job->spec->shard_count; i++) {
        if (!g->here[i]) {
            return false;
        }
    }
    return true;
}

static void free_gather(void *handle)
{
    struct gather *g = handle;

    gather_destroy(&g);
}

/* What Keras does at the end is done to the whole. */
static void make_result(struct job *job)
{
    struct gather *g = train_of(job)->gather;
    struct job_save_model save = {.model = g->model,
                                  .state = &g->state,
                                  .release = free_gather,
                                  .handle = g};

    if (job->spec->training.mode == TRAINING_SYNCHRONOUS) {
        optimizer_finalize(g->model->optimizer, g->model, &g->state.optimizer,
                           g->state.values);
    }
    if (g->again != NULL) {
        event_free(g->again); /* it is of the loop */
        g->again = NULL;
    }
    train_of(job)->gather = NULL; /* its values leave with the result */
    job_save_result(job, &save);
}

static void on_end(struct job *job, const char *why, bool hopeless)
{
    static const struct timeval pause = {PAUSE_SECONDS, 0};
    struct gather *g = train_of(job)->gather;
    struct err err = {0};

    courier_destroy(&g->courier);
    if (all_here(job)) {
        make_result(job);
        return;
    }
    if (!hopeless && clock_ms() - g->began < PATIENCE_MS) {
        if (g->again == NULL) {
            g->again = evtimer_new(job->daemon->base, on_again, job);
        }
        if (g->again != NULL && evtimer_add(g->again, &pause) == 0) {
            return;
        }
    }
    (void)err_set(&err, ERR_IO, "gathering the parts of the model: %s",
                  *why != '\0' ? why : "they did not all come");
    job_fail(job, &err);
}

int train_take_part(struct job *job, uint64_t begin, uint64_t end,
                    struct view values, struct err *err)
{
    struct gather *g = job_spec_trains(job->spec) && job->work != NULL
                           ? train_of(job)->gather
                           : NULL;

    if (g == NULL) {
        return err_set(err, ERR_STATE, "the job does not gather its parts");
    }
    for (size_t i = 0; i < job->spec->shard_count; i++) {
        const struct job_shard *s = &job->spec->shards[i];

        if (s->begin != begin || s->end != end) {
            continue;
        }
        if (values.len != g->vectors * (size_t)(end - begin) * sizeof(float)) {
            return err_set(err, ERR_INVALID, "%zu values are no part of %zu",
                           values.len / sizeof(float), g->state.count);
        }
        narrow_put(values.data, g->model->parameters, g->vectors, (size_t)begin,
                   (size_t)end, g->state.values);
        g->here[i] = true;
        return 0;
    }
    return err_set(err, ERR_INVALID,
                   "range: %llu to %llu is the part of no server",
                   (unsigned long long)begin, (unsigned long long)end);
}

/* ---- the whole, with its own part ---- */

static int fill(const struct job *job, const struct training *training,
                struct gather **out, struct err *err)
{
    const struct model_state *own = training_state(training);
    struct gather *g = *out = mem_zalloc(sizeof(*g));
    int rc;

    if (g == NULL) {
        return err_nomem(err);
    }
    g->here = mem_zarray(job->spec->shard_count, sizeof(*g->here));
    rc = g->here != NULL ? job_load_model(job, &g->model, &g->state, err)
                         : err_nomem(err);
    if (rc != 0) {
        return rc;
    }
    g->vectors = g->state.count / g->model->parameters;
    narrow_put((const uint8_t *)own->values, g->model->parameters, g->vectors,
               (size_t)job->spec->begin, (size_t)job->spec->end,
               g->state.values);
    g->state.has_optimizer = own->has_optimizer;
    g->state.optimizer.iterations = own->optimizer.iterations;
    memcpy(g->state.optimizer.scalars, own->optimizer.scalars,
           sizeof(g->state.optimizer.scalars));
    return 0;
}

static void filled(struct job *job, struct gather **gather, int rc,
                   const struct err *err)
{
    if (rc != 0) {
        job_fail(job, err);
        return;
    }
    (*gather)->began = clock_ms();
    train_of(job)->gather = *gather;
    *gather = NULL;
    send_courier(job);
}

/* ---- of a large model ---- */

struct fill_task {
    struct train_task task;
    struct gather *gather;
    int rc;
    struct err err;
};

static void fill_work(struct train_task *task)
{
    struct fill_task *f = (struct fill_task *)task;

    f->rc = fill(task->job, task->training, &f->gather, &f->err);
}

static void fill_done(struct train_task *task)
{
    struct fill_task *f = (struct fill_task *)task;

    filled(task->job, &f->gather, f->rc, &f->err);
}

static void fill_release(struct train_task *task)
{
    gather_destroy(&((struct fill_task *)task)->gather);
    mem_free(task);
}

static const struct train_task_class fill_class = {
    .work = fill_work, .done = fill_done, .release = fill_release};

static void fill_later(struct job *job)
{
    struct fill_task *f = mem_zalloc(sizeof(*f));
    struct err err = {0};
    int rc = f != NULL ? train_begin(job, &f->task, &fill_class, NULL, &err)
                       : err_nomem(&err);

    if (rc != 0) {
        mem_free(f);
        job_fail(job, &err);
    }
}

void train_gather(struct job *job)
{
    struct gather *g = NULL;
    struct err err = {0};
    int rc;

    if (train_is_large(job)) {
        fill_later(job);
        return;
    }
    rc = fill(job, train_of(job)->training, &g, &err);
    filled(job, &g, rc, &err);
    gather_destroy(&g);
}
