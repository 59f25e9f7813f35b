/* SPDX-License-Identifier: MIT
 *
 * check_training_server: an optimizer on the server: SGD of rate 1 is no
 * optimizer at all, Adam is Adam of the mean delta; its slots are in the
 * snapshot; what it cannot go with is refused.
 */
#include "tests/unit/core/linear.h"

struct fixture {
    struct training_options options;
    struct model *model;
    struct optimizer *server;
    struct training *t;
};

static const uint64_t rows[2] = {10, 6};

static void begin_training(struct fixture *f)
{
    struct training_assignment a;
    struct err err = {0};

    unit_ok(linear_training(f->model, &f->options, &f->t, &err), &err);
    for (uint32_t p = 0; p < 2; p++) {
        unit_ok(linear_join(f->t, p, 0, rows[p], 0, &a, &err), &err);
    }
}

static void begin(struct fixture *f, const char *server, const char *config,
                  enum training_mode mode, uint32_t period)
{
    json_t *json = json_loads(config, 0, NULL);
    struct err err = {0};

    *f = (struct fixture){
        .options = {.partitions = 2,
                    .epochs = 4,
                    .batch_size = 2,
                    .mode = mode,
                    .frequency = period != 0 ? TRAINING_BATCH : TRAINING_EPOCH,
                    .period = period}};
    if (server != NULL) {
        unit_ok(optimizer_create(server, json, &f->server, &err), &err);
    }
    json_decref(json);
    f->options.server = f->server;
    unit_ok(linear_model("sgd", "{\"momentum\": 0.9}", &f->model, &err), &err);
    begin_training(f);
}

static void end(struct fixture *f)
{
    training_destroy(&f->t);
    model_destroy(&f->model);
    optimizer_destroy(&f->server);
}

/* Both partitions in turn, as long as they may, up to this version. */
static void run_to(struct fixture *f, uint64_t version)
{
    struct training_assignment a;
    struct training_reply reply;
    struct err err = {0};

    for (int guard = 0; !training_finished(f->t); guard++) {
        ck_assert_int_lt(guard, 1000);
        for (uint32_t p = 0; p < 2 && training_version(f->t) < version; p++) {
            unit_ok(linear_join(f->t, p, 0, rows[p], 0, &a, &err), &err);
            if (training_gate_step(f->t, p, a.next_step) == TRAINING_READY) {
                unit_ok(linear_push(f->t, &f->options, p, rows[p], a.next_step,
                                    &reply, &err),
                        &err);
            }
        }
        if (training_version(f->t) >= version) {
            return;
        }
    }
}

static const struct {
    enum training_mode mode;
    uint32_t period;
} kinds[] = {{TRAINING_SYNCHRONOUS, 0},
             {TRAINING_SYNCHRONOUS, 2},
             {TRAINING_ASYNCHRONOUS, 0},
             {TRAINING_HOGWILD, 1}};

START_TEST(sgd_of_rate_1_changes_nothing)
{
    struct fixture with;
    struct fixture without;

    begin(&with, "sgd", "{\"learning_rate\": 1}", kinds[_i].mode,
          kinds[_i].period);
    begin(&without, NULL, "{}", kinds[_i].mode, kinds[_i].period);
    run_to(&with, UINT64_MAX);
    run_to(&without, UINT64_MAX);
    ck_assert_uint_eq(training_version(with.t), training_version(without.t));
    /* parameters and the workers' slots */
    for (size_t i = 0; i < training_state(with.t)->count; i++) {
        unit_assert_close(training_state(with.t)->values[i],
                          training_state(without.t)->values[i], 1e-6);
    }
    end(&with);
    end(&without);
}
END_TEST

START_TEST(adam_sees_the_mean_delta)
{
    struct fixture f;
    struct linear_work work[2];
    struct optimizer_state adam;
    struct training_reply reply;
    float slots[LINEAR_MAX];
    float values[LINEAR_P];
    float mean[LINEAR_P];
    struct err err = {0};

    begin(&f, "adam", "{\"learning_rate\": 0.1}", TRAINING_SYNCHRONOUS, 0);
    optimizer_state_init(f.server, f.model, &adam, slots);
    memcpy(values, training_state(f.t)->values, sizeof(values));
    for (uint32_t p = 0; p < 2; p++) {
        linear_compute(f.model, &f.options, training_state(f.t), 0, p, rows[p],
                       0, &work[p]);
    }
    for (int i = 0; i < LINEAR_P; i++) {
        mean[i] = (10 * work[0].values[i] + 6 * work[1].values[i]) / 16;
    }
    for (uint32_t p = 0; p < 2; p++) {
        unit_ok(training_update(f.t, &work[p].update, &reply, &err), &err);
    }
    optimizer_step(f.server, f.model, &adam, values, mean);
    for (int i = 0; i < LINEAR_P; i++) {
        unit_assert_close(training_state(f.t)->values[i], values[i], 1e-6);
        /* and the worker's momentum is averaged as ever */
        unit_assert_close(training_state(f.t)->values[LINEAR_P + i],
                          -(10 * work[0].values[LINEAR_P + i] +
                            6 * work[1].values[LINEAR_P + i]) /
                              16,
                          1e-6);
    }
    for (uint32_t p = 0; p < 2; p++) {
        linear_work_deinit(&work[p]);
    }
    end(&f);
}
END_TEST

/* A restart in the middle: the same bytes in the end. */
START_TEST(a_snapshot_holds_its_slots)
{
    struct fixture calm;
    struct fixture f;
    struct buf saved;
    struct err err = {0};

    begin(&calm, "adam", "{\"learning_rate\": 0.1}", kinds[_i].mode,
          kinds[_i].period);
    run_to(&calm, UINT64_MAX);
    begin(&f, "adam", "{\"learning_rate\": 0.1}", kinds[_i].mode,
          kinds[_i].period);
    run_to(&f, 2);
    buf_init(&saved, 1 << 20);
    unit_ok(training_save(f.t, &saved, &err), &err);
    training_destroy(&f.t);
    unit_ok(linear_training(f.model, &f.options, &f.t, &err), &err);
    unit_ok(training_restore(f.t, buf_view(&saved), &err), &err);
    run_to(&f, UINT64_MAX);
    ck_assert_mem_eq(training_state(f.t)->values,
                     training_state(calm.t)->values,
                     training_state(f.t)->count * sizeof(float));
    /* a job without, or with another one, does not take it */
    training_destroy(&f.t);
    f.options.server = NULL;
    unit_ok(linear_training(f.model, &f.options, &f.t, &err), &err);
    ck_assert_int_eq(training_restore(f.t, buf_view(&saved), &err),
                     ERR_INVALID);
    buf_deinit(&saved);
    end(&f);
    end(&calm);
}
END_TEST

START_TEST(a_step_to_infinity_ends_the_training)
{
    struct fixture f;
    struct linear_work work;
    struct training_reply reply;
    struct err err = {0};

    begin(&f, "sgd", "{\"learning_rate\": 1e30}", TRAINING_ASYNCHRONOUS, 0);
    linear_compute(f.model, &f.options, training_state(f.t), 0, 0, rows[0], 0,
                   &work);
    work.values[1] = 1e10F;
    ck_assert_int_eq(training_update(f.t, &work.update, &reply, &err),
                     ERR_DIVERGED);
    ck_assert_msg(strstr(err.msg, "fc/kernel, element 1 became infinite") !=
                      NULL,
                  "%s", err.msg);
    ck_assert_int_eq((int)training_gate_epoch(f.t, 0), TRAINING_CLOSED);
    linear_work_deinit(&work);
    end(&f);
}
END_TEST

START_TEST(what_it_cannot_go_with_is_refused)
{
    static const struct {
        const char *config;
        enum training_mode mode;
        uint32_t period;
        int code;
    } table[] = {
        {"{}", TRAINING_SYNCHRONOUS, 1, ERR_INVALID},
        {"{}", TRAINING_EASGD, 0, ERR_INVALID},
        {"{\"use_ema\": true}", TRAINING_SYNCHRONOUS, 0, ERR_UNSUPPORTED},
    };
    struct fixture f;
    struct training *t = NULL;
    json_t *json = json_loads(table[_i].config, 0, NULL);
    struct err err = {0};

    begin(&f, NULL, "{}", table[_i].mode, table[_i].period);
    unit_ok(optimizer_create("sgd", json, &f.server, &err), &err);
    json_decref(json);
    f.options.server = f.server;
    ck_assert_int_eq(linear_training(f.model, &f.options, &t, &err),
                     table[_i].code);
    ck_assert_ptr_null(t);
    end(&f);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("training_server");

    tcase_add_loop_test(tc, sgd_of_rate_1_changes_nothing, 0, 4);
    tcase_add_test(tc, adam_sees_the_mean_delta);
    tcase_add_loop_test(tc, a_snapshot_holds_its_slots, 0, 4);
    tcase_add_test(tc, a_step_to_infinity_ends_the_training);
    tcase_add_loop_test(tc, what_it_cannot_go_with_is_refused, 0, 3);
    return tc;
}

UNIT_MAIN("training_server", basic)
