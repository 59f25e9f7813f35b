/* SPDX-License-Identifier: MIT
 *
 * totals: the loss and all metrics of a run as mergeable states; see metric.h.
 * All states lie in one array. After keras.Model.evaluate: "loss" is a mean
 * over rows, "<output>_loss" a mean over batches.
 */
#include "common/mem.h"
#include "common/model/loss.h"
#include "common/model/metric.h"
#include "common/model/model.h"

#include <stdlib.h>
#include <string.h>

struct entry {
    char *name;
    const struct metric *metric; /* of the model; NULL: a loss */
    size_t output;               /* index of its output */
    bool is_total;               /* the loss over all outputs */
    size_t state;                /* offset of its state */
    size_t state_size;
};

struct totals {
    const struct model *model;
    struct entry *entries;
    size_t count;
    double *states;
    size_t state_count;
};

static size_t loss_count(const struct model *model)
{
    size_t n = 0;

    for (size_t i = 0; i < model->output_count; i++) {
        n += model->training[i].loss != NULL;
    }
    return n;
}

/* Takes ownership of name. */
static struct entry *add_entry(struct totals *t, char *name,
                               const struct metric *metric, size_t output)
{
    struct entry *e = &t->entries[t->count];

    if (name == NULL) {
        return NULL;
    }
    *e = (struct entry){.name = name,
                        .metric = metric,
                        .output = output,
                        .state_size =
                            metric != NULL ? metric_state_size(metric) : 2};
    t->count++;
    return e;
}

static bool is_taken(const struct totals *t, const char *name)
{
    return totals_find(t, name) < t->count;
}

/* The name under which Keras reports it: a weighted one that is taken gets
 * "weighted_" in front, what is still taken then _1, _2 ... behind. NULL
 * without memory. */
static char *unique_name(const struct totals *t, const struct metric *metric,
                         const char *output)
{
    const char *between = output[0] != '\0' ? "_" : "";
    char *base = mem_printf("%s%s%s", output, between, metric_name(metric));
    char *name;

    if (base != NULL && is_taken(t, base) && metric_is_weighted(metric)) {
        mem_free(base);
        base =
            mem_printf("%s%sweighted_%s", output, between, metric_name(metric));
    }
    name = base != NULL ? mem_strdup(base) : NULL;
    for (int n = 1; name != NULL && is_taken(t, name); n++) {
        mem_free(name);
        name = mem_printf("%s_%d", base, n);
    }
    mem_free(base);
    return name;
}

static int add_metrics(struct totals *t, bool weighted, struct err *err)
{
    for (size_t i = 0; i < t->model->output_count; i++) {
        const struct output_training *o = &t->model->training[i];
        const char *prefix = t->model->output_count > 1 ? o->name : "";

        for (size_t k = 0; k < o->metric_count; k++) {
            const struct metric *m = o->metrics[k];

            if (metric_is_weighted(m) == weighted &&
                add_entry(t, unique_name(t, m, prefix), m, i) == NULL) {
                return err_nomem(err);
            }
        }
    }
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    const struct entry *x = a;
    const struct entry *y = b;

    return strcmp(x->name, y->name);
}

static int add_entries(struct totals *t, struct err *err)
{
    struct entry *total = add_entry(t, mem_strdup("loss"), NULL, 0);
    size_t losses = loss_count(t->model);
    size_t first;
    int rc;

    if (total == NULL) {
        return err_nomem(err);
    }
    total->is_total = true;
    for (size_t i = 0; losses > 1 && i < t->model->output_count; i++) {
        const struct output_training *o = &t->model->training[i];

        if (o->loss != NULL &&
            add_entry(t, mem_printf("%s_loss", o->name), NULL, i) == NULL) {
            return err_nomem(err);
        }
    }
    first = t->count;
    if ((rc = add_metrics(t, false, err)) != 0 ||
        (rc = add_metrics(t, true, err)) != 0) {
        return rc;
    }
    if (t->model->output_count > 1) {
        qsort(t->entries + first, t->count - first, sizeof(struct entry),
              compare_names);
    }
    return 0;
}

int totals_create(const struct model *model, struct totals **out,
                  struct err *err)
{
    size_t n = 1 + model->output_count;
    struct totals *t;
    int rc;

    if (model->training == NULL) {
        return err_set(err, ERR_STATE,
                       "the model has no compile configuration: name a loss");
    }
    t = mem_zalloc(sizeof(*t));
    if (t == NULL) {
        return err_nomem(err);
    }
    for (size_t i = 0; i < model->output_count; i++) {
        n += model->training[i].metric_count;
    }
    t->model = model;
    t->entries = mem_zarray(n, sizeof(*t->entries));
    rc = t->entries == NULL ? err_nomem(err) : add_entries(t, err);
    for (size_t i = 0; rc == 0 && i < t->count; i++) {
        t->entries[i].state = t->state_count;
        t->state_count += t->entries[i].state_size;
    }
    if (rc == 0) {
        t->states = mem_zarray(t->state_count, sizeof(double));
        rc = t->states == NULL ? err_nomem(err) : 0;
    }
    if (rc != 0) {
        totals_destroy(&t);
        return rc;
    }
    *out = t;
    return 0;
}

void totals_destroy(struct totals **totals)
{
    struct totals *t = *totals;

    if (t == NULL) {
        return;
    }
    for (size_t i = 0; i < t->count; i++) {
        mem_free(t->entries[i].name);
    }
    mem_free(t->entries);
    mem_free(t->states);
    mem_free(t);
    *totals = NULL;
}

void totals_clear(struct totals *totals)
{
    memset(totals->states, 0, totals->state_count * sizeof(double));
}

size_t totals_count(const struct totals *totals)
{
    return totals->count;
}

const char *totals_name(const struct totals *totals, size_t i)
{
    return totals->entries[i].name;
}

double *totals_state(struct totals *totals, size_t i, size_t *n)
{
    *n = totals->entries[i].state_size;
    return totals->states + totals->entries[i].state;
}

size_t totals_find(const struct totals *totals, const char *name)
{
    size_t i = 0;

    while (i < totals->count && strcmp(totals->entries[i].name, name) != 0) {
        i++;
    }
    return i;
}

size_t totals_loss_of(const struct totals *totals, size_t i)
{
    const struct entry *e = &totals->entries[i];

    if (e->metric != NULL) {
        return SIZE_MAX;
    }
    return e->is_total ? totals->model->output_count : e->output;
}

void totals_merge(struct totals *a, const struct totals *b)
{
    for (size_t i = 0; i < a->state_count; i++) {
        a->states[i] += b->states[i];
    }
}

size_t totals_result_size(const struct totals *totals, size_t i)
{
    const struct metric *metric = totals->entries[i].metric;

    return metric != NULL ? metric_result_size(metric) : 1;
}

void totals_result(const struct totals *totals, size_t i, double *out)
{
    const struct entry *e = &totals->entries[i];
    const double *state = totals->states + e->state;

    if (e->metric != NULL) {
        metric_result(e->metric, state, out);
    } else {
        out[0] = state[1] != 0.0 ? state[0] / state[1] : 0.0;
    }
}

static struct metric_batch batch_of(const struct totals *totals,
                                    const struct totals_batch *batch,
                                    const struct entry *e)
{
    size_t i = e->output;

    return (struct metric_batch){
        .rows = batch->rows,
        .output = model_output_shape(totals->model, i),
        .y = batch->y[i],
        .p = batch->p[i],
        .logits = batch->logits != NULL ? batch->logits[i] : NULL,
        .weights = metric_is_weighted(e->metric) ? batch->weights : NULL,
        .mask = batch->masks != NULL ? batch->masks[i] : NULL,
    };
}

void totals_add_batch(struct totals *totals, const struct totals_batch *batch)
{
    for (size_t i = 0; i < totals->count; i++) {
        const struct entry *e = &totals->entries[i];
        double *state = totals->states + e->state;

        if (e->metric != NULL) {
            struct metric_batch rows = batch_of(totals, batch, e);

            metric_update(e->metric, &rows, state);
        } else if (e->is_total) {
            state[0] += batch->loss * (double)batch->rows;
            state[1] += (double)batch->rows;
        } else {
            state[0] += batch->output_losses[e->output];
            state[1] += 1.0;
        }
    }
}
