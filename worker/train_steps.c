/* SPDX-License-Identifier: MIT
 *
 * train_steps: the steps of a partition; see trainer.h. Several batches are
 * like a short epoch: a local optimizer starts from what came, and the delta is
 * sent. One batch of a synchronous job is a gradient.
 */
#include "worker/trainer.h"

#include "common/clock.h"
#include "common/rng.h"

#include <string.h>

#define PROGRESS_MS 500

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
    int64_t now = clock_ms();

    if (now - t->last_progress >= PROGRESS_MS) {
        shards_progress(t->shards, epoch, samples, t->totals);
        t->last_progress = clock_ms();
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

/* Sends values, which are changed, as the update; what becomes of them is for
 * shards.h to say. */
static int push(struct trainer *t, float *values,
                const struct client_update *update, uint64_t *next,
                struct err *err)
{
    uint64_t next_step = update->step + 1;
    bool ends_epoch = t->epoch_steps > 1 && next_step % t->epoch_steps == 0;
    const struct shards_update all = {.head = *update,
                                      .values = values,
                                      .whole =
                                          ends_epoch || next_step == t->end};

    t->last_progress = clock_ms();
    return shards_push(t->shards, &all, next, &t->outcome, err);
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

int trainer_delta_step(struct trainer *t, uint64_t step, uint64_t *next,
                       struct err *err)
{
    struct client_parameters before;
    struct client_update update = {.step = step, .count = t->vector};
    uint64_t started;
    int rc = shards_pull_step(t->shards, step, true, &before, &t->outcome, err);

    if (rc != 0 || t->outcome != CLIENT_OK) {
        return rc;
    }
    client_parameters_take(&before, t->state, t->vector);
    rc = take_optimizer(t, &before, err);
    started = t->optimizer.iterations;
    if (rc == 0) {
        rc = step_batches(t, step, &update.samples, err);
    }
    if (rc == 0) {
        client_parameters_subtract(&before, t->state, t->vector);
        describe_steps(t, started, &update);
        rc = push(t, t->state, &update, next, err);
    }
    client_parameters_deinit(&before);
    return rc;
}

/* The first time with the optimizer's slots. */
static int pull_with_slots(struct trainer *t, uint64_t step, struct err *err)
{
    struct client_parameters came;
    int rc = shards_pull_step(t->shards, step, true, &came, &t->outcome, err);

    if (rc != 0 || t->outcome != CLIENT_OK) {
        return rc;
    }
    client_parameters_take(&came, t->state, t->vector);
    rc = take_optimizer(t, &came, err);
    client_parameters_deinit(&came);
    t->has_slots = rc == 0;
    return rc;
}

static int pull_version(struct trainer *t, uint64_t step, struct err *err)
{
    int rc;

    if (!t->has_slots) {
        return pull_with_slots(t, step, err);
    }
    rc = shards_pull_replica(t->shards, step, &t->outcome, err);
    if (rc == 0 && t->outcome == CLIENT_OK) {
        memcpy(t->state, shards_replica(t->shards),
               t->session->model->parameters * sizeof(*t->state));
    }
    return rc;
}

int trainer_async_step(struct trainer *t, uint64_t step, uint64_t *next,
                       struct err *err)
{
    const float *before = shards_replica(t->shards);
    struct client_update update = {.step = step,
                                   .count = t->session->model->parameters};
    uint64_t started;
    int rc = pull_version(t, step, err);

    if (rc != 0 || t->outcome != CLIENT_OK) {
        return rc;
    }
    started = t->optimizer.iterations;
    rc = step_batches(t, step, &update.samples, err);
    if (rc != 0) {
        return rc;
    }
    for (size_t i = 0; i < update.count; i++) {
        t->state[i] = before[i] - t->state[i];
    }
    describe_steps(t, started, &update);
    return push(t, t->state, &update, next, err);
}

/* A wait was in vain: for other partitions, or because a server has forgotten
 * this one. *stay: all servers have counted what this worker thinks they have;
 * else t->outcome is no longer CLIENT_OK. */
static int look_around(struct trainer *t, uint64_t step, bool *stay,
                       struct err *err)
{
    int rc;

    *stay = false;
    if (shards_interruptions(t->shards) != t->interruptions) {
        return 0;
    }
    rc = trainer_join(t, err);
    if (rc == 0 && t->outcome == CLIENT_OK) {
        *stay = t->at.next_step == step;
        t->outcome = CLIENT_AGAIN;
    }
    return rc;
}

/* The centre as it is now, in t->gradient. Whoever waits for others keeps what
 * it has. */
static int pull_centre(struct trainer *t, uint64_t step, struct err *err)
{
    bool again;
    int rc;

    do {
        again = false;
        rc = shards_pull_replica(t->shards, step, &t->outcome, err);
        if (rc == 0 && t->outcome == CLIENT_AGAIN) {
            rc = look_around(t, step, &again, err);
        }
    } while (again);
    if (rc == 0 && t->outcome == CLIENT_OK) {
        memcpy(t->gradient, shards_replica(t->shards),
               t->session->model->parameters * sizeof(*t->gradient));
    }
    return rc;
}

/* Batches with weights of its own; then it and the centre move towards each
 * other by parts of their difference (Zhang, Choromanska and LeCun, "Deep
 * learning with Elastic Averaging SGD", 2015). */
int trainer_elastic_step(struct trainer *t, uint64_t step, uint64_t *next,
                         struct err *err)
{
    size_t n = t->session->model->parameters;
    float alpha = (float)t->task->elastic_alpha;
    float back = (float)(t->task->elastic_return / t->task->elastic_alpha);
    struct client_update update = {.step = step, .count = n};
    uint64_t started;
    /* elastic averaging begins, and begins again, at the centre */
    int rc = t->has_slots ? 0 : pull_with_slots(t, step, err);

    if (rc != 0 || t->outcome != CLIENT_OK) {
        return rc;
    }
    started = t->optimizer.iterations;
    rc = step_batches(t, step, &update.samples, err);
    if (rc == 0) {
        rc = pull_centre(t, step, err);
    }
    if (rc != 0 || t->outcome != CLIENT_OK) {
        return rc;
    }
    for (size_t i = 0; i < n; i++) {
        t->gradient[i] = alpha * (t->gradient[i] - t->state[i]);
    }
    describe_steps(t, started, &update);
    rc = push(t, t->gradient, &update, next, err);
    for (size_t i = 0; rc == 0 && t->outcome == CLIENT_OK && i < n; i++) {
        t->state[i] += back * t->gradient[i];
    }
    return rc;
}

int trainer_gradient_step(struct trainer *t, uint64_t step, uint64_t *next,
                          struct err *err)
{
    size_t n = t->session->model->parameters;
    struct client_parameters current;
    struct client_update update = {.step = step,
                                   .gradient = true,
                                   .count = t->layout.size,
                                   .iterations = 1};
    struct net_draws draws;
    int rc =
        shards_pull_step(t->shards, step, false, &current, &t->outcome, err);

    if (rc != 0 || t->outcome != CLIENT_OK) {
        return rc;
    }
    client_parameters_take(&current, t->state, n);
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
    update.first_loss = t->first_loss;
    update.metrics = t->totals;
    return push(t, t->gradient, &update, next, err);
}
