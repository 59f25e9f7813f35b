/* SPDX-License-Identifier: MIT
 *
 * job_train: a training job: from the stored Model to a struct training, the
 * workers' messages to it, and what is to be done when they changed
 * something; see train.h and train_parts.h.
 */
#include "driver/train_parts.h"

#include "common/clock.h"
#include "common/mem.h"
#include "driver/daemon.h"
#include "driver/engine.h"
#include "driver/metrics.h"
#include "driver/ports.h"
#include "driver/utf8.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

/* ---- start ---- */

int train_draw_lineage(struct train *t, struct err *err)
{
    uint64_t bits;

    if (getrandom(&bits, sizeof(bits), 0) != (ssize_t)sizeof(bits)) {
        return err_set(err, ERR_IO, "no random numbers");
    }
    t->relived = t->lineage != 0;
    t->lineage = bits >> 2 | 1;
    return 0;
}

/* Off the loop: nothing but the spec and the files of the job is touched. */
int train_load(const struct job *job, void **out, struct err *err)
{
    struct train_loaded *l = mem_zalloc(sizeof(*l));
    struct model_state state = {0};
    int rc = l != NULL ? job_load_model(job, &l->model, &state, err)
                       : err_nomem(err);

    if (rc == 0) {
        rc = train_narrow(job, l->model, &state, err);
    }
    if (rc == 0) {
        rc = training_create(l->model, &state, &job->spec->training,
                             &l->training, err);
    }
    if (rc == 0) {
        rc = train_restore(job, l, err);
    }
    if (rc == 0) {
        rc = train_shards_load(job, l, err);
    }
    model_state_deinit(&state);
    if (rc != 0) {
        train_unload(l);
        return rc;
    }
    *out = l;
    return 0;
}

void train_unload(void *loaded)
{
    struct train_loaded *l = loaded;

    if (l != NULL) {
        training_destroy(&l->training);
        model_destroy(&l->model);
        mem_free(l);
    }
}

static void take_over(struct job *job, struct train *t,
                      const struct train_loaded *l)
{
    t->model = l->model;
    t->training = l->training;
    t->large = t->model->parameters > TRAIN_LARGE;
    t->first_kept = l->first_kept;
    t->before_ms = l->before_ms;
    t->complete = training_finished(t->training);
    if (l->restored) {
        t->epochs_reported = training_epochs_done(t->training);
        t->version = training_version(t->training);
        job_log(job, "goes on after epoch %llu, version %llu",
                (unsigned long long)t->epochs_reported,
                (unsigned long long)t->version);
    }
}

int train_start(struct job *job, void *loaded, bool *complete, struct err *err)
{
    struct train *t = mem_zalloc(sizeof(*t));
    struct train_loaded *l = loaded;
    int rc;

    if (t == NULL) {
        train_unload(l);
        return err_nomem(err);
    }
    job->work = t;
    t->spec = job->spec;
    take_over(job, t, l);
    t->partitions = mem_zarray(job->spec->workers, sizeof(*t->partitions));
    rc = t->partitions != NULL ? train_draw_lineage(t, err) : err_nomem(err);
    if (rc == 0) {
        t->relived = job_was_resumed(job);
        train_shards_begin(job, l);
        /* over several servers, workers see whether all are through */
        *complete = t->complete && !job_spec_is_sharded(job->spec);
        rc = train_ports_open(job, err);
    }
    mem_free(l);
    return rc;
}

void train_destroy(struct job *job)
{
    struct train *t = train_of(job);

    if (t == NULL) {
        return;
    }
    train_ports_close(t); /* while a task of theirs is the job's */
    train_off_end(job);
    gather_destroy(&t->gather);
    train_dismiss(job);
    for (uint32_t i = 0; t->partitions != NULL && i < job->spec->workers; i++) {
        totals_destroy(&t->partitions[i].totals);
    }
    mem_free(t->partitions);
    version_put(t->current);
    job->work = NULL;
    train_off_free(job, t);
}

/* ---- messages ---- */

void train_changed(struct job *job)
{
    struct train *t = train_of(job);
    uint64_t version = training_version(t->training);
    uint64_t epochs = t->epochs_reported;

    if (version != t->version) {
        job->daemon->metrics->rounds += version - t->version;
        t->version = version;
        if (t->current != NULL && t->current->version != version) {
            version_put(t->current);
            t->current = NULL;
        }
        train_shards_moved(job);
    }
    train_report_epochs(job);
    train_wake(job);
    if (training_finished(t->training) && !t->complete) {
        t->complete = true;
        t->ended = clock_ms();
        if (job_spec_is_sharded(job->spec)) {
            train_keep_end(
                job); /* the workers end when all servers are there */
        } else {
            job_complete(job);
        }
    } else if (!t->complete) {
        train_save_sometimes(job, epochs != t->epochs_reported);
    }
}

/* After an error: a training that cannot go on is the end of the job. The
 * gate of epoch 0 is closed then and only then. */
static int refused(struct job *job, int rc, struct err *err)
{
    struct train *t = train_of(job);

    job->diverged = rc == ERR_DIVERGED;
    if (training_gate_epoch(t->training, 0) == TRAINING_CLOSED && err != NULL) {
        struct err why = *err;

        job_fail(job, &why);
    }
    return rc;
}

int train_join(struct job *job, const struct train_join *join,
               struct training_assignment *out, struct err *err)
{
    struct train *t = train_of(job);
    const struct training_join *j = &join->join;
    struct train_partition *p;
    struct job_partition *shown;
    int rc = training_join(t->training, j, out, err);

    train_heard(job);
    if (rc != 0) {
        return refused(job, rc, err);
    }
    if (t->began == 0) {
        t->began = t->epoch_began = clock_ms();
        t->last_progress = t->began;
        t->last_save = t->began;
    }
    p = &t->partitions[j->partition];
    shown = &job->partitions[j->partition];
    p->joined = true;
    p->samples = j->samples;
    p->validation_samples =
        job->spec->training.validation ? j->validation_samples : 0;
    p->next_step = out->next_step;
    p->next_validation = out->next_validation;
    shown->samples = j->samples;
    if (j->attempt >= shown->attempt) {
        shown->attempt = j->attempt;
        shown->state = out->stop ? "done" : "running";
        shown->pid = join->pid;
        (void)snprintf(shown->host, sizeof(shown->host), "%s", join->host);
        utf8_clean(shown->host);
    }
    job_log(job,
            "partition %u: attempt %u joined with %llu rows, goes on "
            "with step %llu",
            j->partition, j->attempt, (unsigned long long)j->samples,
            (unsigned long long)out->next_step);
    job_running(job);
    train_changed(job);
    return 0;
}

static void note_update(struct job *job, const struct training_update *u)
{
    struct train *t = train_of(job);
    const struct train_partition *p = &t->partitions[u->partition];
    bool batch = job->spec->training.frequency == TRAINING_BATCH;
    uint64_t period = job->spec->training.period;
    uint64_t size = job->spec->training.batch_size * (period != 0 ? period : 1);
    uint64_t steps = batch ? p->samples / size + (p->samples % size != 0) : 1;

    train_note(job, u->partition, steps != 0 ? u->step / steps : u->step,
               u->samples, u->metrics, !batch);
}

void train_pushed(struct job *job, size_t bytes)
{
    train_of(job)->traffic.pushed += bytes;
    job->daemon->metrics->bytes_pushed += bytes;
}

int train_apply(struct train *t, int encoding, struct view bytes,
                struct training_update *update, struct training_reply *out,
                struct err *err)
{
    int rc = 0;

    if (encoding != (int)CODEC_FLOAT32) {
        rc = train_decode(t, encoding, bytes, update->begin, update->end,
                          &update->values, err);
    }
    return rc == 0 ? training_update(t->training, update, out, err) : rc;
}

int train_updated(struct job *job, const struct training_update *update, int rc,
                  const struct training_reply *out, struct err *err)
{
    struct train *t = train_of(job);
    struct metrics *m = job->daemon->metrics;

    train_heard(job);
    if (rc == 0 && out->status == TRAINING_APPLIED &&
        job->spec->training.mode != TRAINING_SYNCHRONOUS) {
        staleness_add(&m->staleness, out->version - 1 - update->base_version);
    }
    if (rc != 0) {
        m->updates_refused++;
        job_log(job, "update refused: %s", err != NULL ? err->msg : "");
        return refused(job, rc, err);
    }
    switch (out->status) {
    case TRAINING_APPLIED:
        m->updates_applied++;
        t->traffic.steps++;
        t->keep |= update->keep;
        note_update(job, update);
        break;
    case TRAINING_DUPLICATE:
        m->updates_duplicate++;
        break;
    case TRAINING_SUPERSEDED:
        m->updates_superseded++;
        break;
    case TRAINING_STOP:
        m->updates_stopped++;
        break;
    }
    if (out->status != TRAINING_SUPERSEDED) {
        t->partitions[update->partition].next_step = out->next_step;
    }
    train_changed(job);
    return 0;
}

int train_result(struct job *job, const struct work_result *r,
                 struct training_reply *reply, struct err *err)
{
    struct train *t = train_of(job);
    struct train_partition *p;
    int rc;

    train_heard(job);
    *reply = (struct training_reply){.status = TRAINING_APPLIED,
                                     .version = training_version(t->training)};
    if (r->partition >= job->spec->workers ||
        !t->partitions[r->partition].joined) {
        return err_set(err, ERR_STATE, "partition %u has not joined",
                       r->partition);
    }
    p = &t->partitions[r->partition];
    reply->next_step = p->next_step;
    if (r->progress) {
        train_note(job, r->partition, r->epoch, r->samples, r->metrics, true);
        return 0;
    }
    if (r->metrics == NULL) {
        return err_set(err, ERR_INVALID, "metrics: missing");
    }
    rc = training_validation(t->training, r->partition, r->epoch, r->metrics,
                             reply, err);
    if (rc != 0) {
        return refused(job, rc, err);
    }
    if (r->epoch >= p->next_validation) {
        p->next_validation = r->epoch + 1;
    }
    train_changed(job);
    return 0;
}

/* ---- workers ---- */

/* Whether all that a partition has to do is counted. */
static bool is_finished(const struct job *job, uint32_t partition)
{
    const struct train *t = train_of(job);
    const struct train_partition *p = &t->partitions[partition];

    return p->joined &&
           training_gate_step(t->training, partition, p->next_step) ==
               TRAINING_CLOSED &&
           (p->validation_samples == 0 ||
            p->next_validation >= job->spec->training.epochs);
}

const struct model *train_model_of(const struct job *job)
{
    return train_of(job)->model;
}

static bool has_work(const struct job *job, uint32_t partition)
{
    train_rest(job);
    return !train_of(job)->complete && !is_finished(job, partition);
}

/* Over several servers, a worker is there until all of them are through. */
static bool train_is_needed(const struct job *job, uint32_t partition)
{
    return job_spec_is_sharded(job->spec) || has_work(job, partition);
}

static int train_worker_done(struct job *job, uint32_t partition,
                             struct err *err)
{
    if (has_work(job, partition)) {
        return err_set(err, ERR_STATE,
                       "partition %u: the worker ended before its work was "
                       "done",
                       partition);
    }
    return 0;
}

static int train_all_done(struct job *job, struct err *err)
{
    const struct train *t = train_of(job);

    train_rest(job);
    if (!t->complete) {
        return err_set(err, ERR_STATE,
                       "all workers have ended, but only %llu of %u epochs "
                       "are complete",
                       (unsigned long long)training_epochs_done(t->training),
                       job->spec->training.epochs);
    }
    return 0;
}

/* Nothing is stale in synchronous rounds. */
static int put_staleness(const struct job *job, const struct training *t,
                         json_t *document)
{
    if (job->spec->training.mode == TRAINING_SYNCHRONOUS) {
        return 0;
    }
    return json_object_set_new(document, "staleness",
                               staleness_json(training_staleness(t)));
}

json_t *train_facts(const struct job *job, const struct training *t)
{
    json_t *facts = json_object();
    json_t *history = training_history(t);

    if (facts == NULL || history == NULL ||
        json_object_set_new(
            facts, "epoch",
            json_integer((json_int_t)training_epochs_done(t))) != 0 ||
        json_object_set_new(facts, "version",
                            json_integer((json_int_t)training_version(t))) !=
            0 ||
        json_object_set_new(facts, "samples",
                            json_integer((json_int_t)training_samples(t))) !=
            0 ||
        json_object_set(facts, "history", history) != 0 ||
        put_staleness(job, t, facts) != 0) {
        json_decref(facts);
        facts = NULL;
    }
    json_decref(history);
    return facts;
}

/* While a task changes the training: what was so before. */
static int put_facts(const struct job *job, json_t *document)
{
    const struct train *t = train_of(job);
    json_t *facts;
    int rc;

    if (t->shown != NULL && !t->task->rested) {
        return json_object_update(document, t->shown);
    }
    facts = train_facts(job, t->training);
    rc = facts != NULL ? json_object_update(document, facts) : -1;
    json_decref(facts);
    return rc;
}

int train_describe(const struct job *job, json_t *document)
{
    const struct train *t = train_of(job);

    if (t == NULL || t->training == NULL) {
        return 0;
    }
    return put_facts(job, document) |
           json_object_set_new(document, "seconds",
                               json_real(train_seconds(t))) |
           json_object_set_new(document, "traffic", traffic_json(&t->traffic)) |
           ports_put(job, t->http_port, t->socket_port, document) |
           train_shards_describe(job, document);
}

void train_position(const struct job *job, struct engine_position *out)
{
    const struct training *t = train_of(job)->training;

    train_rest(job);
    out->trained = training_epochs_done(t);
    out->step = training_step(t);
    out->finished = training_finished(t);
    if (training_gate_epoch(t, out->trained + 1) == TRAINING_READY) {
        out->trained++; /* only its validation is missing */
        out->step = 0;
    }
}

static void train_rows(struct job *job, uint64_t rows)
{
    (void)job;
    (void)rows; /* the workers say what they have when they join */
}

const struct work_class work_train = {
    .load = train_load,
    .unload = train_unload,
    .start = train_start,
    .result = train_result,
    .model = train_model_of,
    .is_needed = train_is_needed,
    .worker_done = train_worker_done,
    .rows = train_rows,
    .all_done = train_all_done,
    .finish = train_finish,
    .save = train_suspend,
    .salvage = train_salvage,
    .current = train_current,
    .describe = train_describe,
    .destroy = train_destroy,
};
