/* SPDX-License-Identifier: MIT
 *
 * feed: see feed.h.
 */
#include "driver/feed.h"

#include "common/columns.h"
#include "common/jget.h"
#include "common/mem.h"
#include "common/model/model.h"
#include "driver/lines.h"
#include "driver/process.h"
#include "driver/watchdog.h"

#include <event2/event.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIPE_SIZE (256 << 10)
#define SELF "/proc/self/exe"

struct pipe {
    int read_end;
    int write_end;
    struct event *drain; /* reads over what nobody reads */
};

struct feed {
    const struct engine_order *order;
    struct feed_hooks hooks;
    uint32_t first;
    uint32_t count;
    struct pipe *pipes;
    struct process *process;
    struct lines *out;
    struct lines *err;
    struct watchdog watchdog;
    int64_t stopped_s; /* it was stopped for so long, and killed; 0: not */
    bool ended;
    char last[LINES_MAX + 1]; /* line of standard error */
    uint64_t rows;
    uint64_t validation_rows;
    bool counted; /* the rows were said */
};

static void close_pipe(struct pipe *p)
{
    if (p->drain != NULL) {
        event_free(p->drain);
        p->drain = NULL;
    }
    if (p->read_end >= 0) {
        (void)close(p->read_end);
        p->read_end = -1;
    }
    if (p->write_end >= 0) {
        (void)close(p->write_end);
        p->write_end = -1;
    }
}

int feed_create(const struct engine_order *order, uint32_t first,
                uint32_t count, const struct feed_hooks *hooks,
                struct feed **out, struct err *err)
{
    struct feed *f = mem_zalloc(sizeof(*f));
    int rc = 0;

    if (f == NULL ||
        (f->pipes = mem_zarray(count, sizeof(*f->pipes))) == NULL) {
        rc = err_nomem(err);
        goto out;
    }
    f->order = order;
    f->hooks = *hooks;
    f->first = first;
    f->count = count;
    for (uint32_t i = 0; i < count; i++) {
        f->pipes[i].read_end = f->pipes[i].write_end = -1;
    }
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        int ends[2];

        if (pipe2(ends, O_CLOEXEC) != 0) {
            rc = err_errno(err, ERR_IO, errno, "pipe to partition %u",
                           first + i);
            break;
        }
        f->pipes[i].read_end = ends[0];
        f->pipes[i].write_end = ends[1];
        (void)fcntl(ends[1], F_SETPIPE_SZ, PIPE_SIZE); /* or the default */
    }
    if (rc == 0) {
        *out = f;
        f = NULL;
    }
out:
    feed_destroy(&f);
    return rc;
}

bool feed_has(const struct feed *f, uint32_t partition)
{
    return partition >= f->first && partition - f->first < f->count;
}

bool feed_is_running(const struct feed *f)
{
    return f->process != NULL && !f->ended;
}

int feed_input(const struct feed *f, uint32_t partition)
{
    return f->pipes[partition - f->first].read_end;
}

/* ---- the order ---- */

static json_t *strings_json(const struct job_strings *strings)
{
    json_t *list = json_array();

    for (size_t i = 0; list != NULL && i < strings->count; i++) {
        if (json_array_append_new(list, json_string(strings->items[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static int put(json_t *object, const char *key, json_t *value)
{
    return value != NULL ? json_object_set_new(object, key, value) : -1;
}

static int put_partitions(const struct feed *f, const uint32_t *attempts,
                          json_t *order)
{
    const struct engine_order *o = f->order;
    json_t *fds = json_array();
    json_t *lines = json_array();
    int rc = put(order, "fds", fds) | put(order, "first_lines", lines);

    for (uint32_t p = 0; rc == 0 && p < o->spec->workers; p++) {
        bool has = feed_has(f, p);
        int fd = has ? f->pipes[p - f->first].write_end : -1;
        char *line =
            mem_printf("#elephas/1 job=%s server=%s token=%s partition=%u "
                       "attempt=%u stage=0 format=%s",
                       o->job, o->url, o->token, p,
                       has ? attempts[p - f->first] : 0, o->spec->format);

        rc =
            line != NULL
                ? json_array_append_new(fds, json_integer(fd)) |
                      json_array_append_new(lines, json_string(has ? line : ""))
                : -1;
        mem_free(line);
    }
    return rc;
}

/* The bytes of a b64 row; 0 for other formats, and where columns are chosen
 * by name: that the worker refuses. */
static int row_bytes(const struct engine_order *order, size_t *out,
                     struct err *err)
{
    const struct job_spec *spec = order->spec;
    const struct column_choice choice = {
        .labels = (const char *const *)spec->labels.items,
        .label_count = spec->labels.count,
        .features = (const char *const *)spec->features.items,
        .feature_count = spec->features.count,
        .weight = spec->sample_weight};
    size_t width = 0;
    int rc = 0;

    if (strcmp(spec->format, "b64") == 0) {
        rc = columns_width(model_feature_count(order->model), &choice, &width,
                           err);
    }
    *out = width * sizeof(float);
    return rc;
}

static json_t *order_json(const struct feed *f, const uint32_t *attempts,
                          size_t bytes)
{
    const struct job_spec *spec = f->order->spec;
    json_t *order = json_object();
    json_t *validation = NULL;
    int rc = order != NULL ? 0 : -1;

    if (rc == 0) {
        rc = put(order, "source", strings_json(&spec->sources)) |
             put(order, "format", json_string(spec->format)) |
             put(order, "partitions", json_integer(spec->workers));
    }
    if (rc == 0 && bytes != 0) {
        rc = put(order, "row_bytes", json_integer((json_int_t)bytes));
    }
    if (rc == 0 && spec->header >= 0) {
        rc = put(order, "header", json_boolean(spec->header == 1));
    }
    if (rc == 0) {
        rc = put_partitions(f, attempts, order);
    }
    if (rc == 0 && job_spec_has_validation(spec)) {
        validation = json_object();
        rc = put(order, "validation", validation);
        if (rc == 0 && spec->validation_sources.count != 0) {
            rc = put(validation, "source",
                     strings_json(&spec->validation_sources));
        } else if (rc == 0) {
            rc = put(validation, "split", json_real(spec->validation_split));
        }
    }
    if (rc != 0) {
        json_decref(order);
        return NULL;
    }
    return order;
}

/* The order in a file in memory, so that nobody has to write while the feeder
 * reads. */
static int order_file(const struct feed *f, const uint32_t *attempts, int *out,
                      struct err *err)
{
    json_t *order = NULL;
    char *text = NULL;
    size_t bytes = 0;
    int fd = -1;
    int rc = row_bytes(f->order, &bytes, err);

    if (rc != 0) {
        return rc;
    }
    order = order_json(f, attempts, bytes);
    text = order != NULL ? jget_dump(order) : NULL;
    json_decref(order);
    if (text == NULL) {
        return err_nomem(err);
    }
    fd = memfd_create("feed-order", MFD_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) ||
        lseek(fd, 0, SEEK_SET) != 0) {
        rc = err_errno(err, ERR_IO, errno, "order of the feeder");
    }
    mem_free(text);
    if (rc != 0 && fd >= 0) {
        (void)close(fd);
    } else {
        *out = fd;
    }
    return rc;
}

/* ---- the process ---- */

static void on_out_line(void *context, const char *line)
{
    struct feed *f = context;
    json_t *counts = NULL;
    int64_t rows;
    int64_t validation;

    if (jget_parse(line, strlen(line), &counts, NULL) == 0 &&
        json_is_object(counts) && jget_int(counts, "rows", &rows, NULL) == 0 &&
        rows >= 0 &&
        jget_int_or(counts, "validation_rows", 0, &validation, NULL) == 0 &&
        validation >= 0) {
        f->rows = (uint64_t)rows;
        f->validation_rows = (uint64_t)validation;
        f->counted = true;
    }
    json_decref(counts);
}

static void on_err_line(void *context, const char *line)
{
    struct feed *f = context;
    static const char prefix[] = "elephasd: ";

    if (strncmp(line, prefix, sizeof(prefix) - 1) == 0) {
        line += sizeof(prefix) - 1;
    }
    (void)snprintf(f->last, sizeof(f->last), "%s", line);
    f->hooks.on_line(f->hooks.context, line);
}

static void judge(const struct feed *f, int status, struct err *why)
{
    char text[64];

    if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && f->counted) {
        return;
    }
    if (f->stopped_s != 0) {
        (void)err_set(why, ERR_IO,
                      "reading the data: the feeder was stopped for %lld s: "
                      "it was killed",
                      (long long)f->stopped_s);
        return;
    }
    if (WIFEXITED(status) && f->last[0] != '\0') {
        (void)err_set(why, WEXITSTATUS(status) == 2 ? ERR_INVALID : ERR_IO,
                      "%s", f->last);
        return;
    }
    (void)err_set(why, ERR_IO, "reading the data: the feeder ended with %s",
                  process_status_text(status, text, sizeof(text)));
}

static void on_feeder_exit(void *context, struct process *process, int status)
{
    struct feed *f = context;
    struct err why = {0};

    (void)process;
    lines_drain(f->err);
    lines_drain(f->out);
    f->ended = true;
    judge(f, status, &why);
    f->hooks.on_end(f->hooks.context, f, &why, f->rows, f->validation_rows);
    for (uint32_t i = 0; i < f->count; i++) {
        close_pipe(&f->pipes[i]);
    }
}

int feed_start(struct feed *f, const uint32_t *attempts, struct err *err)
{
    static const char *const argv[] = {"elephasd", "--internal-feed", NULL};
    int *keep = mem_array(f->count, sizeof(*keep));
    struct process_spec spec = {.path = SELF,
                                .argv = argv,
                                .fds = {-1, -1, -1},
                                .keep = keep,
                                .keep_count = f->count,
                                .on_exit = on_feeder_exit,
                                .context = f};
    struct event_base *base = f->order->base;
    int rc;

    if (keep == NULL) {
        return err_nomem(err);
    }
    for (uint32_t i = 0; i < f->count; i++) {
        keep[i] = f->pipes[i].write_end;
    }
    rc = order_file(f, attempts, &spec.fds[0], err);
    if (rc == 0) {
        rc = lines_create(base, on_out_line, f, &f->out, &spec.fds[1], err);
    }
    if (rc == 0) {
        rc = lines_create(base, on_err_line, f, &f->err, &spec.fds[2], err);
    }
    if (rc == 0) {
        rc = process_start(base, &spec, &f->process, err);
    }
    for (int i = 0; i < 3; i++) {
        if (spec.fds[i] >= 0) {
            (void)close(spec.fds[i]);
        }
    }
    mem_free(keep);
    return rc;
}

static void on_drain(evutil_socket_t fd, short what, void *arg)
{
    char data[65536];
    struct pipe *p = arg;

    (void)what;
    if (read(fd, data, sizeof(data)) == 0) {
        (void)event_del(p->drain);
    }
}

void feed_abandon(struct feed *f, uint32_t partition)
{
    struct pipe *p = &f->pipes[partition - f->first];

    if (f->ended || p->read_end < 0 || p->drain != NULL) {
        return;
    }
    p->drain = event_new(f->order->base, p->read_end, EV_READ | EV_PERSIST,
                         on_drain, p);
    if (p->drain == NULL || event_add(p->drain, NULL) != 0) {
        feed_kill(f, SIGKILL); /* it would wait for ever */
    }
}

void feed_look(struct feed *f, int64_t now_ms, int64_t stuck_ms)
{
    int64_t stopped;
    int64_t idle; /* its workers may be slow: that is no fault of its own */

    if (!feed_is_running(f)) {
        return;
    }
    watchdog_look(&f->watchdog, process_pid(f->process), now_ms, &stopped,
                  &idle);
    if (stopped >= stuck_ms) {
        f->stopped_s = stopped / 1000 + (stopped < 1000);
        feed_kill(f, SIGKILL);
    }
}

void feed_kill(struct feed *f, int sig)
{
    if (f->process != NULL) {
        process_kill(f->process, sig);
    }
}

void feed_destroy(struct feed **feed)
{
    struct feed *f = *feed;

    if (f == NULL) {
        return;
    }
    process_destroy(&f->process);
    lines_destroy(&f->out);
    lines_destroy(&f->err);
    for (uint32_t i = 0; f->pipes != NULL && i < f->count; i++) {
        close_pipe(&f->pipes[i]);
    }
    mem_free(f->pipes);
    mem_free(f);
    *feed = NULL;
}
