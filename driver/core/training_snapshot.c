/* SPDX-License-Identifier: MIT
 *
 * training_snapshot: the training between two rounds as one message
 * (proto/elephas/v1/snapshot.proto), and back. Contributions to the round in
 * the making are not in it: their workers send them again.
 *
 * A snapshot is untrusted when it is read: everything in it is compared with
 * the model, the options and itself, and what can be derived is derived.
 */
#include "common/mem.h"
#include "common/wire.h"
#include "driver/core/results.h"
#include "driver/core/training_parts.h"

#include "elephas/v1/snapshot.pb-c.h"

#include <math.h>
#include <string.h>

#define FORMAT 1

typedef Elephas__V1__Snapshot snapshot_msg;
typedef Elephas__V1__PartitionSnapshot partition_msg;
typedef Elephas__V1__EpochSnapshot epoch_msg;
typedef Elephas__V1__MetricState metric_msg;

/* The pieces of a message in the making; strings and numbers are borrowed
 * from the training. */
struct draft {
    snapshot_msg head;
    Elephas__V1__OptimizerState optimizer;
    Elephas__V1__OptimizerState server;
    partition_msg *partitions;
    partition_msg **partition_list;
    epoch_msg *epochs;
    epoch_msg **epoch_list;
    metric_msg *metrics;
    metric_msg **metric_list;
    size_t metrics_used;
};

/* Epochs whose training numbers are in the history. */
static uint64_t epochs_written(const struct training *t)
{
    return training_is_synchronous(t) ? t->epoch : t->epochs_done;
}

static void draft_deinit(struct draft *d)
{
    mem_free(d->partitions);
    mem_free(d->partition_list);
    mem_free(d->epochs);
    mem_free(d->epoch_list);
    mem_free(d->metrics);
    mem_free(d->metric_list);
}

static int draft_init(struct draft *d, const struct training *t,
                      struct err *err)
{
    size_t n = t->options.partitions;
    size_t entries = totals_count(t->merged);
    size_t sums = 2 * n + 2 * t->running_count;

    *d = (struct draft){0};
    d->partitions = mem_zarray(n, sizeof(*d->partitions));
    d->partition_list = mem_zarray(n, sizeof(*d->partition_list));
    d->epochs = mem_zarray(t->running_count, sizeof(*d->epochs));
    d->epoch_list = mem_zarray(t->running_count, sizeof(*d->epoch_list));
    d->metrics = mem_zarray(sums * entries, sizeof(*d->metrics));
    d->metric_list = mem_zarray(sums * entries, sizeof(*d->metric_list));
    if (d->partitions == NULL || d->partition_list == NULL ||
        d->epochs == NULL || d->epoch_list == NULL || d->metrics == NULL ||
        d->metric_list == NULL) {
        draft_deinit(d);
        return err_nomem(err);
    }
    return 0;
}

static void draft_totals(struct draft *d, const struct totals *totals,
                         size_t *n, metric_msg ***list)
{
    *list = d->metric_list + d->metrics_used;
    *n = totals_count(totals);
    for (size_t i = 0; i < *n; i++) {
        metric_msg *m = &d->metrics[d->metrics_used];

        elephas__v1__metric_state__init(m);
        m->name = (char *)totals_name(totals, i);
        m->values = totals_state((struct totals *)totals, i, &m->n_values);
        d->metric_list[d->metrics_used++] = m;
    }
}

static void draft_partition(struct draft *d, const struct training *t,
                            uint32_t index)
{
    const struct partition *p = &t->partitions[index];
    partition_msg *m = &d->partitions[index];

    elephas__v1__partition_snapshot__init(m);
    d->partition_list[index] = m;
    if (!p->joined) {
        return;
    }
    m->joined = true;
    m->samples = p->samples;
    m->validation_samples = p->validation_samples;
    m->next_step =
        training_is_synchronous(t) ? training_round_step(t, p) : p->next_step;
    m->next_validation = p->next_validation;
    m->iterations = p->iterations;
    m->start_loss = p->start_loss;
    m->first_loss = p->first_loss;
    draft_totals(d, p->epoch, &m->n_metrics, &m->metrics);
    if (training_is_synchronous(t) && p->next_validation > t->epochs_done) {
        draft_totals(d, p->validation, &m->n_validation, &m->validation);
    }
}

static Elephas__V1__Mode mode_of(const struct training *t)
{
    switch (t->options.mode) {
    case TRAINING_ASYNCHRONOUS:
        return ELEPHAS__V1__MODE__MODE_ASYNCHRONOUS;
    case TRAINING_HOGWILD:
        return ELEPHAS__V1__MODE__MODE_HOGWILD;
    case TRAINING_EASGD:
        return ELEPHAS__V1__MODE__MODE_EASGD;
    default:
        return ELEPHAS__V1__MODE__MODE_SYNCHRONOUS;
    }
}

static Elephas__V1__Frequency frequency_of(const struct training *t)
{
    return t->options.frequency == TRAINING_BATCH
               ? ELEPHAS__V1__FREQUENCY__FREQUENCY_BATCH
               : ELEPHAS__V1__FREQUENCY__FREQUENCY_EPOCH;
}

static void draft_head(struct draft *d, const struct training *t)
{
    snapshot_msg *m = &d->head;
    struct training *source = (struct training *)t;
    size_t width = results_count(t->merged);

    elephas__v1__snapshot__init(m);
    elephas__v1__optimizer_state__init(&d->optimizer);
    m->format = FORMAT;
    m->mode = mode_of(t);
    m->frequency = frequency_of(t);
    m->epochs = t->options.epochs;
    m->batch_size = t->options.batch_size;
    m->uniform = t->options.uniform;
    m->validation = t->options.validation;
    m->version = t->version;
    m->epoch = t->epoch;
    m->round = t->round;
    m->epochs_done = t->epochs_done;
    m->has_optimizer = t->state.has_optimizer;
    m->optimizer = &d->optimizer;
    d->optimizer.iterations = t->state.optimizer.iterations;
    d->optimizer.n_scalars = optimizer_scalar_count(t->model->optimizer);
    d->optimizer.scalars = source->state.optimizer.scalars;
    d->optimizer.slots = (uint32_t)optimizer_slot_count(t->model->optimizer);
    m->delta_scale = t->options.delta_scale;
    m->period = t->options.period;
    if (t->options.server != NULL) {
        elephas__v1__optimizer_state__init(&d->server);
        m->server = &d->server;
        d->server.iterations = t->server.iterations;
        d->server.n_scalars = optimizer_scalar_count(t->options.server);
        d->server.scalars = source->server.scalars;
        d->server.slots = (uint32_t)optimizer_slot_count(t->options.server);
    }
    m->n_staleness_counts = STALENESS_BUCKETS;
    m->staleness_counts = source->staleness.counts;
    m->staleness_sum = t->staleness.sum;
    m->staleness_max = t->staleness.max;
    m->n_partitions = t->options.partitions;
    m->partitions = d->partition_list;
    m->n_running = t->running_count;
    m->running = d->epoch_list;
    m->n_history = width * epochs_written(t);
    m->history = t->history.train;
    m->n_validation_history = t->validating != 0 ? width * t->epochs_done : 0;
    m->validation_history = t->history.validation;
}

/* The state vector and the server's slots are one field. */
static int pack(const struct training *t, const snapshot_msg *m,
                struct buf *out, struct err *err)
{
    size_t values = t->state.count * sizeof(float);
    size_t slots = training_server_count(t) * sizeof(float);
    uint8_t header[WIRE_HEADER_MAX];
    size_t n = wire_values_header(values + slots, header);
    int rc;

    if ((rc = wire_pack(&m->base, out, err)) != 0 ||
        (rc = buf_append(out, header, n, err)) != 0 ||
        (rc = buf_append(out, t->state.values, values, err)) != 0 ||
        slots == 0) {
        return rc;
    }
    return buf_append(out, t->server.slots, slots, err);
}

int training_save(const struct training *training, struct buf *out,
                  struct err *err)
{
    const struct training *t = training;
    struct draft d;
    int rc;

    if (t->broken.code != ERR_OK) {
        return err_set(err, t->broken.code, "%s", t->broken.msg);
    }
    rc = draft_init(&d, t, err);
    if (rc != 0) {
        return rc;
    }
    draft_head(&d, t);
    for (uint32_t i = 0; i < t->options.partitions; i++) {
        draft_partition(&d, t, i);
    }
    for (size_t i = 0; i < t->running_count; i++) {
        epoch_msg *m = &d.epochs[i];

        elephas__v1__epoch_snapshot__init(m);
        draft_totals(&d, t->running[i].sums, &m->n_metrics, &m->metrics);
        draft_totals(&d, t->running[i].validation, &m->n_validation,
                     &m->validation);
        d.epoch_list[i] = m;
    }
    rc = pack(t, &d.head, out, err);
    draft_deinit(&d);
    return rc;
}

static int unfit(const char *what, struct err *err)
{
    return err_set(err, ERR_INVALID,
                   "snapshot: %s do not fit this job or each other", what);
}

static bool fits_optimizer(const struct optimizer *optimizer,
                           const Elephas__V1__OptimizerState *o)
{
    if (o == NULL || o->n_scalars != optimizer_scalar_count(optimizer) ||
        o->slots != optimizer_slot_count(optimizer)) {
        return false;
    }
    for (size_t i = 0; i < o->n_scalars; i++) {
        if (!isfinite(o->scalars[i])) {
            return false;
        }
    }
    return true;
}

static int check_head(const struct training *t, const snapshot_msg *m,
                      struct view values, struct err *err)
{
    size_t count;

    if (m->format != FORMAT) {
        return err_set(err, ERR_UNSUPPORTED,
                       "snapshot: format %u is not known, %d is", m->format,
                       FORMAT);
    }
    if (m->mode != mode_of(t) || m->frequency != frequency_of(t) ||
        m->epochs != t->options.epochs ||
        m->batch_size != t->options.batch_size ||
        (m->uniform != 0) != t->options.uniform ||
        m->delta_scale != t->options.delta_scale ||
        (m->period > 1 ? m->period : 1) !=
            (t->options.period > 1 ? t->options.period : 1) ||
        (m->validation != 0) != t->options.validation ||
        m->n_partitions != t->options.partitions) {
        return unfit("options", err);
    }
    count = t->state.count + training_server_count(t);
    if (values.len != count * sizeof(float) ||
        !fixsum_is_finite(values.data, count)) {
        return unfit("values", err);
    }
    if (!fits_optimizer(t->model->optimizer, m->optimizer) ||
        (t->options.server != NULL
             ? !fits_optimizer(t->options.server, m->server)
             : m->server != NULL)) {
        return unfit("optimizer and its state", err);
    }
    if (m->epoch > m->epochs || m->epochs_done > m->epoch ||
        (training_is_synchronous(t) && m->epoch - m->epochs_done > 1) ||
        (m->epoch == m->epochs && m->round != 0)) {
        return unfit("epoch and round", err);
    }
    return 0;
}

static int read_totals(size_t n, metric_msg **list, struct totals *out,
                       struct err *err)
{
    if (n != totals_count(out)) {
        return unfit("metrics", err);
    }
    for (size_t i = 0; i < n; i++) {
        size_t size = 0;
        double *state = totals_state(out, i, &size);

        if (strcmp(list[i]->name, totals_name(out, i)) != 0 ||
            list[i]->n_values != size) {
            return unfit("metrics", err);
        }
        memcpy(state, list[i]->values, size * sizeof(*state));
    }
    return results_check(out, err);
}

static int read_partition(struct training *t, struct partition *p,
                          const snapshot_msg *m, const partition_msg *from,
                          struct err *err)
{
    bool validated = from->next_validation > m->epochs_done;
    int rc;

    if (!from->joined) {
        return 0;
    }
    if (!training_samples_fit(t, from->samples)) {
        return unfit("row counts", err);
    }
    rc = training_admit(t, p, from->samples, from->validation_samples, err);
    if (rc != 0 || (rc = read_totals(from->n_metrics, from->metrics, p->epoch,
                                     err)) != 0) {
        return rc;
    }
    p->next_step = from->next_step;
    p->next_validation = from->next_validation;
    p->iterations = from->iterations;
    p->start_loss = from->start_loss;
    p->first_loss = from->first_loss;
    if (!(p->start_loss >= 0 && p->first_loss >= 0)) {
        return unfit("losses", err);
    }
    if (!training_is_synchronous(t)) {
        return 0; /* see check_steps() */
    }
    if (p->validation_samples == 0) {
        return p->next_validation == 0 ? 0 : unfit("validation results", err);
    }
    if (p->next_validation != m->epochs_done + validated ||
        p->next_validation > m->epoch) {
        return unfit("validation results", err);
    }
    t->validated += validated;
    return validated ? read_totals(from->n_validation, from->validation,
                                   p->validation, err)
                     : 0;
}

/* Whether the steps and validations of an asynchronous partition can be. */
static bool fits_async(const struct training *t, const struct partition *p)
{
    uint64_t own = p->steps != 0 ? p->next_step / p->steps : t->epoch;

    if (p->next_step > t->options.epochs * p->steps || own < t->epoch) {
        return false;
    }
    return p->validation_samples == 0 ? p->next_validation == 0
                                      : p->next_validation >= t->epochs_done &&
                                            p->next_validation <= own;
}

/* Steps, rounds and epochs against each other, once all partitions are read
 * and t->epoch and t->round are set. */
static int check_steps(const struct training *t, struct err *err)
{
    if (!training_all_joined(t) ? t->epoch != 0 || t->round != 0
                                : t->round != 0 && t->round >= t->rounds) {
        return unfit("epoch and round", err);
    }
    if (t->round != 0 && !training_is_synchronous(t)) {
        return unfit("epoch and round", err);
    }
    if ((t->validated != 0 && t->validated >= t->validating) ||
        (t->validating == 0 && t->epochs_done != t->epoch)) {
        return unfit("validation results", err);
    }
    for (uint32_t i = 0; i < t->options.partitions; i++) {
        const struct partition *p = &t->partitions[i];

        if (training_is_synchronous(t)
                ? p->next_step != training_round_step(t, p)
                : p->joined && !fits_async(t, p)) {
            return unfit("steps", err);
        }
    }
    return 0;
}

/* Who is in the sums of an epoch follows from the steps. */
static void count_running(struct training *t, size_t index)
{
    struct running_epoch *r = &t->running[index];
    uint64_t epoch = t->epochs_done + index;

    for (uint32_t i = 0; i < t->options.partitions; i++) {
        const struct partition *p = &t->partitions[i];

        r->complete += p->steps != 0 && p->next_step / p->steps > epoch;
        r->validated +=
            p->validation_samples != 0 && p->next_validation > epoch;
    }
}

static int read_running(struct training *t, const snapshot_msg *m,
                        struct err *err)
{
    uint64_t last = t->epochs_done;
    uint64_t was_done = t->epochs_done;
    uint64_t was_epoch = t->epoch;
    int rc;

    for (uint32_t i = 0; i < t->options.partitions; i++) {
        const struct partition *p = &t->partitions[i];
        uint64_t own = p->steps != 0 ? p->next_step / p->steps : 0;

        last = own > last ? own : last;
    }
    /* a partition may be in an epoch before it has completed any of it */
    if (training_is_synchronous(t)
            ? m->n_running != 0
            : m->n_running > t->options.epochs - was_done ||
                  m->n_running < last - was_done) {
        return unfit("epochs", err);
    }
    for (size_t i = 0; i < m->n_running; i++) {
        const epoch_msg *from = m->running[i];

        if ((rc = training_running_reserve(t, was_done + i, err)) != 0 ||
            (rc = read_totals(from->n_metrics, from->metrics,
                              t->running[i].sums, err)) != 0 ||
            (rc = read_totals(from->n_validation, from->validation,
                              t->running[i].validation, err)) != 0) {
            return rc;
        }
        count_running(t, i);
    }
    if (!training_is_synchronous(t)) {
        /* nothing moves if the counts agree with what was written */
        rc = history_reserve(t, was_done + m->n_running, err);
        if (rc != 0) {
            return rc;
        }
        training_async_advance(t);
    }
    return t->epoch == was_epoch && t->epochs_done == was_done
               ? 0
               : unfit("epochs", err);
}

static int read_history(struct training *t, const snapshot_msg *m,
                        struct err *err)
{
    size_t width = results_count(t->merged);
    size_t validations = t->validating != 0 ? t->epochs_done : 0;
    int rc;

    if (width == 0 || m->n_history / width != epochs_written(t) ||
        m->n_history % width != 0 ||
        m->n_validation_history != validations * width) {
        return unfit("histories", err);
    }
    rc = history_reserve(t, t->epoch, err);
    if (rc != 0) {
        return rc;
    }
    if (m->n_history != 0) {
        memcpy(t->history.train, m->history, m->n_history * sizeof(double));
    }
    if (m->n_validation_history != 0) {
        memcpy(t->history.validation, m->validation_history,
               m->n_validation_history * sizeof(double));
    }
    return 0;
}

static int read_staleness(struct training *t, const snapshot_msg *m,
                          struct err *err)
{
    struct staleness *s = &t->staleness;
    uint64_t updates = 0;

    if (m->n_staleness_counts > STALENESS_BUCKETS) {
        return unfit("staleness counts", err);
    }
    for (size_t i = 0; i < m->n_staleness_counts; i++) {
        s->counts[i] = m->staleness_counts[i];
    }
    s->sum = m->staleness_sum;
    s->max = m->staleness_max;
    for (unsigned i = 0; i < STALENESS_BUCKETS; i++) {
        if (s->counts[i] > m->version - updates) {
            return unfit("staleness counts", err);
        }
        updates += s->counts[i];
    }
    return 0;
}

static void forget(struct training *t)
{
    for (uint32_t i = 0; i < t->options.partitions; i++) {
        training_dismiss(t, &t->partitions[i]);
    }
    training_running_clear(t);
    t->staleness = (struct staleness){.sum = 0};
    t->epoch = 0;
    t->round = 0;
    t->epochs_done = 0;
    t->validated = 0;
}

static int read_all(struct training *t, const snapshot_msg *m, struct err *err)
{
    int rc = 0;

    t->epoch = m->epoch;
    t->round = m->round;
    t->epochs_done = m->epochs_done;
    for (uint32_t i = 0; rc == 0 && i < t->options.partitions; i++) {
        rc = read_partition(t, &t->partitions[i], m, m->partitions[i], err);
    }
    if (rc == 0 && training_all_joined(t) && t->samples == 0) {
        rc = unfit("row counts", err);
    }
    if (rc == 0) {
        rc = check_steps(t, err);
    }
    if (rc == 0) {
        rc = read_staleness(t, m, err);
    }
    if (rc == 0) {
        rc = read_history(t, m, err);
    }
    if (rc == 0) {
        rc = read_running(t, m, err);
    }
    if (rc != 0) {
        forget(t);
    }
    return rc;
}

int training_restore(struct training *training, struct view saved,
                     struct err *err)
{
    struct training *t = training;
    struct view head;
    struct view values;
    ProtobufCMessage *base = NULL;
    const snapshot_msg *m;
    int rc;

    if (t->version != 0 || t->joined != 0) {
        return err_set(err, ERR_STATE,
                       "a snapshot is for a training that has not begun");
    }
    if ((rc = wire_split(saved, &head, &values, err)) != 0 ||
        (rc = wire_unpack(&elephas__v1__snapshot__descriptor, head, &base,
                          err)) != 0) {
        (void)err_wrap(err, "snapshot");
        return rc;
    }
    m = (const snapshot_msg *)base;
    if ((rc = check_head(t, m, values, err)) == 0 &&
        (rc = read_all(t, m, err)) == 0) {
        training_set_version(t, m->version);
        t->state.has_weights = true;
        t->state.has_optimizer = m->has_optimizer != 0;
        t->state.optimizer.iterations = m->optimizer->iterations;
        memcpy(t->state.optimizer.scalars, m->optimizer->scalars,
               m->optimizer->n_scalars * sizeof(double));
        memcpy(t->state.values, values.data, t->state.count * sizeof(float));
        if (m->server != NULL) {
            t->server.iterations = m->server->iterations;
            memcpy(t->server.scalars, m->server->scalars,
                   m->server->n_scalars * sizeof(double));
            memcpy(t->server.slots,
                   values.data + t->state.count * sizeof(float),
                   training_server_count(t) * sizeof(float));
        }
    }
    wire_free(&base);
    return rc;
}
