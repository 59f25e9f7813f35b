/* SPDX-License-Identifier: MIT
 *
 * check_training_async: updates applied one by one, exactly once; partitions
 * that run ahead; validation; moving statistics.
 */
#include "tests/unit/core/linear.h"

#include <math.h>

static const enum training_mode modes[] = {TRAINING_ASYNCHRONOUS,
                                           TRAINING_HOGWILD};

static struct model *the_model(const char *optimizer)
{
    struct model *model = NULL;
    struct err err = {0};

    unit_ok(linear_model(optimizer, "{}", &model, &err), &err);
    return model;
}

static struct training *begin(const struct model *model,
                              const struct training_options *options,
                              const uint64_t *rows, const uint64_t *held)
{
    struct training *t = NULL;
    struct training_assignment a;
    struct err err = {0};

    unit_ok(linear_training(model, options, &t, &err), &err);
    for (uint32_t p = 0; p < options->partitions; p++) {
        unit_ok(
            linear_join(t, p, 0, rows[p], held != NULL ? held[p] : 0, &a, &err),
            &err);
    }
    return t;
}

/* weights -= delta, in the order in which they come, whatever they were
 * computed from */
START_TEST(updates_are_applied_as_they_come)
{
    struct training_options options = {.partitions = 2,
                                       .epochs = 2,
                                       .batch_size = 4,
                                       .mode = modes[_i % 2],
                                       .frequency = _i < 2 ? TRAINING_EPOCH
                                                           : TRAINING_BATCH,
                                       .delta_scale = 1};
    struct model *model = the_model("adam");
    const uint64_t rows[2] = {10, 9};
    struct training *t = begin(model, &options, rows, NULL);
    struct training_reply reply;
    struct linear_work work[2];
    struct err err = {0};
    float want[LINEAR_P];

    memcpy(want, training_state(t)->values, sizeof(want));
    for (uint32_t p = 0; p < 2; p++) {
        linear_compute(model, &options, training_state(t), 0, p, rows[p], 0,
                       &work[p]);
    }
    for (uint32_t k = 0; k < 2; k++) {
        uint32_t p = 1 - k;

        for (int i = 0; i < LINEAR_P; i++) {
            want[i] -= work[p].values[i];
        }
        unit_ok(training_update(t, &work[p].update, &reply, &err), &err);
        ck_assert_int_eq((int)reply.status, TRAINING_APPLIED);
        ck_assert_uint_eq(reply.version, k + 1);
        ck_assert_uint_eq(reply.next_step, 1);
        ck_assert_mem_eq(training_state(t)->values, want, sizeof(want));
        /* again: counted once */
        unit_ok(training_update(t, &work[p].update, &reply, &err), &err);
        ck_assert_int_eq((int)reply.status, TRAINING_DUPLICATE);
        ck_assert_mem_eq(training_state(t)->values, want, sizeof(want));
    }
    ck_assert_uint_eq(training_state(t)->optimizer.iterations, _i < 2 ? 3 : 1);
    /* slots stay with the workers */
    for (size_t i = LINEAR_P; i < training_state(t)->count; i++) {
        ck_assert(training_state(t)->values[i] == 0);
    }
    for (uint32_t p = 0; p < 2; p++) {
        linear_work_deinit(&work[p]);
    }
    training_destroy(&t);
    model_destroy(&model);
}
END_TEST

/* Without a scale a delta counts for its partition's share of the rows; of
 * those that have not joined yet, as many are thought to come. */
START_TEST(a_delta_counts_for_its_share)
{
    static const struct {
        double scale;
        bool uniform;
        float want[3]; /* of deltas of 1: partition 0 alone, then 1, then 0 */
    } table[] = {
        {0, false, {0.25F, 0.125F, 0.375F}},
        {0, true, {0.25F, 0.5F, 0.5F}},
        {0.5, false, {0.5F, 0.5F, 0.5F}},
        {1, true, {1, 1, 1}},
    };
    struct training_options options = {.partitions = 4,
                                       .epochs = 2,
                                       .batch_size = 100,
                                       .mode = TRAINING_ASYNCHRONOUS,
                                       .uniform = table[_i].uniform,
                                       .delta_scale = table[_i].scale};
    const uint64_t rows[4] = {6, 2, 0, 8};
    const uint32_t order[3] = {0, 1, 0};
    struct model *model = the_model("sgd");
    struct training *t = NULL;
    struct training_assignment a;
    struct training_reply reply;
    struct err err = {0};

    unit_ok(linear_training(model, &options, &t, &err), &err);
    unit_ok(linear_join(t, 0, 0, rows[0], 0, &a, &err), &err);
    for (int k = 0; k < 3; k++) {
        uint32_t p = order[k];
        float before = training_state(t)->values[2];
        struct linear_work work;

        /* the last two: 6, 2 and 8 rows, or three that have some */
        for (uint32_t q = 1; k == 1 && q < 4; q++) {
            unit_ok(linear_join(t, q, 0, rows[q], 0, &a, &err), &err);
        }
        linear_compute(model, &options, training_state(t), training_version(t),
                       p, rows[p], k == 2, &work);
        work.values[2] = 1;
        unit_ok(training_update(t, &work.update, &reply, &err), &err);
        linear_work_deinit(&work);
        unit_assert_close(before - training_state(t)->values[2],
                          table[_i].uniform && table[_i].scale == 0 && k > 0
                              ? 1.0 / 3
                              : (double)table[_i].want[k],
                          1e-6);
    }
    training_destroy(&t);
    model_destroy(&model);
}
END_TEST

/* delta_scale / (staleness + 1); without a scale, 1. */
START_TEST(a_stale_delta_counts_for_less)
{
    struct training_options options = {.partitions = 2,
                                       .epochs = 6,
                                       .batch_size = 100,
                                       .mode = TRAINING_ASYNCHRONOUS,
                                       .staleness_scale = true,
                                       .delta_scale = _i == 0 ? 0 : 0.5};
    struct model *model = the_model("sgd");
    const uint64_t rows[2] = {6, 6};
    struct training *t = begin(model, &options, rows, NULL);
    struct training_reply reply;
    struct linear_work work;
    struct err err = {0};

    for (uint64_t stale = 0; stale < 4; stale++) {
        float before = training_state(t)->values[2];

        linear_compute(model, &options, training_state(t),
                       training_version(t) - stale, 0, 6, stale, &work);
        work.values[2] = 1;
        unit_ok(training_update(t, &work.update, &reply, &err), &err);
        linear_work_deinit(&work);
        unit_assert_close(before - training_state(t)->values[2],
                          (_i == 0 ? 1 : 0.5) / (double)(stale + 1), 1e-6);
    }
    training_destroy(&t);
    model_destroy(&model);
}
END_TEST

/* The worker has scaled an elastic difference. */
START_TEST(elastic_differences_count_in_full)
{
    struct training_options options = {.partitions = 4,
                                       .epochs = 2,
                                       .batch_size = 100,
                                       .mode = TRAINING_EASGD};
    struct model *model = the_model("sgd");
    const uint64_t rows[4] = {6, 6, 6, 6};
    struct training *t = begin(model, &options, rows, NULL);
    struct training_reply reply;
    struct linear_work work;
    float before = training_state(t)->values[2];
    struct err err = {0};

    linear_compute(model, &options, training_state(t), 0, 0, 6, 0, &work);
    work.values[2] = 0.25F;
    unit_ok(training_update(t, &work.update, &reply, &err), &err);
    linear_work_deinit(&work);
    ck_assert(training_state(t)->values[2] == before - 0.25F);
    training_destroy(&t);
    model_destroy(&model);
}
END_TEST

START_TEST(staleness_is_counted)
{
    struct training_options options = {.partitions = 2,
                                       .epochs = 6,
                                       .batch_size = 100,
                                       .mode = TRAINING_HOGWILD};
    struct model *model = the_model("sgd");
    const uint64_t rows[2] = {6, 6};
    struct training *t = begin(model, &options, rows, NULL);
    struct training_reply reply;
    struct linear_work late;
    struct buf saved;
    struct training *other = NULL;
    struct err err = {0};
    json_t *json;

    /* from version 0, when it is 5 already */
    linear_compute(model, &options, training_state(t), 0, 1, 6, 0, &late);
    for (uint64_t step = 0; step < 5; step++) {
        unit_ok(linear_push(t, &options, 0, 6, step, &reply, &err), &err);
    }
    unit_ok(training_update(t, &late.update, &reply, &err), &err);
    unit_ok(training_update(t, &late.update, &reply, &err), &err);
    ck_assert_int_eq((int)reply.status, TRAINING_DUPLICATE);
    linear_work_deinit(&late);
    ck_assert_uint_eq(staleness_count(training_staleness(t)), 6);
    ck_assert_uint_eq(training_staleness(t)->counts[0], 5);
    ck_assert_uint_eq(training_staleness(t)->counts[4], 1); /* 5 to 8 */
    json = staleness_json(training_staleness(t));
    ck_assert_int_eq(json_integer_value(json_object_get(json, "max")), 5);
    unit_assert_close(json_number_value(json_object_get(json, "mean")), 5.0 / 6,
                      1e-12);
    ck_assert_uint_eq(json_array_size(json_object_get(json, "histogram")), 5);
    json_decref(json);
    /* it is in the snapshot */
    buf_init(&saved, 1 << 20);
    unit_ok(training_save(t, &saved, &err), &err);
    unit_ok(linear_training(model, &options, &other, &err), &err);
    unit_ok(training_restore(other, buf_view(&saved), &err), &err);
    ck_assert_mem_eq(training_staleness(other), training_staleness(t),
                     sizeof(struct staleness));
    buf_deinit(&saved);
    training_destroy(&other);
    training_destroy(&t);
    model_destroy(&model);
}
END_TEST

START_TEST(staleness_has_bounds)
{
    struct staleness s = {.sum = 0};
    json_t *json;

    for (uint64_t v = 0; v <= 300; v++) {
        unsigned bucket = 0;

        staleness_add(&s, v);
        while (s.counts[bucket] == 0) {
            bucket++;
        }
        ck_assert_uint_le(v, staleness_bound(bucket));
        ck_assert(bucket == 0 || v > staleness_bound(bucket - 1));
        memset(s.counts, 0, sizeof(s.counts));
    }
    ck_assert_uint_eq(s.max, 300);
    s = (struct staleness){.sum = 0};
    staleness_add(&s, 1000);
    json = staleness_json(&s);
    ck_assert_uint_eq(json_array_size(json_object_get(json, "histogram")),
                      STALENESS_BUCKETS);
    ck_assert(json_is_null(
        json_object_get(json_array_get(json_object_get(json, "histogram"),
                                       STALENESS_BUCKETS - 1),
                        "le")));
    json_decref(json);
}
END_TEST

START_TEST(an_older_attempt_is_told_to_end)
{
    struct training_options options = {.partitions = 1,
                                       .epochs = 2,
                                       .batch_size = 4,
                                       .mode = TRAINING_ASYNCHRONOUS};
    struct model *model = the_model("sgd");
    const uint64_t rows[1] = {10};
    struct training *t = begin(model, &options, rows, NULL);
    struct training_assignment a;
    struct training_reply reply;
    struct linear_work work;
    struct err err = {0};

    linear_compute(model, &options, training_state(t), 0, 0, 10, 0, &work);
    unit_ok(linear_join(t, 0, 1, 10, 0, &a, &err), &err);
    unit_ok(training_update(t, &work.update, &reply, &err), &err);
    ck_assert_int_eq((int)reply.status, TRAINING_SUPERSEDED);
    ck_assert_uint_eq(training_version(t), 0);
    work.update.attempt = 1;
    unit_ok(training_update(t, &work.update, &reply, &err), &err);
    ck_assert_int_eq((int)reply.status, TRAINING_APPLIED);
    linear_work_deinit(&work);
    training_destroy(&t);
    model_destroy(&model);
}
END_TEST

START_TEST(bad_updates_leave_no_trace)
{
    static const struct {
        int code;
        const char *says;
    } table[] = {
        {ERR_DIVERGED, "partition 0, step 0: fc/kernel, element 1 would become "
                       "not a number"},
        {ERR_DIVERGED, "fc/bias, element 0 would become infinite"},
        {ERR_INVALID, "a delta is wanted, not a gradient"},
        {ERR_INVALID, "0 to 9, 0 to 3 is wanted"},
        {ERR_STATE, "version 1, the current one is 0"},
        {ERR_STATE, "step 0 has not come"},
    };
    struct training_options options = {.partitions = 1,
                                       .epochs = 2,
                                       .batch_size = 4,
                                       .mode = TRAINING_ASYNCHRONOUS};
    struct model *model = the_model("adam");
    const uint64_t rows[1] = {10};
    struct training *t = begin(model, &options, rows, NULL);
    struct training_reply reply;
    struct linear_work work;
    struct err err = {0};
    float before[LINEAR_P];

    memcpy(before, training_state(t)->values, sizeof(before));
    linear_compute(model, &options, training_state(t), 0, 0, 10, 0, &work);
    switch (_i) {
    case 0:
        work.values[1] = NAN;
        break;
    case 1:
        work.values[2] = -INFINITY;
        break;
    case 2:
        work.update.gradient = true;
        break;
    case 3:
        work.update.end = 9;
        break;
    case 4:
        work.update.base_version = 1;
        break;
    default:
        work.update.step = 1;
    }
    ck_assert_int_eq(training_update(t, &work.update, &reply, &err),
                     table[_i].code);
    ck_assert_msg(strstr(err.msg, table[_i].says) != NULL, "%s", err.msg);
    ck_assert_mem_eq(training_state(t)->values, before, sizeof(before));
    ck_assert_uint_eq(training_version(t), 0);
    linear_work_deinit(&work);
    unit_ok(linear_push(t, &options, 0, 10, 0, &reply, &err), &err);
    training_destroy(&t);
    model_destroy(&model);
}
END_TEST

/* One partition is through before the other one has begun: the epochs close
 * when the other one gets there. */
START_TEST(a_partition_may_run_ahead)
{
    struct training_options options = {.partitions = 3,
                                       .epochs = 4,
                                       .batch_size = 4,
                                       .mode = TRAINING_ASYNCHRONOUS,
                                       .frequency = TRAINING_BATCH};
    struct model *model = the_model("sgd");
    struct training *t = NULL;
    struct training_assignment a;
    struct training_reply reply;
    struct totals *sums[4];
    struct err err = {0};
    json_t *history;

    unit_ok(linear_training(model, &options, &t, &err), &err);
    ck_assert_int_eq((int)training_gate_step(t, 0, 0), TRAINING_WAIT);
    unit_ok(linear_join(t, 0, 0, 10, 0, &a, &err), &err);
    for (int e = 0; e < 4; e++) {
        unit_ok(totals_create(model, &sums[e], &err), &err);
    }
    for (uint64_t step = 0; step < 12; step++) {
        struct linear_work work;

        ck_assert_int_eq((int)training_gate_step(t, 0, step), TRAINING_READY);
        linear_compute(model, &options, training_state(t), training_version(t),
                       0, 10, step, &work);
        totals_merge(sums[step / 3], work.metrics);
        unit_ok(training_update(t, &work.update, &reply, &err), &err);
        linear_work_deinit(&work);
    }
    ck_assert_int_eq((int)training_gate_step(t, 0, 12), TRAINING_CLOSED);
    ck_assert_uint_eq(training_epochs_done(t), 0);
    ck_assert_int_eq((int)training_gate_epoch(t, 1), TRAINING_WAIT);
    unit_ok(linear_join(t, 1, 0, 0, 0, &a, &err), &err);
    ck_assert(a.stop);
    unit_ok(linear_join(t, 2, 0, 7, 0, &a, &err), &err);
    for (uint64_t step = 0; step < 8; step++) {
        struct linear_work work;

        ck_assert_uint_eq(training_epochs_done(t), step / 2);
        ck_assert(!training_finished(t));
        linear_compute(model, &options, training_state(t), training_version(t),
                       2, 7, step, &work);
        totals_merge(sums[step / 2], work.metrics);
        unit_ok(training_update(t, &work.update, &reply, &err), &err);
        linear_work_deinit(&work);
    }
    ck_assert(training_finished(t));
    ck_assert_uint_eq(training_version(t), 20);
    ck_assert_int_eq((int)training_gate_epoch(t, 4), TRAINING_READY);
    history = training_history(t);
    for (size_t e = 0; e < 4; e++) {
        double want;

        totals_result(sums[e], 0, &want);
        unit_assert_close(json_number_value(json_array_get(
                              json_object_get(history, "loss"), e)),
                          want, 1e-12);
        totals_destroy(&sums[e]);
    }
    json_decref(history);
    training_destroy(&t);
    model_destroy(&model);
}
END_TEST

/* Validation holds nobody up, and an epoch is done when all are in, however
 * far the others are. */
START_TEST(validation_may_come_late)
{
    struct training_options options = {.partitions = 3,
                                       .epochs = 2,
                                       .batch_size = 100,
                                       .mode = TRAINING_ASYNCHRONOUS,
                                       .validation = true};
    struct model *model = the_model("sgd");
    const uint64_t rows[3] = {6, 6, 0};
    const uint64_t held[3] = {2, 0, 3};
    struct training *t = begin(model, &options, rows, held);
    struct training_reply reply;
    struct err err = {0};
    json_t *metrics;

    ck_assert_int_eq(linear_validate(t, 3, 0, 2, 0, &reply, &err), ERR_STATE);
    ck_assert_int_eq(linear_validate(t, 3, 2, 3, 0, &reply, &err), ERR_STATE);
    unit_ok(linear_push(t, &options, 0, 6, 0, &reply, &err), &err);
    unit_ok(linear_validate(t, 3, 0, 2, 0, &reply, &err), &err);
    ck_assert_int_eq((int)reply.status, TRAINING_APPLIED);
    unit_ok(linear_validate(t, 3, 0, 2, 0, &reply, &err), &err);
    ck_assert_int_eq((int)reply.status, TRAINING_DUPLICATE);
    ck_assert_int_eq(linear_validate(t, 3, 0, 2, 1, &reply, &err), ERR_STATE);
    unit_ok(linear_push(t, &options, 0, 6, 1, &reply, &err), &err);
    unit_ok(linear_validate(t, 3, 0, 2, 1, &reply, &err), &err);
    ck_assert_int_eq((int)training_gate_epoch(t, 1), TRAINING_WAIT);
    unit_ok(linear_push(t, &options, 1, 6, 0, &reply, &err), &err);
    ck_assert_int_eq((int)training_gate_epoch(t, 1), TRAINING_READY);
    unit_ok(linear_push(t, &options, 1, 6, 1, &reply, &err), &err);
    ck_assert_int_eq((int)training_gate_epoch(t, 2), TRAINING_READY);
    ck_assert_uint_eq(training_epochs_done(t), 0);
    unit_ok(linear_validate(t, 3, 2, 3, 0, &reply, &err), &err);
    ck_assert_uint_eq(training_epochs_done(t), 1);
    unit_ok(linear_validate(t, 3, 2, 3, 1, &reply, &err), &err);
    ck_assert(training_finished(t));
    metrics = training_epoch_metrics(t, 1);
    ck_assert_uint_eq(json_object_size(metrics), 4);
    ck_assert(json_number_value(json_object_get(metrics, "val_loss")) > 0);
    json_decref(metrics);
    training_destroy(&t);
    model_destroy(&model);
}
END_TEST

START_TEST(moving_statistics_are_averaged)
{
    struct training_options options = {.partitions = 3,
                                       .epochs = 1,
                                       .batch_size = 100,
                                       .mode = TRAINING_ASYNCHRONOUS};
    struct model *model = the_model("sgd");
    const uint64_t rows[3] = {6, 6, 0};
    struct training *t;
    struct training_reply reply;
    struct linear_work work;
    struct err err = {0};

    mem_free(model->variables[1].name);
    model->variables[1].name =
        mem_strdup(_i == 0 ? "moving_mean" : "moving_variance");
    model->variables[1].role = VARIABLE_STATISTIC;
    model->variables[1].trainable = false;
    t = begin(model, &options, rows, NULL);
    linear_compute(model, &options, training_state(t), 0, 0, 6, 0, &work);
    training_state(t)->values[2] = 1.0F;
    work.values[2] = 0.5F;
    unit_ok(training_update(t, &work.update, &reply, &err), &err);
    ck_assert(training_state(t)->values[2] == 0.75F); /* two partitions work */
    work.update.partition = 1;
    work.values[2] = 4.0F;
    unit_ok(training_update(t, &work.update, &reply, &err), &err);
    ck_assert(training_state(t)->values[2] == (_i == 0 ? -1.25F : 0.0F));
    linear_work_deinit(&work);
    training_destroy(&t);
    model_destroy(&model);
}
END_TEST

/* An update that finds no memory for the sums of its epoch can be repeated. */
START_TEST(memory_may_run_out)
{
    struct training_options options = {.partitions = 2,
                                       .epochs = 9,
                                       .batch_size = 100,
                                       .mode = TRAINING_ASYNCHRONOUS};
    struct model *model = the_model("sgd");
    const uint64_t rows[2] = {6, 6};
    struct training *t = begin(model, &options, rows, NULL);
    struct err err = {0};
    int failures = 0;

    for (uint64_t step = 0; step < 9; step++) {
        for (int k = 0;; k++) {
            struct linear_work work;
            struct training_reply reply;
            long refused;
            int rc;

            linear_compute(model, &options, training_state(t), step, 0, 6, step,
                           &work);
            mem_fail_after(k, 0);
            rc = training_update(t, &work.update, &reply, &err);
            refused = mem_failures();
            mem_fail_after(-1, 0);
            linear_work_deinit(&work);
            if (refused == 0) {
                unit_ok(rc, &err);
                break;
            }
            ck_assert_int_eq(rc, ERR_NOMEM);
            ck_assert_uint_eq(training_version(t), step);
            failures++;
        }
    }
    ck_assert_int_gt(failures, 9 * 5);
    training_destroy(&t);
    model_destroy(&model);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("training_async");

    tcase_add_loop_test(tc, updates_are_applied_as_they_come, 0, 4);
    tcase_add_loop_test(tc, a_delta_counts_for_its_share, 0, 4);
    tcase_add_loop_test(tc, a_stale_delta_counts_for_less, 0, 2);
    tcase_add_test(tc, elastic_differences_count_in_full);
    tcase_add_test(tc, staleness_is_counted);
    tcase_add_test(tc, staleness_has_bounds);
    tcase_add_test(tc, an_older_attempt_is_told_to_end);
    tcase_add_loop_test(tc, bad_updates_leave_no_trace, 0, 6);
    tcase_add_test(tc, a_partition_may_run_ahead);
    tcase_add_test(tc, validation_may_come_late);
    tcase_add_loop_test(tc, moving_statistics_are_averaged, 0, 2);
    tcase_add_test(tc, memory_may_run_out);
    return tc;
}

UNIT_MAIN("training_async", basic)
