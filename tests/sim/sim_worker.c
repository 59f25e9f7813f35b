/* SPDX-License-Identifier: MIT
 *
 * sim_worker: scripted workers that do what the real ones do: join, and then
 * validate, or pull, compute and push, one step after the other; ask again
 * when no answer comes; join again when the daemon is another one. And the
 * engine: a partition whose last attempt died gets a new one.
 */
#include "tests/sim/sim.h"

#include <math.h>

#define PATIENCE 300 /* ms until a request is sent again */

uint64_t worker_steps(const struct sim *sim, uint32_t partition)
{
    const struct training_options *o = &sim->options;
    uint64_t rows = sim->rows[partition];
    uint64_t size = o->batch_size * (o->period > 1 ? o->period : 1);

    return o->frequency == TRAINING_BATCH ? (rows + size - 1) / size
                                          : rows != 0;
}

static void ask(struct sim *sim, size_t index, enum message_kind kind,
                uint64_t number, struct payload *payload)
{
    struct worker *w = &sim->workers[index];
    struct event *e;

    payload_put(&w->request.payload);
    w->request = (struct message){.kind = kind,
                                  .worker = index,
                                  .partition = w->partition,
                                  .attempt = w->attempt,
                                  .serial = ++w->serial,
                                  .number = number,
                                  .payload = payload};
    /* asynchronous: after an epoch of one's own, not of all */
    w->request.now = kind == MSG_EPOCH &&
                     sim->options.mode != TRAINING_SYNCHRONOUS &&
                     worker_steps(sim, w->partition) != 0;
    sim_send(sim, &w->request);
    e = sim_at(sim, PATIENCE, EVENT_TIMEOUT);
    e->worker = index;
    e->message.serial = w->serial;
}

static void join(struct sim *sim, size_t index)
{
    sim->workers[index].joined = false;
    ask(sim, index, MSG_JOIN, 0, NULL);
}

void worker_start(struct sim *sim, uint32_t partition)
{
    size_t index = sim->worker_count++;

    sim_check(sim, index < SIM_MAX_WORKERS, "too many workers were needed");
    sim->workers[index] =
        (struct worker){.alive = true,
                        .partition = partition,
                        .attempt = ++sim->attempts[partition]};
    sim_say(sim, "attempt %u of partition %u starts", sim->attempts[partition],
            partition);
    join(sim, index);
}

/* A new attempt, unless one is alive or on its way. */
void worker_replace(struct sim *sim, uint32_t partition)
{
    for (size_t i = 0; i < sim->worker_count; i++) {
        if (sim->workers[i].alive && sim->workers[i].partition == partition) {
            return;
        }
    }
    for (size_t i = 0; i < sim->event_count; i++) {
        if (sim->events[i].kind == EVENT_START &&
            sim->events[i].partition == partition) {
            return;
        }
    }
    sim_at(sim, 1 + sim_below(sim, 200), EVENT_START)->partition = partition;
}

void worker_kill(struct sim *sim, size_t index)
{
    struct worker *w = &sim->workers[index];

    sim_say(sim, "attempt %u of partition %u dies", w->attempt, w->partition);
    w->alive = false;
    worker_replace(sim, w->partition);
}

/* It was told to: if that was wrong, nobody will do its work, and the
 * simulation finds that nothing happens any more. One that is superseded has
 * no result: if the newer one is dead by now, the engine starts another. */
static void end(struct sim *sim, size_t index, bool superseded, const char *why)
{
    struct worker *w = &sim->workers[index];

    sim_say(sim, "attempt %u of partition %u ends: %s", w->attempt,
            w->partition, why);
    w->alive = false;
    if (superseded) {
        worker_replace(sim, w->partition);
    }
}

static void next(struct sim *sim, size_t index)
{
    struct worker *w = &sim->workers[index];
    uint64_t steps = worker_steps(sim, w->partition);
    uint64_t behind = steps == 0 ? sim->options.epochs : w->next_step / steps;

    if (sim->held[w->partition] != 0 &&
        w->next_validation < sim->options.epochs &&
        w->next_validation < behind) {
        ask(sim, index, MSG_EPOCH, w->next_validation + 1, NULL);
    } else if (w->next_step >= steps * sim->options.epochs) {
        end(sim, index, false, "it has done all");
    } else {
        ask(sim, index, MSG_STEP, w->next_step, NULL);
    }
}

/* Later on: the same request, or what was computed. */
static void wake_after(struct sim *sim, size_t index, uint64_t delay)
{
    struct event *e = sim_at(sim, delay, EVENT_WAKE);

    e->worker = index;
    e->message.serial = ++sim->workers[index].serial;
}

static void compute(struct sim *sim, size_t index, const struct answer *a)
{
    struct worker *w = &sim->workers[index];
    float values[LINEAR_MAX];
    struct model_state from = {
        .values = values, .count = a->count, .optimizer = a->optimizer};
    struct payload *p = calloc(1, sizeof(*p));
    struct err err = {0};

    ck_assert_ptr_nonnull(p);
    p->refs = 1;
    memcpy(values, a->values, sizeof(values));
    if (w->request.kind == MSG_STEP) {
        linear_compute(sim->model, &sim->options, &from, a->version,
                       w->partition, sim->rows[w->partition], w->next_step,
                       &p->work);
    } else {
        unit_ok(totals_create(sim->model, &p->work.metrics, &err), &err);
        linear_batch(values, sim->options.partitions, w->partition, 1000,
                     sim->held[w->partition], NULL, p->work.metrics);
    }
    payload_put(&w->computed);
    w->computed = p;
    wake_after(sim, index,
               sim_chance(sim, 3) ? sim_below(sim, 5000) : sim_below(sim, 50));
}

void worker_wake(struct sim *sim, size_t index)
{
    struct worker *w = &sim->workers[index];
    struct payload *p = w->computed;

    if (!w->alive) {
        return;
    }
    if (p == NULL) {
        next(sim, index);
        return;
    }
    w->computed = NULL;
    /* linear_work points into itself */
    p->work.update.values = (const uint8_t *)p->work.values;
    if (w->request.kind == MSG_STEP) {
        ask(sim, index, MSG_UPDATE, w->next_step, p);
    } else {
        ask(sim, index, MSG_RESULT, w->next_validation, p);
    }
}

void worker_timeout(struct sim *sim, size_t index)
{
    struct worker *w = &sim->workers[index];
    struct event *e;

    if (!w->alive) {
        return;
    }
    sim_send(sim, &w->request);
    e = sim_at(sim, PATIENCE, EVENT_TIMEOUT);
    e->worker = index;
    e->message.serial = w->serial;
}

static void take_reply(struct sim *sim, size_t index, const struct answer *a)
{
    struct worker *w = &sim->workers[index];

    if (a->reply.status == TRAINING_SUPERSEDED ||
        a->reply.status == TRAINING_STOP) {
        end(sim, index, a->reply.status == TRAINING_SUPERSEDED,
            a->reply.detail);
        return;
    }
    if (w->request.kind == MSG_UPDATE) {
        w->next_step = a->reply.next_step;
    } else {
        w->next_validation++;
    }
    next(sim, index);
}

static void take_join(struct sim *sim, size_t index, const struct answer *a)
{
    struct worker *w = &sim->workers[index];

    if (a->assignment.stop) {
        end(sim, index, strstr(a->assignment.detail, "newer") != NULL,
            a->assignment.detail);
        return;
    }
    w->joined = true;
    w->incarnation = a->incarnation;
    w->next_step = a->assignment.next_step;
    w->next_validation = a->assignment.next_validation;
    next(sim, index);
}

void worker_take(struct sim *sim, size_t index, const struct answer *a)
{
    struct worker *w = &sim->workers[index];

    if (!w->alive || a->serial != w->serial) {
        return; /* late, or the second copy */
    }
    if (a->rc == ERR_NOMEM) {
        return; /* it asks again when its patience ends */
    }
    if (w->joined && a->incarnation != w->incarnation) {
        join(sim, index);
        return;
    }
    sim_check(sim, a->rc == 0, "attempt %u of partition %u is refused: %d",
              w->attempt, w->partition, a->rc);
    switch (w->request.kind) {
    case MSG_JOIN:
        take_join(sim, index, a);
        break;
    case MSG_STEP:
    case MSG_EPOCH:
        if (a->gate == TRAINING_READY) {
            compute(sim, index, a);
        } else if (a->gate == TRAINING_WAIT) {
            wake_after(sim, index, 20);
        } else {
            end(sim, index, false, "the gate is closed");
        }
        break;
    default:
        take_reply(sim, index, a);
    }
}

void worker_rogue(struct sim *sim, size_t index)
{
    const struct worker *w = &sim->workers[index];
    struct training *t = sim->server.training;
    struct training_reply reply;
    struct linear_work work;
    struct err err = {0};
    uint64_t step = w->next_step;
    int rc;

    if (t == NULL || !w->joined ||
        step >= worker_steps(sim, w->partition) * sim->options.epochs) {
        return;
    }
    linear_compute(sim->model, &sim->options, training_state(t),
                   training_version(t), w->partition, sim->rows[w->partition],
                   step, &work);
    work.update.attempt = w->attempt;
    switch (sim_below(sim, 4)) {
    case 0:
        work.values[sim_below(sim, LINEAR_P)] = NAN;
        break;
    case 1:
        work.update.end--;
        break;
    case 2:
        work.update.base_version++;
        break;
    default:
        work.update.samples++;
    }
    rc = training_update(t, &work.update, &reply, &err);
    sim_say(sim, "a rogue update of partition %u: %d %s", w->partition, rc,
            rc != 0 ? err.msg : "");
    sim_check(sim, rc != 0 || reply.status != TRAINING_APPLIED,
              "a rogue update of partition %u is applied", w->partition);
    linear_work_deinit(&work);
}
