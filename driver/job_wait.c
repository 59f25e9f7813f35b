/* SPDX-License-Identifier: MIT
 *
 * job_wait: requests that wait while a job is occupied: something of it is
 * worked on off the loop. They are handled afterwards, in the order in which
 * they came, as if they came only then.
 */
#include "driver/jobs.h"

#include "common/mem.h"
#include "driver/daemon.h"
#include "driver/http.h"

struct parked {
    struct parked *prev;
    struct parked *next;
    struct job *job;
    struct http_exchange *x; /* NULL: no request, but a call */
    job_handler *handler;
    void (*call)(void *argument);
    void *argument;
};

static void put_last(struct parked *p)
{
    struct job *job = p->job;

    p->prev = job->parked_last;
    *(p->prev != NULL ? &p->prev->next : &job->parked) = p;
    job->parked_last = p;
}

static void take_off(struct parked *p)
{
    struct job *job = p->job;

    *(p->prev != NULL ? &p->prev->next : &job->parked) = p->next;
    *(p->next != NULL ? &p->next->prev : &job->parked_last) = p->prev;
    mem_free(p);
}

static void on_gone(void *context, struct http_exchange *x)
{
    (void)x;
    take_off(context);
}

void job_wait(struct job *job, struct http_exchange *x, job_handler *handler)
{
    struct parked *p = mem_zalloc(sizeof(*p));

    if (p == NULL) {
        http_reply_problem(x, 503, "nomem", "out of memory");
        return;
    }
    *p = (struct parked){.job = job, .x = x, .handler = handler};
    put_last(p);
    http_hold(x, 0, NULL, on_gone, p);
}

int job_wait_call(struct job *job, void (*call)(void *argument), void *argument,
                  struct err *err)
{
    struct parked *p = mem_zalloc(sizeof(*p));

    if (p == NULL) {
        return err_nomem(err);
    }
    *p = (struct parked){.job = job, .call = call, .argument = argument};
    put_last(p);
    return 0;
}

bool job_park(struct job *job, struct http_exchange *x, job_handler *handler)
{
    if (job->occupied == 0) {
        return false;
    }
    job_wait(job, x, handler);
    return true;
}

void job_say_stopping(struct http_exchange *x)
{
    http_reply_problem(x, 503, "state",
                       "elephasd is stopping: try again when it is back");
}

static void handle(struct parked *p)
{
    struct parked now = *p;

    take_off(p);
    if (now.x != NULL && now.job->daemon->stopping &&
        now.job->state == JOB_QUEUED) {
        /* it goes on from what it has now, which is not in memory any more */
        job_say_stopping(now.x);
    } else if (now.x != NULL) {
        now.handler(now.job->daemon, now.x, now.job);
    } else {
        now.call(now.argument);
    }
}

void job_handle_parked(struct job *job)
{
    while (job->parked != NULL && job->occupied == 0) {
        handle(job->parked);
    }
}

void job_end_parked(struct job *job)
{
    while (job->parked != NULL) {
        handle(job->parked);
    }
}
