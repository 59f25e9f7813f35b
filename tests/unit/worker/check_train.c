/* SPDX-License-Identifier: MIT
 *
 * check_train: whole training runs of one partition against a small master
 * (one partition, synchronous): the weights must be those of a plain loop over
 * the same batches, whatever is interrupted in between.
 */
#include "tests/unit/worker/master.h"

#include "common/rng.h"
#include "worker/batch.h"
#include "worker/work.h"

static float feature(size_t row, size_t k)
{
    return (float)((row * 7 + k * 3) % 11) / 8.0F;
}

/* The partition as lines. */
static char *make_rows(const char *url, size_t rows)
{
    char *text = mem_alloc(8192);
    int n =
        snprintf(text, 8192,
                 "#elephas/1 job=j server=%s token=t partition=0 end=1\n", url);

    for (size_t i = 0; i < rows + VALIDATION; i++) {
        if (i == rows) {
            n += snprintf(text + n, 8192 - (size_t)n,
                          "#elephas/1 validation first=24 step=1\n");
        }
        n += snprintf(text + n, 8192 - (size_t)n, "%g,%g,%g,%zu\n",
                      (double)feature(i, 0), (double)feature(i, 1),
                      (double)feature(i, 2), i % 2);
    }
    (void)snprintf(text + n, 8192 - (size_t)n, "#elephas/1 end rows=%zu\n",
                   rows + VALIDATION);
    return text;
}

/* One run of the worker; its line in out[200]. */
static int run_worker(const char *url, size_t rows, char *out, bool *superseded,
                      struct err *err)
{
    struct worker_options options = {.verb = WORKER_TRAIN};
    struct session session = {0};
    struct output output;
    char *text = make_rows(url, rows);
    int fd = fixture_fd(text);
    int rc = session_open(&options, fd, &session, err);

    *superseded = false;
    out[0] = '\0';
    output_init(&output, -1);
    if (rc == 0) {
        rc = train_run(&session, &output, superseded, err);
        (void)snprintf(out, 200, "%s", buf_str(&output.buf));
    }
    output_deinit(&output);
    session_close(&session);
    (void)close(fd);
    mem_free(text);
    return rc;
}

/* The end of a step: the weights are the master's again, or they and the
 * master's move towards each other. */
static void exchange(const struct master *m, float *own, float *master)
{
    for (size_t i = 0; i < m->model->parameters; i++) {
        float e = (float)m->alpha * (master[i] - own[i]);

        master[i] = m->alpha == 0 ? own[i] : master[i] - e;
        own[i] = m->alpha == 0 ? own[i] : own[i] + (float)m->back * e;
    }
}

/* What a plain loop over the same batches gives. */
static void reference(const struct master *m, struct model_state *state)
{
    uint64_t period = !m->by_batch ? STEPS : m->period != 0 ? m->period : 1;
    float *own = mem_floats(m->model->parameters);
    const struct row_layout layout = {3, 2, false, 5};
    struct net *net = NULL;
    struct batch *batch = NULL;
    float *gradient = mem_zfloats(m->model->parameters);
    uint64_t order[ROWS];
    struct err err = {0};

    memcpy(own, state->values, m->model->parameters * sizeof(*own));
    unit_ok(net_create(m->model, &net, &err), &err);
    unit_ok(batch_create(m->model, &layout, BATCH, &batch, &err), &err);
    for (uint64_t step = 0; step < EPOCHS * STEPS; step++) {
        const struct net_draws draws = {SEED, 0, step};
        struct rng rng;

        rng_init(&rng, SEED, RNG_SHUFFLE, 0, step / STEPS, 0);
        rng_permutation(&rng, order, ROWS);
        batch_clear(batch);
        for (size_t i = step % STEPS * BATCH;
             i < ROWS && i < (step % STEPS + 1) * BATCH; i++) {
            size_t r = m->shuffle ? (size_t)order[i] : i;
            const float row[] = {feature(r, 0), feature(r, 1), feature(r, 2),
                                 r % 2 == 0, r % 2 == 1};

            batch_add(batch, row);
        }
        unit_ok(net_gradient(net, own, batch_net(batch), &draws, gradient, NULL,
                             NULL, &err),
                &err);
        optimizer_step(m->model->optimizer, m->model, &state->optimizer, own,
                       gradient);
        if ((step % STEPS + 1) % period == 0 || (step + 1) % STEPS == 0) {
            exchange(m, own, state->values);
        }
    }
    mem_free_aligned(own);
    net_destroy(&net);
    batch_destroy(&batch);
    mem_free_aligned(gradient);
}

struct scene {
    struct master master;
    struct fake fake;
    struct model_state want; /* of the plain loop */
};

static void scene_set(struct scene *s, bool by_batch, uint32_t period,
                      double alpha)
{
    struct err err = {0};

    master_init(&s->master);
    s->master.by_batch = by_batch;
    s->master.period = period;
    s->master.asynchronous = alpha != 0;
    s->master.alpha = alpha;
    s->master.back = by_batch ? 0.5 : 1;
    unit_ok(model_state_init(s->master.model, &s->want, &err), &err);
    copy_state(&s->master, &s->master.state, &s->want);
    reference(&s->master, &s->want);
    fake_start(&s->fake, master_answer, &s->master);
}

static void scene_start(struct scene *s, bool by_batch)
{
    scene_set(s, by_batch, 0, 0);
}

static void scene_stop(struct scene *s)
{
    fake_stop(&s->fake);
    model_state_deinit(&s->want);
    master_deinit(&s->master);
}

/* Runs the worker to its end and expects this outcome. */
static void scene_run(struct scene *s, bool superseded)
{
    char line[200];
    bool got = false;
    struct err err = {0};

    unit_ok(run_worker(s->fake.url, ROWS, line, &got, &err), &err);
    ck_assert_int_eq(got, superseded);
    fixture_contains(line, "{\"partition\":0,\"samples\":23,");
}

/* Weights and slots are those of the plain loop. A delta that is added again
 * may be off in the last place; whole gradients are the same bits. */
static void scene_check(const struct scene *s, double tolerance)
{
    const struct master *m = &s->master;

    for (size_t i = 0; i < state_size(m); i++) {
        unit_assert_close(m->state.values[i], s->want.values[i], tolerance);
    }
    ck_assert_uint_eq(m->state.optimizer.iterations, EPOCHS * STEPS);
    ck_assert_uint_eq(m->next_validation, EPOCHS);
    ck_assert_uint_eq(m->samples, ROWS);
    ck_assert_uint_eq(m->validation_samples, VALIDATION);
}

START_TEST(epochs_are_those_of_a_plain_loop)
{
    struct scene s;

    scene_start(&s, false);
    scene_run(&s, false);
    ck_assert_uint_eq(s.master.next_step, EPOCHS);
    ck_assert(s.master.train_rows == ROWS);
    scene_check(&s, 1e-6);
    scene_stop(&s);
}
END_TEST

START_TEST(batches_are_those_of_a_plain_loop)
{
    struct scene s;

    scene_start(&s, true);
    scene_run(&s, false);
    ck_assert_uint_eq(s.master.next_step, (uint64_t)EPOCHS * STEPS);
    ck_assert(s.master.train_rows == ROWS % BATCH);
    scene_check(&s, 0);
    scene_stop(&s);
}
END_TEST

START_TEST(rows_keep_their_order_without_shuffle)
{
    struct scene s;
    struct err err = {0};

    scene_start(&s, true);
    s.master.shuffle = false;
    model_state_deinit(&s.want);
    unit_ok(model_state_init(s.master.model, &s.want, &err), &err);
    copy_state(&s.master, &s.master.state, &s.want);
    reference(&s.master, &s.want);
    scene_run(&s, false);
    scene_check(&s, 0);
    scene_stop(&s);
}
END_TEST

START_TEST(a_new_attempt_goes_on_where_the_last_one_stopped)
{
    for (int by_batch = 0; by_batch < 2; by_batch++) {
        struct scene s;

        scene_start(&s, by_batch != 0);
        s.master.stop_at = by_batch ? 9 : 2;
        scene_run(&s, false);
        ck_assert_uint_eq(s.master.next_step, s.master.stop_at);
        s.master.stop_at = UINT64_MAX;
        scene_run(&s, false);
        ck_assert_uint_eq(s.master.joins, 2);
        scene_check(&s, by_batch ? 0 : 1e-6);
        scene_stop(&s);
    }
}
END_TEST

START_TEST(superseded_attempts_end)
{
    struct scene s;

    scene_start(&s, true);
    s.master.supersede_at = 4;
    scene_run(&s, true);
    ck_assert_uint_eq(s.master.next_step, 4);
    scene_stop(&s);
}
END_TEST

/* After 204 it joins again and asks again. */
START_TEST(waits_as_long_as_it_takes)
{
    struct scene s;

    scene_start(&s, true);
    s.master.not_yet = 3;
    scene_run(&s, false);
    ck_assert_uint_eq(s.master.joins, 4);
    scene_check(&s, 0);
    scene_stop(&s);
}
END_TEST

START_TEST(a_daemon_that_fell_back_is_caught_up_with)
{
    struct scene s;

    scene_start(&s, true);
    s.master.old_step = 3;
    s.master.forget_at = 5;
    scene_run(&s, false);
    ck_assert(s.master.forgot);
    ck_assert_uint_eq(s.master.joins, 2);
    scene_check(&s, 0);
    scene_stop(&s);
}
END_TEST

/* It was back before the worker's next request: all that is seen of it is that
 * an update is refused. */
START_TEST(a_daemon_that_fell_back_unnoticed_is_caught_up_with)
{
    for (int asynchronous = 0; asynchronous < 2; asynchronous++) {
        struct scene s;

        scene_start(&s, true);
        s.master.asynchronous = asynchronous != 0;
        s.master.old_step = 3;
        s.master.forget_at = 5;
        s.master.quietly = true;
        scene_run(&s, false);
        ck_assert(s.master.forgot);
        ck_assert_uint_eq(s.master.joins, 2);
        ck_assert_uint_eq(s.master.next_step, s.master.version);
        ck_assert_uint_eq(s.master.next_validation, EPOCHS);
        if (asynchronous == 0) {
            scene_check(&s, 0);
        }
        scene_stop(&s);
    }
}
END_TEST

START_TEST(an_update_that_is_refused_again_ends_the_work)
{
    struct scene s;
    char line[200];
    bool got = false;
    struct err err = {0};

    scene_start(&s, true);
    s.master.refuse_at = 5;
    ck_assert_int_eq(run_worker(s.fake.url, ROWS, line, &got, &err), ERR_STATE);
    ck_assert_uint_eq(s.master.joins, 2);
    ck_assert_uint_eq(s.master.next_step, 5);
    scene_stop(&s);
}
END_TEST

/* With one worker a delta of parameters and slots of its own are the same
 * loop again. */
START_TEST(asynchronous_steps_keep_their_slots)
{
    for (int by_batch = 0; by_batch < 2; by_batch++) {
        struct scene s;

        scene_start(&s, by_batch != 0);
        s.master.asynchronous = true;
        scene_run(&s, false);
        for (size_t i = 0; i < s.master.model->parameters; i++) {
            unit_assert_close(s.master.state.values[i], s.want.values[i], 1e-5);
        }
        ck_assert_uint_eq(s.master.next_validation, EPOCHS);
        scene_stop(&s);
    }
}
END_TEST

/* Steps of 4 batches, of which an epoch has 6: the second step has 2. */
START_TEST(steps_may_have_several_batches)
{
    struct scene s;

    scene_set(&s, true, 4, 0);
    scene_run(&s, false);
    ck_assert_uint_eq(s.master.next_step, (uint64_t)EPOCHS * 2);
    scene_check(&s, 1e-5);
    scene_stop(&s);
    /* another attempt goes on in the middle of an epoch */
    scene_set(&s, true, 4, 0);
    s.master.stop_at = 3;
    scene_run(&s, false);
    s.master.stop_at = UINT64_MAX;
    scene_run(&s, false);
    scene_check(&s, 1e-5);
    scene_stop(&s);
}
END_TEST

static const struct {
    bool by_batch;
    uint32_t period;
    double alpha;
} elastics[] = {{false, 0, 0.5}, {true, 0, 0.25}, {true, 4, 0.5}, {true, 4, 1}};

START_TEST(elastic_weights_stay_with_the_worker)
{
    struct scene s;

    scene_set(&s, elastics[_i].by_batch, elastics[_i].period,
              elastics[_i].alpha);
    scene_run(&s, false);
    for (size_t i = 0; i < s.master.model->parameters; i++) {
        unit_assert_close(s.master.state.values[i], s.want.values[i], 1e-5);
    }
    ck_assert_uint_eq(s.master.next_validation, EPOCHS);
    scene_stop(&s);
}
END_TEST

/* A daemon that has come back unnoticed, and has lost nothing but who is there,
 * is joined again; the weights are as good as before. */
START_TEST(elastic_weights_outlive_a_wait)
{
    struct scene s;

    scene_set(&s, true, 4, 0.5);
    s.master.unjoined_at = 3;
    scene_run(&s, false);
    ck_assert_uint_eq(s.master.joins, 2);
    for (size_t i = 0; i < s.master.model->parameters; i++) {
        unit_assert_close(s.master.state.values[i], s.want.values[i], 1e-5);
    }
    scene_stop(&s);
}
END_TEST

/* Whoever waits at the exchange keeps what it has computed; after a daemon
 * that fell back, and in a new attempt, it begins at the centre. */
START_TEST(elastic_averaging_begins_at_the_centre)
{
    struct scene s;

    scene_set(&s, true, 2, 1);
    s.master.not_yet = 1; /* before there is anything to keep */
    s.master.old_step = 3;
    s.master.forget_at = 5;
    scene_run(&s, false);
    ck_assert(s.master.forgot);
    ck_assert_uint_eq(s.master.joins, 3);
    ck_assert_uint_eq(s.master.next_step, (uint64_t)EPOCHS * 3);
    ck_assert_uint_eq(s.master.next_validation, EPOCHS);
    scene_stop(&s);
}
END_TEST

START_TEST(a_partition_without_rows_only_validates)
{
    struct scene s;
    char line[200];
    bool superseded;
    struct err err = {0};

    scene_start(&s, false);
    unit_ok(run_worker(s.fake.url, 0, line, &superseded, &err), &err);
    fixture_contains(line, "\"samples\":0,");
    ck_assert_uint_eq(s.master.next_step, 0);
    ck_assert_uint_eq(s.master.next_validation, EPOCHS);
    ck_assert_uint_eq(s.master.joins, 1);
    scene_stop(&s);
}
END_TEST

static TCase *all(void)
{
    TCase *tc = tcase_create("train");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, epochs_are_those_of_a_plain_loop);
    tcase_add_test(tc, batches_are_those_of_a_plain_loop);
    tcase_add_test(tc, rows_keep_their_order_without_shuffle);
    tcase_add_test(tc, a_new_attempt_goes_on_where_the_last_one_stopped);
    tcase_add_test(tc, superseded_attempts_end);
    tcase_add_test(tc, waits_as_long_as_it_takes);
    tcase_add_test(tc, a_daemon_that_fell_back_is_caught_up_with);
    tcase_add_test(tc, a_daemon_that_fell_back_unnoticed_is_caught_up_with);
    tcase_add_test(tc, an_update_that_is_refused_again_ends_the_work);
    tcase_add_test(tc, asynchronous_steps_keep_their_slots);
    tcase_add_test(tc, steps_may_have_several_batches);
    tcase_add_loop_test(tc, elastic_weights_stay_with_the_worker, 0, 4);
    tcase_add_test(tc, elastic_weights_outlive_a_wait);
    tcase_add_test(tc, elastic_averaging_begins_at_the_centre);
    tcase_add_test(tc, a_partition_without_rows_only_validates);
    return tc;
}

UNIT_MAIN("train", all)
