/* SPDX-License-Identifier: MIT
 *
 * turns: see turns.h.
 */
#include "driver/turns.h"

#include <event2/event.h>

#include <time.h>

/* Milliseconds; the last bucket has no bound. */
static const unsigned bounds[TURNS_BUCKETS - 1] = {1,  2,  5,   10,
                                                   20, 50, 100, 500};

void turns_add(struct turns *t, uint64_t ns)
{
    size_t i = 0;

    while (i + 1 < TURNS_BUCKETS && ns > (uint64_t)bounds[i] * 1000000) {
        i++;
    }
    t->counts[i]++;
    t->ns += ns;
}

static uint64_t thread_ns(void)
{
    struct timespec now = {0, 0};

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int turns_dispatch(struct turns *t, struct event_base *base)
{
    uint64_t before = thread_ns();
    int rc = 0;

    while (rc == 0 && !event_base_got_break(base)) {
        uint64_t now;

        rc = event_base_loop(base, EVLOOP_ONCE);
        now = thread_ns();
        turns_add(t, now - before);
        before = now;
    }
    return rc < 0 ? -1 : 0;
}

int turns_write(const struct turns *t, struct buf *out, struct err *err)
{
    uint64_t below = 0;
    int rc = buf_puts(out,
                      "# HELP elephasd_loop_turn_seconds Processor time of "
                      "the turns of the event loop.\n"
                      "# TYPE elephasd_loop_turn_seconds histogram\n",
                      err);

    for (size_t i = 0; rc == 0 && i + 1 < TURNS_BUCKETS; i++) {
        below += t->counts[i];
        rc = buf_printf(out, err,
                        "elephasd_loop_turn_seconds_bucket{le=\"%g\"} %llu\n",
                        bounds[i] / 1e3, (unsigned long long)below);
    }
    below += t->counts[TURNS_BUCKETS - 1];
    return rc == 0
               ? buf_printf(out, err,
                            "elephasd_loop_turn_seconds_bucket{le=\"+Inf\"} "
                            "%llu\nelephasd_loop_turn_seconds_sum %.6f\n"
                            "elephasd_loop_turn_seconds_count %llu\n",
                            (unsigned long long)below, (double)t->ns / 1e9,
                            (unsigned long long)below)
               : rc;
}
