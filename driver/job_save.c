/* SPDX-License-Identifier: MIT
 *
 * job_save: see job_save.h.
 */
#include "driver/job_save.h"

#include "common/elog.h"
#include "common/file.h"
#include "common/mem.h"
#include "driver/daemon.h"
#include "driver/jobs.h"
#include "driver/metrics.h"
#include "driver/offload.h"
#include "driver/store.h"

#include <event2/event.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SNAPSHOT_MAX (SIZE_MAX / 4)
#define AGAIN_SECONDS 5
#define SNAPSHOT "snapshot"
#define SNAPSHOT_BEFORE "snapshot.1"

struct save {
    struct job *job;
    struct store *store; /* its paths only */
    char *path;          /* of the snapshot */
    char *before;        /* of the one before it */
    struct job_snapshot snapshot;
    struct job_save_model model;
    char hash[MODEL_HASH_SIZE]; /* of it */
    struct err err;
    struct event *again;
    unsigned tries;
};

static void model_deinit(struct job_save_model *m)
{
    buf_deinit(&m->message);
    if (m->release != NULL) {
        m->release(m->handle);
    }
    m->release = NULL;
    m->model = NULL;
}

static void save_destroy(struct save *s)
{
    if (s != NULL) {
        buf_deinit(&s->snapshot.head);
        model_deinit(&s->model);
        if (s->again != NULL) {
            event_free(s->again);
        }
        mem_free(s->path);
        mem_free(s->before);
        mem_free(s);
    }
}

static struct save *save_create(struct job *job)
{
    struct save *s = mem_zalloc(sizeof(*s));

    if (s == NULL) {
        return NULL;
    }
    s->job = job;
    s->store = job->daemon->store;
    s->path = job_path(job, SNAPSHOT);
    s->before = job_path(job, SNAPSHOT_BEFORE);
    buf_init(&s->snapshot.head, 0);
    buf_init(&s->model.message, 0);
    if (s->path == NULL || s->before == NULL) {
        save_destroy(s);
        return NULL;
    }
    return s;
}

static void move(struct job_save_model *to, struct job_save_model *from)
{
    *to = *from;
    *from = (struct job_save_model){0};
    buf_init(&from->message, 0);
}

/* ---- snapshots ---- */

/* At each moment there is a last one; the one before it is never half. */
static int keep_last(const struct save *s, struct err *err)
{
    char *aside = mem_printf("%s.new", s->before);
    int rc = 0;

    if (aside == NULL) {
        return err_nomem(err);
    }
    (void)unlink(aside);
    if (link(s->path, aside) == 0) {
        if (rename(aside, s->before) != 0) {
            rc = err_errno(err, ERR_IO, errno, "%s", s->before);
        }
    } else if (errno != ENOENT) {
        rc = err_errno(err, ERR_IO, errno, "%s", aside);
    }
    mem_free(aside);
    return rc;
}

static int write_pieces(const struct save *s, struct err *err)
{
    const struct job_snapshot *p = &s->snapshot;
    struct file_stage *stage = NULL;
    FILE *out;
    int rc = file_stage_create(s->path, 0600, &stage, err);

    if (rc != 0) {
        return rc;
    }
    out = file_stage_stream(stage);
    if (fwrite(p->head.data, 1, p->head.len, out) != p->head.len ||
        (p->values.len != 0 &&
         fwrite(p->values.data, 1, p->values.len, out) != p->values.len)) {
        rc = err_errno(err, ERR_IO, errno, "%s", s->path);
    }
    if (rc == 0 && p->keep_last) {
        rc = keep_last(s, err);
    }
    if (rc != 0) {
        file_stage_destroy(&stage);
        return rc;
    }
    return file_stage_commit(&stage, err);
}

static void write_snapshot(void *argument)
{
    struct save *s = argument;

    if (write_pieces(s, &s->err) != 0 && s->err.code == ERR_OK) {
        (void)err_nomem(&s->err);
    }
    buf_deinit(&s->snapshot.head); /* may take long, if it is large */
    if (s->snapshot.release != NULL) {
        s->snapshot.release(s->snapshot.handle);
    }
}

static void snapshot_written(void *argument)
{
    struct save *s = argument;
    struct job *job = s->job;

    if (s->err.code != ERR_OK) {
        elog(ELOG_ERROR, "snapshot.failed", E_STR("job", job->id),
             E_STR("error", s->err.msg));
        job_log(job, "snapshot: %s", s->err.msg);
    } else if (job_state_ended(job->state)) {
        job_remove_snapshots(job); /* nobody goes on from it */
    } else {
        job->daemon->metrics->snapshots++;
    }
    if (s->snapshot.done != NULL) {
        s->snapshot.done(job, s->snapshot.version, s->err.code == ERR_OK);
    }
    save_destroy(s);
}

int job_save_snapshot(struct job *job, struct job_snapshot *snapshot,
                      struct err *err)
{
    struct save *s = save_create(job);
    int rc;

    if (s == NULL) {
        return err_nomem(err);
    }
    s->snapshot = *snapshot;
    rc = offload_run(job->daemon->offload, write_snapshot, snapshot_written, s,
                     err);
    if (rc != 0) {
        buf_init(&s->snapshot.head, 0);
        save_destroy(s);
        return rc;
    }
    buf_init(&snapshot->head, 0);
    return 0;
}

int job_load_snapshot(const struct job *job, bool before, struct buf *out,
                      struct err *err)
{
    char *path = job_path(job, before ? SNAPSHOT_BEFORE : SNAPSHOT);
    int rc;

    if (path == NULL) {
        return err_nomem(err);
    }
    out->max = SNAPSHOT_MAX;
    rc = file_read(path, out, err);
    mem_free(path);
    return rc;
}

void job_drop_snapshot(const struct job *job)
{
    char *path = job_path(job, SNAPSHOT);
    char *before = job_path(job, SNAPSHOT_BEFORE);

    if (path != NULL && before != NULL && rename(before, path) != 0) {
        (void)unlink(path);
    }
    mem_free(before);
    mem_free(path);
}

void job_remove_snapshots(const struct job *job)
{
    job_drop_snapshot(job);
    job_drop_snapshot(job);
}

/* ---- results ---- */

/* Of what the model is made is not needed any more. */
static int pack_model(struct job_save_model *m, struct err *err)
{
    struct buf message;
    int rc = 0;

    if (m->model != NULL) {
        buf_init(&message, MODEL_WIRE_MAX);
        rc = model_encode(m->model, m->state, &message, err);
        if (rc == 0) {
            model_deinit(m);
            m->message = message;
        } else {
            buf_deinit(&message);
        }
    }
    return rc;
}

static void write_model(void *argument)
{
    struct save *s = argument;
    bool added;
    int rc = pack_model(&s->model, &s->err);

    if (rc == 0) {
        rc = model_hash(buf_view(&s->model.message), s->hash, &s->err);
    }
    if (rc == 0) {
        rc = store_put_model(s->store, s->hash, buf_view(&s->model.message),
                             &added, &s->err);
    }
    if (rc == 0) {
        model_deinit(&s->model);
    } else if (s->err.code == ERR_OK) {
        (void)err_nomem(&s->err);
    }
}

static void on_again(evutil_socket_t fd, short what, void *arg);

/* The trained model is in memory only: as long as it may be stored yet, the
 * job waits. */
static bool try_again(struct save *s)
{
    static const struct timeval pause = {AGAIN_SECONDS, 0};
    struct job *job = s->job;

    if (s->tries++ == 0) {
        elog(ELOG_ERROR, "model.not_stored", E_STR("job", job->id),
             E_STR("error", s->err.msg));
        job_log(job,
                "the result cannot be stored: %s; it is kept in memory, and "
                "tried again every %d s",
                s->err.msg, AGAIN_SECONDS);
    }
    if (s->tries > JOB_SAVE_PATIENCE_S / AGAIN_SECONDS) {
        return false;
    }
    if (s->again == NULL) {
        s->again = evtimer_new(job->daemon->base, on_again, s);
    }
    if (s->again == NULL || evtimer_add(s->again, &pause) != 0) {
        return false;
    }
    job->unsaved = s;
    return true;
}

static void model_written(void *argument)
{
    struct save *s = argument;
    struct job *job = s->job;

    if (job->state == JOB_FINISHING && s->err.code == ERR_OK) {
        memcpy(job->output, s->hash, sizeof(job->output));
        job_done(job);
    } else if (job->state == JOB_FINISHING && try_again(s)) {
        return;
    } else if (job->state == JOB_FINISHING) {
        (void)err_wrap(&s->err, "storing the trained model");
        s->err.code = ERR_IO; /* not the input's fault */
        job_fail(job, &s->err);
    }
    save_destroy(s);
}

static void store_model(struct save *s)
{
    struct job *job = s->job;
    struct err err = {0};

    s->err = (struct err){0};
    if (offload_run(job->daemon->offload, write_model, model_written, s,
                    &err) != 0) {
        save_destroy(s);
        job_fail(job, &err);
    }
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
    struct save *s = arg;

    (void)fd;
    (void)what;
    s->job->unsaved = NULL;
    store_model(s);
}

void job_save_result(struct job *job, struct job_save_model *model)
{
    struct save *s = save_create(job);
    struct err err = {0};

    if (s != NULL) {
        move(&s->model, model);
        store_model(s);
        return;
    }
    model_deinit(model);
    (void)err_nomem(&err);
    job_fail(job, &err);
}

void job_save_abandon(struct job *job)
{
    save_destroy(job->unsaved);
    job->unsaved = NULL;
}

static void not_kept(const struct job *job, const struct err *err)
{
    elog(ELOG_WARN, "model.not_kept", E_STR("job", job->id),
         E_STR("error", err->msg));
}

static void model_salvaged(void *argument)
{
    struct save *s = argument;
    struct job *job = s->job;

    if (s->err.code != ERR_OK) {
        not_kept(job, &s->err);
    } else {
        memcpy(job->output, s->hash, sizeof(job->output));
        job_store(job);
    }
    save_destroy(s);
    job->occupied--;
    job_handle_parked(job);
}

void job_save_salvage(struct job *job, struct job_save_model *model)
{
    struct save *s = save_create(job);
    struct err err = {0};
    int rc = s != NULL ? 0 : err_nomem(&err);

    if (rc == 0) {
        move(&s->model, model);
        rc = offload_run(job->daemon->offload, write_model, model_salvaged, s,
                         &err);
    }
    if (rc == 0) {
        job->occupied++;
        return;
    }
    model_deinit(model);
    save_destroy(s);
    not_kept(job, &err);
}
