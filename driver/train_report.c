/* SPDX-License-Identifier: MIT
 *
 * train_report: what people see of a running training: progress a few times a
 * second, and each epoch.
 */
#include "driver/train_parts.h"

#include "common/clock.h"
#include "common/elog.h"
#include "common/mem.h"
#include "driver/core/results.h"

#define PROGRESS_MS 200

double train_seconds(const struct train *t)
{
    int64_t end = t->ended != 0 ? t->ended : clock_ms();
    int64_t ms = t->before_ms + (t->began != 0 ? end - t->began : 0);

    return (double)ms / 1000;
}

/* The sums of the epoch that is being worked on, over all partitions. */
static json_t *running_metrics(const struct train *t, uint32_t partitions,
                               uint64_t epoch, uint64_t *done)
{
    struct totals *sum = NULL;
    double *numbers = NULL;
    json_t *metrics = NULL;

    *done = 0;
    if (totals_create(t->model, &sum, NULL) != 0) {
        return NULL;
    }
    for (uint32_t i = 0; i < partitions; i++) {
        const struct train_partition *p = &t->partitions[i];

        if (p->epoch == epoch && p->totals != NULL) {
            totals_merge(sum, p->totals);
            *done += p->done;
        } else if (p->epoch > epoch) {
            *done += p->samples;
        }
    }
    numbers = mem_array(results_count(sum), sizeof(*numbers));
    metrics = json_object();
    if (numbers != NULL && metrics != NULL) {
        results_numbers(sum, numbers);
        (void)results_put(metrics, "", sum, numbers, 0);
    }
    mem_free(numbers);
    totals_destroy(&sum);
    return metrics;
}

static void tell_progress(struct job *job)
{
    struct train *t = train_of(job);
    uint64_t epoch = training_epochs_done(t->training);
    uint64_t done;
    json_t *metrics;
    json_t *event;
    int64_t now = clock_ms();

    if (now - t->last_progress < PROGRESS_MS ||
        epoch >= job->spec->training.epochs) {
        return;
    }
    t->last_progress = now;
    metrics = running_metrics(t, job->spec->workers, epoch, &done);
    event = job_new_event(job, "progress");
    if (event == NULL || metrics == NULL ||
        json_object_set_new(event, "epoch",
                            json_integer((json_int_t)epoch + 1)) != 0 ||
        json_object_set_new(event, "epochs",
                            json_integer(job->spec->training.epochs)) != 0 ||
        json_object_set_new(event, "done", json_integer((json_int_t)done)) !=
            0 ||
        json_object_set_new(
            event, "samples",
            json_integer((json_int_t)training_samples(t->training))) != 0 ||
        json_object_set(event, "metrics", metrics) != 0 ||
        json_object_set_new(event, "seconds",
                            json_real((double)(now - t->epoch_began) / 1000)) !=
            0) {
        json_decref(event); /* nobody misses one */
        event = NULL;
    }
    json_decref(metrics);
    if (event != NULL) {
        job_event(job, event, false);
    }
}

void train_note(struct job *job, uint32_t partition, uint64_t epoch,
                uint64_t rows, const struct totals *metrics, bool total)
{
    struct train *t = train_of(job);
    struct train_partition *p = &t->partitions[partition];

    if (epoch < p->epoch || (total && epoch == p->epoch && rows < p->done)) {
        return;
    }
    if (p->totals == NULL && totals_create(t->model, &p->totals, NULL) != 0) {
        return;
    }
    if (epoch != p->epoch || total) {
        totals_clear(p->totals);
        p->done = 0;
        p->epoch = epoch;
    }
    if (metrics != NULL) {
        totals_merge(p->totals, metrics);
    }
    p->done += rows;
    if (p->done > p->samples) {
        p->done = p->samples;
    }
    job->partitions[partition].done = epoch * p->samples + p->done;
    tell_progress(job);
}

static void tell_epoch(struct job *job, uint64_t epoch, int64_t ms)
{
    struct train *t = train_of(job);
    json_t *event = job_new_event(job, "epoch");
    json_t *metrics = training_epoch_metrics(t->training, epoch);

    job_log(job, "epoch %llu of %u is complete, %.3f s",
            (unsigned long long)epoch + 1, job->spec->training.epochs,
            (double)ms / 1000);
    if (epoch < t->first_kept) {
        json_decref(event);
        json_decref(metrics);
        return; /* told before the daemon was restarted */
    }
    if (event == NULL || metrics == NULL ||
        json_object_set_new(event, "epoch",
                            json_integer((json_int_t)epoch + 1)) != 0 ||
        json_object_set_new(event, "epochs",
                            json_integer(job->spec->training.epochs)) != 0 ||
        json_object_set(event, "metrics", metrics) != 0 ||
        json_object_set_new(
            event, "samples",
            json_integer((json_int_t)training_samples(t->training))) != 0 ||
        json_object_set_new(event, "seconds", json_real((double)ms / 1000)) !=
            0) {
        elog(ELOG_ERROR, "job.event_lost", E_STR("job", job->id),
             E_STR("event", "epoch"));
        json_decref(event);
        event = NULL;
    }
    json_decref(metrics);
    if (event != NULL) {
        job_event(job, event, true);
    }
}

void train_report_epochs(struct job *job)
{
    struct train *t = train_of(job);
    uint64_t done = training_epochs_done(t->training);
    int64_t now = clock_ms();

    for (; t->epochs_reported < done; t->epochs_reported++) {
        tell_epoch(job, t->epochs_reported, now - t->epoch_began);
        t->epoch_began = now;
    }
}
