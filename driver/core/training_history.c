/* SPDX-License-Identifier: MIT
 *
 * training_history: the numbers of each epoch, and validation. Sums of
 * partitions are merged in partition order, so the numbers do not depend on
 * who was faster. Room for an epoch is made before anything is counted that
 * may complete it, so completing cannot fail.
 */
#include "common/mem.h"
#include "driver/core/results.h"
#include "driver/core/training_parts.h"

static int resize(double **numbers, size_t epochs, size_t width,
                  struct err *err)
{
    double *bigger;

    if (width != 0 && epochs > SIZE_MAX / sizeof(double) / width) {
        return err_nomem(err);
    }
    bigger = mem_resize_array(*numbers, epochs * width, sizeof(double));
    if (bigger == NULL) {
        return err_nomem(err);
    }
    *numbers = bigger;
    return 0;
}

int history_reserve(struct training *t, uint64_t epoch, struct err *err)
{
    struct history *h = &t->history;
    size_t width = results_count(t->merged);
    size_t capacity = h->capacity == 0 ? 8 : h->capacity;
    int rc;

    while (capacity <= epoch) {
        capacity *= 2;
    }
    if (capacity == h->capacity) {
        return 0;
    }
    if ((rc = resize(&h->train, capacity, width, err)) != 0 ||
        (rc = resize(&h->validation, capacity, width, err)) != 0) {
        return rc;
    }
    h->capacity = capacity;
    return 0;
}

void history_deinit(struct history *history)
{
    mem_free(history->train);
    mem_free(history->validation);
    *history = (struct history){0};
}

void history_write(struct training *t, uint64_t epoch,
                   const struct totals *train, const struct totals *validation)
{
    size_t at = (size_t)epoch * results_count(t->merged);

    if (train != NULL) {
        results_numbers(train, t->history.train + at);
    }
    if (validation != NULL) {
        results_numbers(validation, t->history.validation + at);
    }
}

void history_settle(struct training *t)
{
    if (t->validating == 0) {
        t->epochs_done = t->epoch;
        return;
    }
    if (t->epochs_done == t->epoch || t->validated < t->validating) {
        return;
    }
    totals_clear(t->merged);
    for (uint32_t i = 0; i < t->options.partitions; i++) {
        if (t->partitions[i].validation_samples != 0) {
            totals_merge(t->merged, t->partitions[i].validation);
        }
    }
    history_write(t, t->epochs_done, NULL, t->merged);
    t->epochs_done++;
    t->validated = 0;
}

/* Whether the partition may validate this epoch: in asynchronous mode, when
 * it has completed the epoch itself. */
static bool is_complete(const struct training *t, const struct partition *p,
                        uint64_t epoch)
{
    return t->options.mode == TRAINING_SYNCHRONOUS || p->steps == 0
               ? epoch < t->epoch
               : epoch < p->next_step / p->steps;
}

/* A refusal names the partition and the epoch. */
static int check_validation(const struct training *t, const struct partition *p,
                            uint32_t partition, uint64_t epoch,
                            const struct totals *metrics, struct err *err)
{
    struct err why = {0};

    if (p->validation_samples == 0) {
        return err_set(err, ERR_STATE,
                       "partition %u joined without validation rows",
                       partition);
    }
    if (!is_complete(t, p, epoch)) {
        return err_set(err, ERR_STATE,
                       "partition %u: epoch %llu is not complete yet",
                       partition, (unsigned long long)epoch);
    }
    if (epoch > p->next_validation) {
        return err_set(err, ERR_STATE,
                       "partition %u: the validation result of epoch %llu is "
                       "missing",
                       partition, (unsigned long long)p->next_validation);
    }
    if (results_check(metrics, &why) != 0) {
        return err_set(err, ERR_DIVERGED,
                       "partition %u, validation of epoch %llu: %s: the "
                       "training diverges; try a smaller learning rate",
                       partition, (unsigned long long)epoch, why.msg);
    }
    return 0;
}

static int count(struct training *t, struct partition *p, uint64_t epoch,
                 const struct totals *metrics, struct err *err)
{
    if (t->options.mode != TRAINING_SYNCHRONOUS) {
        training_async_validate(t, p, epoch, metrics);
        return 0;
    }
    totals_clear(p->validation);
    totals_merge(p->validation, metrics);
    p->next_validation++;
    t->validated++;
    history_settle(t);
    /* rounds of the next epoch may have waited for it */
    return training_advance(t, err);
}

int training_validation(struct training *training, uint32_t partition,
                        uint64_t epoch, const struct totals *metrics,
                        struct training_reply *out, struct err *err)
{
    struct training *t = training;
    struct partition *p;
    int rc = 0;

    if (t->broken.code != ERR_OK) {
        return err_set(err, t->broken.code, "%s", t->broken.msg);
    }
    if (partition >= t->options.partitions ||
        !t->partitions[partition].joined) {
        return err_set(err, ERR_STATE, "partition %u has not joined",
                       partition);
    }
    p = &t->partitions[partition];
    out->status = TRAINING_DUPLICATE;
    out->detail = "this validation result was counted before";
    if (p->validation_samples == 0 || epoch >= p->next_validation) {
        rc = check_validation(t, p, partition, epoch, metrics, err);
        if (rc != 0) {
            return rc;
        }
        rc = count(t, p, epoch, metrics, err);
        out->status = TRAINING_APPLIED;
        out->detail = NULL;
    }
    out->version = t->version;
    out->next_step = p->next_step;
    return rc;
}

uint64_t training_epochs_done(const struct training *training)
{
    return training->epochs_done;
}

bool training_finished(const struct training *training)
{
    return training->epochs_done == training->options.epochs;
}

json_t *training_history(const struct training *training)
{
    const struct training *t = training;
    json_t *history = json_object();
    size_t done = (size_t)t->epochs_done;

    if (history == NULL) {
        return NULL;
    }
    /* no epoch yet: no lists either, rather than single numbers */
    if (done != 0 &&
        (results_put(history, "", t->merged, t->history.train, done) != 0 ||
         (t->validating != 0 &&
          results_put(history, "val_", t->merged, t->history.validation,
                      done) != 0))) {
        json_decref(history);
        return NULL;
    }
    return history;
}

json_t *training_epoch_metrics(const struct training *training, uint64_t epoch)
{
    const struct training *t = training;
    size_t at = (size_t)epoch * results_count(t->merged);
    json_t *metrics;

    if (epoch >= t->epochs_done || (metrics = json_object()) == NULL) {
        return NULL;
    }
    if (results_put(metrics, "", t->merged, t->history.train + at, 0) != 0 ||
        (t->validating != 0 &&
         results_put(metrics, "val_", t->merged, t->history.validation + at,
                     0) != 0)) {
        json_decref(metrics);
        return NULL;
    }
    return metrics;
}
