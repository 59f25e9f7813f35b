/* SPDX-License-Identifier: MIT
 *
 * courier: see courier.h.
 */
#include "driver/courier.h"

#include "common/elog.h"
#include "common/jget.h"
#include "common/mem.h"
#include "driver/daemon.h"
#include "driver/jobs.h"
#include "driver/lines.h"
#include "driver/process.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct courier {
    struct job *job;
    struct process *process;
    struct lines *lines;
    void (*on_end)(struct job *job, const char *why, bool hopeless);
    char last[LINES_MAX + 1];
};

static void on_line(void *context, const char *line)
{
    struct courier *c = context;
    static const char prefix[] = "elephas-worker: ";

    if (strncmp(line, prefix, sizeof(prefix) - 1) == 0) {
        line += sizeof(prefix) - 1;
    }
    (void)snprintf(c->last, sizeof(c->last), "%s", line);
    job_log(c->job, "parts: %s", line);
}

static void on_exit_of(void *context, struct process *process, int status)
{
    struct courier *c = context;
    char text[64];

    (void)process;
    lines_drain(c->lines);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        c->last[0] = '\0';
    } else if (c->last[0] == '\0' || WIFSIGNALED(status)) {
        (void)snprintf(c->last, sizeof(c->last), "elephas-worker %s",
                       process_status_text(status, text, sizeof(text)));
    }
    c->on_end(c->job, c->last, WIFEXITED(status) && WEXITSTATUS(status) == 2);
}

static json_t *order_of(const struct job *job, enum courier_errand errand,
                        size_t vectors)
{
    static const char *const names[] = {"gather", "done", "cancel"};
    const struct job_spec *spec = job->spec;
    json_t *list = json_array();

    for (size_t i = 0; list != NULL && i < spec->shard_count; i++) {
        const struct job_shard *s = &spec->shards[i];

        if (json_array_append_new(
                list, json_pack("{s:s, s:s, s:s, s:I, s:I}", "server",
                                s->server, "job", s->job, "token", s->token,
                                "begin", (json_int_t)s->begin, "end",
                                (json_int_t)s->end)) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:o}", "errand", names[errand],
                     "server", job->daemon->local_url, "job", job->id, "token",
                     job->token, "vectors", (json_int_t)vectors, "shards",
                     list);
}

/* A file without a name that holds the order. */
static int order_file(const struct job *job, enum courier_errand errand,
                      size_t vectors, int *out, struct err *err)
{
    json_t *order = order_of(job, errand, vectors);
    char *text = order != NULL ? jget_dump(order) : NULL;
    size_t len = text != NULL ? strlen(text) : 0;
    int rc = text != NULL ? 0 : err_nomem(err);

    json_decref(order);
    *out = rc == 0 ? memfd_create("order", MFD_CLOEXEC) : -1;
    if (rc == 0 && (*out < 0 || write(*out, text, len) != (ssize_t)len ||
                    lseek(*out, 0, SEEK_SET) != 0)) {
        rc = err_errno(err, ERR_IO, errno, "no room for an order");
    }
    mem_free(text);
    return rc;
}

int courier_start(struct job *job, enum courier_errand errand, size_t vectors,
                  void (*on_end)(struct job *job, const char *why,
                                 bool hopeless),
                  struct courier **out, struct err *err)
{
    static const char *const argv[] = {"elephas-worker", "shards", NULL};
    struct courier *c = mem_zalloc(sizeof(*c));
    char *path =
        mem_printf("%s/elephas-worker", job->daemon->settings->workers_dir);
    struct process_spec spec = {.path = path,
                                .argv = argv,
                                .fds = {-1, -1, -1},
                                .on_exit = on_exit_of,
                                .context = c};
    int rc = c != NULL && path != NULL ? 0 : err_nomem(err);

    if (rc == 0) {
        c->job = job;
        c->on_end = on_end;
        rc = order_file(job, errand, vectors, &spec.fds[0], err);
    }
    if (rc == 0) {
        rc = lines_create(job->daemon->base, on_line, c, &c->lines,
                          &spec.fds[2], err);
    }
    if (rc == 0) {
        rc = process_start(job->daemon->base, &spec, &c->process, err);
    }
    for (int i = 0; i < 3; i += 2) {
        if (spec.fds[i] >= 0) {
            (void)close(spec.fds[i]);
        }
    }
    mem_free(path);
    if (rc != 0) {
        courier_destroy(&c);
        return rc;
    }
    *out = c;
    return 0;
}

void courier_destroy(struct courier **courier)
{
    struct courier *c = *courier;

    if (c != NULL) {
        process_destroy(&c->process);
        lines_destroy(&c->lines);
        mem_free(c);
        *courier = NULL;
    }
}

static void told(struct job *job, const char *why, bool hopeless)
{
    (void)hopeless;
    if (*why != '\0') {
        elog(ELOG_WARN, "shards.not_told", E_STR("job", job->id),
             E_STR("error", why));
    }
    courier_destroy(&job->courier);
}

void courier_say_end(struct job *job, bool done)
{
    struct err err = {0};

    if (job->spec->shard_count == 0 || job->courier != NULL) {
        return;
    }
    if (courier_start(job, done ? COURIER_DONE : COURIER_CANCEL, 0, told,
                      &job->courier, &err) != 0) {
        elog(ELOG_WARN, "shards.not_told", E_STR("job", job->id),
             E_STR("error", err.msg));
    }
}
