/* SPDX-License-Identifier: MIT
 *
 * check_training_sync: synchronous rounds against plain training done here;
 * every order of arrival gives the same bytes; uneven, empty and late
 * partitions.
 */
#include "tests/unit/core/linear.h"

#include <math.h>

#define N 3

static struct model *the_model(const char *optimizer, const char *config)
{
    struct model *model = NULL;
    struct err err = {0};

    unit_ok(linear_model(optimizer, config, &model, &err), &err);
    return model;
}

static void join_all(struct training *t, const uint64_t *rows, uint32_t n)
{
    struct training_assignment a;
    struct err err = {0};

    for (uint32_t p = 0; p < n; p++) {
        unit_ok(linear_join(t, p, 0, rows[p], 0, &a, &err), &err);
    }
}

/* Trains to the end; in each round the partitions answer in this order, and
 * each is tried as soon as its gate is open. */
static struct training *run(const struct model *model,
                            const struct training_options *options,
                            const uint64_t *rows, const uint32_t *order)
{
    struct training *t = NULL;
    struct training_reply reply;
    struct err err = {0};
    uint64_t next[N] = {0};

    unit_ok(linear_training(model, options, &t, &err), &err);
    join_all(t, rows, options->partitions);
    for (int guard = 0; !training_finished(t); guard++) {
        ck_assert_int_lt(guard, 1000);
        for (uint32_t k = 0; k < options->partitions; k++) {
            uint32_t p = order[k];

            if (training_gate_step(t, p, next[p]) == TRAINING_READY) {
                unit_ok(
                    linear_push(t, options, p, rows[p], next[p], &reply, &err),
                    &err);
                ck_assert_int_eq((int)reply.status, TRAINING_APPLIED);
                next[p]++;
            }
        }
    }
    return t;
}

static const uint32_t orders[][N] = {{0, 1, 2}, {2, 1, 0}, {1, 0, 2}};

START_TEST(one_partition_is_plain_training)
{
    struct training_options options = {
        .partitions = 1, .epochs = 4, .batch_size = 4};
    struct model *model = the_model("sgd", "{\"momentum\": 0.9}");
    const uint64_t rows[1] = {10};
    const uint32_t order[1] = {0};
    struct training *t = run(model, &options, rows, order);
    struct model_state plain = {0};
    struct linear_work work;
    struct err err = {0};

    unit_ok(model_state_init(model, &plain, &err), &err);
    plain.values[0] = 0.25F;
    plain.values[1] = -0.5F;
    for (uint64_t epoch = 0; epoch < 4; epoch++) {
        linear_compute(model, &options, &plain, epoch, 0, 10, epoch, &work);
        for (size_t i = 0; i < plain.count; i++) {
            plain.values[i] -= work.values[i];
        }
        plain.optimizer.iterations += work.update.iterations;
        linear_work_deinit(&work);
    }
    ck_assert_mem_eq(training_state(t)->values, plain.values,
                     plain.count * sizeof(float));
    ck_assert_uint_eq(training_state(t)->optimizer.iterations, 12);
    ck_assert(training_state(t)->has_optimizer);
    ck_assert_uint_eq(training_version(t), 4);
    model_state_deinit(&plain);
    training_destroy(&t);
    model_destroy(&model);
}
END_TEST

/* sum n_p delta_p / sum n_p (or the plain mean) in doubles */
static void mean_round(const struct model *model,
                       const struct training_options *options,
                       struct model_state *state, const uint64_t *rows)
{
    double sum[LINEAR_MAX] = {0};
    double total = 0;
    uint64_t iterations = 0;

    for (uint32_t p = 0; p < N; p++) {
        double weight = options->uniform ? 1 : (double)rows[p];
        struct linear_work work;

        if (rows[p] == 0) {
            continue;
        }
        linear_compute(model, options, state, 0, p, rows[p], 0, &work);
        for (size_t i = 0; i < state->count; i++) {
            sum[i] += weight * (double)work.values[i];
        }
        total += weight;
        if (work.update.iterations > iterations) {
            iterations = work.update.iterations;
        }
        linear_work_deinit(&work);
    }
    for (size_t i = 0; i < state->count; i++) {
        state->values[i] -= (float)(sum[i] / total);
    }
    state->optimizer.iterations += iterations;
}

START_TEST(epoch_rounds_are_weighted_means)
{
    struct training_options options = {
        .partitions = N, .epochs = 3, .batch_size = 4, .uniform = _i % 2 == 1};
    struct model *model = the_model("adam", "{}");
    const uint64_t rows[2][N] = {{30, 7, 1}, {0, 12, 5}};
    struct model_state want = {0};
    struct err err = {0};

    unit_ok(model_state_init(model, &want, &err), &err);
    want.values[0] = 0.25F;
    want.values[1] = -0.5F;
    for (int round = 0; round < 3; round++) {
        mean_round(model, &options, &want, rows[_i / 2]);
    }
    for (int o = 0; o < 3; o++) {
        struct training *t = run(model, &options, rows[_i / 2], orders[o]);

        ck_assert_mem_eq(training_state(t)->values, want.values,
                         want.count * sizeof(float));
        ck_assert_uint_eq(training_state(t)->optimizer.iterations,
                          want.optimizer.iterations);
        training_destroy(&t);
    }
    model_state_deinit(&want);
    model_destroy(&model);
}
END_TEST

/* Batch rounds of three are the steps of one process with three times the
 * batch: the rows are dealt out in turn, so they are the same rows. */
START_TEST(batch_rounds_are_steps_of_the_combined_batch)
{
    struct training_options options = {.partitions = N,
                                       .epochs = 5,
                                       .batch_size = 4,
                                       .frequency = TRAINING_BATCH};
    struct training_options alone = {.partitions = 1,
                                     .epochs = 5,
                                     .batch_size = 4 * N,
                                     .frequency = TRAINING_BATCH};
    struct model *model = the_model("adam", "{}");
    /* 12, 13, 25, 26: with a last batch that some have not, or not whole */
    const uint64_t sizes[] = {12, 13, 25, 26, 2};
    uint64_t total = sizes[_i];
    uint64_t rows[N];
    const uint32_t order[1] = {0};
    struct training *one = run(model, &alone, &total, order);
    float first[LINEAR_MAX];

    for (uint32_t p = 0; p < N; p++) {
        rows[p] = linear_part_rows(total, N, p);
    }
    for (int o = 0; o < 3; o++) {
        struct training *t = run(model, &options, rows, orders[o]);
        const struct model_state *state = training_state(t);

        ck_assert_uint_eq(training_version(t), training_version(one));
        ck_assert_uint_eq(state->optimizer.iterations, training_version(t));
        for (size_t i = 0; i < state->count; i++) {
            unit_assert_close(state->values[i], training_state(one)->values[i],
                              1e-6);
        }
        if (o == 0) {
            memcpy(first, state->values, state->count * sizeof(float));
        }
        ck_assert_mem_eq(first, state->values, state->count * sizeof(float));
        training_destroy(&t);
    }
    training_destroy(&one);
    model_destroy(&model);
}
END_TEST

/* Rounds of several batches: as epochs of them; one of all batches of an
 * epoch is the epoch itself, also with rows that do not divide. */
START_TEST(rounds_of_several_batches_are_short_epochs)
{
    struct training_options options = {.partitions = N,
                                       .epochs = 3,
                                       .batch_size = 2,
                                       .frequency = TRAINING_BATCH,
                                       .period = 2};
    struct training_options whole = options;
    struct model *model = the_model("adam", "{}");
    const uint64_t rows[N] = {10, 3, 7}; /* 5, 2 and 4 batches */
    struct training *t = run(model, &options, rows, orders[_i]);
    struct training *other = run(model, &options, rows, orders[0]);

    ck_assert_uint_eq(training_steps_per_epoch(t), 3);
    ck_assert_uint_eq(training_version(t), 9);
    /* of the partition with the most batches */
    ck_assert_uint_eq(training_state(t)->optimizer.iterations, 15);
    ck_assert_mem_eq(training_state(t)->values, training_state(other)->values,
                     training_state(t)->count * sizeof(float));
    training_destroy(&t);
    training_destroy(&other);
    options.period = 5;
    whole.frequency = TRAINING_EPOCH;
    whole.period = 0;
    t = run(model, &options, rows, orders[_i]);
    other = run(model, &whole, rows, orders[_i]);
    ck_assert_uint_eq(training_version(t), 3);
    ck_assert_mem_eq(training_state(t)->values, training_state(other)->values,
                     training_state(t)->count * sizeof(float));
    training_destroy(&t);
    training_destroy(&other);
    model_destroy(&model);
}
END_TEST

START_TEST(rounds_wait_for_all_who_have_a_step)
{
    struct training_options options = {.partitions = N,
                                       .epochs = 2,
                                       .batch_size = 4,
                                       .frequency = TRAINING_BATCH};
    struct model *model = the_model("sgd", "{}");
    struct training *t = NULL;
    struct training_reply reply;
    struct training_assignment a;
    struct err err = {0};

    unit_ok(linear_training(model, &options, &t, &err), &err);
    ck_assert_int_eq((int)training_gate_step(t, 0, 0), TRAINING_WAIT);
    unit_ok(linear_join(t, 0, 0, 6, 0, &a, &err), &err); /* 2 steps */
    ck_assert_int_eq((int)training_gate_step(t, 0, 0), TRAINING_READY);
    ck_assert_int_eq((int)training_gate_step(t, 0, 1), TRAINING_WAIT);
    unit_ok(linear_push(t, &options, 0, 6, 0, &reply, &err), &err);
    /* nobody knows yet who else will take part */
    ck_assert_uint_eq(training_version(t), 0);
    ck_assert_int_eq(linear_push(t, &options, 0, 6, 1, &reply, &err),
                     ERR_STATE);
    ck_assert_ptr_nonnull(strstr(err.msg, "the round before it is not"));
    unit_ok(linear_join(t, 1, 0, 3, 0, &a, &err), &err); /* 1 step */
    unit_ok(linear_push(t, &options, 1, 3, 0, &reply, &err), &err);
    ck_assert_uint_eq(training_version(t), 0);
    unit_ok(linear_join(t, 2, 0, 0, 0, &a, &err), &err); /* none: goes on */
    ck_assert(a.stop);
    ck_assert_uint_eq(training_version(t), 1);
    ck_assert_uint_eq(training_step(t), 1);
    ck_assert_uint_eq(training_steps_per_epoch(t), 2);
    /* partition 1 has no second step: it waits for the next epoch */
    ck_assert_int_eq((int)training_gate_step(t, 1, 1), TRAINING_WAIT);
    ck_assert_int_eq((int)training_gate_step(t, 0, 1), TRAINING_READY);
    ck_assert_int_eq(linear_push(t, &options, 1, 3, 1, &reply, &err),
                     ERR_STATE);
    unit_ok(linear_push(t, &options, 0, 6, 1, &reply, &err), &err);
    ck_assert_uint_eq(training_version(t), 2);
    ck_assert_uint_eq(training_epochs_done(t), 1);
    ck_assert_uint_eq(training_step(t), 0);
    ck_assert_int_eq((int)training_gate_step(t, 1, 1), TRAINING_READY);
    /* a step that is past: the worker may ask, and learns it when it pushes */
    ck_assert_int_eq((int)training_gate_step(t, 0, 0), TRAINING_READY);
    training_destroy(&t);
    model_destroy(&model);
}
END_TEST

START_TEST(moving_statistics_are_averaged)
{
    struct training_options options = {.partitions = 2,
                                       .epochs = 1,
                                       .batch_size = 8,
                                       .frequency = TRAINING_BATCH};
    struct model *model = the_model("sgd", "{}");
    struct training *t = NULL;
    struct training_assignment a;
    struct training_reply reply;
    struct linear_work work[2];
    struct err err = {0};

    /* the bias as if it were a moving mean: before - after, not a gradient */
    model->variables[1].role = VARIABLE_STATISTIC;
    model->variables[1].trainable = false;
    unit_ok(linear_training(model, &options, &t, &err), &err);
    unit_ok(linear_join(t, 0, 0, 6, 0, &a, &err), &err);
    unit_ok(linear_join(t, 1, 0, 2, 0, &a, &err), &err);
    for (uint32_t p = 0; p < 2; p++) {
        linear_compute(model, &options, training_state(t), 0, p, p == 0 ? 6 : 2,
                       0, &work[p]);
        work[p].values[2] = p == 0 ? -1.0F : -5.0F;
    }
    for (uint32_t p = 0; p < 2; p++) {
        unit_ok(training_update(t, &work[p].update, &reply, &err), &err);
        linear_work_deinit(&work[p]);
    }
    ck_assert(training_state(t)->values[2] == 2.0F); /* (6 * 1 + 2 * 5) / 8 */
    training_destroy(&t);
    model_destroy(&model);
}
END_TEST

/* Scalars (a schedule's or momentum's state) follow the partition with the
 * most steps, the first of several, in whatever order they come. */
START_TEST(scalars_follow_the_longest_partition)
{
    struct training_options options = {
        .partitions = N, .epochs = 1, .batch_size = 4};
    struct model *model = the_model("sgd", "{}");
    const uint64_t rows[N] = {4, 9, 10};
    struct err err = {0};

    for (int o = 0; o < 3; o++) {
        struct training *t = NULL;
        struct linear_work work[N];
        struct training_reply reply;

        unit_ok(linear_training(model, &options, &t, &err), &err);
        join_all(t, rows, N);
        for (uint32_t p = 0; p < N; p++) {
            linear_compute(model, &options, training_state(t), 0, p, rows[p], 0,
                           &work[p]);
            work[p].scalars[0] = 10.0 + p;
        }
        for (int k = 0; k < N; k++) {
            unit_ok(
                training_update(t, &work[orders[o][k]].update, &reply, &err),
                &err);
        }
        for (uint32_t p = 0; p < N; p++) {
            linear_work_deinit(&work[p]);
        }
        ck_assert_uint_eq(training_state(t)->optimizer.iterations, 3);
        ck_assert(training_state(t)->optimizer.scalars[0] == 11.0);
        training_destroy(&t);
    }
    model_destroy(&model);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("training_sync");

    tcase_add_test(tc, one_partition_is_plain_training);
    tcase_add_loop_test(tc, epoch_rounds_are_weighted_means, 0, 4);
    tcase_add_loop_test(tc, batch_rounds_are_steps_of_the_combined_batch, 0, 5);
    tcase_add_loop_test(tc, rounds_of_several_batches_are_short_epochs, 0, 3);
    tcase_add_test(tc, rounds_wait_for_all_who_have_a_step);
    tcase_add_test(tc, moving_statistics_are_averaged);
    tcase_add_test(tc, scalars_follow_the_longest_partition);
    return tc;
}

UNIT_MAIN("training_sync", basic)
