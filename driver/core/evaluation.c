/* SPDX-License-Identifier: MIT
 *
 * evaluation: see evaluation.h. The sums of each partition are kept until the
 * end, a few doubles each, so that they can be merged in partition order.
 */
#include "driver/core/evaluation.h"

#include "common/mem.h"
#include "driver/core/results.h"

struct part {
    bool counted;
    uint64_t samples;
    struct totals *metrics; /* NULL: a prediction, or not counted */
};

struct evaluation {
    const struct model *model; /* borrowed */
    uint32_t partitions;
    uint32_t counted;
    uint64_t samples;
    struct part *parts; /* one for each partition */
};

int evaluation_create(const struct model *model, uint32_t partitions,
                      struct evaluation **out, struct err *err)
{
    struct evaluation *e;

    if (partitions == 0) {
        return err_set(err, ERR_INVALID, "a job has at least one partition");
    }
    e = mem_zalloc(sizeof(*e));
    if (e == NULL ||
        (e->parts = mem_zarray(partitions, sizeof(*e->parts))) == NULL) {
        mem_free(e);
        return err_nomem(err);
    }
    e->model = model;
    e->partitions = partitions;
    *out = e;
    return 0;
}

void evaluation_destroy(struct evaluation **evaluation)
{
    struct evaluation *e = *evaluation;

    if (e == NULL) {
        return;
    }
    for (uint32_t p = 0; p < e->partitions; p++) {
        totals_destroy(&e->parts[p].metrics);
    }
    mem_free(e->parts);
    mem_free(e);
    *evaluation = NULL;
}

int evaluation_add(struct evaluation *evaluation, uint32_t partition,
                   uint64_t samples, const struct totals *metrics,
                   bool *duplicate, struct err *err)
{
    struct part *part;

    if (partition >= evaluation->partitions) {
        return err_set(err, ERR_INVALID,
                       "partition %u: the job has %u, counted from 0",
                       partition, evaluation->partitions);
    }
    part = &evaluation->parts[partition];
    *duplicate = part->counted;
    if (part->counted) {
        return 0;
    }
    if (samples > UINT64_MAX - evaluation->samples) {
        return err_set(err, ERR_INVALID, "partition %u: %llu rows cannot be",
                       partition, (unsigned long long)samples);
    }
    if (metrics != NULL) {
        int rc = results_check(metrics, err);

        if (rc == 0 && samples == 0 && !results_empty(metrics)) {
            rc = err_set(err, ERR_INVALID, "sums without rows");
        }
        if (rc != 0) {
            (void)err_wrap(err, "partition %u", partition);
            return rc;
        }
        rc = totals_create(evaluation->model, &part->metrics, err);
        if (rc != 0) {
            return rc;
        }
        totals_merge(part->metrics, metrics);
    }
    part->counted = true;
    part->samples = samples;
    evaluation->samples += samples;
    evaluation->counted++;
    return 0;
}

bool evaluation_complete(const struct evaluation *evaluation)
{
    return evaluation->counted == evaluation->partitions;
}

uint64_t evaluation_samples(const struct evaluation *evaluation)
{
    return evaluation->samples;
}

int evaluation_result(const struct evaluation *evaluation, json_t **out,
                      struct err *err)
{
    struct totals *sum = NULL;
    double *numbers = NULL;
    json_t *result = NULL;
    int rc;

    if (evaluation->samples == 0) {
        return err_set(err, ERR_INVALID, "the data has not a single row");
    }
    rc = totals_create(evaluation->model, &sum, err);
    if (rc != 0) {
        return rc;
    }
    for (uint32_t p = 0; p < evaluation->partitions; p++) {
        if (evaluation->parts[p].metrics != NULL) {
            totals_merge(sum, evaluation->parts[p].metrics);
        }
    }
    if ((rc = results_check(sum, err)) != 0) {
        goto out;
    }
    numbers = mem_array(results_count(sum), sizeof(*numbers));
    result = json_object();
    if (numbers == NULL || result == NULL) {
        rc = err_nomem(err);
        goto out;
    }
    results_numbers(sum, numbers);
    if (results_put(result, "", sum, numbers, 0) != 0) {
        rc = err_nomem(err);
        goto out;
    }
    *out = result;
    result = NULL;
out:
    json_decref(result);
    mem_free(numbers);
    totals_destroy(&sum);
    return rc;
}
