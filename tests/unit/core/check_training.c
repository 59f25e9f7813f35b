/* SPDX-License-Identifier: MIT
 *
 * check_training: joining, updates and refusals of a synchronous training;
 * rounds, validation and snapshots have programs of their own.
 */
#include "tests/unit/core/linear.h"

#include <math.h>

static const struct training_options epoch_options = {
    .partitions = 2, .epochs = 3, .batch_size = 4};

static struct model *the_model(const char *optimizer, const char *config)
{
    struct model *model = NULL;
    struct err err = {0};

    unit_ok(linear_model(optimizer, config, &model, &err), &err);
    return model;
}

static struct training *begin(const struct model *model,
                              const struct training_options *options,
                              const uint64_t *rows)
{
    struct training *t = NULL;
    struct training_assignment a;
    struct err err = {0};

    unit_ok(linear_training(model, options, &t, &err), &err);
    for (uint32_t p = 0; rows != NULL && p < options->partitions; p++) {
        unit_ok(linear_join(t, p, 0, rows[p], 0, &a, &err), &err);
    }
    return t;
}

START_TEST(joining_tells_where_to_begin)
{
    struct model *model = the_model("sgd", "{}");
    struct training *t = begin(model, &epoch_options, NULL);
    struct training_assignment a;
    struct err err = {0};

    ck_assert_uint_eq(training_steps_per_epoch(t), 0);
    unit_ok(linear_join(t, 1, 0, 10, 5, &a, &err), &err);
    ck_assert(!a.stop);
    ck_assert_uint_eq(a.next_step, 0);
    ck_assert_uint_eq(training_joined(t), 1);
    /* again, and a newer attempt: nothing changes */
    unit_ok(linear_join(t, 1, 0, 10, 5, &a, &err), &err);
    unit_ok(linear_join(t, 1, 2, 10, 5, &a, &err), &err);
    ck_assert(!a.stop);
    /* an older one is told to end */
    unit_ok(linear_join(t, 1, 1, 10, 5, &a, &err), &err);
    ck_assert(a.stop);
    ck_assert_ptr_nonnull(strstr(a.detail, "newer attempt"));
    ck_assert_uint_eq(training_joined(t), 1);
    unit_ok(linear_join(t, 0, 0, 7, 0, &a, &err), &err);
    ck_assert_uint_eq(training_joined(t), 2);
    ck_assert_uint_eq(training_samples(t), 17);
    ck_assert_uint_eq(training_steps_per_epoch(t), 1);
    ck_assert_ptr_eq(training_model(t), model);
    training_destroy(&t);
    training_destroy(&t);
    model_destroy(&model);
}
END_TEST

START_TEST(joining_is_refused_by_name)
{
    struct model *model = the_model("sgd", "{}");
    struct training *t = begin(model, &epoch_options, NULL);
    struct training_assignment a;
    struct err err = {0};

    ck_assert_int_eq(linear_join(t, 2, 0, 1, 0, &a, &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "partition 2: the job has 2"));
    unit_ok(linear_join(t, 0, 0, 0, 0, &a, &err), &err);
    ck_assert(a.stop);
    ck_assert_ptr_nonnull(strstr(a.detail, "no rows"));
    ck_assert_int_eq(linear_join(t, 0, 1, 5, 0, &a, &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "5 rows"));
    ck_assert_int_eq(linear_join(t, 1, 0, 0, 0, &a, &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "not a single row"));
    ck_assert_int_eq(linear_join(t, 1, 0, UINT64_MAX, 0, &a, &err), ERR_LIMIT);
    ck_assert_uint_eq(training_joined(t), 1);
    unit_ok(linear_join(t, 1, 0, 1, 0, &a, &err), &err);
    training_destroy(&t);
    model_destroy(&model);
}
END_TEST

START_TEST(creating_is_refused_by_name)
{
    struct model *plain = the_model(NULL, NULL);
    struct model *model = the_model("adam", "{}");
    struct training_options options = epoch_options;
    struct model_state state = {0};
    struct training *t = NULL;
    struct err err = {0};

    unit_ok(model_state_init(plain, &state, &err), &err);
    ck_assert_int_eq(training_create(plain, &state, &options, &t, &err),
                     ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "not compiled"));
    ck_assert_int_eq(training_create(model, &state, &options, &t, &err),
                     ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "3 values"));
    model_state_deinit(&state);
    unit_ok(model_state_init(model, &state, &err), &err);
    for (int i = 0; i < 3; i++) {
        options = epoch_options;
        *(i == 0   ? &options.partitions
          : i == 1 ? &options.epochs
                   : &options.batch_size) = 0;
        ck_assert_int_eq(training_create(model, &state, &options, &t, &err),
                         ERR_INVALID);
    }
    ck_assert_ptr_null(t);
    ck_assert_ptr_nonnull(state.values);
    unit_ok(training_create(model, &state, &epoch_options, &t, &err), &err);
    ck_assert_ptr_null(state.values); /* moved */
    training_destroy(&t);
    model_destroy(&model);
    model_destroy(&plain);
}
END_TEST

/* What can be wrong with an update. */
enum fault {
    NOT_JOINED,
    NO_PARTITION,
    EARLY_STEP,
    OLD_BASE,
    NEW_BASE,
    WRONG_KIND,
    SHORT_RANGE,
    SHIFTED_RANGE,
    NO_VALUES,
    WRONG_ROWS,
    MANY_STEPS,
    WRONG_SCALARS,
    NAN_SCALAR,
    NO_METRICS,
    NAN_LOSS,
    NAN_VALUE,
    INFINITE_SLOT,
    HUGE_VALUE,
    FAULTS
};

static const struct {
    int code;
    const char *says;
} fault_answers[FAULTS] = {
    [NOT_JOINED] = {ERR_STATE, "partition 1 has not joined"},
    [NO_PARTITION] = {ERR_STATE, "partition 7 has not joined"},
    [EARLY_STEP] = {ERR_STATE, "partition 0, step 2: step 1 has not come"},
    [OLD_BASE] = {ERR_STATE, "version 0, the current one is 1"},
    [NEW_BASE] = {ERR_STATE, "version 2, the current one is 1"},
    [WRONG_KIND] = {ERR_INVALID, "a delta is wanted, not a gradient"},
    [SHORT_RANGE] = {ERR_INVALID, "0 to 3, 0 to 9 is wanted"},
    [SHIFTED_RANGE] = {ERR_INVALID, "1 to 9, 0 to 9 is wanted"},
    [NO_VALUES] = {ERR_INVALID, "is wanted"},
    [WRONG_ROWS] = {ERR_INVALID, "11 rows, this step has 10"},
    [MANY_STEPS] = {ERR_INVALID, "11 optimizer steps on 10 rows"},
    [WRONG_SCALARS] = {ERR_INVALID, "2 optimizer scalars, 1 are wanted"},
    [NAN_SCALAR] = {ERR_INVALID, "optimizer scalar 0 is not finite"},
    [NO_METRICS] = {ERR_INVALID, "it has no metrics"},
    [NAN_LOSS] = {ERR_DIVERGED,
                  "partition 0, step 1: loss is not a number: the training "
                  "diverges"},
    [NAN_VALUE] = {ERR_DIVERGED,
                   "step 1: fc/kernel, element 1 is not a number"},
    [INFINITE_SLOT] = {ERR_DIVERGED, "velocity of fc/bias, element 0 is inf"},
    [HUGE_VALUE] = {ERR_DIVERGED, "fc/bias, element 0 is 3e+38, too large"},
};

static void spoil(struct linear_work *work, int fault)
{
    struct training_update *u = &work->update;
    static const double nan_scalar[1] = {(double)NAN};
    size_t n;

    switch (fault) {
    case NOT_JOINED:
        u->partition = 1;
        break;
    case NO_PARTITION:
        u->partition = 7;
        break;
    case EARLY_STEP:
        u->step++;
        break;
    case OLD_BASE:
        u->base_version--;
        break;
    case NEW_BASE:
        u->base_version++;
        break;
    case WRONG_KIND:
        u->gradient = true;
        break;
    case SHORT_RANGE:
        u->end = LINEAR_P;
        break;
    case SHIFTED_RANGE:
        u->begin = 1;
        break;
    case NO_VALUES:
        u->values = NULL;
        break;
    case WRONG_ROWS:
        u->samples++;
        break;
    case MANY_STEPS:
        u->iterations = u->samples + 1;
        break;
    case WRONG_SCALARS:
        u->scalar_count = 2;
        break;
    case NAN_SCALAR:
        u->scalars = nan_scalar;
        break;
    case NO_METRICS:
        u->metrics = NULL;
        break;
    case NAN_LOSS:
        totals_state(work->metrics, 0, &n)[0] = (double)NAN;
        break;
    case NAN_VALUE:
        work->values[1] = NAN;
        break;
    case INFINITE_SLOT:
        work->values[8] = -INFINITY;
        break;
    default:
        work->values[2] = 3e38F;
        break;
    }
}

/* One epoch goes well, then a spoilt update comes, then the good one: the
 * result is that of a run without the spoilt one. */
START_TEST(a_refused_update_leaves_no_trace)
{
    struct training_options options = epoch_options;
    struct model *model = the_model("adam", "{}");
    struct training *calm;
    struct training *t;
    struct training_reply reply;
    struct linear_work work;
    struct err err = {0};
    const uint64_t rows[1] = {10};

    options.partitions = 1;
    calm = begin(model, &options, rows);
    unit_ok(linear_push(calm, &options, 0, 10, 0, &reply, &err), &err);
    unit_ok(linear_push(calm, &options, 0, 10, 1, &reply, &err), &err);

    t = begin(model, &options, rows);
    unit_ok(linear_push(t, &options, 0, 10, 0, &reply, &err), &err);
    linear_compute(model, &options, training_state(t), 1, 0, 10, 1, &work);
    spoil(&work, _i);
    if (_i == NOT_JOINED) {
        training_destroy(&t);
        options.partitions = 2;
        t = begin(model, &options, NULL);
    }
    ck_assert_int_eq(training_update(t, &work.update, &reply, &err),
                     fault_answers[_i].code);
    ck_assert_msg(strstr(err.msg, fault_answers[_i].says) != NULL,
                  "says \"%s\"", err.msg);
    linear_work_deinit(&work);
    if (_i != NOT_JOINED) {
        unit_ok(linear_push(t, &options, 0, 10, 1, &reply, &err), &err);
        ck_assert_uint_eq(training_version(t), 2);
        ck_assert_mem_eq(training_state(t)->values,
                         training_state(calm)->values,
                         training_state(t)->count * sizeof(float));
    }
    training_destroy(&t);
    training_destroy(&calm);
    model_destroy(&model);
}
END_TEST

START_TEST(a_step_counts_once)
{
    struct model *model = the_model("sgd", "{}");
    const uint64_t rows[2] = {10, 10};
    struct training *t = begin(model, &epoch_options, rows);
    struct training_reply reply;
    struct linear_work work;
    struct err err = {0};
    float after[LINEAR_P];

    linear_compute(model, &epoch_options, training_state(t), 0, 0, 10, 0,
                   &work);
    unit_ok(training_update(t, &work.update, &reply, &err), &err);
    ck_assert_int_eq((int)reply.status, TRAINING_APPLIED);
    ck_assert_uint_eq(reply.next_step, 1);
    ck_assert_uint_eq(reply.version, 0);
    unit_ok(training_update(t, &work.update, &reply, &err), &err);
    ck_assert_int_eq((int)reply.status, TRAINING_DUPLICATE);
    ck_assert_uint_eq(reply.next_step, 1);
    unit_ok(linear_push(t, &epoch_options, 1, 10, 0, &reply, &err), &err);
    ck_assert_uint_eq(reply.version, 1);
    memcpy(after, training_state(t)->values, sizeof(after));
    unit_ok(training_update(t, &work.update, &reply, &err), &err);
    ck_assert_int_eq((int)reply.status, TRAINING_DUPLICATE);
    ck_assert_uint_eq(training_version(t), 1);
    ck_assert_mem_eq(after, training_state(t)->values, sizeof(after));
    linear_work_deinit(&work);
    training_destroy(&t);
    model_destroy(&model);
}
END_TEST

/* In synchronous mode both attempts compute the same: whoever comes first
 * counts, and the older one is told to end only when it is of no use. */
START_TEST(an_older_attempt_may_help)
{
    struct model *model = the_model("sgd", "{}");
    const uint64_t rows[2] = {10, 10};
    struct training *t = begin(model, &epoch_options, rows);
    struct training_assignment a;
    struct training_reply reply;
    struct linear_work work;
    struct err err = {0};

    unit_ok(linear_join(t, 0, 1, 10, 0, &a, &err), &err);
    ck_assert_uint_eq(a.next_step, 0);
    linear_compute(model, &epoch_options, training_state(t), 0, 0, 10, 0,
                   &work);
    work.update.attempt = 0;
    unit_ok(training_update(t, &work.update, &reply, &err), &err);
    ck_assert_int_eq((int)reply.status, TRAINING_APPLIED);
    work.update.attempt = 1;
    unit_ok(training_update(t, &work.update, &reply, &err), &err);
    ck_assert_int_eq((int)reply.status, TRAINING_DUPLICATE);
    work.update.attempt = 0;
    unit_ok(training_update(t, &work.update, &reply, &err), &err);
    ck_assert_int_eq((int)reply.status, TRAINING_SUPERSEDED);
    ck_assert_ptr_nonnull(reply.detail);
    /* a later stage is newer whatever its attempt */
    work.update.attempt = 0;
    work.update.stage = 1;
    unit_ok(training_update(t, &work.update, &reply, &err), &err);
    ck_assert_int_eq((int)reply.status, TRAINING_DUPLICATE);
    unit_ok(linear_join(t, 0, 9, 10, 0, &a, &err), &err);
    ck_assert(a.stop);
    linear_work_deinit(&work);
    training_destroy(&t);
    model_destroy(&model);
}
END_TEST

START_TEST(after_the_last_epoch_it_says_stop)
{
    struct training_options options = epoch_options;
    struct model *model = the_model("sgd", "{}");
    const uint64_t rows[2] = {10, 0};
    struct training *t;
    struct training_assignment a;
    struct training_reply reply;
    struct linear_work work;
    struct err err = {0};

    t = begin(model, &options, rows);
    for (uint64_t step = 0; step < options.epochs; step++) {
        ck_assert(!training_finished(t));
        ck_assert_int_eq((int)training_gate_step(t, 0, step), TRAINING_READY);
        ck_assert_int_eq((int)training_gate_epoch(t, step + 1), TRAINING_WAIT);
        unit_ok(linear_push(t, &options, 0, 10, step, &reply, &err), &err);
        ck_assert_int_eq((int)reply.status, TRAINING_APPLIED);
    }
    ck_assert(training_finished(t));
    ck_assert_int_eq((int)training_gate_step(t, 0, 3), TRAINING_CLOSED);
    ck_assert_int_eq((int)training_gate_step(t, 5, 0), TRAINING_CLOSED);
    ck_assert_int_eq((int)training_gate_epoch(t, 3), TRAINING_READY);
    ck_assert_int_eq((int)training_gate_epoch(t, 4), TRAINING_CLOSED);
    linear_compute(model, &options, training_state(t), 3, 0, 10, 3, &work);
    unit_ok(training_update(t, &work.update, &reply, &err), &err);
    ck_assert_int_eq((int)reply.status, TRAINING_STOP);
    /* the last update again, its answer may have been lost */
    work.update.step = 2;
    unit_ok(training_update(t, &work.update, &reply, &err), &err);
    ck_assert_int_eq((int)reply.status, TRAINING_DUPLICATE);
    unit_ok(linear_join(t, 0, 1, 10, 0, &a, &err), &err);
    ck_assert(a.stop);
    ck_assert_ptr_nonnull(strstr(a.detail, "all epochs"));
    linear_work_deinit(&work);
    training_destroy(&t);
    model_destroy(&model);
}
END_TEST

/* A step so large that the weights overflow: the job cannot go on, and says so
 * from then on. */
START_TEST(a_state_that_overflows_ends_the_training)
{
    struct training_options options = {.partitions = 1,
                                       .epochs = 3,
                                       .batch_size = 4,
                                       .frequency = TRAINING_BATCH};
    struct model *model = the_model("sgd", "{\"learning_rate\": 1e30}");
    const uint64_t rows[1] = {4};
    struct training *t = begin(model, &options, rows);
    struct training_assignment a;
    struct training_reply reply;
    struct linear_work work;
    struct buf saved;
    struct err err = {0};

    linear_compute(model, &options, training_state(t), 0, 0, 4, 0, &work);
    work.values[0] = 0;
    work.values[1] = 1e20F;
    ck_assert_int_eq(training_update(t, &work.update, &reply, &err),
                     ERR_DIVERGED);
    ck_assert_msg(
        strstr(err.msg, "fc/kernel, element 1 became infinite in epoch 1") ==
            err.msg,
        "%s", err.msg);
    err.msg[0] = '\0';
    ck_assert_int_eq(linear_join(t, 0, 1, 4, 0, &a, &err), ERR_DIVERGED);
    ck_assert_ptr_nonnull(strstr(err.msg, "became infinite"));
    ck_assert_int_eq(training_update(t, &work.update, &reply, &err),
                     ERR_DIVERGED);
    ck_assert_int_eq(linear_validate(t, 1, 0, 1, 0, &reply, &err),
                     ERR_DIVERGED);
    buf_init(&saved, 1 << 20);
    ck_assert_int_eq(training_save(t, &saved, &err), ERR_DIVERGED);
    buf_deinit(&saved);
    ck_assert_int_eq((int)training_gate_step(t, 0, 1), TRAINING_CLOSED);
    ck_assert_int_eq((int)training_gate_epoch(t, 1), TRAINING_CLOSED);
    linear_work_deinit(&work);
    training_destroy(&t);
    model_destroy(&model);
}
END_TEST

static int whole_run(void *state, struct err *err)
{
    struct model *model = state;
    struct training_options options = {.partitions = 1,
                                       .epochs = 12,
                                       .batch_size = 4,
                                       .frequency = TRAINING_BATCH,
                                       .validation = true};
    struct training *t = NULL;
    struct training_assignment a;
    struct training_reply reply;
    struct linear_work work;
    int rc = linear_training(model, &options, &t, err);

    if (rc == 0) {
        rc = linear_join(t, 0, 0, 4, 2, &a, err);
    }
    for (uint64_t step = 0; rc == 0 && step < options.epochs; step++) {
        /* the worker's own memory is not what is tested */
        linear_compute(model, &options, training_state(t), training_version(t),
                       0, 4, step, &work);
        rc = training_update(t, &work.update, &reply, err);
        if (rc == 0) {
            rc = training_validation(t, 0, step, work.metrics, &reply, err);
        }
        linear_work_deinit(&work);
    }
    ck_assert(rc != 0 || training_finished(t));
    training_destroy(&t);
    return rc;
}

/* linear_compute() takes memory too and must not fail: the faults that hit it
 * are tried elsewhere. So count allocations by hand here. */
START_TEST(memory_may_run_out)
{
    struct model *model = the_model("sgd", "{}");
    struct training *t = NULL;
    struct training_options options = epoch_options;
    struct training_assignment a;
    struct err err = {0};
    int k;

    for (k = 0;; k++) {
        mem_fail_after(k, 0);
        int rc = linear_training(model, &options, &t, &err);
        long refused = mem_failures();
        mem_fail_after(-1, 0);
        if (refused == 0) {
            unit_ok(rc, &err);
            break;
        }
        ck_assert_int_eq(rc, ERR_NOMEM);
        ck_assert_ptr_null(t);
    }
    ck_assert_int_gt(k, 5);
    for (k = 0;; k++) {
        mem_fail_after(k, 0);
        int rc = linear_join(t, 0, 0, 4, 2, &a, &err);
        long refused = mem_failures();
        mem_fail_after(-1, 0);
        if (refused == 0) {
            unit_ok(rc, &err);
            break;
        }
        ck_assert_int_eq(rc, ERR_NOMEM);
        ck_assert_uint_eq(training_joined(t), 0);
    }
    ck_assert_int_gt(k, 5);
    training_destroy(&t);
    /* more epochs than there is room for at first */
    unit_ok(whole_run(model, &err), &err);
    model_destroy(&model);
}
END_TEST

/* Room for the history runs out at an update: it can be sent again. */
START_TEST(an_update_without_memory_can_be_repeated)
{
    struct training_options options = {
        .partitions = 1, .epochs = 12, .batch_size = 4};
    struct model *model = the_model("sgd", "{}");
    const uint64_t rows[1] = {4};
    struct training *t = begin(model, &options, rows);
    struct training_reply reply;
    struct err err = {0};
    int failures = 0;

    for (uint64_t step = 0; step < options.epochs; step++) {
        for (int k = 0;; k++) {
            struct linear_work work;
            int rc;
            long refused;

            linear_compute(model, &options, training_state(t), step, 0, 4, step,
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
    ck_assert_int_eq(failures, 2);
    ck_assert(training_finished(t));
    training_destroy(&t);
    model_destroy(&model);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("training");

    tcase_add_test(tc, joining_tells_where_to_begin);
    tcase_add_test(tc, joining_is_refused_by_name);
    tcase_add_test(tc, creating_is_refused_by_name);
    tcase_add_loop_test(tc, a_refused_update_leaves_no_trace, 0, FAULTS);
    tcase_add_test(tc, a_step_counts_once);
    tcase_add_test(tc, an_older_attempt_may_help);
    tcase_add_test(tc, after_the_last_epoch_it_says_stop);
    tcase_add_test(tc, a_state_that_overflows_ends_the_training);
    tcase_add_test(tc, memory_may_run_out);
    tcase_add_test(tc, an_update_without_memory_can_be_repeated);
    return tc;
}

UNIT_MAIN("training", basic)
