/* SPDX-License-Identifier: MIT
 *
 * train_off: work on the values of a large model runs on a helper thread, so
 * that the loop goes on with the small requests of others. A job has one task
 * at a time, and nobody else touches its struct training meanwhile, so that
 * there is nothing to lock and the training never sees two at once:
 *  - requests to the job that come meanwhile are parked, in the order in which
 *    they came, and handled afterwards as if they came only then;
 *  - what shows the job looks at a copy of the few facts it needs;
 *  - what cannot be put off (saving at the daemon's stop, a worker that ends)
 *    waits for the task, which then is whole (train_rest()).
 * When the work of a job is released while a task runs, that goes on; what it
 * did to the training is done, but nothing follows from it. Only then the Model
 * is made of a training that was cancelled, and the values are freed.
 */
#include "driver/train_parts.h"

#include "common/mem.h"
#include "driver/daemon.h"
#include "driver/http.h"
#include "driver/job_save.h"
#include "driver/offload.h"

bool train_is_large(const struct job *job)
{
    return train_of(job)->large;
}

/* ---- the task ---- */

/* What had to wait: the end first, then a snapshot, then requests. */
static void go_on(struct job *job, const struct train *t)
{
    while (job->work == t && t->task == NULL) {
        if (t->want_finish) {
            train_finish(job);
        } else if (t->want_save) {
            train_save(job);
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

    if (!task->gone) {
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
    task->gone = false;
    task->rested = false;
    task->x = x;
    if (class->changes && (t->shown = train_facts(job, t->training)) == NULL) {
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
        t->task = NULL;
        job->occupied--;
        task->gone = true; /* done() only releases it */
        if (task->x != NULL && task->again != NULL) {
            job_wait(job, task->x, task->again);
        } else if (task->x != NULL && task->class->drop != NULL) {
            task->class->drop(task, task->rested && t->suspended);
        }
        json_decref(t->shown);
        t->shown = NULL;
    }
}

/* ---- what is left ---- */

struct remains {
    struct job *job;
    struct train *train;
};

static void free_train(struct train *t)
{
    mem_free_aligned(t->decoded);
    training_destroy(&t->training);
    model_destroy(&t->model);
    mem_free(t);
}

/* On a helper: much memory takes long to give back, too. */
static void free_remains(void *handle)
{
    struct remains *r = handle;

    free_train(r->train);
    r->train = NULL;
}

static void forget(void *handle)
{
    mem_free(handle);
}

static void free_all(void *handle)
{
    free_remains(handle);
    forget(handle);
}

static void free_later(struct remains *r)
{
    if (offload_run(r->job->daemon->vectors, free_remains, forget, r, NULL) !=
        0) {
        offload_wait(r->job->daemon->vectors);
        free_all(r);
    }
}

static void nothing(void *handle)
{
    (void)handle; /* the helper is through with the task */
}

/* The document is to be of what is kept. */
static void keep_facts(struct job *job, const struct training *t)
{
    json_t *facts = train_facts(job, t);

    if (facts != NULL && job->result != NULL &&
        json_object_update_existing(job->result, facts) == 0) {
        job_store(job);
    }
    json_decref(facts);
}

static void salvage(void *handle)
{
    struct remains *r = handle;
    struct job *job = r->job;
    struct job_save_model save = {.model = r->train->model,
                                  .state = training_state(r->train->training),
                                  .release = free_all,
                                  .handle = r};

    job->occupied--;
    keep_facts(job, r->train->training);
    if (train_is_worth(r->train->training)) {
        job_save_salvage(job, &save);
    } else {
        free_later(r);
    }
    job_handle_parked(job);
}

void train_off_free(struct job *job, struct train *t)
{
    struct remains *r = t->large ? mem_alloc(sizeof(*r)) : NULL;

    if (r == NULL) {
        if (t->large) {
            offload_wait(job->daemon->vectors);
        }
        free_train(t);
        return;
    }
    *r = (struct remains){job, t};
    if (t->salvage &&
        offload_run(job->daemon->vectors, nothing, salvage, r, NULL) == 0) {
        job->occupied++;
    } else {
        free_later(r);
    }
}
