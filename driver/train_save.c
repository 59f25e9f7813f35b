/* SPDX-License-Identifier: MIT
 *
 * train_save: what is kept of a training. Snapshots (one copy of the state) are
 * taken on the loop, of a large model off it (train_off.c), and written by the
 * helper thread (job_save.h).
 */
#include "driver/train_parts.h"

#include "common/clock.h"
#include "common/elog.h"
#include "common/file.h"
#include "common/jget.h"
#include "common/mem.h"
#include "driver/job_save.h"

#include <string.h>

#define SNAPSHOT_MAX (SIZE_MAX / 4)
#define EVENTS_MAX ((size_t)256 << 20)
#define EPOCH_GAP_MS 1000
#define BATCH_GAP_MS 5000

static void snapshot_done(struct job *job, uint64_t version, bool written)
{
    if (job_spec_trains(job->spec) && job->work != NULL) {
        train_of(job)->saving--;
        train_kept(job, version, written);
    }
}

static int save_now(struct job *job, struct err *err)
{
    struct train *t = train_of(job);
    struct job_snapshot s = {.done = snapshot_done,
                             .keep_last = train_keeps_rounds(job),
                             .version = training_version(t->training)};
    int rc;

    buf_init(&s.head, SNAPSHOT_MAX);
    rc = training_save(t->training, &s.head, err);
    if (rc == 0) {
        rc = job_save_snapshot(job, &s, err);
    }
    if (rc != 0) {
        buf_deinit(&s.head);
        return rc;
    }
    t->saving++;
    t->last_save = clock_ms();
    return 0;
}

static void save_failed(struct job *job, const struct err *err)
{
    elog(ELOG_ERROR, "snapshot.failed", E_STR("job", job->id),
         E_STR("error", err->msg));
    train_kept(job, training_version(train_of(job)->training), false);
}

int train_suspend(struct job *job, struct err *err)
{
    int rc;

    train_rest(job);
    if (train_keeps_rounds(job)) {
        return 0; /* the last one is of a round that all servers have kept */
    }
    rc = save_now(job, err);
    train_of(job)->suspended = rc == 0;
    return rc;
}

/* ---- of a large model ---- */

struct save_task {
    struct train_task task;
    struct job_snapshot snapshot;
    int rc;
    struct err err;
};

static void save_work(struct train_task *task)
{
    struct save_task *s = (struct save_task *)task;

    s->snapshot.version = training_version(task->training);
    s->rc = training_save(task->training, &s->snapshot.head, &s->err);
}

static void save_done(struct train_task *task)
{
    struct save_task *s = (struct save_task *)task;

    if (s->rc == 0) {
        s->rc = job_save_snapshot(task->job, &s->snapshot, &s->err);
    }
    if (s->rc != 0) {
        task->train->saving--;
        save_failed(task->job, &s->err);
    }
}

static void save_release(struct train_task *task)
{
    buf_deinit(&((struct save_task *)task)->snapshot.head);
    mem_free(task);
}

static const struct train_task_class save_class = {
    .work = save_work, .done = save_done, .release = save_release};

static void save_later(struct job *job)
{
    struct train *t = train_of(job);
    struct save_task *s;
    struct err err = {0};
    int rc;

    t->want_save = t->task != NULL;
    if (t->want_save) {
        return;
    }
    t->last_save = clock_ms(); /* where it fails, too: not at every step */
    s = mem_zalloc(sizeof(*s));
    rc = s == NULL ? err_nomem(&err) : 0;
    if (rc == 0) {
        s->snapshot = (struct job_snapshot){
            .done = snapshot_done, .keep_last = train_keeps_rounds(job)};
        buf_init(&s->snapshot.head, SNAPSHOT_MAX);
        rc = train_begin(job, &s->task, &save_class, NULL, &err);
        if (rc != 0) {
            save_release(&s->task);
        }
    }
    if (rc != 0) {
        save_failed(job, &err);
        return;
    }
    t->saving++;
}

void train_save(struct job *job)
{
    struct err err = {0};

    if (train_is_large(job)) {
        save_later(job);
    } else if (save_now(job, &err) != 0) {
        train_of(job)->last_save = clock_ms(); /* not at every step */
        save_failed(job, &err);
    }
}

void train_save_sometimes(struct job *job, bool epoch)
{
    const struct train *t = train_of(job);
    int64_t gap = clock_ms() - t->last_save;

    if (t->saving == 0 && !train_keeps_rounds(job) &&
        gap >= (epoch ? EPOCH_GAP_MS : BATCH_GAP_MS)) {
        train_save(job);
    }
}

/* What the event log says about epochs that were completed before. */
static void read_event(struct train_loaded *l, const char *line, size_t len,
                       uint64_t epochs_done)
{
    json_t *event = NULL;
    const char *name;
    double seconds;
    int64_t epoch;

    if (memmem(line, len, "\"epoch\"", 7) == NULL) {
        return;
    }
    if (jget_parse(line, len, &event, NULL) == 0 && json_is_object(event) &&
        jget_string(event, "event", &name, NULL) == 0 &&
        strcmp(name, "epoch") == 0 &&
        jget_int(event, "epoch", &epoch, NULL) == 0 && epoch > 0 &&
        jget_double(event, "seconds", &seconds, NULL) == 0) {
        if ((uint64_t)epoch > l->first_kept) {
            l->first_kept = (uint64_t)epoch;
        }
        if ((uint64_t)epoch <= epochs_done) {
            l->before_ms += (int64_t)(seconds * 1000);
        }
    }
    json_decref(event);
}

static int read_events(const struct job *job, struct train_loaded *l,
                       struct err *err)
{
    uint64_t epochs = training_epochs_done(l->training);
    char *path = job_path(job, "events");
    struct buf text;
    int rc;

    if (path == NULL) {
        return err_nomem(err);
    }
    buf_init(&text, EVENTS_MAX);
    rc = file_read(path, &text, err);
    for (size_t at = 0; rc == 0 && at < text.len;) {
        const char *line = buf_str(&text) + at;
        size_t len = strcspn(line, "\n");

        read_event(l, line, len, epochs);
        at += len + 1;
    }
    buf_deinit(&text);
    mem_free(path);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

int train_restore(const struct job *job, struct train_loaded *l,
                  struct err *err)
{
    struct buf saved;
    int rc;

    buf_init(&saved, 0);
    rc = job_load_snapshot(job, false, &saved, err);
    if (rc == 0) {
        rc = training_restore(l->training, buf_view(&saved), err);
        l->restored = rc == 0;
        if (rc != 0) {
            (void)err_wrap(err, "the snapshot of job %s", job->id);
        }
    } else if (rc == ERR_NOT_FOUND) {
        rc = 0; /* from the beginning */
    }
    if (rc == 0) {
        rc = read_events(job, l, err);
    }
    buf_deinit(&saved);
    return rc;
}

/* ---- the result ---- */

static int pack(const struct train *t, struct buf *out, struct err *err)
{
    return model_encode(t->model, training_state(t->training), out, err);
}

struct finish_task {
    struct train_task task;
    const struct model *model;
    struct job_save_model save;
    int rc;
    struct err err;
};

/* With use_ema, the averages are the values of the last version now. */
static void finalized(struct train *t)
{
    if (t->spec->training.mode == TRAINING_SYNCHRONOUS &&
        optimizer_has_averages(t->model->optimizer)) {
        t->lineage ^= 2; /* another one */
        t->relived = true;
        version_put(t->current);
        t->current = NULL;
    }
}

static void finish_work(struct train_task *task)
{
    struct finish_task *f = (struct finish_task *)task;

    training_finalize(task->training);
    f->rc = model_encode(f->model, training_state(task->training),
                         &f->save.message, &f->err);
}

static void finish_done(struct train_task *task)
{
    struct finish_task *f = (struct finish_task *)task;

    finalized(task->train);
    if (f->rc == 0) {
        job_save_result(task->job, &f->save);
    } else {
        job_fail(task->job, &f->err);
    }
}

static void finish_release(struct train_task *task)
{
    buf_deinit(&((struct finish_task *)task)->save.message);
    mem_free(task);
}

static const struct train_task_class finish_class = {.changes = true,
                                                     .work = finish_work,
                                                     .done = finish_done,
                                                     .release = finish_release};

static void finish_large(struct job *job)
{
    struct train *t = train_of(job);
    struct finish_task *f;
    struct err err = {0};
    int rc;

    f = mem_zalloc(sizeof(*f));
    rc = f == NULL ? err_nomem(&err) : 0;
    if (rc == 0) {
        f->model = t->model;
        buf_init(&f->save.message, MODEL_WIRE_MAX);
        rc = train_begin(job, &f->task, &finish_class, NULL, &err);
        if (rc != 0) {
            finish_release(&f->task);
        }
    }
    if (rc != 0) {
        job_fail(job, &err);
    }
}

void train_finish(struct job *job)
{
    struct train *t = train_of(job);
    struct err err = {0};
    struct job_save_model save = {0};

    t->want_finish = t->task != NULL;
    if (t->want_finish) {
        return;
    }
    train_ports_close(t); /* what came later would be said to be counted */
    if (job_spec_is_sharded(job->spec)) {
        train_gather(job);
        return;
    }
    if (train_is_large(job)) {
        finish_large(job);
        return;
    }
    buf_init(&save.message, MODEL_WIRE_MAX);
    training_finalize(t->training);
    finalized(t);
    if (pack(t, &save.message, &err) == 0) {
        job_save_result(job, &save);
    } else {
        buf_deinit(&save.message);
        job_fail(job, &err);
    }
}

/* Whether something was learnt, and something good. */
bool train_is_worth(const struct training *t)
{
    return training_version(t) != 0 &&
           training_gate_epoch(t, 0) != TRAINING_CLOSED;
}

int train_salvage(struct job *job, struct err *err)
{
    struct train *t = train_of(job);
    struct job_save_model save = {0};
    int rc;

    if (job_spec_is_sharded(job->spec)) {
        return 0;
    }
    if (train_is_large(job)) {
        t->salvage = true; /* when it is released: train_off_free() */
        return 0;
    }
    if (!train_is_worth(t->training)) {
        return 0;
    }
    buf_init(&save.message, MODEL_WIRE_MAX);
    rc = pack(t, &save.message, err);
    if (rc == 0) {
        job_save_salvage(job, &save);
    } else {
        buf_deinit(&save.message);
    }
    return rc;
}
