/* SPDX-License-Identifier: MIT
 *
 * check_training_history: the numbers of epochs against sums over all rows,
 * and validation: who is waited for, what counts, what is refused.
 */
#include "tests/unit/core/linear.h"

#include <math.h>

static struct model *the_model(void)
{
    struct model *model = NULL;
    struct err err = {0};

    unit_ok(linear_model("sgd", "{}", &model, &err), &err);
    return model;
}

static double number(json_t *object, const char *key, size_t i)
{
    json_t *value = json_object_get(object, key);

    if (json_is_array(value)) {
        value = json_array_get(value, i);
    }
    ck_assert_msg(json_is_number(value), "%s", key);
    return json_number_value(value);
}

/* Mean squared error at w over the rows of all n partitions. */
static double loss_at(const struct model *model, const float *w,
                      const uint64_t *rows, uint32_t n, uint64_t first)
{
    struct totals *sums = NULL;
    struct err err = {0};
    double loss;

    unit_ok(totals_create(model, &sums, &err), &err);
    for (uint32_t p = 0; p < n; p++) {
        linear_batch(w, n, p, first, rows[p], NULL, sums);
    }
    totals_result(sums, 0, &loss);
    totals_destroy(&sums);
    return loss;
}

/* One batch an epoch: then the training loss is that of all rows at the
 * weights before. */
START_TEST(training_numbers_are_those_of_all_rows)
{
    static const uint32_t orders[][3] = {{0, 1, 2}, {2, 0, 1}, {1, 2, 0}};
    struct training_options options = {
        .partitions = 3, .epochs = 10, .batch_size = 100};
    struct model *model = the_model();
    const uint64_t rows[3] = {17, 3, 8};
    double losses[3][10];
    struct err err = {0};

    for (int o = 0; o < 3; o++) {
        struct training *t = NULL;
        struct training_assignment a;
        struct training_reply reply;
        json_t *history;

        unit_ok(linear_training(model, &options, &t, &err), &err);
        for (uint32_t p = 0; p < 3; p++) {
            unit_ok(linear_join(t, p, 0, rows[p], 0, &a, &err), &err);
        }
        for (uint64_t epoch = 0; epoch < 10; epoch++) {
            double want = loss_at(model, training_state(t)->values, rows, 3, 0);
            json_t *metrics;

            ck_assert_ptr_null(training_epoch_metrics(t, epoch));
            for (int k = 0; k < 3; k++) {
                uint32_t p = orders[o][k];

                ck_assert_uint_eq(training_epochs_done(t), epoch);
                unit_ok(
                    linear_push(t, &options, p, rows[p], epoch, &reply, &err),
                    &err);
            }
            ck_assert_uint_eq(training_epochs_done(t), epoch + 1);
            metrics = training_epoch_metrics(t, epoch);
            ck_assert_uint_eq(json_object_size(metrics), 2);
            losses[o][epoch] = number(metrics, "loss", 0);
            unit_assert_close(losses[o][epoch], want, 1e-12);
            ck_assert(losses[o][epoch] == losses[0][epoch]);
            json_decref(metrics);
        }
        history = training_history(t);
        ck_assert_uint_eq(json_object_size(history), 2);
        ck_assert_uint_eq(json_array_size(json_object_get(history, "mae")), 10);
        for (size_t epoch = 0; epoch < 10; epoch++) {
            ck_assert(number(history, "loss", epoch) == losses[o][epoch]);
        }
        ck_assert(losses[o][9] < losses[o][0]);
        json_decref(history);
        training_destroy(&t);
    }
    model_destroy(&model);
}
END_TEST

/* With batches, the numbers of an epoch are the sums over its rounds, also for
 * partitions that have fewer. */
START_TEST(batch_rounds_add_up_to_epochs)
{
    struct training_options options = {.partitions = 2,
                                       .epochs = 2,
                                       .batch_size = 4,
                                       .frequency = TRAINING_BATCH};
    struct model *model = the_model();
    const uint64_t rows[2] = {10, 5};
    struct training *t = NULL;
    struct training_assignment a;
    struct training_reply reply;
    struct totals *sums = NULL;
    struct err err = {0};
    uint64_t next[2] = {0, 0};
    double want[2];

    unit_ok(totals_create(model, &sums, &err), &err);
    unit_ok(linear_training(model, &options, &t, &err), &err);
    for (uint32_t p = 0; p < 2; p++) {
        unit_ok(linear_join(t, p, 0, rows[p], 0, &a, &err), &err);
    }
    for (int round = 0; round < 6; round++) {
        /* the one that has fewer first: it must not begin the next epoch */
        for (uint32_t k = 0; k < 2; k++) {
            uint32_t p = 1 - k;
            struct linear_work work;

            if (training_gate_step(t, p, next[p]) != TRAINING_READY) {
                continue;
            }
            linear_compute(model, &options, training_state(t),
                           training_version(t), p, rows[p], next[p]++, &work);
            totals_merge(sums, work.metrics);
            unit_ok(training_update(t, &work.update, &reply, &err), &err);
            linear_work_deinit(&work);
        }
        if (round % 3 == 2) {
            json_t *metrics = training_epoch_metrics(t, (uint64_t)round / 3);

            totals_result(sums, 0, &want[0]);
            totals_result(sums, 1, &want[1]);
            totals_clear(sums);
            unit_assert_close(number(metrics, "loss", 0), want[0], 1e-12);
            unit_assert_close(number(metrics, "mae", 0), want[1], 1e-12);
            json_decref(metrics);
        }
    }
    ck_assert(training_finished(t));
    totals_destroy(&sums);
    training_destroy(&t);
    model_destroy(&model);
}
END_TEST

START_TEST(the_next_round_waits_for_validation)
{
    struct training_options options = {
        .partitions = 3, .epochs = 2, .batch_size = 100, .validation = true};
    struct model *model = the_model();
    const uint64_t rows[3] = {6, 4, 0};
    const uint64_t held[3] = {3, 0, 2}; /* validation rows */
    struct training *t = NULL;
    struct training_assignment a;
    struct training_reply reply;
    json_t *json;
    double want;
    struct err err = {0};

    unit_ok(linear_training(model, &options, &t, &err), &err);
    for (uint32_t p = 0; p < 3; p++) {
        unit_ok(linear_join(t, p, 0, rows[p], held[p], &a, &err), &err);
        ck_assert(!a.stop);
        ck_assert_uint_eq(a.next_validation, held[p] != 0 ? 0 : 2);
    }
    ck_assert_int_eq(linear_validate(t, 3, 0, 3, 0, &reply, &err), ERR_STATE);
    ck_assert_ptr_nonnull(strstr(err.msg, "epoch 0 is not complete"));
    unit_ok(linear_push(t, &options, 0, 6, 0, &reply, &err), &err);
    unit_ok(linear_push(t, &options, 1, 4, 0, &reply, &err), &err);
    ck_assert_uint_eq(training_version(t), 1);
    ck_assert_uint_eq(training_epochs_done(t), 0);
    ck_assert_int_eq((int)training_gate_epoch(t, 1), TRAINING_READY);
    want = loss_at(model, training_state(t)->values, held, 3, 1000);

    /* the whole next round comes in, and is kept waiting */
    unit_ok(linear_validate(t, 3, 0, 3, 0, &reply, &err), &err);
    ck_assert_int_eq((int)reply.status, TRAINING_APPLIED);
    ck_assert_int_eq((int)training_gate_step(t, 0, 1), TRAINING_READY);
    unit_ok(linear_push(t, &options, 0, 6, 1, &reply, &err), &err);
    unit_ok(linear_push(t, &options, 1, 4, 1, &reply, &err), &err);
    ck_assert_uint_eq(training_version(t), 1);
    unit_ok(linear_validate(t, 3, 0, 3, 0, &reply, &err), &err);
    ck_assert_int_eq((int)reply.status, TRAINING_DUPLICATE);
    ck_assert_uint_eq(training_version(t), 1);
    ck_assert_int_eq((int)training_gate_epoch(t, 1), TRAINING_READY);
    unit_ok(linear_join(t, 2, 1, 0, 2, &a, &err), &err);
    ck_assert_uint_eq(a.next_validation, 0);
    unit_ok(linear_validate(t, 3, 2, 2, 0, &reply, &err), &err);
    ck_assert_uint_eq(reply.version, 2);
    ck_assert_uint_eq(training_epochs_done(t), 1);
    json = training_epoch_metrics(t, 0);
    ck_assert_uint_eq(json_object_size(json), 4);
    unit_assert_close(number(json, "val_loss", 0), want, 1e-12);
    json_decref(json);
    json = training_history(t);
    ck_assert_uint_eq(json_array_size(json_object_get(json, "loss")), 1);
    ck_assert_uint_eq(json_array_size(json_object_get(json, "val_mae")), 1);
    json_decref(json);

    ck_assert(!training_finished(t));
    ck_assert_int_eq((int)training_gate_step(t, 0, 2), TRAINING_CLOSED);
    ck_assert_int_eq((int)training_gate_epoch(t, 2), TRAINING_READY);
    unit_ok(linear_join(t, 0, 1, 6, 3, &a, &err), &err);
    ck_assert(!a.stop); /* nothing to train, but to validate */
    unit_ok(linear_validate(t, 3, 2, 2, 1, &reply, &err), &err);
    unit_ok(linear_validate(t, 3, 0, 3, 1, &reply, &err), &err);
    ck_assert(training_finished(t));
    unit_ok(linear_join(t, 0, 2, 6, 3, &a, &err), &err);
    ck_assert(a.stop);
    training_destroy(&t);
    model_destroy(&model);
}
END_TEST

START_TEST(bad_validation_is_refused)
{
    struct training_options options = {
        .partitions = 2, .epochs = 3, .batch_size = 100, .validation = true};
    struct model *model = the_model();
    struct training *t = NULL;
    struct training_assignment a;
    struct training_reply reply;
    struct totals *sums = NULL;
    struct err err = {0};
    size_t n;

    unit_ok(totals_create(model, &sums, &err), &err);
    unit_ok(linear_training(model, &options, &t, &err), &err);
    ck_assert_int_eq(linear_validate(t, 2, 0, 1, 0, &reply, &err), ERR_STATE);
    ck_assert_int_eq(linear_validate(t, 2, 2, 1, 0, &reply, &err), ERR_STATE);
    ck_assert_ptr_nonnull(strstr(err.msg, "partition 2 has not joined"));
    unit_ok(linear_join(t, 0, 0, 5, 5, &a, &err), &err);
    unit_ok(linear_join(t, 1, 0, 0, 0, &a, &err), &err);
    unit_ok(linear_push(t, &options, 0, 5, 0, &reply, &err), &err);
    ck_assert_int_eq(linear_validate(t, 2, 1, 1, 0, &reply, &err), ERR_STATE);
    ck_assert_ptr_nonnull(strstr(err.msg, "without validation rows"));
    totals_state(sums, 0, &n)[0] = (double)INFINITY;
    ck_assert_int_eq(training_validation(t, 0, 0, sums, &reply, &err),
                     ERR_DIVERGED);
    ck_assert_ptr_nonnull(strstr(
        err.msg, "partition 0, validation of epoch 0: loss is infinite"));
    ck_assert_uint_eq(training_epochs_done(t), 0);
    unit_ok(linear_validate(t, 2, 0, 1, 0, &reply, &err), &err);
    ck_assert_uint_eq(training_epochs_done(t), 1);
    ck_assert_int_eq(linear_validate(t, 2, 0, 1, 2, &reply, &err), ERR_STATE);
    totals_destroy(&sums);
    training_destroy(&t);
    model_destroy(&model);
}
END_TEST

START_TEST(without_validation_rows_there_are_no_numbers)
{
    struct training_options options = {
        .partitions = 1, .epochs = 1, .batch_size = 4, .validation = true};
    struct model *model = the_model();
    struct training *t = NULL;
    struct training_assignment a;
    struct training_reply reply;
    struct err err = {0};
    json_t *json;

    unit_ok(linear_training(model, &options, &t, &err), &err);
    json = training_history(t);
    ck_assert_uint_eq(json_object_size(json), 0);
    json_decref(json);
    unit_ok(linear_join(t, 0, 0, 5, 0, &a, &err), &err);
    unit_ok(linear_push(t, &options, 0, 5, 0, &reply, &err), &err);
    ck_assert(training_finished(t));
    json = training_history(t);
    ck_assert_uint_eq(json_object_size(json), 2);
    json_decref(json);
    training_destroy(&t);
    model_destroy(&model);
}
END_TEST

static int read_history(void *state, struct err *err)
{
    json_t *history = training_history(state);
    json_t *metrics = history != NULL ? training_epoch_metrics(state, 0) : NULL;

    json_decref(history);
    json_decref(metrics);
    return metrics != NULL ? 0 : err_nomem(err);
}

START_TEST(memory_may_run_out)
{
    struct training_options options = {
        .partitions = 1, .epochs = 1, .batch_size = 4, .validation = true};
    struct model *model;
    struct training *t = NULL;
    struct training_assignment a;
    struct training_reply reply;
    struct err err = {0};

    json_set_alloc_funcs(mem_alloc, mem_free);
    model = the_model();
    unit_ok(linear_training(model, &options, &t, &err), &err);
    unit_ok(linear_join(t, 0, 0, 5, 2, &a, &err), &err);
    unit_ok(linear_push(t, &options, 0, 5, 0, &reply, &err), &err);
    unit_ok(linear_validate(t, 1, 0, 2, 0, &reply, &err), &err);
    ck_assert_int_gt(unit_oom_sweep(read_history, t), 20);
    training_destroy(&t);
    model_destroy(&model);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("training_history");

    tcase_add_test(tc, training_numbers_are_those_of_all_rows);
    tcase_add_test(tc, batch_rounds_add_up_to_epochs);
    tcase_add_test(tc, the_next_round_waits_for_validation);
    tcase_add_test(tc, bad_validation_is_refused);
    tcase_add_test(tc, without_validation_rows_there_are_no_numbers);
    tcase_add_test(tc, memory_may_run_out);
    return tc;
}

UNIT_MAIN("training_history", basic)
