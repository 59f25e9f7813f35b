/* SPDX-License-Identifier: MIT
 *
 * training: what all modes share: who takes part, which update is which, what
 * is refused, and who may go on; see training.h, and training_parts.h for how
 * the work is divided. Everything about an update is checked before anything
 * of it is counted.
 */
#include "driver/core/training.h"

#include "common/mem.h"
#include "driver/core/results.h"
#include "driver/core/training_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int check_options(const struct model *model,
                         const struct model_state *state,
                         const struct training_options *options,
                         struct err *err)
{
    size_t slots;

    if (!model_is_compiled(model)) {
        return err_set(err, ERR_INVALID,
                       "model %s is not compiled: it has no optimizer or no "
                       "loss",
                       model->name);
    }
    if (optimizer_has_averages(model->optimizer) &&
        options->mode != TRAINING_SYNCHRONOUS) {
        return err_set(err, ERR_UNSUPPORTED,
                       "optimizer %s: use_ema needs synchronous mode: the "
                       "averages would stay with the workers",
                       optimizer_class_name(model->optimizer));
    }
    slots = optimizer_slot_count(model->optimizer);
    if (state->count != model->parameters * (1 + slots)) {
        return err_set(err, ERR_INVALID,
                       "the state has %zu values, %zu parameters and %zu slots "
                       "want %zu",
                       state->count, model->parameters, slots,
                       model->parameters * (1 + slots));
    }
    if (!(options->delta_scale >= 0) || !isfinite(options->delta_scale)) {
        return err_set(err, ERR_INVALID, "delta_scale: %g is no factor",
                       options->delta_scale);
    }
    if (options->partitions == 0 || options->epochs == 0 ||
        options->batch_size == 0) {
        return err_set(err, ERR_INVALID,
                       "partitions, epochs and batch size must not be 0");
    }
    return 0;
}

static int create_parts(struct training *t, struct err *err)
{
    int rc;

    t->partitions = mem_zarray(t->options.partitions, sizeof(*t->partitions));
    if (t->partitions == NULL) {
        return err_nomem(err);
    }
    if ((rc = shards_init(&t->shards, t->state.count, err)) != 0 ||
        (rc = totals_create(t->model, &t->merged, err)) != 0 ||
        (rc = history_reserve(t, 0, err)) != 0) {
        return rc;
    }
    if (training_wants_gradient(t)) {
        rc = training_create_round(t, err);
    }
    if (rc == 0 && training_is_synchronous(t)) {
        rc = fixsum_create(training_update_size(t), &t->sum, err);
    }
    if (rc == 0) {
        rc = training_server_init(t, err);
    }
    if (rc == 0 && (training_wants_gradient(t) || t->options.server != NULL)) {
        t->mean = mem_zfloats(training_update_size(t));
        rc = t->mean != NULL ? 0 : err_nomem(err);
    }
    return rc;
}

int training_create(const struct model *model, struct model_state *state,
                    const struct training_options *options,
                    struct training **out, struct err *err)
{
    struct training *t;
    int rc = check_options(model, state, options, err);

    if (rc != 0) {
        return rc;
    }
    t = mem_zalloc(sizeof(*t));
    if (t == NULL) {
        return err_nomem(err);
    }
    t->model = model;
    t->options = *options;
    t->start_iterations = state->optimizer.iterations;
    /* only its size is known so far: the state itself moves last */
    t->state.count = state->count;
    rc = create_parts(t, err);
    if (rc != 0) {
        training_destroy(&t);
        return rc;
    }
    t->state = *state;
    *state = (struct model_state){0};
    *out = t;
    return 0;
}

void training_destroy(struct training **training)
{
    struct training *t = *training;

    if (t == NULL) {
        return;
    }
    for (uint32_t i = 0; t->partitions != NULL && i < t->options.partitions;
         i++) {
        training_dismiss(t, &t->partitions[i]);
    }
    mem_free(t->partitions);
    training_running_clear(t);
    mem_free(t->running);
    fixsum_destroy(&t->sum);
    shards_deinit(&t->shards);
    mem_free_aligned(t->mean);
    mem_free_aligned(t->server.slots);
    mem_free(t->pieces.list);
    mem_free_aligned(t->pieces.scratch);
    round_layout_deinit(&t->layout);
    totals_destroy(&t->merged);
    history_deinit(&t->history);
    model_state_deinit(&t->state);
    mem_free(t);
    *training = NULL;
}

static int check_broken(const struct training *t, struct err *err)
{
    return t->broken.code == ERR_OK
               ? 0
               : err_set(err, t->broken.code, "%s", t->broken.msg);
}

int training_break(struct training *t, const struct err *why, struct err *err)
{
    if (t->broken.code == ERR_OK) {
        t->broken = *why;
    }
    return check_broken(t, err);
}

bool training_all_joined(const struct training *t)
{
    return t->joined == t->options.partitions;
}

static bool is_newer(const struct partition *p, uint32_t stage,
                     uint32_t attempt)
{
    return stage > p->stage || (stage == p->stage && attempt > p->attempt);
}

static bool is_older(const struct partition *p, uint32_t stage,
                     uint32_t attempt)
{
    return stage < p->stage || (stage == p->stage && attempt < p->attempt);
}

static uint64_t ceil_div(uint64_t a, uint64_t b)
{
    return a / b + (a % b != 0);
}

/* Rows of a step, but for the last one of an epoch, which may have fewer. */
static uint64_t step_size(const struct training *t)
{
    uint64_t period = t->options.period;

    return t->options.batch_size * (period != 0 ? period : 1);
}

int training_admit(struct training *t, struct partition *p, uint64_t samples,
                   uint64_t validation_samples, struct err *err)
{
    int rc;

    if ((rc = totals_create(t->model, &p->epoch, err)) != 0 ||
        (rc = totals_create(t->model, &p->round, err)) != 0 ||
        (rc = totals_create(t->model, &p->validation, err)) != 0) {
        training_dismiss(t, p);
        return rc;
    }
    p->joined = true;
    p->samples = samples;
    p->validation_samples = t->options.validation ? validation_samples : 0;
    if (t->options.frequency == TRAINING_BATCH) {
        p->steps = ceil_div(samples, step_size(t));
    } else {
        p->steps = samples != 0 ? 1 : 0;
    }
    t->joined++;
    t->samples += samples;
    t->validating += p->validation_samples != 0;
    if (training_all_joined(t)) {
        t->rounds = 0;
        for (uint32_t i = 0; i < t->options.partitions; i++) {
            uint64_t steps = t->partitions[i].steps;

            t->rounds = steps > t->rounds ? steps : t->rounds;
        }
    }
    return 0;
}

void training_dismiss(struct training *t, struct partition *p)
{
    totals_destroy(&p->epoch);
    totals_destroy(&p->round);
    totals_destroy(&p->validation);
    if (p->joined) {
        t->joined--;
        t->samples -= p->samples;
        t->validating -= p->validation_samples != 0;
        t->rounds = 0;
    }
    *p = (struct partition){0};
}

bool training_samples_fit(const struct training *t, uint64_t samples)
{
    /* the second one keeps step numbers within 64 bits */
    return samples < FIXSUM_MAX_WEIGHT - t->samples &&
           samples <= UINT64_MAX / t->options.epochs;
}

static int check_join(const struct training *t, const struct training_join *j,
                      struct err *err)
{
    const struct partition *p;
    uint64_t validation = t->options.validation ? j->validation_samples : 0;

    if (j->partition >= t->options.partitions) {
        return err_set(err, ERR_INVALID,
                       "partition %u: the job has %u, counted from 0",
                       j->partition, t->options.partitions);
    }
    p = &t->partitions[j->partition];
    if (p->joined &&
        (p->samples != j->samples || p->validation_samples != validation)) {
        return err_set(err, ERR_INVALID,
                       "partition %u has %llu rows and %llu for validation, an "
                       "earlier attempt had %llu and %llu: the data must not "
                       "change while a job runs",
                       j->partition, (unsigned long long)j->samples,
                       (unsigned long long)validation,
                       (unsigned long long)p->samples,
                       (unsigned long long)p->validation_samples);
    }
    if (!training_samples_fit(t, j->samples) && !p->joined) {
        return err_set(err, ERR_LIMIT,
                       "partition %u: %llu rows are more than a job can have",
                       j->partition, (unsigned long long)j->samples);
    }
    if (!p->joined && t->joined + 1 == t->options.partitions &&
        t->samples + j->samples == 0) {
        return err_set(err, ERR_INVALID,
                       "the data has not a single row to train on");
    }
    return 0;
}

static void assign(const struct training *t, const struct partition *p,
                   struct training_assignment *out)
{
    bool validates = p->validation_samples != 0;

    out->next_step = p->next_step;
    out->next_validation = validates ? p->next_validation : t->options.epochs;
    out->stop = p->next_step >= p->steps * t->options.epochs &&
                out->next_validation >= t->options.epochs;
    out->detail = !out->stop ? NULL
                  : p->samples == 0 && p->validation_samples == 0
                      ? "the partition has no rows"
                      : "all epochs of this partition are counted";
}

int training_join(struct training *training, const struct training_join *join,
                  struct training_assignment *out, struct err *err)
{
    struct training *t = training;
    struct partition *p;
    int rc = check_broken(t, err);

    if (rc != 0 || (rc = check_join(t, join, err)) != 0) {
        return rc;
    }
    p = &t->partitions[join->partition];
    if (!p->joined) {
        rc = training_admit(t, p, join->samples, join->validation_samples, err);
        if (rc != 0) {
            return rc;
        }
        p->attempt = join->attempt;
        p->stage = join->stage;
        /* it may be an empty one that the others waited for */
        rc = training_advance(t, err);
        if (rc != 0) {
            return rc;
        }
    } else if (is_older(p, join->stage, join->attempt)) {
        assign(t, p, out);
        out->stop = true;
        out->detail = "a newer attempt works on this partition";
        return 0;
    } else {
        p->attempt = join->attempt;
        p->stage = join->stage;
    }
    assign(t, p, out);
    return 0;
}

uint64_t training_step_rows(const struct training *t, const struct partition *p,
                            uint64_t step)
{
    uint64_t size = step_size(t);
    uint64_t first;

    if (t->options.frequency == TRAINING_EPOCH) {
        return p->samples;
    }
    first = step % p->steps * size;
    return p->samples - first < size ? p->samples - first : size;
}

const char *training_element(const struct training *t, size_t index,
                             char text[TRAINING_ELEMENT_SIZE])
{
    const struct model *m = t->model;
    bool gradient =
        training_wants_gradient(t); /* behind which other things may lie */
    size_t slot = gradient ? 0 : index / m->parameters;
    size_t at = gradient ? index : index % m->parameters;
    const char *slot_name =
        slot == 0 ? "" : optimizer_slot_name(m->optimizer, slot - 1);

    for (size_t i = 0; i < m->variable_count; i++) {
        const struct variable *v = &m->variables[i];

        if (at >= v->offset && at - v->offset < v->size) {
            (void)snprintf(text, TRAINING_ELEMENT_SIZE,
                           "%.64s%s%.64s/%.64s, element %zu", slot_name,
                           slot == 0 ? "" : " of ", m->layers[v->layer].name,
                           v->name, at - v->offset + v->cut);
            return text;
        }
    }
    (void)snprintf(text, TRAINING_ELEMENT_SIZE, "element %zu", index);
    return text;
}

/* Whether the update is to be counted at all; if not, the reply is made. */
static bool is_wanted(const struct training *t, struct partition *p,
                      const struct training_update *u,
                      struct training_reply *out)
{
    bool older = is_older(p, u->stage, u->attempt);

    out->status = TRAINING_APPLIED;
    out->detail = NULL;
    if (is_newer(p, u->stage, u->attempt)) {
        /* joined with a daemon that was restarted since */
        p->stage = u->stage;
        p->attempt = u->attempt;
    }
    if (u->step >= p->next_step && u->step >= p->steps * t->options.epochs) {
        out->status = TRAINING_STOP;
        out->detail = "all epochs of this partition are counted";
    } else if (older &&
               (u->step < p->next_step || !training_is_synchronous(t))) {
        /* synchronous steps do not depend on who computes them */
        out->status = TRAINING_SUPERSEDED;
        out->detail = "a newer attempt works on this partition";
    } else if (u->step < p->next_step) {
        out->status = TRAINING_DUPLICATE;
        out->detail = "this step was counted before";
    }
    out->version = t->version;
    out->next_step = p->next_step;
    return out->status == TRAINING_APPLIED;
}

int training_update(struct training *training,
                    const struct training_update *update,
                    struct training_reply *out, struct err *err)
{
    struct training *t = training;
    struct partition *p;
    int rc = check_broken(t, err);

    if (rc != 0) {
        return rc;
    }
    if (update->partition >= t->options.partitions ||
        !t->partitions[update->partition].joined) {
        return err_set(err, ERR_STATE, "partition %u has not joined",
                       update->partition);
    }
    p = &t->partitions[update->partition];
    if (!is_wanted(t, p, update, out)) {
        return 0;
    }
    rc = training_check_update(t, p, update, err);
    if (rc == 0) {
        rc = training_is_synchronous(t) ? training_contribute(t, p, update, err)
                                        : training_apply(t, p, update, err);
    }
    if (rc != 0) {
        if (t->broken.code == ERR_OK) {
            (void)err_wrap(err, "partition %u, step %llu", update->partition,
                           (unsigned long long)update->step);
        }
        return rc;
    }
    out->version = t->version;
    out->next_step = p->next_step;
    return 0;
}

size_t training_update_count(const struct training *training)
{
    return training_update_size(training);
}

uint64_t training_version(const struct training *training)
{
    return training->version;
}

void training_set_version(struct training *t, uint64_t version)
{
    t->version = version;
    shards_touch(&t->shards, t->state.count, version);
}

bool training_changed_since(const struct training *training, uint64_t since,
                            size_t begin, size_t end, size_t *from, size_t *to)
{
    return shards_next(&training->shards, since, begin, end, from, to);
}

uint32_t training_joined(const struct training *training)
{
    return training->joined;
}

uint64_t training_samples(const struct training *training)
{
    return training->samples;
}

uint64_t training_step(const struct training *training)
{
    const struct training *t = training;
    uint64_t least = UINT64_MAX;

    if (training_is_synchronous(t)) {
        return t->round;
    }
    for (uint32_t i = 0; i < t->options.partitions; i++) {
        const struct partition *p = &t->partitions[i];
        uint64_t begin = t->epoch * p->steps;

        if (p->steps != 0 && p->next_step - begin < p->steps &&
            p->next_step - begin < least) {
            least = p->next_step - begin;
        }
    }
    return least != UINT64_MAX && training_all_joined(t) ? least : 0;
}

uint64_t training_steps_per_epoch(const struct training *training)
{
    return training->rounds;
}

const struct staleness *training_staleness(const struct training *training)
{
    return &training->staleness;
}

const struct model_state *training_state(const struct training *training)
{
    return &training->state;
}

const struct model *training_model(const struct training *training)
{
    return training->model;
}

void training_finalize(struct training *t)
{
    if (training_is_synchronous(t)) {
        optimizer_finalize(t->model->optimizer, t->model, &t->state.optimizer,
                           t->state.values);
    }
}
