/* SPDX-License-Identifier: MIT
 *
 * crew: see crew.h.
 */
#include "driver/crew.h"

#include <sched.h>
#include <signal.h>
#include <stdbool.h>

struct member {
    pthread_t thread;
    bool runs;
    void (*part)(void *arg, size_t i);
    void *arg;
    size_t i;
};

int crew_thread(pthread_t *thread, void *(*start)(void *arg), void *arg)
{
    sigset_t all;
    sigset_t old;
    int number;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    number = pthread_create(thread, NULL, start, arg);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    return number;
}

size_t crew_size(void)
{
    cpu_set_t may;
    int n = sched_getaffinity(0, sizeof(may), &may) == 0 ? CPU_COUNT(&may) : 1;

    return n < CREW_MAX ? (size_t)n : CREW_MAX;
}

static void *member_main(void *arg)
{
    const struct member *m = arg;

    m->part(m->arg, m->i);
    return NULL;
}

void crew_run(void (*part)(void *arg, size_t i), void *arg, size_t parts)
{
    struct member members[CREW_MAX];
    size_t begun = parts < CREW_MAX ? parts : CREW_MAX;

    for (size_t i = 1; i < begun; i++) {
        struct member *m = &members[i];

        m->part = part;
        m->arg = arg;
        m->i = i;
        m->runs = crew_thread(&m->thread, member_main, m) == 0;
    }
    for (size_t i = 0; i < parts; i++) {
        if (i == 0 || i >= begun || !members[i].runs) {
            part(arg, i);
        }
    }
    for (size_t i = 1; i < begun; i++) {
        if (members[i].runs) {
            (void)pthread_join(members[i].thread, NULL);
        }
    }
}
