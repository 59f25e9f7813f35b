/* SPDX-License-Identifier: MIT
 *
 * check_training_diverge: a loss that explodes ends the training and is named,
 * in every mode; one that recovers, or begins small, does not.
 */
#include "tests/unit/core/linear.h"

#define ROWS 6

struct fixture {
    struct training_options options;
    struct model *model;
    struct training *t;
};

static void begin(struct fixture *f, enum training_mode mode,
                  enum training_frequency frequency)
{
    struct training_assignment a;
    struct err err = {0};

    f->options = (struct training_options){.partitions = 2,
                                           .epochs = 9,
                                           .batch_size = 4,
                                           .mode = mode,
                                           .frequency = frequency};
    unit_ok(linear_model("sgd", "{}", &f->model, &err), &err);
    unit_ok(linear_training(f->model, &f->options, &f->t, &err), &err);
    for (uint32_t p = 0; p < 2; p++) {
        unit_ok(linear_join(f->t, p, 0, ROWS, 0, &a, &err), &err);
    }
}

static void end(struct fixture *f)
{
    training_destroy(&f->t);
    model_destroy(&f->model);
}

/* Pushes a step whose rows had this mean loss. */
static int push(struct fixture *f, uint32_t p, uint64_t step, double first,
                double loss, struct err *err)
{
    struct linear_work work;
    struct training_reply reply;
    size_t n;
    double *state;
    int rc;

    linear_compute(f->model, &f->options, training_state(f->t),
                   training_version(f->t), p, ROWS, step, &work);
    work.update.first_loss = first;
    state = totals_state(work.metrics, 0, &n);
    ck_assert_uint_eq(n, 2); /* sum, rows */
    state[0] = loss * state[1];
    rc = training_update(f->t, &work.update, &reply, err);
    linear_work_deinit(&work);
    return rc;
}

/* An epoch of both partitions with this loss; the first failure. */
static int push_epoch(struct fixture *f, uint64_t epoch, double first,
                      double loss, struct err *err)
{
    uint64_t steps = f->options.frequency == TRAINING_BATCH ? 2 : 1;
    int rc = 0;

    for (uint64_t s = 0; rc == 0 && s < steps; s++) {
        for (uint32_t p = 0; rc == 0 && p < 2; p++) {
            rc = push(f, p, epoch * steps + s, first, loss, err);
        }
    }
    return rc;
}

static const struct {
    enum training_mode mode;
    enum training_frequency frequency;
} kinds[] = {
    {TRAINING_SYNCHRONOUS, TRAINING_EPOCH},
    {TRAINING_SYNCHRONOUS, TRAINING_BATCH},
    {TRAINING_ASYNCHRONOUS, TRAINING_EPOCH},
    {TRAINING_ASYNCHRONOUS, TRAINING_BATCH},
    {TRAINING_HOGWILD, TRAINING_EPOCH},
};

START_TEST(an_exploding_loss_ends_it)
{
    struct fixture f;
    struct training_assignment a;
    struct err err = {0};

    begin(&f, kinds[_i].mode, kinds[_i].frequency);
    unit_ok(push_epoch(&f, 0, 2.3, 1.9, &err), &err);
    unit_ok(push_epoch(&f, 1, 0.5, 229.0, &err), &err); /* it may recover */
    unit_ok(push_epoch(&f, 2, 9, 1.0, &err), &err);
    ck_assert_int_eq(push_epoch(&f, 3, 9, 231.0, &err), ERR_DIVERGED);
    ck_assert_msg(strstr(err.msg,
                         "epoch 4, partition 0: the loss is 231, it "
                         "began with 2.3: the training diverges") != NULL,
                  "%s", err.msg);
    /* and that is the end of it */
    ck_assert_int_eq((int)training_gate_epoch(f.t, 0), TRAINING_CLOSED);
    ck_assert_int_eq(linear_join(f.t, 0, 1, ROWS, 0, &a, &err), ERR_DIVERGED);
    ck_assert(strstr(err.msg, "diverges") != NULL);
    end(&f);
}
END_TEST

START_TEST(the_first_epoch_may_explode)
{
    struct fixture f;
    struct err err = {0};

    begin(&f, kinds[_i].mode, kinds[_i].frequency);
    ck_assert_int_eq(push_epoch(&f, 0, 2.0, 20001.0, &err), ERR_DIVERGED);
    ck_assert(strstr(err.msg, "epoch 1") != NULL);
    end(&f);
    /* a rough start is none yet, and is what later ones are measured by */
    begin(&f, kinds[_i].mode, kinds[_i].frequency);
    unit_ok(push_epoch(&f, 0, 2.0, 19999.0, &err), &err);
    unit_ok(push_epoch(&f, 1, 2.0, 1999000.0, &err), &err);
    end(&f);
}
END_TEST

/* One partition has thrown the weights far away before the other begins. */
START_TEST(a_late_start_is_no_measure)
{
    struct fixture f;
    struct err err = {0};

    begin(&f, TRAINING_ASYNCHRONOUS, TRAINING_BATCH);
    unit_ok(push(&f, 0, 0, 2.3, 2.3, &err), &err);
    unit_ok(push(&f, 1, 0, 1e9, 1e9, &err), &err);
    ck_assert_int_eq(push(&f, 0, 1, 1e9, 1e9, &err), ERR_DIVERGED);
    ck_assert_ptr_nonnull(strstr(err.msg, "it began with 2.3"));
    end(&f);
}
END_TEST

/* A client that does not say what its first batch lost, and a loss of 0. */
START_TEST(without_a_measure_nothing_ends)
{
    struct fixture f;
    struct err err = {0};

    begin(&f, kinds[_i].mode, kinds[_i].frequency);
    unit_ok(push_epoch(&f, 0, 0, 1e9, &err), &err);
    end(&f);
    begin(&f, kinds[_i].mode, kinds[_i].frequency);
    unit_ok(push_epoch(&f, 0, 0, 0, &err), &err);
    unit_ok(push_epoch(&f, 1, 1, 5, &err), &err);
    end(&f);
}
END_TEST

START_TEST(a_snapshot_keeps_the_measure)
{
    struct fixture f;
    struct fixture g;
    struct training_assignment a;
    struct buf saved;
    struct err err = {0};

    begin(&f, kinds[_i].mode, kinds[_i].frequency);
    unit_ok(push_epoch(&f, 0, 2.3, 1.9, &err), &err);
    buf_init(&saved, 1 << 20);
    unit_ok(training_save(f.t, &saved, &err), &err);
    g = f;
    unit_ok(linear_training(f.model, &f.options, &g.t, &err), &err);
    unit_ok(training_restore(g.t, buf_view(&saved), &err), &err);
    unit_ok(linear_join(g.t, 0, 0, ROWS, 0, &a, &err), &err);
    ck_assert_int_eq(push_epoch(&g, 1, 9, 231.0, &err), ERR_DIVERGED);
    training_destroy(&g.t);
    buf_deinit(&saved);
    end(&f);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("training_diverge");
    int n = (int)(sizeof(kinds) / sizeof(kinds[0]));

    tcase_add_loop_test(tc, an_exploding_loss_ends_it, 0, n);
    tcase_add_loop_test(tc, the_first_epoch_may_explode, 0, n);
    tcase_add_test(tc, a_late_start_is_no_measure);
    tcase_add_loop_test(tc, without_a_measure_nothing_ends, 0, n);
    tcase_add_loop_test(tc, a_snapshot_keeps_the_measure, 0, n);
    return tc;
}

UNIT_MAIN("training_diverge", basic)
