/* SPDX-License-Identifier: MIT
 *
 * engine_spark: a job on Apache Spark. The daemon runs one child, spark-submit
 * with the bridge (driver/spark); executors and workers are Spark's. What
 * happens is heard from the bridge's reports (docs/PROTOCOL.md section 7.3)
 * and, for a Spark that does not even start, from what the child says and how
 * it ends.
 *
 * The child's standard input is a pipe that is never written: its end tells
 * the bridge that the daemon is gone. A run is cancelled by SIGTERM, on which
 * Spark's own hooks end the application, and SIGKILL soon after.
 *
 * In cluster mode the driver runs elsewhere. Where spark-submit ends as soon as
 * it has handed the application over, its reports are all that is heard of it:
 * the run is lost when they stay away, and over once they say so; that it is to
 * stop it hears in the answer to its next one.
 */
#include "driver/engine.h"

#include "common/jget.h"
#include "common/mem.h"
#include "driver/core/job_spark.h"
#include "driver/lines.h"
#include "driver/process.h"
#include "driver/spark_home.h"
#include "driver/spark_order.h"
#include "driver/spark_room.h"
#include "driver/spark_rows.h"

#include <event2/event.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILL_AFTER_S 4
/* Without a report from the cluster: until the first, and between two. The
 * bridge gives up after 30 s without an answer. */
#define FIRST_REPORT_S 300
#define SILENCE_S 40

struct engine_run {
    struct engine_order order;
    struct process *process;
    char *room; /* its working directory */
    struct lines *lines;
    int parent;               /* write end of the child's standard input */
    struct event *kill_timer; /* after SIGTERM */
    struct event *quiet;      /* no report came from the cluster */
    struct event *over;       /* made active once nothing runs */
    struct event *fail;       /* made active once why is known */
    uint32_t partitions;      /* 0: not known yet */
    struct spark_rows *rows;  /* of a prediction for the daemon */
    bool elsewhere;           /* the driver runs in the cluster */
    bool handed_over;         /* and spark-submit has ended */
    bool reported;
    bool begun;    /* the workers are announced */
    bool finished; /* the bridge said that it is done */
    bool closing;  /* it said how it ends, and now ends by itself */
    bool ending;   /* cancelled or failed */
    bool failed;   /* why is known */
    bool told;     /* on_failed was called */
    struct err why;
    char complaint[LINES_MAX + 1]; /* the child's first line about an error */
    char last[LINES_MAX + 1];
};

static bool runs(const struct engine_run *run)
{
    return run->process != NULL && !process_has_ended(run->process);
}

static void say(const struct engine_run *run, const char *line)
{
    run->order.hooks->on_line(run->order.context, -1, line);
}

/* ---- the end ---- */

static void tell_failure(struct engine_run *run)
{
    if (run->failed && !run->told) {
        run->told = true;
        run->order.hooks->on_failed(run->order.context, &run->why);
    }
}

static void on_over_event(evutil_socket_t fd, short what, void *arg)
{
    struct engine_run *run = arg;

    (void)fd;
    (void)what;
    tell_failure(run);
    (void)evtimer_del(run->kill_timer);
    (void)evtimer_del(run->quiet);
    run->order.hooks->on_over(run->order.context);
}

static void on_failed_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    tell_failure(arg);
}

static void on_kill_timer(evutil_socket_t fd, short what, void *arg)
{
    struct engine_run *run = arg;

    (void)fd;
    (void)what;
    process_kill(run->process, SIGKILL);
}

static void end_child(struct engine_run *run)
{
    struct timeval tv = {KILL_AFTER_S, 0};

    if (!runs(run)) {
        return;
    }
    if (!run->closing) {
        (void)close(run->parent);
        run->parent = -1;
        process_kill(run->process, SIGTERM);
    }
    if (evtimer_add(run->kill_timer, &tv) != 0) {
        process_kill(run->process, SIGKILL);
    }
}

static void spark_cancel(struct engine_run *run)
{
    if (!run->ending) {
        run->ending = true;
        end_child(run);
        if (run->handed_over) {
            event_active(run->over, EV_TIMEOUT, 0);
        }
    }
}

/* Only the first reason counts. */
static void note_failure(struct engine_run *run, const struct err *why)
{
    if (!run->ending && !run->failed && !run->finished) {
        run->failed = true;
        run->why = *why;
        event_active(run->fail, EV_TIMEOUT, 0);
    }
}

static void expect_report(struct engine_run *run, int seconds)
{
    struct timeval tv = {seconds, 0};
    struct err why = {0};

    if (evtimer_add(run->quiet, &tv) != 0) {
        (void)err_nomem(&why);
        note_failure(run, &why);
    }
}

static void on_quiet(evutil_socket_t fd, short what, void *arg)
{
    struct engine_run *run = arg;
    struct err why = {0};

    (void)fd;
    (void)what;
    (void)err_set(&why, ERR_TIMEOUT,
                  "the driver in the cluster has not reported for %d s: %s",
                  run->reported ? SILENCE_S : FIRST_REPORT_S,
                  run->reported
                      ? "it was ended, or does not reach elephasd"
                      : "it was not started, or does not reach elephasd");
    note_failure(run, &why);
    event_active(run->over, EV_TIMEOUT, 0);
}

/* ---- what the child says ---- */

/* Spark's own lines are worth keeping from WARN on. */
static bool is_noise(const char *line)
{
    return strstr(line, " INFO ") != NULL || line[0] == '\0' ||
           strncmp(line, "\tat ", 4) == 0 ||
           strncmp(line, "Using Spark's default log4j", 27) == 0 ||
           strncmp(line, "Setting Spark log level", 23) == 0 ||
           strncmp(line, "Setting default log level", 25) == 0 ||
           strncmp(line, "To adjust logging level", 23) == 0;
}

static bool is_complaint(const char *line)
{
    return strncmp(line, "Exception in thread", 19) == 0 ||
           strncmp(line, "Error", 5) == 0 || strstr(line, "ERROR") != NULL ||
           strncmp(line, "JAVA_HOME", 9) == 0 ||
           strstr(line, "No such file or directory") != NULL;
}

static void on_line(void *context, const char *line)
{
    struct engine_run *run = context;

    if (is_noise(line)) {
        return;
    }
    if (run->complaint[0] == '\0' && is_complaint(line)) {
        (void)snprintf(run->complaint, sizeof(run->complaint), "%s", line);
    }
    (void)snprintf(run->last, sizeof(run->last), "%s", line);
    say(run, line);
}

static void all_done(struct engine_run *run)
{
    const struct engine_order *o = &run->order;

    for (uint32_t i = 0; i < run->partitions; i++) {
        o->hooks->on_done(o->context, i);
    }
}

static void on_child_exit(void *context, struct process *process, int status)
{
    struct engine_run *run = context;
    struct err why = {0};
    char text[64];

    (void)process;
    lines_drain(run->lines);
    if (run->elsewhere && status == 0 && !run->finished && !run->failed &&
        !run->ending) {
        run->handed_over = true;
        expect_report(run, run->reported ? SILENCE_S : FIRST_REPORT_S);
        return;
    }
    if (run->finished) {
        all_done(run);
    } else {
        const char *said =
            run->complaint[0] != '\0' ? run->complaint : run->last;

        (void)err_set(&why, ERR_IO, "Spark %s (%s)%s%.300s",
                      run->begun ? "ended" : "did not start",
                      process_status_text(status, text, sizeof(text)),
                      said[0] != '\0' ? ": " : "", said);
        note_failure(run, &why);
    }
    event_active(run->over, EV_TIMEOUT, 0);
}

/* ---- reports ---- */

static void take_log(struct engine_run *run, const json_t *report)
{
    const json_t *lines = json_object_get(report, "log");
    size_t i;
    json_t *line;

    json_array_foreach(lines, i, line)
    {
        if (json_is_string(line)) {
            say(run, json_string_value(line));
        }
    }
}

static int take_partitions(struct engine_run *run, const json_t *report,
                           struct err *err)
{
    const struct engine_order *o = &run->order;
    bool keeps = job_spark_keeps_partitions(o->spec);
    int64_t n = 0;
    int rc = jget_int_or(report, "partitions", 0, &n, err);

    if (rc != 0 || n == 0 || run->begun) {
        return rc;
    }
    if (n < 0 || n > UINT32_MAX || (!keeps && n != o->spec->workers)) {
        return err_set(err, ERR_INVALID, "partitions: %lld is not possible",
                       (long long)n);
    }
    run->partitions = (uint32_t)n;
    if (keeps) {
        rc = o->hooks->on_partitions(o->context, run->partitions, err);
        if (rc != 0) {
            return rc;
        }
    }
    run->begun = true;
    for (uint32_t i = 0; i < run->partitions; i++) {
        o->hooks->on_worker(o->context, i, 0, 0);
    }
    return 0;
}

static void take_failure(struct engine_run *run, const json_t *report)
{
    const char *error = json_string_value(json_object_get(report, "error"));
    const char *code = json_string_value(json_object_get(report, "code"));
    const char *words = json_string_value(json_object_get(report, "stderr"));
    struct err why = {0};

    (void)err_set(&why,
                  code != NULL && strcmp(code, "invalid") == 0 ? ERR_INVALID
                                                               : ERR_IO,
                  "%s", error != NULL ? error : "Spark failed");
    for (const char *p = words != NULL ? words : ""; *p != '\0';) {
        size_t len = strcspn(p, "\n");
        char *line = mem_printf("worker: %.*s", (int)len, p);

        if (line != NULL) {
            say(run, line);
        }
        mem_free(line);
        p += len + (p[len] == '\n');
    }
    note_failure(run, &why);
}

static void take_rows(struct engine_run *run, const json_t *report, bool done)
{
    const struct engine_order *o = &run->order;
    const json_t *rows = json_object_get(report, "rows");
    const json_t *so_far = json_object_get(report, "done");

    if (json_is_integer(so_far) && json_integer_value(so_far) > 0) {
        o->hooks->on_progress(o->context, (uint64_t)json_integer_value(so_far));
    }
    if (done && json_is_integer(rows)) {
        o->hooks->on_rows(o->context, (uint64_t)json_integer_value(rows), 0);
    }
}

static void take_sign_of_life(struct engine_run *run)
{
    run->reported = true;
    if (!run->handed_over) {
        return;
    }
    if (!run->closing) {
        expect_report(run, SILENCE_S);
        return;
    }
    if (run->finished) {
        all_done(run);
    }
    event_active(run->over, EV_TIMEOUT, 0);
}

static int spark_report(struct engine_run *run, const json_t *report,
                        bool *stop, struct err *err)
{
    const char *state;
    int64_t generation;
    int rc = jget_int(report, "generation", &generation, err);

    *stop = true;
    if (rc == 0) {
        rc = jget_string(report, "state", &state, err);
    }
    if (rc != 0 || generation != run->order.attempt || run->ending) {
        return rc;
    }
    take_log(run, report);
    rc = take_partitions(run, report, err);
    if (rc != 0) {
        note_failure(run, err);
        end_child(run);
        return rc;
    }
    take_rows(run, report, strcmp(state, "done") == 0);
    if (strcmp(state, "failed") == 0) {
        take_failure(run, report);
        run->closing = true;
    } else if (strcmp(state, "done") == 0) {
        run->finished = true;
        run->closing = true;
    }
    take_sign_of_life(run);
    *stop = false;
    return 0;
}

static int spark_take_rows(struct engine_run *run,
                           const struct engine_rows *rows, struct err *err)
{
    int rc = 0;

    if (run->rows == NULL) {
        rc = spark_rows_create(run->order.job_dir, &run->rows, err);
    }
    return rc == 0 ? spark_rows_add(run->rows, rows, err) : rc;
}

/* ---- start ---- */

static void spark_destroy(struct engine_run **out)
{
    struct engine_run *run = *out;

    if (run == NULL) {
        return;
    }
    if (run->parent >= 0) {
        (void)close(run->parent);
    }
    process_destroy(&run->process);
    spark_room_remove(&run->room);
    lines_destroy(&run->lines);
    spark_rows_destroy(&run->rows);
    if (run->kill_timer != NULL) {
        event_free(run->kill_timer);
    }
    if (run->quiet != NULL) {
        event_free(run->quiet);
    }
    if (run->over != NULL) {
        event_free(run->over);
    }
    if (run->fail != NULL) {
        event_free(run->fail);
    }
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
    run->parent = -1;
    run->kill_timer = evtimer_new(order->base, on_kill_timer, run);
    run->quiet = evtimer_new(order->base, on_quiet, run);
    run->elsewhere = !spark_order_is_client(order);
    run->over = event_new(order->base, -1, 0, on_over_event, run);
    run->fail = event_new(order->base, -1, 0, on_failed_event, run);
    return run->kill_timer != NULL && run->quiet != NULL && run->over != NULL &&
                   run->fail != NULL
               ? 0
               : err_nomem(err);
}

static int start_child(struct engine_run *run, const struct spark_argv *argv,
                       const struct spark_argv *env, struct err *err)
{
    int input[2];
    int output = -1;
    struct process_spec spec = {.path = argv->items[0],
                                .argv = (const char *const *)argv->items,
                                .dir = run->room,
                                .env = (const char *const *)env->items,
                                .death_signal = SIGTERM,
                                .on_exit = on_child_exit,
                                .context = run};
    int rc;

    if (pipe2(input, O_CLOEXEC) != 0) {
        return err_errno(err, ERR_IO, errno, "a pipe for Spark");
    }
    run->parent = input[1];
    rc = lines_create(run->order.base, on_line, run, &run->lines, &output, err);
    if (rc == 0) {
        spec.fds[0] = input[0];
        spec.fds[1] = output;
        spec.fds[2] = output;
        rc = process_start(run->order.base, &spec, &run->process, err);
    }
    (void)close(input[0]);
    if (output >= 0) {
        (void)close(output);
    }
    return rc;
}

static int launch(struct engine_run *run, struct err *err)
{
    const struct engine_order *o = &run->order;
    const json_t *asked =
        json_object_get(o->spec->engine_options, "spark_home");
    struct spark_home home = {0};
    struct spark_files files = {0};
    struct spark_argv argv = {0};
    struct spark_argv env = {0};
    char *path = mem_printf("%s/order.json", o->job_dir);
    int rc = path != NULL ? 0 : err_nomem(err);

    if (rc == 0) {
        rc = spark_home_find(json_string_value(asked), o->spark_home,
                             getenv("SPARK_HOME"), getenv("PATH"), &home, err);
    }
    if (rc == 0) {
        rc = spark_files_find(o->workers_dir, spark_order_ships(o),
                              home.version, &files, err);
    }
    if (rc == 0) {
        rc = spark_files_add_plugins(o, &files, err);
    }
    if (rc == 0) {
        rc = spark_order_write(o, path, err);
    }
    if (rc == 0) {
        rc = spark_argv_make(o, home.submit, &files, path, &argv, err);
    }
    if (rc == 0) {
        rc = spark_room_make(o->job_dir, &run->room, err);
    }
    if (rc == 0) {
        rc = spark_env_make(&files, run->room, getenv("SPARK_SUBMIT_OPTS"),
                            getenv("SPARK_LAUNCHER_OPTS"), &env, err);
    }
    if (rc == 0) {
        rc = start_child(run, &argv, &env, err);
    }
    run->order.model = NULL; /* lent for the order only */
    spark_argv_deinit(&argv);
    spark_argv_deinit(&env);
    spark_files_deinit(&files);
    spark_home_deinit(&home);
    mem_free(path);
    return rc;
}

static int spark_start(const struct engine_order *order,
                       struct engine_run **out, struct err *err)
{
    struct engine_run *run = NULL;
    int rc = create_run(order, &run, err);

    if (rc == 0) {
        rc = launch(run, err);
    }
    if (rc != 0) {
        spark_destroy(&run);
        return rc;
    }
    *out = run;
    return 0;
}

static uint32_t spark_workers(const struct engine_run *run)
{
    return (runs(run) || run->handed_over) && run->begun ? run->partitions : 0;
}

const struct engine engine_spark = {"spark",        spark_start,   spark_cancel,
                                    spark_destroy,  spark_workers, spark_report,
                                    spark_take_rows};
