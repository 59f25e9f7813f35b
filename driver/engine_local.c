/* SPDX-License-Identifier: MIT
 *
 * engine_local: a job on this machine: one elephas-worker for each partition
 * and a feeder that deals the rows out to them. All are children of the
 * daemon and die with it.
 *
 * A worker that is killed by a signal is started again as the next attempt of
 * its partition, and a feeder of its own reads the data for it once more; the
 * other workers do not notice. A worker that exits with a failure fails the
 * run: it has said why, and trying again would say the same.
 */
#include "driver/engine.h"

#include "common/clock.h"
#include "common/mem.h"
#include "driver/feed.h"
#include "driver/lines.h"
#include "driver/process.h"
#include "driver/watchdog.h"

#include <event2/event.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILL_AFTER_MS 400
#define LOOK_SECONDS 1
/* Beyond the order's time-out: a worker with nothing to do asks every 30 s. */
#define IDLE_MORE_MS 90000

struct worker {
    struct engine_run *run;
    uint32_t partition;
    uint32_t retries;
    struct process *process;
    struct lines *err;
    struct feed *own; /* feeder of a later attempt, or NULL */
    struct watchdog watchdog;
    char last[LINES_MAX + 1];
};

struct engine_run {
    struct engine_order order;
    char *program; /* path of elephas-worker */
    uint32_t count;
    struct worker *workers;
    struct feed *feed; /* of the first attempts */
    struct event *kill_timer;
    struct event *look; /* for workers that hang */
    struct event *over; /* made active once nothing runs */
    bool started;
    bool ending;   /* cancelled or failed: nothing is started again */
    bool reported; /* on_failed was called */
};

static const char *verb(const struct engine_run *run)
{
    return job_kind_name(run->order.spec->kind);
}

static bool runs(const struct worker *w)
{
    return w->process != NULL && !process_has_ended(w->process);
}

static void check_over(struct engine_run *run)
{
    if (!run->started) {
        return;
    }
    for (uint32_t i = 0; i < run->count; i++) {
        const struct worker *w = &run->workers[i];

        if (runs(w) || (w->own != NULL && feed_is_running(w->own))) {
            return;
        }
    }
    if (!feed_is_running(run->feed)) {
        event_active(run->over, EV_TIMEOUT, 0);
    }
}

static void on_over_event(evutil_socket_t fd, short what, void *arg)
{
    struct engine_run *run = arg;

    (void)fd;
    (void)what;
    (void)evtimer_del(run->kill_timer);
    (void)event_del(run->look);
    run->order.hooks->on_over(run->order.context);
}

static void kill_all(struct engine_run *run, int sig)
{
    for (uint32_t i = 0; i < run->count; i++) {
        struct worker *w = &run->workers[i];

        if (w->process != NULL) {
            process_kill(w->process, sig);
        }
        if (w->own != NULL) {
            feed_kill(w->own, SIGKILL);
        }
    }
    if (run->feed != NULL) {
        feed_kill(run->feed, SIGKILL);
    }
}

static void on_kill_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    kill_all(arg, SIGKILL);
}

static void local_cancel(struct engine_run *run)
{
    struct timeval tv = {0, KILL_AFTER_MS * 1000};

    if (run->ending) {
        return;
    }
    run->ending = true;
    kill_all(run, SIGTERM);
    if (evtimer_add(run->kill_timer, &tv) != 0) {
        kill_all(run, SIGKILL);
    }
    check_over(run);
}

static void fail(struct engine_run *run, const struct err *why)
{
    bool report = !run->ending && !run->reported;

    local_cancel(run);
    if (report) {
        run->reported = true;
        run->order.hooks->on_failed(run->order.context, why);
    }
}

/* ---- workers ---- */

static void on_worker_line(void *context, const char *line)
{
    struct worker *w = context;
    const struct engine_order *o = &w->run->order;
    static const char prefix[] = "elephas-worker: ";

    if (strncmp(line, prefix, sizeof(prefix) - 1) == 0) {
        line += sizeof(prefix) - 1;
    }
    (void)snprintf(w->last, sizeof(w->last), "%s", line);
    o->hooks->on_line(o->context, w->partition, line);
}

static int open_output(const struct engine_run *run, uint32_t partition,
                       int *out, struct err *err)
{
    char *path;
    int rc = 0;

    *out = -1;
    if (run->order.spec->kind != JOB_PREDICT) {
        return 0;
    }
    path = mem_printf("%s/part-%u", run->order.job_dir, partition);
    if (path == NULL) {
        return err_nomem(err);
    }
    *out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (*out < 0) {
        rc = err_errno(err, ERR_IO, errno, "%s", path);
    }
    mem_free(path);
    return rc;
}

static void on_worker_exit(void *context, struct process *process, int status);

static int start_worker(struct worker *w, int input, struct err *err)
{
    struct engine_run *run = w->run;
    const struct engine_order *o = &run->order;
    const char *const argv[] = {"elephas-worker", verb(run), "--server", o->url,
                                "--job",          o->job,    NULL};
    struct process_spec spec = {.path = run->program,
                                .argv = argv,
                                .fds = {input, -1, -1},
                                .on_exit = on_worker_exit,
                                .context = w};
    int rc = open_output(run, w->partition, &spec.fds[1], err);

    process_destroy(&w->process);
    lines_destroy(&w->err);
    w->last[0] = '\0';
    if (rc == 0) {
        rc = lines_create(o->base, on_worker_line, w, &w->err, &spec.fds[2],
                          err);
    }
    if (rc == 0) {
        rc = process_start(o->base, &spec, &w->process, err);
        if (rc == ERR_NOT_FOUND || rc == ERR_DENIED) {
            char text[ERR_MSG_SIZE];

            /* the daemon's fault, not the request's */
            (void)snprintf(text, sizeof(text), "%s",
                           err != NULL ? err->msg : "");
            rc = err_set(err, ERR_IO,
                         "%s: install elephas-worker there, or start elephasd "
                         "with --workers-dir",
                         text);
        }
    }
    for (int i = 1; i < 3; i++) {
        if (spec.fds[i] >= 0) {
            (void)close(spec.fds[i]);
        }
    }
    return rc;
}

static void announce(const struct worker *w)
{
    const struct engine_order *o = &w->run->order;

    o->hooks->on_worker(o->context, w->partition, o->attempt + w->retries,
                        (uint64_t)process_pid(w->process));
}

/* ---- workers and feeders that hang ---- */

/* A worker that waits for its feeder may do so as long as it takes. */
static bool reads_rows(const struct worker *w)
{
    return feed_is_running(w->own != NULL ? w->own : w->run->feed);
}

static void look_at(struct worker *w)
{
    const struct engine_order *o = &w->run->order;
    int64_t stopped;
    int64_t idle;
    char text[128];

    watchdog_look(&w->watchdog, process_pid(w->process), clock_ms(), &stopped,
                  &idle);
    if (stopped < o->stuck_ms &&
        (reads_rows(w) || idle < o->stuck_ms + IDLE_MORE_MS)) {
        return;
    }
    (void)snprintf(text, sizeof(text), "%s for %lld s: it is killed",
                   stopped >= o->stuck_ms ? "was stopped" : "has not run",
                   (long long)(stopped >= o->stuck_ms ? stopped : idle) / 1000);
    o->hooks->on_line(o->context, w->partition, text);
    process_kill(w->process, SIGKILL); /* it is started again as any other */
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
    struct engine_run *run = arg;

    (void)fd;
    (void)what;
    if (run->feed != NULL && !run->ending) {
        feed_look(run->feed, clock_ms(), run->order.stuck_ms);
    }
    for (uint32_t i = 0; i < run->count && !run->ending; i++) {
        struct worker *w = &run->workers[i];

        if (runs(w)) {
            look_at(w);
        }
        if (w->own != NULL) {
            feed_look(w->own, clock_ms(), run->order.stuck_ms);
        }
    }
}

/* ---- feeders ---- */

static void on_feed_line(void *context, const char *line)
{
    struct engine_run *run = context;

    run->order.hooks->on_line(run->order.context, -1, line);
}

static void on_feed_end(void *context, struct feed *feed, const struct err *why,
                        uint64_t rows, uint64_t validation_rows)
{
    struct engine_run *run = context;

    if (why->code != ERR_OK) {
        fail(run, why);
    } else if (feed == run->feed) {
        run->order.hooks->on_rows(run->order.context, rows, validation_rows);
    }
    check_over(run);
}

/* A later attempt: its own pipe, worker and feeder. */
static int restart(struct worker *w, struct err *err)
{
    struct engine_run *run = w->run;
    const struct feed_hooks hooks = {on_feed_line, on_feed_end, run};
    uint32_t attempt = run->order.attempt + w->retries;
    int rc;

    feed_destroy(&w->own);
    rc = feed_create(&run->order, w->partition, 1, &hooks, &w->own, err);
    if (rc == 0) {
        rc = start_worker(w, feed_input(w->own, w->partition), err);
    }
    if (rc == 0) {
        rc = feed_start(w->own, &attempt, err);
    }
    if (rc == 0) {
        announce(w);
    }
    return rc;
}

/* The rows that still come for a worker that has ended. */
static void abandon_rows(struct worker *w)
{
    struct feed *f = w->own != NULL ? w->own : w->run->feed;

    if (f != NULL) {
        feed_abandon(f, w->partition);
    }
}

static void on_killed(struct worker *w, int status)
{
    const struct engine_order *o = &w->run->order;
    struct err err = {0};
    char text[64];
    char why[LINES_MAX + 160];

    (void)process_status_text(status, text, sizeof(text));
    if (w->retries == ENGINE_RETRIES) {
        (void)err_set(&err, ERR_IO, "partition %u: worker %s, %u times%s%s",
                      w->partition, text, w->retries + 1,
                      w->last[0] != '\0' ? "; it last said: " : "", w->last);
        fail(w->run, &err);
        return;
    }
    w->retries++;
    (void)snprintf(why, sizeof(why), "%s; started again", text);
    o->hooks->on_lost(o->context, w->partition, o->attempt + w->retries, why);
    if (w->run->ending) {
        return;
    }
    if (restart(w, &err) != 0) {
        (void)err_wrap(&err, "partition %u: worker %s", w->partition, text);
        fail(w->run, &err);
    }
}

static void on_worker_exit(void *context, struct process *process, int status)
{
    struct worker *w = context;
    struct engine_run *run = w->run;
    const struct engine_order *o = &run->order;
    struct err why = {0};

    (void)process;
    lines_drain(w->err);
    if (run->ending) {
        check_over(run);
        return;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        abandon_rows(w);
        o->hooks->on_done(o->context, w->partition);
    } else if (!o->hooks->is_needed(o->context, w->partition)) {
        abandon_rows(w);
    } else if (WIFSIGNALED(status)) {
        abandon_rows(w);
        on_killed(w, status);
    } else {
        char text[64];

        (void)err_set(&why, WEXITSTATUS(status) == 2 ? ERR_INVALID : ERR_IO,
                      "partition %u: %s", w->partition,
                      w->last[0] != '\0'
                          ? w->last
                          : process_status_text(status, text, sizeof(text)));
        fail(run, &why);
    }
    check_over(run);
}

/* ---- the run ---- */

static void local_destroy(struct engine_run **out)
{
    struct engine_run *run = *out;

    if (run == NULL) {
        return;
    }
    kill_all(run, SIGKILL);
    for (uint32_t i = 0; run->workers != NULL && i < run->count; i++) {
        process_destroy(&run->workers[i].process);
        lines_destroy(&run->workers[i].err);
        feed_destroy(&run->workers[i].own);
    }
    feed_destroy(&run->feed);
    if (run->look != NULL) {
        event_free(run->look);
    }
    if (run->kill_timer != NULL) {
        event_free(run->kill_timer);
    }
    if (run->over != NULL) {
        event_free(run->over);
    }
    mem_free(run->workers);
    mem_free(run->program);
    mem_free(run);
    *out = NULL;
}

static int create_run(const struct engine_order *order, struct engine_run **out,
                      struct err *err)
{
    struct engine_run *run = mem_zalloc(sizeof(*run));

    if (run == NULL) {
        return err_nomem(err);
    }
    *out = run; /* the caller destroys it on failure */
    run->order = *order;
    run->count = order->spec->workers;
    run->program = mem_printf("%s/elephas-worker", order->workers_dir);
    run->workers = mem_zarray(run->count, sizeof(*run->workers));
    run->kill_timer = evtimer_new(order->base, on_kill_timer, run);
    run->look = event_new(order->base, -1, EV_PERSIST, on_look, run);
    run->over = event_new(order->base, -1, 0, on_over_event, run);
    if (run->workers == NULL) {
        run->count = 0;
    }
    if (run->program == NULL || run->workers == NULL ||
        run->kill_timer == NULL || run->look == NULL || run->over == NULL) {
        return err_nomem(err);
    }
    for (uint32_t i = 0; i < run->count; i++) {
        run->workers[i].run = run;
        run->workers[i].partition = i;
    }
    return 0;
}

static int start_all(struct engine_run *run, struct err *err)
{
    static const struct timeval often = {LOOK_SECONDS, 0};
    const struct feed_hooks hooks = {on_feed_line, on_feed_end, run};
    uint32_t *attempts = mem_array(run->count, sizeof(*attempts));
    int rc = attempts != NULL ? feed_create(&run->order, 0, run->count, &hooks,
                                            &run->feed, err)
                              : err_nomem(err);

    for (uint32_t i = 0; rc == 0 && i < run->count; i++) {
        attempts[i] = run->order.attempt;
        rc = start_worker(&run->workers[i], feed_input(run->feed, i), err);
    }
    if (rc == 0) {
        rc = feed_start(run->feed, attempts, err);
    }
    if (rc == 0 && event_add(run->look, &often) != 0) {
        rc = err_nomem(err);
    }
    mem_free(attempts);
    return rc;
}

static int local_start(const struct engine_order *order,
                       struct engine_run **out, struct err *err)
{
    struct engine_run *run = NULL;
    int rc = create_run(order, &run, err);

    if (rc == 0) {
        rc = start_all(run, err);
    }
    if (rc != 0) {
        local_destroy(&run);
        return rc;
    }
    run->started = true;
    *out = run;
    for (uint32_t i = 0; i < run->count; i++) {
        announce(&run->workers[i]);
    }
    return 0;
}

static uint32_t local_workers(const struct engine_run *run)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < run->count; i++) {
        n += runs(&run->workers[i]);
    }
    return n;
}

const struct engine engine_local = {"local",       local_start,   local_cancel,
                                    local_destroy, local_workers, NULL,
                                    NULL};
