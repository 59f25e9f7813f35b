/* SPDX-License-Identifier: MIT
 *
 * train: one partition of a training job (docs/PROTOCOL.md section 5). The
 * rows are read once; then the partition's steps are computed one after the
 * other, each from the version that the daemon hands out for it. With
 * frequency epoch a step is an epoch with a local optimizer that starts from
 * the master's state, and a delta of the whole state vector is sent; with
 * frequency batch it is the gradient of one batch.
 *
 * Steps of several batches are like short epochs. Asynchronous modes take the
 * same steps, but the optimizer's slots stay with the worker and only the delta
 * of the parameters is sent; in elastic averaging the weights stay, too.
 *
 * Everything random is named by seed, partition and step, so an attempt that
 * goes on where another one died computes what that one would have.
 */
#include "worker/work.h"

#include "common/clock.h"
#include "common/mem.h"
#include "worker/train_rows.h"
#include "worker/trainer.h"

#include <inttypes.h>

static size_t validation_rows(const struct trainer *t)
{
    return t->validation != NULL ? dataset_rows(t->validation) : 0;
}

static int validate(struct trainer *t, uint64_t epoch, struct err *err)
{
    struct session *s = t->session;
    size_t n = s->model->parameters;
    size_t rows = validation_rows(t);
    struct client_parameters current;
    int rc = t->asynchronous
                 ? shards_pull(t->shards, &current, &t->outcome, err)
                 : shards_pull_epoch(t->shards, epoch + 1, &current,
                                     &t->outcome, err);

    if (rc != 0 || t->outcome != CLIENT_OK) {
        return rc;
    }
    client_parameters_take(&current, t->gradient,
                           n); /* free until the next step */
    client_parameters_deinit(&current);
    totals_clear(t->totals);
    for (size_t at = 0; rc == 0 && at < rows;) {
        batch_clear(t->batch);
        while (at < rows && batch_rows(t->batch) < batch_room(t->batch)) {
            batch_add(t->batch, dataset_row(t->validation, at++));
        }
        rc = net_evaluate(t->net, t->gradient, batch_net(t->batch), t->totals,
                          err);
    }
    if (rc == 0) {
        rc = shards_result(t->shards, epoch, rows, t->totals, &t->outcome, err);
    }
    return rc;
}

/* Epochs that are complete when the next step is `step`. */
static uint64_t epochs_before(const struct trainer *t, uint64_t step)
{
    if (t->steps == 0) {
        return t->task->epochs; /* others train them; we only validate */
    }
    return step / t->epoch_steps;
}

/* The step at which this run ends: the last one, or what the first line says.
 * Epochs that are not complete for certain are not waited for then; an
 * asynchronous partition waits for no other. */
static uint64_t last_step(const struct trainer *t, uint64_t *validate_to)
{
    const struct stream_identity *id = rows_identity(t->session->rows);
    uint64_t last = id->until_epoch;

    *validate_to = t->task->epochs;
    if (!id->has_until) {
        return t->steps;
    }
    if (id->has_until_step || t->asynchronous) {
        *validate_to = last;
    } else if (last != 0) {
        *validate_to = last - 1;
    }
    if (!t->by_epoch) {
        uint64_t more =
            id->until_step < t->epoch_steps ? id->until_step : t->epoch_steps;

        last = last * t->epoch_steps + (id->has_until_step ? more : 0);
    }
    return last < t->steps ? last : t->steps;
}

int trainer_join(struct trainer *t, struct err *err)
{
    t->interruptions = shards_interruptions(t->shards);
    return shards_join(t->shards, dataset_rows(t->rows), validation_rows(t),
                       &t->at, &t->outcome, err);
}

/* One validation or one step, whichever is due. *done: none is left. */
static int work(struct trainer *t, bool *done, struct err *err)
{
    uint64_t step = t->at.next_step;
    uint64_t validate_to;
    uint64_t last = last_step(t, &validate_to);
    int rc;

    if (validation_rows(t) != 0 && t->at.next_validation < validate_to &&
        t->at.next_validation < epochs_before(t, step)) {
        rc = validate(t, t->at.next_validation, err);
        t->at.next_validation += rc == 0 && t->outcome == CLIENT_OK;
        return rc;
    }
    t->end = last;
    *done = step >= last;
    if (*done) {
        return shards_end(t->shards, &t->outcome, err);
    }
    if (t->elastic) {
        return trainer_elastic_step(t, step, &t->at.next_step, err);
    }
    if (t->asynchronous) {
        return trainer_async_step(t, step, &t->at.next_step, err);
    }
    return t->by_epoch || t->period > 1
               ? trainer_delta_step(t, step, &t->at.next_step, err)
               : trainer_gradient_step(t, step, &t->at.next_step, err);
}

/* Whether the partition must ask where it stands. A daemon that was away may
 * have come back from a snapshot that is older than what the partition did
 * last. If it was back before our next request, only a refusal shows it:
 * *asked tells whether the last one was answered by joining already. */
static bool is_lost(const struct trainer *t, int rc, bool *asked)
{
    bool away = shards_interruptions(t->shards) != t->interruptions;
    bool refused = rc == ERR_STATE && !*asked;

    *asked = rc == ERR_STATE;
    if (rc == 0 && t->outcome == CLIENT_AGAIN) {
        return true; /* a wait was in vain */
    }
    return t->outcome == CLIENT_OK &&
           (refused || (away && (rc == 0 || rc == ERR_STATE)));
}

/* Who is lost joins again and goes on where it is told to. */
static int run_steps(struct trainer *t, struct err *err)
{
    bool done = false;
    bool asked = false;
    int rc = 0;

    while (rc == 0 && !done && t->outcome == CLIENT_OK) {
        rc = work(t, &done, err);
        if (is_lost(t, rc, &asked)) {
            done = false;
            t->has_slots = t->has_slots && !t->elastic;
            rc = trainer_join(t, err);
        }
    }
    return rc;
}

/* The servers of the job. */
static int connect_all(struct trainer *t, struct err *err)
{
    const struct stream_identity *id = rows_identity(t->session->rows);
    const struct shards_options options = {.home = t->session->client,
                                           .task = t->task,
                                           .model = t->session->model,
                                           .attempt = id->attempt,
                                           .stage = id->stage};
    int rc = shards_create(&options, &t->shards, err);

    if (rc == 0 && shards_count(t->shards) > 1 && id->has_until) {
        rc = err_set(err, ERR_UNSUPPORTED,
                     "a training over several servers cannot be run by stage: "
                     "its workers must stay until all servers are through");
    }
    return rc;
}

/* ---- the whole -------------------------------------------------------------
 */

static int prepare(struct trainer *t, struct err *err)
{
    struct session *s = t->session;
    const struct model *model = s->model;
    size_t n = dataset_rows(t->rows);
    int rc = net_create(model, &t->net, err);

    t->elastic = t->task->mode == ELEPHAS__V1__MODE__MODE_EASGD;
    t->asynchronous = t->task->mode == ELEPHAS__V1__MODE__MODE_ASYNCHRONOUS ||
                      t->task->mode == ELEPHAS__V1__MODE__MODE_HOGWILD ||
                      t->elastic;
    t->by_epoch = t->task->frequency != ELEPHAS__V1__FREQUENCY__FREQUENCY_BATCH;
    t->batches = (n + s->batch_size - 1) / s->batch_size;
    t->period = t->by_epoch            ? t->batches
                : t->task->period != 0 ? t->task->period
                                       : 1;
    t->epoch_steps = n != 0 ? (t->batches + t->period - 1) / t->period : 0;
    t->steps = t->task->epochs * t->epoch_steps;
    t->vector =
        model->parameters * (1 + optimizer_slot_count(model->optimizer));
    t->last_progress = clock_ms();
    if (rc == 0) {
        rc = batch_create(model, rows_layout(s->rows), s->batch_size, &t->batch,
                          err);
    }
    if (rc == 0) {
        rc = totals_create(model, &t->totals, err);
    }
    if (rc != 0) {
        return rc;
    }
    t->state = mem_zfloats(t->vector + 1);
    if (!t->by_epoch && !t->asynchronous && t->period == 1 &&
        (rc = round_layout_init(model, &t->layout, err)) != 0) {
        return rc;
    }
    t->gradient = mem_zfloats(
        (t->layout.size != 0 ? t->layout.size : model->parameters) + 1);
    t->order = mem_array(n + 1, sizeof(*t->order));
    if (t->state == NULL || t->gradient == NULL || t->order == NULL) {
        return err_nomem(err);
    }
    t->optimizer.slots = t->state + model->parameters;
    return 0;
}

static int write_line(const struct trainer *t, struct output *output,
                      struct err *err)
{
    char *text = mem_printf("{\"partition\":%" PRIu32
                            ",\"samples\":%zu,\"steps\":%" PRIu64 "}\n",
                            client_partition(t->session->client),
                            dataset_rows(t->rows), t->at.next_step);
    int rc = text != NULL ? output_text(output, text, err) : err_nomem(err);

    mem_free(text);
    return rc;
}

int train_run(struct session *session, struct output *output, bool *superseded,
              struct err *err)
{
    struct trainer t = {.session = session, .task = session->task};
    int rc = train_read_rows(session, &t.rows, &t.validation, err);

    *superseded = false;
    if (rc == 0) {
        rc = connect_all(&t, err);
    }
    if (rc == 0) {
        rc = prepare(&t, err);
    }
    if (rc == 0) {
        rc = trainer_join(&t, err);
    }
    if (rc == 0 && t.outcome == CLIENT_OK) {
        rc = run_steps(&t, err);
    }
    if (rc == 0) {
        *superseded = t.outcome == CLIENT_SUPERSEDED;
        rc = write_line(&t, output, err);
    }
    shards_destroy(&t.shards);
    dataset_destroy(&t.rows);
    dataset_destroy(&t.validation);
    net_destroy(&t.net);
    batch_destroy(&t.batch);
    totals_destroy(&t.totals);
    mem_free_aligned(t.state);
    mem_free_aligned(t.gradient);
    round_layout_deinit(&t.layout);
    mem_free(t.order);
    return rc;
}
