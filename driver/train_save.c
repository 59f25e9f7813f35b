/* SPDX-License-Identifier: MIT
 *
 * train_save: what is kept of a training. Snapshots are taken on the loop (one
 * copy of the state) and written by the helper thread; tasks run there in
 * order, so an older snapshot never replaces a newer one. A snapshot is removed
 * when the store knows that the job has ended, and not before: whenever the
 * daemon is killed, the one or the other is there.
 */
#include "driver/train_parts.h"

#include "common/elog.h"
#include "common/file.h"
#include "common/jget.h"
#include "common/mem.h"
#include "driver/daemon.h"
#include "driver/metrics.h"
#include "driver/offload.h"
#include "driver/store.h"

#include <string.h>
#include <unistd.h>

#define SNAPSHOT_MAX (SIZE_MAX / 4)
#define EVENTS_MAX ((size_t)256 << 20)
#define EPOCH_GAP_MS 1000
#define BATCH_GAP_MS 5000

struct save {
    struct job *job;
    struct store *store; /* its paths only */
    char *path;          /* of the snapshot */
    struct buf bytes;
    char hash[MODEL_HASH_SIZE]; /* of a Model */
    struct err err;
};

static void save_destroy(struct save *s)
{
    if (s != NULL) {
        buf_deinit(&s->bytes);
        mem_free(s->path);
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
    s->path = job_path(job, "snapshot");
    buf_init(&s->bytes, SNAPSHOT_MAX);
    if (s->path == NULL) {
        save_destroy(s);
        return NULL;
    }
    return s;
}

/* ---- snapshots ---- */

static void write_snapshot(void *argument)
{
    struct save *s = argument;

    if (file_write(s->path, buf_view(&s->bytes), 0600, &s->err) != 0 &&
        s->err.code == ERR_OK) {
        (void)err_nomem(&s->err);
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
        (void)unlink(s->path); /* nobody goes on from it */
    } else {
        job->daemon->metrics->snapshots++;
    }
    if (job->class == &work_train && job->work != NULL) {
        train_of(job)->saving = false;
    }
    save_destroy(s);
}

int train_save_now(struct job *job, struct err *err)
{
    struct train *t = train_of(job);
    struct save *s = save_create(job);
    int rc =
        s != NULL ? training_save(t->training, &s->bytes, err) : err_nomem(err);

    if (rc == 0) {
        rc = offload_run(job->daemon->offload, write_snapshot, snapshot_written,
                         s, err);
    }
    if (rc != 0) {
        save_destroy(s);
        return rc;
    }
    t->saving = true;
    t->last_save = train_now();
    return 0;
}

void train_save_sometimes(struct job *job, bool epoch)
{
    struct train *t = train_of(job);
    struct err err = {0};
    int64_t gap = train_now() - t->last_save;

    if (t->saving || gap < (epoch ? EPOCH_GAP_MS : BATCH_GAP_MS)) {
        return;
    }
    if (train_save_now(job, &err) != 0) {
        elog(ELOG_ERROR, "snapshot.failed", E_STR("job", job->id),
             E_STR("error", err.msg));
        t->last_save = train_now(); /* not at every step */
    }
}

/* What the event log says about epochs that were completed before. */
static void read_event(struct train *t, const char *line, size_t len,
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
        if ((uint64_t)epoch > t->first_kept) {
            t->first_kept = (uint64_t)epoch;
        }
        if ((uint64_t)epoch <= epochs_done) {
            t->before_ms += (int64_t)(seconds * 1000);
        }
    }
    json_decref(event);
}

static int read_events(struct job *job, struct err *err)
{
    struct train *t = train_of(job);
    uint64_t epochs = training_epochs_done(t->training);
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

        read_event(t, line, len, epochs);
        at += len + 1;
    }
    buf_deinit(&text);
    mem_free(path);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

int train_restore(struct job *job, struct err *err)
{
    struct train *t = train_of(job);
    char *path = job_path(job, "snapshot");
    struct buf saved;
    int rc;

    if (path == NULL) {
        return err_nomem(err);
    }
    buf_init(&saved, SNAPSHOT_MAX);
    rc = file_read(path, &saved, err);
    if (rc == 0) {
        rc = training_restore(t->training, buf_view(&saved), err);
        if (rc == 0) {
            t->epochs_reported = training_epochs_done(t->training);
            t->version = training_version(t->training);
            job_log(job, "goes on after epoch %llu, version %llu",
                    (unsigned long long)t->epochs_reported,
                    (unsigned long long)t->version);
        } else {
            (void)err_wrap(err, "%s", path);
        }
    } else if (rc == ERR_NOT_FOUND) {
        rc = 0; /* from the beginning */
    }
    if (rc == 0) {
        rc = read_events(job, err);
    }
    buf_deinit(&saved);
    mem_free(path);
    return rc;
}

/* ---- the result ---- */

int train_model(const struct job *job, struct buf *out, struct err *err)
{
    const struct train *t = train_of(job);

    return model_encode(t->model, training_state(t->training), out, err);
}

static void write_model(void *argument)
{
    struct save *s = argument;
    bool added;
    int rc = model_hash(buf_view(&s->bytes), s->hash, &s->err);

    if (rc == 0) {
        rc = store_put_model(s->store, s->hash, buf_view(&s->bytes), &added,
                             &s->err);
    }
    if (rc != 0 && s->err.code == ERR_OK) {
        (void)err_nomem(&s->err);
    }
}

static void model_written(void *argument)
{
    struct save *s = argument;
    struct job *job = s->job;

    if (job->state == JOB_FINISHING && s->err.code == ERR_OK) {
        memcpy(job->output, s->hash, sizeof(job->output));
        job_done(job);
    } else if (job->state == JOB_FINISHING) {
        (void)err_wrap(&s->err, "storing the trained model");
        s->err.code = ERR_IO; /* not the input's fault */
        job_fail(job, &s->err);
    }
    save_destroy(s);
}

void train_finish(struct job *job)
{
    struct save *s = save_create(job);
    struct err err = {0};
    int rc;

    training_finalize(train_of(job)->training);
    rc = s != NULL ? train_model(job, &s->bytes, &err) : err_nomem(&err);
    if (rc == 0) {
        rc = offload_run(job->daemon->offload, write_model, model_written, s,
                         &err);
    }
    if (rc != 0) {
        save_destroy(s);
        job_fail(job, &err);
    }
}

static void model_salvaged(void *argument)
{
    struct save *s = argument;

    if (s->err.code != ERR_OK) {
        elog(ELOG_WARN, "model.not_kept", E_STR("job", s->job->id),
             E_STR("error", s->err.msg));
    }
    save_destroy(s);
}

int train_salvage(struct job *job, struct err *err)
{
    struct train *t = train_of(job);
    struct save *s;
    int rc;

    if (training_version(t->training) == 0 ||
        training_gate_epoch(t->training, 0) == TRAINING_CLOSED) {
        return 0; /* nothing was learnt, or nothing good */
    }
    s = save_create(job);
    rc = s != NULL ? train_model(job, &s->bytes, err) : err_nomem(err);
    if (rc == 0) {
        /* the name must be known when the job is written to the store */
        rc = model_hash(buf_view(&s->bytes), job->output, err);
    }
    if (rc == 0) {
        rc = offload_run(job->daemon->offload, write_model, model_salvaged, s,
                         err);
    }
    if (rc != 0) {
        job->output[0] = '\0';
        save_destroy(s);
    }
    return rc;
}
