/* SPDX-License-Identifier: MIT
 *
 * job_load: the beginning of a job's work. What takes long of it (reading the
 * model, and where a former run has stopped) is done on a helper thread if the
 * model is large; the job is occupied meanwhile, and has no work yet. If it
 * ends before, what was read is given up, and nobody waits for that.
 */
#include "driver/jobs.h"

#include "common/mem.h"
#include "driver/daemon.h"
#include "driver/offload.h"
#include "driver/work.h"

/* Parameters: 1 MiB. A model of so many is read on the loop. */
#define LARGE ((size_t)256 << 10)

struct loading {
    struct job *job;           /* NULL: it has ended; for the loop */
    const struct job *subject; /* the same, for the helper */
    const struct work_class *class;
    struct offload *helper;
    job_loaded *then;
    void *loaded;
    int rc;
    struct err err;
};

static int begin(struct job *job, void *loaded, job_loaded *then,
                 struct err *err)
{
    bool complete = false;
    int rc = job->class->start(job, loaded, &complete, err);

    if (rc == 0) {
        then(job, complete);
    }
    return rc;
}

static void load(void *argument)
{
    struct loading *l = argument;

    l->rc = l->class->load(l->subject, &l->loaded, &l->err);
}

static void unload(void *argument)
{
    struct loading *l = argument;

    l->class->unload(l->loaded);
}

static void forget(void *argument)
{
    mem_free(argument);
}

/* Much memory takes long to give back, too. */
static void give_up(struct loading *l)
{
    if (l->loaded == NULL) {
        mem_free(l);
    } else if (offload_run(l->helper, unload, forget, l, NULL) != 0) {
        unload(l);
        mem_free(l);
    }
}

static void end(void *argument)
{
    struct loading *l = argument;
    struct job *job = l->job;

    if (job == NULL) {
        give_up(l);
        return;
    }
    job->loading = NULL;
    job->occupied--;
    if (l->rc == 0) {
        l->rc = begin(job, l->loaded, l->then, &l->err);
    }
    if (l->rc != 0) {
        job_fail(job, &l->err);
    }
    job_handle_parked(job);
    mem_free(l);
}

static int load_later(struct job *job, job_loaded *then, struct err *err)
{
    struct loading *l = mem_zalloc(sizeof(*l));
    int rc;

    if (l == NULL) {
        return err_nomem(err);
    }
    l->job = job;
    l->subject = job;
    l->class = job->class;
    l->helper = job->daemon->vectors;
    l->then = then;
    rc = offload_run(l->helper, load, end, l, err);
    if (rc != 0) {
        mem_free(l);
        return rc;
    }
    job->loading = l;
    job->occupied++;
    return 0;
}

static int is_large(const struct job *job, bool *large, struct err *err)
{
    struct model *model = NULL;
    int rc = job_load_architecture(job->daemon, job->model, &model, NULL, err);

    if (rc == 0) {
        *large = model->parameters > LARGE;
    }
    model_destroy(&model);
    return rc;
}

int job_load(struct job *job, job_loaded *then, struct err *err)
{
    void *loaded = NULL;
    bool large = false;
    int rc = job->class->load != NULL ? is_large(job, &large, err) : 0;

    if (rc == 0 && large) {
        return load_later(job, then, err);
    }
    if (rc == 0 && job->class->load != NULL) {
        rc = job->class->load(job, &loaded, err);
    }
    return rc == 0 ? begin(job, loaded, then, err) : rc;
}

void job_load_abandon(struct job *job)
{
    if (job->loading != NULL) {
        job->loading->job = NULL;
        job->loading = NULL;
        job->occupied--;
    }
}
