/* SPDX-License-Identifier: MIT
 *
 * train_shards: a training, or its part on another server, whose parameters are
 * spread over several servers (docs/ARCHITECTURE.md). Each of them has a whole
 * struct training, but for the parameters that others have; what workers say
 * moves all of them in step, and nothing is said between them.
 *
 * Synchronous: snapshots must be of the same rounds everywhere, so that all
 * servers can go back together when one of them has lost what came after its
 * last one. The training's own server says when (ask_keep, by the clock), the
 * workers pass it on with their updates (keep), and each server saves what that
 * round ends with. Two are kept: one server may have written it and another
 * not. What a version holds is decided by data and seed alone, so a snapshot
 * stays right whatever happens later.
 *
 * Asynchronous: nobody goes back. Each server counts an update once, and one
 * that comes back asks for what it has lost.
 *
 * The end is kept before anybody is told of it: no server asks for work again
 * once the workers have gone.
 */
#include "driver/train_parts.h"

#include "common/clock.h"
#include "common/elog.h"
#include "common/mem.h"
#include "common/model/narrow.h"
#include "driver/job_save.h"

#include <string.h>

/* Between snapshots, as in train_save.c */
#define EPOCH_GAP_MS 1000
#define BATCH_GAP_MS 5000

static bool is_sharded(const struct job *job)
{
    return job_spec_is_sharded(job->spec);
}

int train_narrow(const struct job *job, struct model *model,
                 struct model_state *state, struct err *err)
{
    return is_sharded(job) ? narrow_model(model, state, job->spec->begin,
                                          job->spec->end, err)
                           : 0;
}

bool train_keeps_rounds(const struct job *job)
{
    return is_sharded(job) && job->spec->training.mode == TRAINING_SYNCHRONOUS;
}

void train_heard(struct job *job)
{
    train_of(job)->heard = clock_ms();
}

/* ---- what is kept ---- */

static void note_kept(struct train *t, uint64_t version)
{
    t->kept[1] = t->kept[0];
    t->kept[0] = version;
    t->kept_count = t->kept_count == 0 ? 1 : 2;
}

int train_shards_load(const struct job *job, struct train_loaded *l,
                      struct err *err)
{
    struct buf saved;
    int rc;

    if (training_version(l->training) == 0 || !train_keeps_rounds(job)) {
        return 0;
    }
    buf_init(&saved, 0);
    rc = job_load_snapshot(job, true, &saved, err);
    if (rc == 0) {
        rc = training_saved_version(buf_view(&saved), &l->before, err);
        l->kept_before = rc == 0;
    }
    buf_deinit(&saved);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

void train_shards_begin(struct job *job, const struct train_loaded *l)
{
    struct train *t = train_of(job);

    if (!is_sharded(job)) {
        return;
    }
    t->heard = clock_ms();
    t->ask_keep = job->spec->kind == JOB_TRAIN && train_keeps_rounds(job);
    t->kept_end = training_finished(t->training);
    if (l->kept_before) {
        note_kept(t, l->before);
    }
    if (training_version(t->training) != 0 && train_keeps_rounds(job)) {
        note_kept(t, training_version(t->training));
    }
}

/* Whether the round that begins now is to end in a snapshot: if it takes as
 * long as the last one, it is time then. */
static bool is_due(const struct train *t, int64_t now)
{
    uint64_t rounds = training_steps_per_epoch(t->training);
    bool epoch = training_step(t->training) + 1 >= rounds;
    int64_t took = t->round_began != 0 ? now - t->round_began : EPOCH_GAP_MS;

    return now - t->last_save + took >= (epoch ? EPOCH_GAP_MS : BATCH_GAP_MS);
}

void train_shards_moved(struct job *job)
{
    struct train *t = train_of(job);
    int64_t now = clock_ms();

    if (!train_keeps_rounds(job)) {
        return;
    }
    if (t->keep && !training_finished(t->training)) {
        train_save(job); /* before the next round has an update */
    }
    t->keep = false;
    t->ask_keep = job->spec->kind == JOB_TRAIN && is_due(t, now);
    t->round_began = now;
}

void train_keep_end(struct job *job)
{
    train_save(job);
}

void train_kept(struct job *job, uint64_t version, bool written)
{
    struct train *t = train_of(job);

    if (!is_sharded(job)) {
        return;
    }
    if (written) {
        note_kept(t, version);
    }
    if (t->complete && version == training_version(t->training)) {
        t->kept_end = true; /* where it cannot be written, memory must do */
        train_wake(job);
    }
}

/* ---- going back ---- */

void train_place(const struct job *job, struct train_place *out)
{
    const struct train *t = train_of(job);

    *out = (struct train_place){.version = training_version(t->training),
                                .life = is_sharded(job) ? t->lineage : 0,
                                .kept = {t->kept[0], t->kept[1]},
                                .kept_count = t->kept_count};
}

/* A new training at that version. before: it is not the last snapshot. */
static int make_training(struct job *job, uint64_t version, bool before,
                         struct training **out, struct err *err)
{
    struct train *t = train_of(job);
    struct model *model = NULL;
    struct model_state state = {0};
    struct buf saved;
    int rc = job_load_model(job, &model, &state, err);

    buf_init(&saved, 0);
    if (rc == 0) {
        rc = train_narrow(job, model, &state, err);
    }
    if (rc == 0) {
        rc = training_create(t->model, &state, &job->spec->training, out, err);
    }
    if (rc == 0 && version != 0) {
        rc = job_load_snapshot(job, before, &saved, err);
        if (rc == 0) {
            rc = training_restore(*out, buf_view(&saved), err);
        }
        if (rc == 0 && training_version(*out) != version) {
            rc = err_set(err, ERR_STATE, "the snapshot is of another version");
        }
    }
    if (rc != 0) {
        training_destroy(out);
    }
    buf_deinit(&saved);
    model_state_deinit(&state);
    model_destroy(&model);
    return rc;
}

/* What is known beside the training is of a time that has not come yet. */
static void forget(struct job *job, uint64_t version)
{
    struct train *t = train_of(job);

    for (uint32_t i = 0; i < job->spec->workers; i++) {
        totals_destroy(&t->partitions[i].totals);
        t->partitions[i] = (struct train_partition){0};
    }
    version_put(t->current);
    t->current = NULL;
    if (t->epochs_reported > t->first_kept) {
        t->first_kept = t->epochs_reported;
    }
    t->epochs_reported = training_epochs_done(t->training);
    t->version = version;
    t->complete = false;
    t->kept_end = false;
    t->ended = 0;
    t->keep = false;
    t->ask_keep = job->spec->kind == JOB_TRAIN;
    t->round_began = 0;
}

int train_go_back(struct job *job, uint64_t version, uint64_t life,
                  struct err *err)
{
    struct train *t = train_of(job);
    struct training *training = NULL;
    bool before =
        t->kept_count == 2 && t->kept[1] == version && t->kept[0] != version;
    int rc;

    if (life != t->lineage) {
        return 0; /* it was there already, or was started again */
    }
    if (!train_keeps_rounds(job)) {
        return err_set(err, ERR_STATE, "only synchronous trainings go back");
    }
    if (t->saving != 0) {
        return err_set(err, ERR_UNREACHABLE, "a snapshot is being written");
    }
    if (version > training_version(t->training) ||
        (version != 0 && !before &&
         !(t->kept_count != 0 && t->kept[0] == version))) {
        return err_set(err, ERR_STATE, "there is no snapshot of version %llu",
                       (unsigned long long)version);
    }
    if (version != training_version(t->training)) {
        rc = make_training(job, version, before, &training, err);
        if (rc == 0) {
            rc = train_draw_lineage(t, err);
        }
        if (rc != 0) {
            training_destroy(&training);
            return rc;
        }
        job_log(job, "goes back from version %llu to %llu with the others",
                (unsigned long long)training_version(t->training),
                (unsigned long long)version);
        training_destroy(&t->training);
        t->training = training;
        forget(job, version);
        /* what came later is not common to all, and must not push out what is
         */
        if (version == 0) {
            job_remove_snapshots(job);
            t->kept_count = 0;
        } else if (before) {
            job_drop_snapshot(job);
            t->kept[0] = t->kept[1];
            t->kept_count = 1;
        }
    }
    train_send_back(job);
    return 0;
}

/* ---- the document ---- */

static json_t *range_json(uint64_t begin, uint64_t end)
{
    return json_pack("{s:I, s:I}", "begin", (json_int_t)begin, "end",
                     (json_int_t)end);
}

int train_shards_describe(const struct job *job, json_t *document)
{
    const struct job_spec *spec = job->spec;
    json_t *list;

    if (!is_sharded(job)) {
        return 0;
    }
    if (json_object_set_new(document, "range",
                            range_json(spec->begin, spec->end)) != 0) {
        return -1;
    }
    if (spec->shard_count == 0) {
        return 0;
    }
    list = json_array();
    for (size_t i = 0; i < spec->shard_count; i++) {
        const struct job_shard *s = &spec->shards[i];

        if (json_array_append_new(
                list,
                json_pack("{s:s, s:s, s:o}", "server", s->server, "job", s->job,
                          "range", range_json(s->begin, s->end))) != 0) {
            json_decref(list);
            return -1;
        }
    }
    return json_object_set_new(document, "shards", list);
}
