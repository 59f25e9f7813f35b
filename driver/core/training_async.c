/* SPDX-License-Identifier: MIT
 *
 * training_async: asynchronous and hogwild training. An update is applied at
 * once: weights -= factor * delta, version + 1. All calls come from one
 * thread, so a reader sees whole versions in both modes and no update is lost.
 *
 * The factor is the partition's share of all rows, unless the job names
 * another one, or is divided by the staleness (Zhang, Gupta, Lian and Liu,
 * "Staleness-Aware Async-SGD for Distributed Deep Learning", 2016): so all
 * deltas of an epoch together move the weights as far as their mean does, which
 * is what a synchronous round would do (docs/PARAMETER_SERVER.md). Moving
 * statistics are averaged in any case, never summed, and no variance falls
 * below 0. The step count of the optimizer is that of the partition with the
 * most steps. Its slots stay with the workers.
 *
 * Partitions are not kept together: one may be epochs ahead of another. The
 * sums of an epoch are kept from the first partition that completes it until
 * the last one has, and has validated. A partition may validate as soon as it
 * has completed the epoch itself, with the parameters that are current then.
 */
#include "common/mem.h"
#include "driver/core/delta.h"
#include "driver/core/training_parts.h"

#include <math.h>
#include <string.h>

static float delta_at(const struct training_update *u, size_t i)
{
    float delta;

    memcpy(&delta, u->values + i * sizeof(delta), sizeof(delta));
    return delta;
}

/* The partition's part of all rows, or of the partitions that have any. Those
 * that have not joined yet are taken to be like those that have: what comes
 * first is not to count for more. */
static double share_of(const struct training *t, const struct partition *p)
{
    double own = t->options.uniform ? 1 : (double)p->samples;
    double joined = 0;

    for (uint32_t i = 0; i < t->options.partitions; i++) {
        const struct partition *q = &t->partitions[i];

        if (q->samples != 0) {
            joined += t->options.uniform ? 1 : (double)q->samples;
        }
    }
    return own / joined * t->joined / t->options.partitions;
}

/* What a delta and a change of a moving statistic are multiplied by. */
struct factors {
    float weight;
    float statistic;
};

static struct factors factors_of(const struct training *t,
                                 const struct partition *p,
                                 const struct training_update *u)
{
    double share = share_of(t, p);
    double scale = t->options.delta_scale;

    if (t->options.mode == TRAINING_EASGD) {
        return (struct factors){1, 1}; /* the worker has scaled it */
    }
    if (t->options.staleness_scale) {
        /* with N equal workers it is N - 1: that is the share already */
        scale = (scale != 0 ? scale : 1) /
                ((double)(t->version - u->base_version) + 1);
    }
    return (struct factors){.weight = (float)(scale != 0 ? scale : share),
                            .statistic = (float)share};
}

static int check_values(const struct training *t,
                        const struct training_update *u, struct factors f,
                        struct err *err)
{
    char text[TRAINING_ELEMENT_SIZE];
    float factor = f.weight > f.statistic ? f.weight : f.statistic;
    size_t n = t->model->parameters;
    size_t i = delta_find_diverging(t->state.values, u->values, n, factor);

    if (i < n) {
        return err_set(err, ERR_DIVERGED,
                       "%s would become %s: the training diverges; try a "
                       "smaller learning rate",
                       training_element(t, i, text),
                       isnan(t->state.values[i] - factor * delta_at(u, i))
                           ? "not a number"
                           : "infinite");
    }
    return 0;
}

/* An optimizer of the server's own moves also what has no delta now. */
static void next_version(struct training *t, const struct training_update *u)
{
    if (t->options.server != NULL) {
        training_set_version(t, t->version + 1);
    } else {
        t->version++;
        shards_touch_where(&t->shards, u->values, t->model->parameters,
                           t->version);
    }
}

static void apply_values(struct training *t, const struct training_update *u,
                         struct factors f)
{
    for (size_t k = 0; k < t->model->variable_count; k++) {
        const struct variable *v = &t->model->variables[k];
        bool statistic = v->role == VARIABLE_STATISTIC;
        bool variance = statistic && strstr(v->name, "variance") != NULL;
        float factor = statistic ? f.statistic : f.weight;

        for (size_t i = v->offset; i < v->offset + v->size; i++) {
            float change = factor * delta_at(u, i);
            float after = t->state.values[i] - change;

            if (t->mean != NULL) {
                t->mean[i] =
                    variance && after < 0 ? t->state.values[i] : change;
            } else {
                t->state.values[i] = variance && after < 0 ? 0 : after;
            }
        }
    }
    if (t->mean != NULL) {
        training_server_step(t, t->model->parameters);
    }
}

static void count_iterations(struct training *t, struct partition *p,
                             const struct training_update *u)
{
    struct optimizer_state *o = &t->state.optimizer;

    p->iterations += u->iterations;
    if (t->start_iterations + p->iterations > o->iterations) {
        o->iterations = t->start_iterations + p->iterations;
        for (size_t i = 0; i < u->scalar_count; i++) {
            o->scalars[i] = u->scalars[i];
        }
    }
}

int training_running_reserve(struct training *t, uint64_t epoch,
                             struct err *err)
{
    size_t want = (size_t)(epoch - t->epochs_done) + 1;
    struct running_epoch *bigger;

    if (want <= t->running_count) {
        return 0;
    }
    bigger = mem_resize_array(t->running, want, sizeof(*bigger));
    if (bigger == NULL) {
        return err_nomem(err);
    }
    t->running = bigger;
    while (t->running_count < want) {
        struct running_epoch r = {0};
        int rc = totals_create(t->model, &r.sums, err);

        if (rc == 0) {
            rc = totals_create(t->model, &r.validation, err);
        }
        if (rc != 0) {
            totals_destroy(&r.sums);
            return rc;
        }
        t->running[t->running_count++] = r;
    }
    return 0;
}

void training_running_clear(struct training *t)
{
    for (size_t i = 0; i < t->running_count; i++) {
        totals_destroy(&t->running[i].sums);
        totals_destroy(&t->running[i].validation);
    }
    t->running_count = 0;
}

int training_apply(struct training *t, struct partition *p,
                   const struct training_update *u, struct err *err)
{
    uint64_t epoch = u->step / p->steps;
    struct factors factors = factors_of(t, p, u);
    int rc;

    if ((rc = history_reserve(t, epoch, err)) != 0 ||
        (rc = training_running_reserve(t, epoch, err)) != 0 ||
        (rc = check_values(t, u, factors, err)) != 0) {
        return rc;
    }
    apply_values(t, u, factors);
    staleness_add(&t->staleness, t->version - u->base_version);
    training_note_start(p, u);
    count_iterations(t, p, u);
    totals_merge(p->epoch, u->metrics);
    p->next_step++;
    next_version(t, u);
    if (p->next_step % p->steps == 0) {
        struct running_epoch *r = &t->running[epoch - t->epochs_done];

        rc = training_check_loss(t, p, epoch, err);
        totals_merge(r->sums, p->epoch);
        totals_clear(p->epoch);
        r->complete++;
        training_async_advance(t);
    }
    if (rc == 0 && t->options.server != NULL) {
        rc = training_check_state(t, err);
    }
    return rc;
}

void training_async_validate(struct training *t, struct partition *p,
                             uint64_t epoch, const struct totals *metrics)
{
    struct running_epoch *r = &t->running[epoch - t->epochs_done];

    totals_merge(r->validation, metrics);
    r->validated++;
    p->next_validation++;
    training_async_advance(t);
}

void training_async_advance(struct training *t)
{
    uint32_t working = 0;
    size_t settled = 0;

    if (!training_all_joined(t)) {
        return;
    }
    for (uint32_t i = 0; i < t->options.partitions; i++) {
        working += t->partitions[i].steps != 0;
    }
    while (settled < t->running_count &&
           t->running[settled].complete == working &&
           t->running[settled].validated == t->validating) {
        struct running_epoch *r = &t->running[settled++];

        history_write(t, t->epochs_done, r->sums, r->validation);
        t->epochs_done++;
        totals_destroy(&r->sums);
        totals_destroy(&r->validation);
    }
    t->running_count -= settled;
    if (settled != 0 && t->running_count != 0) {
        memmove(t->running, t->running + settled,
                t->running_count * sizeof(*t->running));
    }
    t->epoch = t->epochs_done;
    for (size_t i = 0;
         i < t->running_count && t->running[i].complete == working; i++) {
        t->epoch++;
    }
}
