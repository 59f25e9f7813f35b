/* SPDX-License-Identifier: MIT
 *
 * train_off: work on the values of a large model runs on a helper thread, so
 * that the loop goes on with the small requests of others. A job has one task
 * at a time, and nobody else touches its struct training meanwhile, so that
 * there is nothing to lock and the training never sees two at once:
 *  - requests to the job that come meanwhile are parked, in the order in which
 *    they came, and handled afterwards as if they came only then;
 *  - what shows the job looks at a copy of the few facts it needs;
 *  - what cannot be put off (cancelling, saving at the daemon's stop, an engine
 *    that asks) waits for the task, which then is whole (train_rest()).
 * When the work of a job is released, a task that runs is waited for; what it
 * did to the training is done, but nothing follows from it.
 */
#include "driver/train_parts.h"

#include "common/mem.h"
#include "driver/daemon.h"
#include "driver/http.h"
#include "driver/offload.h"

bool train_is_large(const struct job *job)
{
    return train_of(job)->large;
}

void train_off_begin(struct job *job)
{
    struct train *t = train_of(job);

    t->large = t->model->parameters > TRAIN_LARGE && t->compat == NULL &&
               !job_spec_is_sharded(job->spec);
}

/* ---- the task ---- */

/* What had to wait: the end first, then a snapshot, then requests. */
static void go_on(struct job *job, const struct train *t)
{
    while (job->work == t && t->task == NULL) {
        if (t->want_finish) {
            train_finish(job);
        } else if (t->want_save) {
            train_save_later(job);
        } else {
            break;
        }
    }
    job_handle_parked(job);
}

static void on_owner_gone(void *context, struct http_exchange *x)
{
    struct train_task *task = context;

    (void)x;
    task->x = NULL;
}

static void work(void *argument)
{
    struct train_task *task = argument;

    task->class->work(task);
}

static void done(void *argument)
{
    struct train_task *task = argument;
    struct job *job = task->job;
    struct train *t = task->train;

    if (t != NULL) {
        t->task = NULL;
        job->occupied--;
        json_decref(t->shown);
        t->shown = NULL;
        task->class->done(task);
        if (job->work == t && t->task == NULL) {
            train_wake(job);
        }
        go_on(job, t);
    }
    task->class->release(task);
}

int train_begin(struct job *job, struct train_task *task,
                const struct train_task_class *class, struct http_exchange *x,
                struct err *err)
{
    struct train *t = train_of(job);
    int rc = 0;

    task->class = class;
    task->job = job;
    task->train = t;
    task->training = t->training;
    task->rested = false;
    task->x = x;
    if (class->changes && (t->shown = train_facts(job)) == NULL) {
        rc = err_nomem(err);
    }
    if (rc == 0) {
        rc = offload_run(job->daemon->vectors, work, done, task, err);
    }
    if (rc != 0) {
        json_decref(t->shown);
        t->shown = NULL;
        return rc;
    }
    t->task = task;
    job->occupied++;
    if (x != NULL) {
        http_hold(x, 0, NULL, on_owner_gone, task);
    }
    return 0;
}

void train_rest(const struct job *job)
{
    struct train_task *task = train_of(job)->task;

    if (task != NULL && !task->rested) {
        offload_wait(job->daemon->vectors);
        task->rested = true;
    }
}

/* ---- the end ---- */

void train_off_end(struct job *job)
{
    struct train *t = train_of(job);
    struct train_task *task = t->task;

    if (task != NULL) {
        train_rest(job);
        t->task = NULL;
        job->occupied--;
        task->train = NULL; /* done() only releases it */
        if (task->x != NULL && task->class->drop != NULL) {
            task->class->drop(task->x);
        }
        json_decref(t->shown);
        t->shown = NULL;
    }
}

/* Much memory takes long to give back, too. */
struct remains {
    struct model *model;
    struct training *training;
    float *decoded;
};

static void free_remains(void *argument)
{
    struct remains *r = argument;

    mem_free_aligned(r->decoded);
    training_destroy(&r->training);
    model_destroy(&r->model);
}

static void forget_remains(void *argument)
{
    mem_free(argument);
}

void train_off_free(struct job *job, struct train *t)
{
    struct remains now = {t->model, t->training, t->decoded};
    struct remains *later = t->large ? mem_alloc(sizeof(*later)) : NULL;

    if (later != NULL) {
        *later = now;
        if (offload_run(job->daemon->vectors, free_remains, forget_remains,
                        later, NULL) == 0) {
            return;
        }
        mem_free(later);
    }
    free_remains(&now);
}
