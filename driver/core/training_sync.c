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

int training_create_round(struct training *t, struct err *err)
{
    size_t largest = 0;
    int rc = round_layout_init(t->model, &t->layout, err);

    if (rc == 0 && t->options.partitions > 1) {
        rc = round_check(t->model, err);
    }
    if (rc != 0) {
        return rc;
    }
    for (size_t i = 0; i < t->layout.table_count; i++) {
        size_t n = t->model->variables[t->layout.tables[i].variable].size;

        largest = n > largest ? n : largest;
    }
    t->pieces.list =
        mem_zarray(t->layout.table_count + 1, sizeof(*t->pieces.list));
    t->pieces.scratch = mem_floats(largest + 1);
    return t->pieces.list != NULL && t->pieces.scratch != NULL ? 0
                                                               : err_nomem(err);
}

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
    return err_set(err, ERR_DIVERGED,
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
    t->round_rows += u->samples;
    p->next_step++;
    return training_advance(t, err);
}

/* The losses of a round of batches are those of one batch of all its rows, in
 * each partition for its share of them. What it said itself is its own loss
 * without the parts of the layout, which are known of all together only. */
static void settle_entry(struct training *t, struct partition *p, size_t i,
                         double rows)
{
    const struct model *m = t->model;
    size_t output = totals_loss_of(p->round, i);
    const struct round_part *part = round_part_of(&t->layout, output);
    double share = rows / (double)t->round_rows;
    size_t n;
    double *state = totals_state(p->round, i, &n);

    for (size_t k = 0; output == m->output_count && k < t->layout.part_count;
         k++) {
        part = &t->layout.parts[k];
        state[0] += rows * m->training[part->output].loss_weight *
                    round_loss(part, &t->layout, t->round_rows, t->mean);
    }
    if (output < m->output_count) { /* a mean over batches */
        state[0] = share * (part != NULL ? round_loss(part, &t->layout,
                                                      t->round_rows, t->mean)
                                         : state[0]);
        state[1] = share;
    }
}

static void settle_losses(struct training *t)
{
    for (uint32_t k = 0; k < t->options.partitions; k++) {
        struct partition *p = &t->partitions[k];

        for (size_t i = 0; p->steps > t->round && i < totals_count(p->round);
             i++) {
            uint64_t step = t->epoch * p->steps + t->round;

            settle_entry(t, p, i, (double)training_step_rows(t, p, step));
        }
    }
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
        settle_losses(t);
        round_finish(&t->layout, t->model, t->round_rows, t->mean, &t->pieces);
        optimizer_step_pieces(t->model->optimizer, t->model,
                              &t->state.optimizer, t->state.values, t->mean,
                              &t->pieces);
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
    t->round_rows = 0;
    training_set_version(t, t->version + 1);
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
