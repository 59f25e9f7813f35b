/* SPDX-License-Identifier: MIT
 *
 * offload: two lists under one lock, and an eventfd that wakes the loop; see
 * offload.h.
 */
#include "driver/offload.h"

#include "common/mem.h"
#include "driver/crew.h"

#include <event2/event.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct task {
    struct task *next;
    void (*work)(void *argument);
    void (*done)(void *argument);
    void *argument;
};

struct task_list {
    struct task *first;
    struct task **last;
};

struct offload {
    pthread_t thread;
    bool running;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t wake;
    pthread_cond_t idle; /* working is 0 */
    struct task_list todo;
    struct task_list finished;
    unsigned working; /* tasks whose work is not over */
    bool ending;
    int wake_fd; /* written by the thread */
    struct event *event;
};

static void list_init(struct task_list *l)
{
    l->first = NULL;
    l->last = &l->first;
}

static void list_add(struct task_list *l, struct task *t)
{
    t->next = NULL;
    *l->last = t;
    l->last = &t->next;
}

static struct task *list_take(struct task_list *l)
{
    struct task *t = l->first;

    if (t != NULL) {
        l->first = t->next;
        if (l->first == NULL) {
            l->last = &l->first;
        }
    }
    return t;
}

static void *thread_main(void *arg)
{
    struct offload *o = arg;
    uint64_t one = 1;

    (void)pthread_mutex_lock(&o->lock);
    for (;;) {
        struct task *t = list_take(&o->todo);

        if (t != NULL) {
            (void)pthread_mutex_unlock(&o->lock);
            t->work(t->argument);
            (void)pthread_mutex_lock(&o->lock);
            list_add(&o->finished, t);
            if (--o->working == 0) {
                (void)pthread_cond_signal(&o->idle);
            }
            (void)!write(o->wake_fd, &one, sizeof(one));
        } else if (o->ending) {
            break;
        } else {
            (void)pthread_cond_wait(&o->wake, &o->lock);
        }
    }
    (void)pthread_mutex_unlock(&o->lock);
    return NULL;
}

static void run_done(struct offload *o)
{
    for (;;) {
        struct task *t;

        (void)pthread_mutex_lock(&o->lock);
        t = list_take(&o->finished);
        (void)pthread_mutex_unlock(&o->lock);
        if (t == NULL) {
            return;
        }
        t->done(t->argument);
        mem_free(t);
    }
}

/* What `done` gave to do when the thread has ended. */
static void run_rest(struct offload *o)
{
    struct task *t;

    run_done(o);
    while ((t = list_take(&o->todo)) != NULL) {
        t->work(t->argument);
        list_add(&o->finished, t);
        run_done(o);
    }
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    uint64_t count;

    (void)what;
    (void)!read(fd, &count, sizeof(count));
    run_done(arg);
}

int offload_create(struct event_base *base, struct offload **out,
                   struct err *err)
{
    struct offload *o = mem_zalloc(sizeof(*o));
    int rc;

    if (o == NULL) {
        return err_nomem(err);
    }
    list_init(&o->todo);
    list_init(&o->finished);
    (void)pthread_mutex_init(&o->lock, NULL);
    (void)pthread_cond_init(&o->wake, NULL);
    (void)pthread_cond_init(&o->idle, NULL);
    o->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (o->wake_fd < 0) {
        rc = err_errno(err, ERR_IO, errno, "eventfd");
        goto fail;
    }
    o->event = event_new(base, o->wake_fd, EV_READ | EV_PERSIST, on_wake, o);
    if (o->event == NULL || event_add(o->event, NULL) != 0) {
        rc = err_nomem(err);
        goto fail;
    }
    rc = crew_thread(&o->thread, thread_main, o);
    if (rc != 0) {
        rc = err_errno(err, ERR_NOMEM, rc, "cannot start a thread");
        goto fail;
    }
    o->running = true;
    *out = o;
    return 0;
fail:
    offload_destroy(&o);
    return rc;
}

void offload_destroy(struct offload **offload)
{
    struct offload *o = *offload;

    if (o == NULL) {
        return;
    }
    if (o->running) {
        (void)pthread_mutex_lock(&o->lock);
        o->ending = true;
        (void)pthread_cond_signal(&o->wake);
        (void)pthread_mutex_unlock(&o->lock);
        (void)pthread_join(o->thread, NULL);
        run_rest(o);
    }
    if (o->event != NULL) {
        event_free(o->event);
    }
    if (o->wake_fd >= 0) {
        (void)close(o->wake_fd);
    }
    (void)pthread_cond_destroy(&o->wake);
    (void)pthread_cond_destroy(&o->idle);
    (void)pthread_mutex_destroy(&o->lock);
    mem_free(o);
    *offload = NULL;
}

int offload_run(struct offload *o, void (*work)(void *argument),
                void (*done)(void *argument), void *argument, struct err *err)
{
    struct task *t = mem_alloc(sizeof(*t));

    if (t == NULL) {
        return err_nomem(err);
    }
    *t = (struct task){NULL, work, done, argument};
    (void)pthread_mutex_lock(&o->lock);
    list_add(&o->todo, t);
    o->working++;
    (void)pthread_cond_signal(&o->wake);
    (void)pthread_mutex_unlock(&o->lock);
    return 0;
}

void offload_wait(struct offload *o)
{
    (void)pthread_mutex_lock(&o->lock);
    while (o->working != 0) {
        (void)pthread_cond_wait(&o->idle, &o->lock);
    }
    (void)pthread_mutex_unlock(&o->lock);
}

void offload_finish(struct offload *o)
{
    bool busy = true;

    while (busy) {
        offload_wait(o);
        run_done(o);
        (void)pthread_mutex_lock(&o->lock);
        busy = o->working != 0 || o->finished.first != NULL;
        (void)pthread_mutex_unlock(&o->lock);
    }
}
