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

#include "common/mem.h"
#include "common/model/optimizer.h"
#include "common/model/round.h"
#include "common/rng.h"
#include "worker/batch.h"
#include "worker/dataset.h"
#include "worker/nn/net.h"
#include "worker/train_rows.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#define PROGRESS_MS 500

struct trainer {
    struct session *session;
    const Elephas__V1__Task *task;
    struct dataset *rows;       /* training part */
    struct dataset *validation; /* validation part */
    struct net *net;
    struct batch *batch;
    struct round_layout layout; /* of what is said in rounds of batches */
    struct totals *totals;
    bool asynchronous;
    bool elastic; /* asynchronous, with weights of its own */
    bool by_epoch;
    uint64_t batches; /* of an epoch; 0 without rows */
    uint64_t period;  /* batches of a step, but for the last of an epoch */
    uint64_t epoch_steps;
    uint64_t steps; /* of the partition in all */
    size_t vector;  /* floats of the state vector */
    float *state;   /* parameters and slots */
    float *gradient;
    bool has_slots; /* asynchronous: the slots are in state already, and
                     * elastic: its weights, too */
    struct optimizer_state optimizer;
    double first_loss;           /* of the first batch of the step */
    uint64_t *order;             /* rows of the epoch in `ordered` */
    uint64_t ordered;            /* epoch + 1; 0: none */
    int64_t last_progress;       /* ms */
    struct client_assignment at; /* what comes next */
    uint64_t interruptions;      /* of the client, when we joined */
    enum client_outcome outcome;
};

static int64_t now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static size_t validation_rows(const struct trainer *t)
{
    return t->validation != NULL ? dataset_rows(t->validation) : 0;
}

/* ---- batches ---------------------------------------------------------------
 */

/* Settles the order of the rows in this epoch. */
static void order_rows(struct trainer *t, uint64_t epoch)
{
    size_t n = dataset_rows(t->rows);
    struct rng rng;

    if (t->ordered == epoch + 1) {
        return;
    }
    if (t->task->shuffle) {
        rng_init(&rng, t->task->seed, RNG_SHUFFLE,
                 client_partition(t->session->client), epoch, 0);
        rng_permutation(&rng, t->order, n);
    } else {
        for (size_t i = 0; i < n; i++) {
            t->order[i] = i;
        }
    }
    t->ordered = epoch + 1;
}

static struct net_draws draws_of(const struct trainer *t, uint64_t index)
{
    return (struct net_draws){.seed = t->task->seed,
                              .partition = client_partition(t->session->client),
                              .step = index};
}

/* Batch number `index` of the partition, over all epochs. */
static void take_batch(struct trainer *t, uint64_t index)
{
    size_t n = dataset_rows(t->rows);
    size_t at = (size_t)(index % t->batches) * t->session->batch_size;

    order_rows(t, index / t->batches);
    batch_clear(t->batch);
    for (size_t i = at; i < n && i - at < t->session->batch_size; i++) {
        batch_add(t->batch, dataset_row(t->rows, (size_t)t->order[i]));
    }
}

static int batch_gradient(struct trainer *t, uint64_t index, struct err *err)
{
    const struct net_draws draws = draws_of(t, index);

    take_batch(t, index);
    return net_gradient(t->net, t->state, batch_net(t->batch), &draws,
                        t->gradient, t->totals, NULL, err);
}

/* The first batch of a step: its loss is that of the parameters that came. */
static int first_gradient(struct trainer *t, uint64_t index, struct err *err)
{
    int rc;

    totals_clear(t->totals);
    rc = batch_gradient(t, index, err);
    if (rc == 0) {
        totals_result(t->totals, 0, &t->first_loss);
    }
    return rc;
}

static void report_progress(struct trainer *t, uint64_t epoch, uint64_t samples)
{
    int64_t now = now_ms();

    if (now - t->last_progress >= PROGRESS_MS) {
        client_progress(t->session->client, epoch, samples, t->totals);
        t->last_progress = now_ms();
    }
}

/* Steps of the local optimizer over `count` batches. */
static int run_batches(struct trainer *t, uint64_t first, uint64_t count,
                       uint64_t *samples, struct err *err)
{
    int rc = 0;

    *samples = 0;
    for (uint64_t i = 0; rc == 0 && i < count; i++) {
        rc = i == 0 ? first_gradient(t, first, err)
                    : batch_gradient(t, first + i, err);
        if (rc == 0) {
            optimizer_step_pieces(t->session->model->optimizer,
                                  t->session->model, &t->optimizer, t->state,
                                  t->gradient, net_pieces(t->net));
            *samples += batch_rows(t->batch);
            if (count > 1) {
                report_progress(t, first / t->batches, *samples);
            }
        }
    }
    return rc;
}

/* ---- parameters ------------------------------------------------------------
 */

static int take_optimizer(struct trainer *t, const struct client_parameters *p,
                          struct err *err)
{
    const struct optimizer *opt = t->session->model->optimizer;
    const Elephas__V1__OptimizerState *came = p->head->optimizer;
    size_t scalars = optimizer_scalar_count(opt);

    if (came == NULL || came->n_scalars != scalars ||
        came->slots != optimizer_slot_count(opt)) {
        return err_set(err, ERR_PROTO,
                       "the optimizer's state that came does not fit %s",
                       optimizer_class_name(opt));
    }
    t->optimizer.iterations = came->iterations;
    for (size_t i = 0; i < scalars; i++) {
        t->optimizer.scalars[i] = came->scalars[i];
    }
    return 0;
}

static int push(struct trainer *t, const struct client_update *update,
                uint64_t *next, struct err *err)
{
    t->last_progress = now_ms();
    return client_push(t->session->client, update, next, &t->outcome, err);
}

/* ---- steps -----------------------------------------------------------------
 */

/* The batches of a step of several. */
static int step_batches(struct trainer *t, uint64_t step, uint64_t *samples,
                        struct err *err)
{
    uint64_t at = step % t->epoch_steps * t->period;
    uint64_t left = t->batches - at;

    return run_batches(t, step / t->epoch_steps * t->batches + at,
                       left < t->period ? left : t->period, samples, err);
}

static void describe_steps(const struct trainer *t, uint64_t started,
                           struct client_update *update)
{
    update->iterations = t->optimizer.iterations - started;
    update->scalars = t->optimizer.scalars;
    update->scalar_count = optimizer_scalar_count(t->session->model->optimizer);
    update->first_loss = t->first_loss;
    update->metrics = t->totals;
}

/* Several batches, or one of an asynchronous job: a delta. */
static int delta_step(struct trainer *t, uint64_t step, uint64_t *next,
                      struct err *err)
{
    const struct model *model = t->session->model;
    bool all = !t->asynchronous || !t->has_slots;
    size_t count = t->asynchronous ? model->parameters : t->vector;
    struct client_parameters before;
    struct client_update update = {.step = step, .count = count};
    uint64_t started;
    int rc = client_pull_step(t->session->client, step, all,
                              all ? t->vector : model->parameters, &before,
                              &t->outcome, err);

    if (rc != 0 || t->outcome != CLIENT_OK) {
        return rc;
    }
    client_parameters_take(&before, t->state,
                           all ? t->vector : model->parameters);
    if (all) {
        rc = take_optimizer(t, &before, err);
        t->has_slots = true;
    }
    started = t->optimizer.iterations;
    if (rc == 0) {
        rc = step_batches(t, step, &update.samples, err);
    }
    if (rc == 0) {
        client_parameters_subtract(&before, t->state, count);
        update.base_version = before.head->version;
        update.values = t->state;
        describe_steps(t, started, &update);
        rc = push(t, &update, next, err);
    }
    client_parameters_deinit(&before);
    return rc;
}

/* Elastic averaging begins, and begins again, at the centre. */
static int start_at_centre(struct trainer *t, uint64_t step, struct err *err)
{
    struct client_parameters centre;
    int rc = client_pull_step(t->session->client, step, true, t->vector,
                              &centre, &t->outcome, err);

    if (rc != 0 || t->outcome != CLIENT_OK) {
        return rc;
    }
    client_parameters_take(&centre, t->state, t->vector);
    rc = take_optimizer(t, &centre, err);
    client_parameters_deinit(&centre);
    t->has_slots = rc == 0;
    return rc;
}

/* The centre as it is now, in t->gradient. Whoever waits for others keeps what
 * it has, unless the daemon was away meanwhile. */
static int pull_centre(struct trainer *t, uint64_t step, uint64_t *version,
                       struct err *err)
{
    size_t n = t->session->model->parameters;
    struct client *client = t->session->client;
    struct client_parameters centre;
    int rc;

    do {
        rc =
            client_pull_step(client, step, false, n, &centre, &t->outcome, err);
    } while (rc == 0 && t->outcome == CLIENT_AGAIN &&
             client_interruptions(client) == t->interruptions);
    if (rc != 0 || t->outcome != CLIENT_OK) {
        return rc;
    }
    client_parameters_take(&centre, t->gradient, n);
    *version = centre.head->version;
    client_parameters_deinit(&centre);
    return 0;
}

/* Batches with weights of its own; then it and the centre move towards each
 * other by alpha times their difference (Zhang, Choromanska and LeCun, "Deep
 * learning with Elastic Averaging SGD", 2015). */
static int elastic_step(struct trainer *t, uint64_t step, uint64_t *next,
                        struct err *err)
{
    size_t n = t->session->model->parameters;
    float alpha = (float)t->task->elastic_alpha;
    struct client_update update = {.step = step, .count = n};
    uint64_t started;
    int rc = t->has_slots ? 0 : start_at_centre(t, step, err);

    if (rc != 0 || t->outcome != CLIENT_OK) {
        return rc;
    }
    started = t->optimizer.iterations;
    rc = step_batches(t, step, &update.samples, err);
    if (rc == 0) {
        rc = pull_centre(t, step, &update.base_version, err);
    }
    if (rc != 0 || t->outcome != CLIENT_OK) {
        return rc;
    }
    for (size_t i = 0; i < n; i++) {
        t->gradient[i] = alpha * (t->gradient[i] - t->state[i]);
    }
    update.values = t->gradient;
    describe_steps(t, started, &update);
    rc = push(t, &update, next, err);
    for (size_t i = 0; rc == 0 && t->outcome == CLIENT_OK && i < n; i++) {
        t->state[i] += t->gradient[i];
    }
    return rc;
}

static int gradient_step(struct trainer *t, uint64_t step, uint64_t *next,
                         struct err *err)
{
    size_t n = t->session->model->parameters;
    struct client_parameters current;
    struct client_update update = {.step = step,
                                   .gradient = true,
                                   .count = t->layout.size,
                                   .iterations = 1};
    struct net_draws draws;
    int rc = client_pull_step(t->session->client, step, false, n, &current,
                              &t->outcome, err);

    if (rc != 0 || t->outcome != CLIENT_OK) {
        return rc;
    }
    client_parameters_take(&current, t->state, n);
    update.base_version = current.head->version;
    client_parameters_deinit(&current);
    totals_clear(t->totals);
    take_batch(t, step);
    draws = draws_of(t, step);
    rc = net_round(t->net, t->state, batch_net(t->batch), &draws, &t->layout,
                   t->gradient, t->totals, &t->first_loss, err);
    if (rc != 0) {
        return rc;
    }
    update.samples = batch_rows(t->batch);
    update.values = t->gradient;
    update.first_loss = t->first_loss;
    update.metrics = t->totals;
    return push(t, &update, next, err);
}

static int validate(struct trainer *t, uint64_t epoch, struct err *err)
{
    struct session *s = t->session;
    size_t n = s->model->parameters;
    size_t rows = validation_rows(t);
    struct client_parameters current;
    int rc = t->asynchronous ? client_pull(s->client, n, &current, err)
                             : client_pull_epoch(s->client, epoch + 1, n,
                                                 &current, &t->outcome, err);

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
        rc = client_result(s->client, epoch, rows, t->totals, &t->outcome, err);
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

/* Says what this partition holds and asks where it goes on. */
static int join(struct trainer *t, struct err *err)
{
    struct client *client = t->session->client;

    t->interruptions = client_interruptions(client);
    t->has_slots = t->has_slots && !t->elastic;
    return client_join(client, dataset_rows(t->rows), validation_rows(t),
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
    *done = step >= last;
    if (*done) {
        return 0;
    }
    if (t->elastic) {
        return elastic_step(t, step, &t->at.next_step, err);
    }
    return t->by_epoch || t->asynchronous || t->period > 1
               ? delta_step(t, step, &t->at.next_step, err)
               : gradient_step(t, step, &t->at.next_step, err);
}

/* A daemon that was away may have come back from a snapshot that is older than
 * what this partition did last: then, and whenever a wait was in vain, the
 * partition joins again and goes on where it is told to. */
static int run_steps(struct trainer *t, struct err *err)
{
    bool done = false;
    int rc = 0;

    while (rc == 0 && !done && t->outcome == CLIENT_OK) {
        bool away;

        rc = work(t, &done, err);
        away = client_interruptions(t->session->client) != t->interruptions;
        if ((rc == 0 && t->outcome == CLIENT_AGAIN) ||
            (away && (rc == 0 || rc == ERR_STATE) && t->outcome == CLIENT_OK)) {
            done = false;
            rc = join(t, err);
        }
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
    t->last_progress = now_ms();
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
        rc = prepare(&t, err);
    }
    if (rc == 0) {
        rc = join(&t, err);
    }
    if (rc == 0 && t.outcome == CLIENT_OK) {
        rc = run_steps(&t, err);
    }
    if (rc == 0) {
        *superseded = t.outcome == CLIENT_SUPERSEDED;
        rc = write_line(&t, output, err);
    }
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
