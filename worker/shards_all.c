/* SPDX-License-Identifier: MIT
 *
 * shards_all: one call for all servers at once: threads that live as long as
 * the call, since a call is a message of the size of a model.
 */
#include "worker/shards_parts.h"

#include "common/clock.h"
#include "common/mem.h"

#include <pthread.h>

/* How long servers may not agree. */
#define PATIENCE_MS 60000

struct thread {
    pthread_t id;
    bool started;
    struct shards *shards;
    struct one *one;
    const struct round_trip *call;
};

static void run_one(struct shards *s, struct one *o,
                    const struct round_trip *call)
{
    o->err = (struct err){0};
    o->outcome = CLIENT_OK;
    o->rc = call->run(s, o, call);
    if (o->rc != 0 && o->name != NULL) {
        (void)err_wrap(&o->err, "server %s", o->name);
    }
}

static void *thread_main(void *argument)
{
    const struct thread *t = argument;

    run_one(t->shards, t->one, t->call);
    return NULL;
}

int shards_run(struct shards *s, const struct round_trip *call, struct err *err)
{
    struct thread *threads = mem_zarray(s->count, sizeof(*threads));
    const struct one *worst = NULL;

    if (threads == NULL) {
        return err_nomem(err);
    }
    for (size_t i = 1; i < s->count; i++) {
        struct thread *t = &threads[i];

        *t = (struct thread){
            .shards = s, .one = &s->list[i], .call = call, .started = true};
        if (pthread_create(&t->id, NULL, thread_main, t) != 0) {
            t->started = false; /* then one after the other */
        }
    }
    run_one(s, &s->list[0], call);
    for (size_t i = 1; i < s->count; i++) {
        if (threads[i].started) {
            (void)pthread_join(threads[i].id, NULL);
        } else {
            run_one(s, &s->list[i], call);
        }
    }
    mem_free(threads);
    for (size_t i = 0; i < s->count; i++) {
        const struct one *o = &s->list[i];

        if (o->rc != 0 && (worst == NULL || worst->rc == ERR_STATE)) {
            worst = o->rc != ERR_STATE || worst == NULL ? o : worst;
        }
    }
    return worst != NULL ? err_set(err, worst->err.code, "%s", worst->err.msg)
                         : 0;
}

bool shards_any(const struct shards *s, enum client_outcome outcome)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->list[i].outcome == outcome) {
            return true;
        }
    }
    return false;
}

int shards_try_again(struct shards *s, int rc, enum client_outcome *outcome)
{
    if (rc != ERR_STATE) {
        return rc;
    }
    if (s->refused == 0) {
        s->refused = clock_ms();
    }
    if (clock_ms() - s->refused > PATIENCE_MS) {
        return rc;
    }
    clock_pause_ms(SHARDS_PAUSE_MS);
    *outcome = CLIENT_AGAIN;
    return 0;
}

void shards_sum_up(const struct shards *s, enum client_outcome *outcome)
{
    *outcome = s->list[0].outcome == CLIENT_STOP  ? CLIENT_STOP
               : shards_any(s, CLIENT_SUPERSEDED) ? CLIENT_SUPERSEDED
               : shards_any(s, CLIENT_AGAIN) || shards_any(s, CLIENT_STOP)
                   ? CLIENT_AGAIN
                   : CLIENT_OK;
}
