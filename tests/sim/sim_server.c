/* SPDX-License-Identifier: MIT
 *
 * sim_server: the daemon of the simulation: hands messages to the training
 * core, saves snapshots now and then, and looks after every event whether all
 * is as it must be.
 */
#include "tests/sim/sim.h"

static bool is_synchronous(const struct sim *sim)
{
    return sim->options.mode == TRAINING_SYNCHRONOUS;
}

/* Without any disturbance, all in partition order. */
void server_calm_run(struct sim *sim)
{
    const struct training_options *o = &sim->options;
    struct training *t = NULL;
    struct training_assignment a;
    struct training_reply reply;
    struct err err = {0};

    unit_ok(linear_training(sim->model, o, &t, &err), &err);
    for (uint32_t p = 0; p < o->partitions; p++) {
        unit_ok(linear_join(t, p, 0, sim->rows[p], sim->held[p], &a, &err),
                &err);
    }
    for (int guard = 0; !training_finished(t); guard++) {
        sim_check(sim, guard < 2000, "the calm run does not end");
        for (uint32_t p = 0; p < o->partitions; p++) {
            unit_ok(linear_join(t, p, 0, sim->rows[p], sim->held[p], &a, &err),
                    &err);
            if (a.next_validation < o->epochs &&
                training_gate_epoch(t, a.next_validation + 1) ==
                    TRAINING_READY) {
                unit_ok(linear_validate(t, o->partitions, p, sim->held[p],
                                        a.next_validation, &reply, &err),
                        &err);
            }
            if (a.next_step < worker_steps(sim, p) * o->epochs &&
                training_gate_step(t, p, a.next_step) == TRAINING_READY) {
                unit_ok(linear_push(t, o, p, sim->rows[p], a.next_step, &reply,
                                    &err),
                        &err);
            }
            sim_check(sim, training_version(t) < SIM_MAX_VERSIONS,
                      "too many versions");
            memcpy(sim->reference[training_version(t)],
                   training_state(t)->values,
                   training_state(t)->count * sizeof(float));
        }
    }
    memcpy(sim->reference[0], (const float[LINEAR_MAX]){0.25F, -0.5F},
           sizeof(sim->reference[0]));
    sim->versions = training_version(t);
    sim->history = training_history(t);
    training_destroy(&t);
}

/* What is in the snapshot was counted; what came later never happened. */
static void roll_back(struct sim *sim)
{
    struct server *s = &sim->server;

    for (uint32_t p = 0; p < sim->options.partitions; p++) {
        struct training_assignment a = {.next_step = 0};
        struct err err = {0};

        /* joined before: then this tells where it is and changes nothing */
        if (training_joined(s->training) == sim->options.partitions) {
            unit_ok(linear_join(s->training, p, 0, sim->rows[p], sim->held[p],
                                &a, &err),
                    &err);
        }
        for (uint64_t k = 0; k < SIM_MAX_STEPS; k++) {
            sim_check(sim, k >= a.next_step || s->applied[p][k],
                      "partition %u: step %llu is in the snapshot, but was "
                      "never applied",
                      p, (unsigned long long)k);
            if (k >= a.next_step) {
                s->applied[p][k] = false;
            }
        }
    }
}

void server_start(struct sim *sim)
{
    struct server *s = &sim->server;
    struct err err = {0};

    unit_ok(linear_training(sim->model, &sim->options, &s->training, &err),
            &err);
    s->incarnation++;
    /* asynchronous snapshots are of trainings that all have joined */
    memset(s->joined, s->snapshot.len != 0, sizeof(s->joined));
    if (s->snapshot.len != 0) {
        unit_ok(training_restore(s->training, buf_view(&s->snapshot), &err),
                &err);
    } else {
        memcpy(s->saved_shadow.values, training_state(s->training)->values,
               training_state(s->training)->count * sizeof(float));
        if (sim->optimizer != NULL) {
            optimizer_state_init(sim->optimizer, sim->model,
                                 &s->saved_shadow.optimizer,
                                 s->saved_shadow.slots);
        }
    }
    sim_check(sim, training_version(s->training) == s->saved_version,
              "restored at version %llu",
              (unsigned long long)training_version(s->training));
    s->shadow = s->saved_shadow;
    s->last_version = s->saved_version;
    /* a snapshot from before all had joined has applied what it says itself */
    if (training_joined(s->training) == sim->options.partitions ||
        is_synchronous(sim) || s->snapshot.len == 0) {
        roll_back(sim);
    }
    sim_say(sim, "the daemon is up at version %llu",
            (unsigned long long)s->last_version);
}

void server_kill(struct sim *sim)
{
    training_destroy(&sim->server.training);
}

void server_deinit(struct sim *sim)
{
    training_destroy(&sim->server.training);
    buf_deinit(&sim->server.snapshot);
}

static void save(struct sim *sim)
{
    struct server *s = &sim->server;
    struct buf next;
    struct err err = {0};

    /* asynchronous: only what roll_back() can tell apart */
    if (!is_synchronous(sim) &&
        training_joined(s->training) != sim->options.partitions) {
        return;
    }
    buf_init(&next, 1 << 20);
    unit_ok(training_save(s->training, &next, &err), &err);
    buf_deinit(&s->snapshot);
    s->snapshot = next;
    s->saved_version = training_version(s->training);
    s->saved_shadow = s->shadow;
}

static void give_parameters(const struct training *t, struct answer *a)
{
    const struct model_state *state = training_state(t);

    a->version = training_version(t);
    a->count = state->count;
    memcpy(a->values, state->values, state->count * sizeof(float));
    a->optimizer = state->optimizer;
}

/* What an asynchronous delta of this partition counts for, by the book. */
static float factor_of(const struct sim *sim, uint32_t partition,
                       uint64_t stale)
{
    const struct training_options *o = &sim->options;
    double joined = 0;
    double of_joined = 0;

    for (uint32_t p = 0; p < o->partitions; p++) {
        if (sim->server.joined[p]) {
            joined++;
            of_joined += o->uniform ? sim->rows[p] != 0 : (double)sim->rows[p];
        }
    }
    if (o->mode == TRAINING_EASGD) {
        return 1;
    }
    if (o->staleness_scale) {
        return (float)((o->delta_scale != 0 ? o->delta_scale : 1) /
                       (double)(stale + 1));
    }
    if (o->delta_scale != 0) {
        return (float)o->delta_scale;
    }
    return (float)((o->uniform ? 1 : (double)sim->rows[partition]) / of_joined *
                   joined / o->partitions);
}

static void shadow_update(struct sim *sim, const struct training_update *u,
                          float factor)
{
    struct shadow *s = &sim->server.shadow;
    float change[LINEAR_MAX];

    for (uint64_t i = 0; i < u->end; i++) {
        float delta;

        memcpy(&delta, u->values + i * sizeof(delta), sizeof(delta));
        change[i] = factor * delta;
        if (sim->optimizer == NULL) {
            s->values[i] = s->values[i] - change[i];
        }
    }
    if (sim->optimizer != NULL) {
        s->optimizer.slots = s->slots;
        optimizer_step(sim->optimizer, sim->model, &s->optimizer, s->values,
                       change);
    }
}

static uint64_t steps_applied(const struct sim *sim, uint32_t partition)
{
    uint64_t n = 0;

    while (n < SIM_MAX_STEPS && sim->server.applied[partition][n]) {
        n++;
    }
    return n;
}

/* No partition is further ahead of one that still works than is allowed. */
static void check_bound(struct sim *sim, const struct training_update *u)
{
    for (uint32_t p = 0; sim->options.bounded && p < sim->options.partitions;
         p++) {
        uint64_t done = steps_applied(sim, p);

        sim_check(sim,
                  done == worker_steps(sim, p) * sim->options.epochs ||
                      u->step <= done + sim->options.staleness,
                  "partition %u applies step %llu, partition %u has done %llu",
                  u->partition, (unsigned long long)u->step, p,
                  (unsigned long long)done);
    }
}

/* An update that was applied was not applied before. */
static void note_update(struct sim *sim, const struct training_update *u,
                        const struct answer *a)
{
    struct server *s = &sim->server;

    if (a->rc != 0 || a->reply.status != TRAINING_APPLIED) {
        return;
    }
    sim_check(sim, u->step < SIM_MAX_STEPS, "too many steps");
    sim_check(sim, !s->applied[u->partition][u->step],
              "partition %u: step %llu was applied twice", u->partition,
              (unsigned long long)u->step);
    check_bound(sim, u);
    s->applied[u->partition][u->step] = true;
    if (!is_synchronous(sim)) {
        shadow_update(sim, u,
                      factor_of(sim, u->partition,
                                a->reply.version - 1 - u->base_version));
    }
}

static void answer_message(struct sim *sim, const struct message *m,
                           struct answer *a, struct err *err)
{
    struct training *t = sim->server.training;
    const struct linear_work *work =
        m->payload != NULL ? &m->payload->work : NULL;
    struct training_update u;

    switch (m->kind) {
    case MSG_JOIN:
        a->rc =
            linear_join(t, m->partition, m->attempt, sim->rows[m->partition],
                        sim->held[m->partition], &a->assignment, err);
        sim->server.joined[m->partition] |= a->rc == 0;
        break;
    case MSG_STEP:
        a->gate = training_gate_step(t, m->partition, m->number);
        give_parameters(t, a);
        break;
    case MSG_EPOCH:
        a->gate = m->now ? TRAINING_READY : training_gate_epoch(t, m->number);
        give_parameters(t, a);
        break;
    case MSG_UPDATE:
        u = work->update;
        u.attempt = m->attempt;
        a->rc = training_update(t, &u, &a->reply, err);
        note_update(sim, &u, a);
        break;
    case MSG_RESULT:
        a->rc = training_validation(t, m->partition, m->number, work->metrics,
                                    &a->reply, err);
        break;
    }
}

void server_take(struct sim *sim, const struct message *m)
{
    struct server *s = &sim->server;
    struct answer a = {.serial = m->serial, .incarnation = s->incarnation};
    struct err err = {0};
    uint64_t before;

    if (s->training == NULL) {
        return; /* nobody listens: the worker's time runs out */
    }
    before = training_version(s->training);
    if (sim_chance(sim, sim->no_memory)) {
        mem_fail_after((long)sim_below(sim, 6), 0);
    }
    answer_message(sim, m, &a, &err);
    if (mem_failures() != 0) {
        sim->faults++;
        sim_check(sim, a.rc == ERR_NOMEM, "no memory, but %d", a.rc);
    }
    mem_fail_after(-1, 0);
    sim_say(sim, "%u.%u kind %d number %llu: rc %d gate %d status %d%s%s",
            m->partition, m->attempt, (int)m->kind,
            (unsigned long long)m->number, a.rc, (int)a.gate,
            (int)a.reply.status, a.rc != 0 ? " " : "",
            a.rc != 0 ? err.msg : "");
    sim_answer(sim, m->worker, &a);
    if (sim_chance(sim, training_version(s->training) != before ? 30 : 3)) {
        save(sim);
    }
}

/* Somebody must be able to go on, or the training waits for ever. */
static bool someone_may_act(struct sim *sim)
{
    struct training *t = sim->server.training;
    uint64_t epochs = sim->options.epochs;

    if (training_joined(t) < sim->options.partitions) {
        return true;
    }
    for (uint32_t p = 0; p < sim->options.partitions; p++) {
        struct training_assignment a;
        struct err err = {0};
        uint64_t steps = worker_steps(sim, p);

        /* an attempt older than all others: it only reads */
        unit_ok(linear_join(t, p, 0, sim->rows[p], sim->held[p], &a, &err),
                &err);
        if (a.next_validation < epochs &&
            training_gate_epoch(t, a.next_validation + 1) == TRAINING_READY) {
            return true;
        }
        if (a.next_step < steps * epochs &&
            training_gate_step(t, p, a.next_step) == TRAINING_READY) {
            return true;
        }
    }
    return false;
}

static void check_end(struct sim *sim)
{
    struct training *t = sim->server.training;
    json_t *history = training_history(t);

    sim_check(sim, training_version(t) == sim->versions,
              "it ends with version %llu, the calm run with %llu",
              (unsigned long long)training_version(t),
              (unsigned long long)sim->versions);
    for (uint32_t p = 0; p < sim->options.partitions; p++) {
        uint64_t steps = worker_steps(sim, p) * sim->options.epochs;

        for (uint64_t k = 0; k < steps; k++) {
            sim_check(sim, sim->server.applied[p][k],
                      "partition %u: step %llu is missing", p,
                      (unsigned long long)k);
        }
    }
    if (is_synchronous(sim)) {
        sim_check(sim, json_equal(history, sim->history),
                  "another history than the calm run's");
    } else {
        sim_check(sim,
                  json_array_size(json_object_get(history, "loss")) ==
                      sim->options.epochs,
                  "epochs are missing in the history");
    }
    json_decref(history);
}

void server_check(struct sim *sim)
{
    struct server *s = &sim->server;
    struct training *t = s->training;
    uint64_t version;
    const float *want;

    if (t == NULL) {
        return;
    }
    version = training_version(t);
    sim_check(sim, version >= s->last_version, "the version falls");
    sim_check(sim, version <= sim->versions, "more versions than there are");
    s->last_version = version;
    want = is_synchronous(sim) ? sim->reference[version] : s->shadow.values;
    sim_check(sim,
              memcmp(training_state(t)->values, want,
                     training_state(t)->count * sizeof(float)) == 0,
              "version %llu has other values", (unsigned long long)version);
    if (training_finished(t)) {
        check_end(sim);
    } else {
        sim_check(sim, someone_may_act(sim), "everybody waits");
    }
}
