/* SPDX-License-Identifier: MIT
 *
 * training_sync: synchronous rounds. What partitions contribute goes into one
 * exact sum (fixsum.h), whose result does not depend on their order, so the
 * weights after a round are a function of the data, the seed and the options
 * alone. A round is applied when the last one who takes part has contributed
 * and, between epochs, when validation of the old version is through.
 */
#include "common/mem.h"
#include "driver/core/training_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

uint64_t training_round_step(const struct training *t,
                             const struct partition *p)
{
    uint64_t round = t->round < p->steps ? t->round : p->steps;

    return t->epoch * p->steps + round;
}

bool training_is_due(const struct training *t, const struct partition *p,
                     uint64_t step)
{
    uint64_t epoch = step / p->steps;

    return epoch < t->epoch ||
           (epoch == t->epoch && step % p->steps <= t->round);
}

/* How many partitions have a step in the round in the making. */
static uint32_t round_size(const struct training *t)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < t->options.partitions; i++) {
        n += t->partitions[i].steps > t->round;
    }
    return n;
}

static bool round_is_complete(const struct training *t)
{
    return training_all_joined(t) && t->epoch < t->options.epochs &&
           t->epochs_done == t->epoch && t->contributed == round_size(t);
}

/* The step count and the scalars follow the partition that took the most
 * steps, the first one of several. */
static void follow_lead(struct training *t, const struct training_update *u)
{
    bool leads =
        t->contributed == 0 || u->iterations > t->lead_iterations ||
        (u->iterations == t->lead_iterations && u->partition < t->lead);

    if (!leads) {
        return;
    }
    t->lead = u->partition;
    t->lead_iterations = u->iterations;
    memcpy(t->lead_scalars, t->state.optimizer.scalars,
           sizeof(t->lead_scalars));
    for (size_t i = 0; i < u->scalar_count; i++) {
        t->lead_scalars[i] = u->scalars[i];
    }
}

static int refuse_element(const struct training *t,
                          const struct training_update *u, size_t element,
                          struct err *err)
{
    char text[TRAINING_ELEMENT_SIZE];
    char number[48];
    float value;

    memcpy(&value, u->values + element * sizeof(value), sizeof(value));
    (void)snprintf(number, sizeof(number), "%g, too large to sum up",
                   (double)value);
    return err_set(err, ERR_INVALID,
                   "%s is %s: the training diverges; try a smaller learning "
                   "rate",
                   training_element(t, element, text),
                   isnan(value)   ? "not a number"
                   : isinf(value) ? "infinite"
                                  : number);
}

int training_contribute(struct training *t, struct partition *p,
                        const struct training_update *u, struct err *err)
{
    size_t element = 0;
    int rc = history_reserve(t, t->epoch, err);

    if (rc != 0) {
        return rc;
    }
    rc = fixsum_add(t->sum, u->values, t->options.uniform ? 1 : u->samples,
                    &element, NULL);
    if (rc != 0) {
        return refuse_element(t, u, element, err);
    }
    totals_clear(p->round);
    totals_merge(p->round, u->metrics);
    training_note_start(p, u);
    follow_lead(t, u);
    t->contributed++;
    p->next_step++;
    return training_advance(t, err);
}

static void apply_sum(struct training *t)
{
    if (!training_wants_gradient(t)) {
        if (t->options.server != NULL) {
            fixsum_mean(t->sum, t->mean);
            training_server_step(t, t->state.count);
        } else {
            fixsum_subtract_mean(t->sum, t->state.values);
        }
        t->state.optimizer.iterations += t->lead_iterations;
        memcpy(t->state.optimizer.scalars, t->lead_scalars,
               sizeof(t->lead_scalars));
    } else {
        fixsum_mean(t->sum, t->mean);
        optimizer_step(t->model->optimizer, t->model, &t->state.optimizer,
                       t->state.values, t->mean);
    }
    t->state.has_optimizer = true;
    fixsum_clear(t->sum);
}

/* In partition order, so that the numbers do not depend on who came first. */
static int close_epoch(struct training *t, struct err *err)
{
    int rc = 0;

    totals_clear(t->merged);
    for (uint32_t i = 0; i < t->options.partitions; i++) {
        struct partition *p = &t->partitions[i];

        if (rc == 0 && p->steps != 0) {
            rc = training_check_loss(t, p, t->epoch, err);
        }
        totals_merge(t->merged, p->epoch);
        totals_clear(p->epoch);
    }
    history_write(t, t->epoch, t->merged, NULL);
    t->round = 0;
    t->epoch++;
    history_settle(t);
    return rc;
}

static int close_round(struct training *t, struct err *err)
{
    for (uint32_t i = 0; i < t->options.partitions; i++) {
        struct partition *p = &t->partitions[i];

        if (p->steps > t->round) {
            totals_merge(p->epoch, p->round);
        }
    }
    t->contributed = 0;
    t->version++;
    t->round++;
    return t->round == t->rounds ? close_epoch(t, err) : 0;
}

int training_advance(struct training *t, struct err *err)
{
    int rc;

    if (t->options.mode != TRAINING_SYNCHRONOUS) {
        training_async_advance(t);
        return 0;
    }
    if (!round_is_complete(t)) {
        return 0;
    }
    apply_sum(t);
    rc = training_check_state(t, err);
    return rc == 0 ? close_round(t, err) : rc;
}
