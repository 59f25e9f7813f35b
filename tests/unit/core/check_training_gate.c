/* SPDX-License-Identifier: MIT
 *
 * check_training_gate: bounded staleness: who waits for whom, and for how
 * long.
 */
#include "tests/unit/core/linear.h"

static struct training *begin(struct model **model,
                              const struct training_options *options,
                              const uint64_t *rows)
{
    struct training *t = NULL;
    struct training_assignment a;
    struct err err = {0};

    unit_ok(linear_model("sgd", "{}", model, &err), &err);
    unit_ok(linear_training(*model, options, &t, &err), &err);
    for (uint32_t p = 0; rows != NULL && p < options->partitions; p++) {
        unit_ok(linear_join(t, p, 0, rows[p], 0, &a, &err), &err);
    }
    return t;
}

/* Steps that partition p can take before it has to wait. */
static uint64_t run_ahead(struct training *t,
                          const struct training_options *options, uint32_t p,
                          uint64_t rows, uint64_t from)
{
    struct training_reply reply;
    struct err err = {0};
    uint64_t step = from;

    while (training_gate_step(t, p, step) == TRAINING_READY) {
        unit_ok(linear_push(t, options, p, rows, step, &reply, &err), &err);
        step++;
    }
    return step - from;
}

START_TEST(nobody_is_too_far_ahead)
{
    struct training_options options = {.partitions = 3,
                                       .epochs = 9,
                                       .batch_size = 100,
                                       .mode = TRAINING_ASYNCHRONOUS,
                                       .bounded = true,
                                       .staleness = (uint64_t)_i};
    const uint64_t rows[3] = {6, 6, 0};
    struct model *model = NULL;
    struct training *t = begin(&model, &options, rows);
    struct training_reply reply;
    struct linear_work work;
    struct err err = {0};
    uint64_t bound = options.staleness;

    ck_assert_uint_eq(run_ahead(t, &options, 0, 6, 0), bound + 1);
    ck_assert_int_eq((int)training_gate_step(t, 0, bound + 1), TRAINING_WAIT);
    /* one that does not ask is refused, too */
    linear_compute(model, &options, training_state(t), training_version(t), 0,
                   6, bound + 1, &work);
    ck_assert_int_eq(training_update(t, &work.update, &reply, &err), ERR_STATE);
    ck_assert_msg(strstr(err.msg, "ahead of the slowest") != NULL, "%s",
                  err.msg);
    linear_work_deinit(&work);
    /* the slow one takes a step: so may the fast one */
    unit_ok(linear_push(t, &options, 1, 6, 0, &reply, &err), &err);
    ck_assert_uint_eq(run_ahead(t, &options, 0, 6, bound + 1), 1);
    /* the slow one is not held, overtakes, and is held in its turn */
    ck_assert_uint_eq(run_ahead(t, &options, 1, 6, 1), 2 * bound + 2);
    training_destroy(&t);
    model_destroy(&model);
}
END_TEST

START_TEST(who_has_finished_holds_nobody)
{
    struct training_options options = {.partitions = 2,
                                       .epochs = 2,
                                       .batch_size = 4,
                                       .mode = TRAINING_HOGWILD,
                                       .frequency = TRAINING_BATCH,
                                       .bounded = true,
                                       .staleness = 1};
    const uint64_t rows[2] = {4, 20}; /* 2 steps in all, and 10 */
    struct model *model = NULL;
    struct training *t = begin(&model, &options, rows);

    ck_assert_uint_eq(run_ahead(t, &options, 0, 4, 0), 2);
    ck_assert_uint_eq(run_ahead(t, &options, 1, 20, 0), 10);
    ck_assert(training_finished(t));
    training_destroy(&t);
    model_destroy(&model);
}
END_TEST

START_TEST(who_has_not_joined_is_waited_for)
{
    struct training_options options = {.partitions = 2,
                                       .epochs = 5,
                                       .batch_size = 100,
                                       .mode = TRAINING_ASYNCHRONOUS,
                                       .bounded = true,
                                       .staleness = 1};
    struct model *model = NULL;
    struct training *t = begin(&model, &options, NULL);
    struct training_assignment a;
    struct err err = {0};

    unit_ok(linear_join(t, 0, 0, 6, 0, &a, &err), &err);
    ck_assert_uint_eq(run_ahead(t, &options, 0, 6, 0), 2);
    unit_ok(linear_join(t, 1, 0, 0, 0, &a, &err), &err); /* no rows */
    ck_assert_uint_eq(run_ahead(t, &options, 0, 6, 2), 3);
    training_destroy(&t);
    model_destroy(&model);
}
END_TEST

/* What tells a Spark job by stage how far all are. */
START_TEST(the_slowest_partition_is_the_position)
{
    struct training_options options = {.partitions = 2,
                                       .epochs = 2,
                                       .batch_size = 4,
                                       .mode = TRAINING_ASYNCHRONOUS,
                                       .frequency = TRAINING_BATCH};
    const uint64_t rows[2] = {12, 8};
    struct model *model = NULL;
    struct training *t = begin(&model, &options, rows);
    struct training_reply reply;
    struct err err = {0};

    ck_assert_uint_eq(training_step(t), 0);
    unit_ok(linear_push(t, &options, 0, 12, 0, &reply, &err), &err);
    ck_assert_uint_eq(training_step(t), 0);
    unit_ok(linear_push(t, &options, 1, 8, 0, &reply, &err), &err);
    unit_ok(linear_push(t, &options, 1, 8, 1, &reply, &err), &err);
    ck_assert_uint_eq(training_step(t), 1);
    unit_ok(linear_push(t, &options, 0, 12, 1, &reply, &err), &err);
    ck_assert_uint_eq(training_step(t), 2);
    unit_ok(linear_push(t, &options, 0, 12, 2, &reply, &err), &err);
    ck_assert_uint_eq(training_epochs_done(t), 1);
    ck_assert_uint_eq(training_step(t), 0);
    training_destroy(&t);
    model_destroy(&model);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("training_gate");

    tcase_add_loop_test(tc, nobody_is_too_far_ahead, 0, 3);
    tcase_add_test(tc, who_has_finished_holds_nobody);
    tcase_add_test(tc, who_has_not_joined_is_waited_for);
    tcase_add_test(tc, the_slowest_partition_is_the_position);
    return tc;
}

UNIT_MAIN("training_gate", basic)
