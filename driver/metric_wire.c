/* SPDX-License-Identifier: MIT
 *
 * metric_wire: see metric_wire.h.
 */
#include "driver/metric_wire.h"

#include "common/mem.h"
#include "common/model/model.h"

#include <string.h>

static int take_state(struct totals *totals, bool *seen,
                      const Elephas__V1__MetricState *state, struct err *err)
{
    size_t i = totals_find(totals, state->name);
    size_t n = 0;
    double *values;

    if (i == totals_count(totals)) {
        return err_set(err, ERR_INVALID,
                       "metrics: %.80s: the model has no such metric",
                       state->name);
    }
    if (seen[i]) {
        return err_set(err, ERR_INVALID, "metrics: %.80s: given twice",
                       state->name);
    }
    seen[i] = true;
    values = totals_state(totals, i, &n);
    if (state->n_values != n) {
        return err_set(err, ERR_INVALID,
                       "metrics: %.80s: %zu numbers, its state has %zu",
                       state->name, state->n_values, n);
    }
    if (n != 0) {
        memcpy(values, state->values, n * sizeof(*values));
    }
    return 0;
}

int metric_wire_totals(const struct model *model, size_t n,
                       Elephas__V1__MetricState *const *states,
                       struct totals **out, struct err *err)
{
    struct totals *totals = NULL;
    bool *seen = NULL;
    int rc;

    *out = NULL;
    if (n == 0) {
        return 0;
    }
    if (model->training == NULL) {
        return err_set(err, ERR_INVALID,
                       "metrics: the model is not compiled and has none");
    }
    rc = totals_create(model, &totals, err);
    if (rc != 0) {
        return rc;
    }
    totals_clear(totals);
    seen = mem_zarray(totals_count(totals) + 1, sizeof(*seen));
    if (seen == NULL) {
        rc = err_nomem(err);
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = take_state(totals, seen, states[i], err);
    }
    for (size_t i = 0; rc == 0 && i < totals_count(totals); i++) {
        if (!seen[i]) {
            rc = err_set(err, ERR_INVALID, "metrics: %s: missing",
                         totals_name(totals, i));
        }
    }
    mem_free(seen);
    if (rc != 0) {
        totals_destroy(&totals);
        return rc;
    }
    *out = totals;
    return 0;
}
