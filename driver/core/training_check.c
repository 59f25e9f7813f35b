/* SPDX-License-Identifier: MIT
 *
 * training_check: whether an update is what its step wants. Nothing of it has
 * been counted yet; its values are looked at when they are added.
 */
#include "driver/core/results.h"
#include "driver/core/training_parts.h"

#include <math.h>

/* Whether the update is what this step of this job wants. The values are
 * looked at when they are added. */
static int check_form(const struct training *t, const struct partition *p,
                      const struct training_update *u, struct err *err)
{
    bool gradient = training_wants_gradient(t);
    uint64_t rows = training_step_rows(t, p, u->step);

    if (u->gradient != gradient) {
        return err_set(err, ERR_INVALID, "a %s is wanted, not a %s",
                       gradient ? "gradient" : "delta",
                       gradient ? "delta" : "gradient");
    }
    if (u->begin != 0 || u->end != training_update_size(t) ||
        u->values == NULL) {
        return err_set(err, ERR_INVALID,
                       "the range is %llu to %llu, 0 to %zu is wanted",
                       (unsigned long long)u->begin, (unsigned long long)u->end,
                       training_update_size(t));
    }
    if (u->samples != rows) {
        return err_set(err, ERR_INVALID,
                       "it was computed from %llu rows, this step has %llu",
                       (unsigned long long)u->samples,
                       (unsigned long long)rows);
    }
    if (u->iterations > rows) {
        return err_set(
            err, ERR_INVALID, "%llu optimizer steps on %llu rows cannot be",
            (unsigned long long)u->iterations, (unsigned long long)rows);
    }
    if (u->scalar_count != 0 &&
        u->scalar_count != optimizer_scalar_count(t->model->optimizer)) {
        return err_set(err, ERR_INVALID,
                       "%zu optimizer scalars, %zu are wanted", u->scalar_count,
                       optimizer_scalar_count(t->model->optimizer));
    }
    for (size_t i = 0; i < u->scalar_count; i++) {
        if (!isfinite(u->scalars[i])) {
            return err_set(err, ERR_INVALID,
                           "optimizer scalar %zu is not finite", i);
        }
    }
    return 0;
}

int training_check_update(const struct training *t, const struct partition *p,
                          const struct training_update *u, struct err *err)
{
    struct err why = {0};

    if (u->step > p->next_step) {
        return err_set(err, ERR_STATE, "step %llu has not come yet",
                       (unsigned long long)p->next_step);
    }
    if (training_is_synchronous(t) && !training_is_due(t, p, u->step)) {
        return err_set(err, ERR_STATE,
                       "the round before it is not complete yet");
    }
    if (training_is_synchronous(t) ? u->base_version != t->version
                                   : u->base_version > t->version) {
        return err_set(err, ERR_STATE,
                       "it was computed from version %llu, the current one is "
                       "%llu",
                       (unsigned long long)u->base_version,
                       (unsigned long long)t->version);
    }
    if (!training_is_within_bound(t, p, u->step)) {
        return err_set(err, ERR_STATE,
                       "it is more than %llu steps ahead of the slowest "
                       "partition",
                       (unsigned long long)t->options.staleness);
    }
    if (u->metrics == NULL) {
        return err_set(err, ERR_INVALID, "it has no metrics");
    }
    if (results_check(u->metrics, &why) != 0) {
        return err_set(err, ERR_DIVERGED,
                       "%s: the training diverges; try a smaller learning "
                       "rate, or --scale for the features",
                       why.msg);
    }
    return check_form(t, p, u, err);
}
