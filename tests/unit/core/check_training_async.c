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
                                                           : TRAINING_BATCH};
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
        {ERR_INVALID, "partition 0, step 0: fc/kernel, element 1 would become "
                      "not a number"},
        {ERR_INVALID, "fc/bias, element 0 would become infinite"},
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
    tcase_add_test(tc, an_older_attempt_is_told_to_end);
    tcase_add_loop_test(tc, bad_updates_leave_no_trace, 0, 6);
    tcase_add_test(tc, a_partition_may_run_ahead);
    tcase_add_test(tc, validation_may_come_late);
    tcase_add_loop_test(tc, moving_statistics_are_averaged, 0, 2);
    tcase_add_test(tc, memory_may_run_out);
    return tc;
}

UNIT_MAIN("training_async", basic)
