/* SPDX-License-Identifier: MIT
 *
 * check_optimizer: steps against Keras' own (optimizer_cases.h), what is left
 * alone, the order of slots in a file, and configs.
 */
#include "tests/unit/model/optimizer_cases.h"
#include "tests/unit/model/sample.h"

#include "common/mem.h"
#include "common/model/optimizer.h"

#include <math.h>
#include <string.h>

#define CASES (sizeof(optimizer_cases) / sizeof(optimizer_cases[0]))
#define FIRST 6 /* elements of the frozen layer before the trained one */
#define TOTAL (FIRST + CASE_TRAINED + 8)
#define CANARY 123.5f

/* (2) -> frozen Dense(2) -> Dense(3) -> frozen Dense(2), whose bias is made a
 * moving statistic: elements 6, 9, 6 + 2. */
static struct model *make_model(void)
{
    struct model *model = NULL;
    struct tensor_ref in;
    struct tensor_ref at;
    struct err err = {0};

    unit_ok(model_create("m", &model, &err), &err);
    unit_ok(sample_add(model, "in", "InputLayer",
                       "{\"batch_shape\": [null, 2]}", true, NULL, &in, &err),
            &err);
    unit_ok(sample_add(model, "a", "Dense", "{\"units\": 2}", false, &in, &at,
                       &err),
            &err);
    unit_ok(
        sample_add(model, "b", "Dense", "{\"units\": 3}", true, &at, &at, &err),
        &err);
    unit_ok(sample_add(model, "c", "Dense", "{\"units\": 2}", false, &at, &at,
                       &err),
            &err);
    unit_ok(model_set_inputs(model, &in, 1, &err), &err);
    unit_ok(model_set_outputs(model, &at, 1, &err), &err);
    unit_ok(model_finish(model, &err), &err);
    model->variables[5].role = VARIABLE_STATISTIC;
    ck_assert_uint_eq(model->parameters, TOTAL);
    return model;
}

static struct optimizer *make(const char *class_name, const char *config)
{
    json_t *json = config != NULL ? sample_json(config) : NULL;
    struct optimizer *opt = NULL;
    struct err err = {0};

    unit_ok(optimizer_create(class_name, json, &opt, &err), &err);
    json_decref(json);
    return opt;
}

START_TEST(steps_like_keras)
{
    const struct optimizer_case *c = &optimizer_cases[_i];
    struct model *model = make_model();
    struct optimizer *opt = make(c->class_name, c->config);
    size_t slots = optimizer_slot_count(opt);
    float *slot = mem_floats(slots * TOTAL + 1);
    float params[TOTAL];
    float gradient[TOTAL];
    struct optimizer_state state;

    ck_assert_uint_eq(slots, c->slots);
    ck_assert_uint_eq(optimizer_scalar_count(opt), c->scalar != 0.0f ? 2 : 1);
    optimizer_state_init(opt, model, &state, slots != 0 ? slot : NULL);
    slot[slots * TOTAL] = CANARY;
    for (size_t i = 0; i < TOTAL; i++) {
        params[i] = CANARY;
    }
    memcpy(params + FIRST, case_start, sizeof(case_start));
    for (size_t s = 0; s < CASE_STEPS; s++) {
        for (size_t i = 0; i < TOTAL; i++) {
            gradient[i] = i >= TOTAL - 2 ? 1.0f : 100.0f;
        }
        memcpy(gradient + FIRST, case_gradients + s * CASE_TRAINED,
               CASE_TRAINED * sizeof(float));
        ck_assert_uint_eq(state.iterations, s);
        optimizer_step(opt, model, &state, params, gradient);
    }
    for (size_t i = 0; i < TOTAL; i++) {
        if (i >= FIRST && i < FIRST + CASE_TRAINED) {
            unit_assert_close(params[i], c->after[i - FIRST], 1e-6);
        } else if (i >= TOTAL - 2) {
            /* a moving statistic moves by what the gradient says */
            ck_assert_float_eq(params[i], CANARY - CASE_STEPS);
        } else {
            ck_assert_float_eq(params[i], CANARY);
        }
    }
    /* a file has the kernel's and the bias' slots in Keras' order */
    for (size_t k = 0, at = 0; k < 2 * slots; k++) {
        size_t variable = 9;
        size_t which = 9;
        const struct variable *v;

        optimizer_file_order(opt, 2, k, &variable, &which);
        ck_assert_uint_lt(variable, 2);
        ck_assert_uint_lt(which, slots);
        v = &model->variables[2 + variable];
        for (size_t i = 0; i < v->size; i++, at++) {
            unit_assert_close(slot[which * TOTAL + v->offset + i], c->saved[at],
                              1e-6);
        }
    }
    if (c->scalar != 0.0f) {
        unit_assert_close(state.scalars[1], c->scalar, 1e-6);
    }
    /* nothing outside the trained variables has been touched */
    for (size_t i = 0; i < slots * TOTAL; i++) {
        if (i % TOTAL < FIRST || i % TOTAL >= FIRST + CASE_TRAINED) {
            ck_assert_float_eq(slot[i], 0.0f);
        }
    }
    ck_assert_float_eq(slot[slots * TOTAL], CANARY);
    mem_free_aligned(slot);
    optimizer_destroy(&opt);
    model_destroy(&model);
}
END_TEST

START_TEST(file_order)
{
    struct optimizer *adam = make("adam", "{\"amsgrad\": true}");
    struct optimizer *rms =
        make("RMSprop", "{\"centered\": true, \"momentum\": 0.5}");
    /* variable and slot of each place, for two variables */
    static const size_t in_adam[][2] = {{0, 0}, {0, 1}, {1, 0},
                                        {1, 1}, {0, 2}, {1, 2}};
    static const size_t in_rms[][2] = {{0, 0}, {1, 0}, {0, 1},
                                       {1, 1}, {0, 2}, {1, 2}};

    for (size_t i = 0; i < 6; i++) {
        size_t v;
        size_t s;

        optimizer_file_order(adam, 2, i, &v, &s);
        ck_assert_uint_eq(v, in_adam[i][0]);
        ck_assert_uint_eq(s, in_adam[i][1]);
        optimizer_file_order(rms, 2, i, &v, &s);
        ck_assert_uint_eq(v, in_rms[i][0]);
        ck_assert_uint_eq(s, in_rms[i][1]);
    }
    ck_assert_str_eq(optimizer_slot_name(adam, 2), "velocity_hat");
    ck_assert_str_eq(optimizer_slot_name(rms, 0), "velocity");
    ck_assert_str_eq(optimizer_slot_name(rms, 1), "momentum");
    ck_assert_str_eq(optimizer_slot_name(rms, 2), "average_gradient");
    ck_assert_uint_eq(optimizer_scalar_count(adam), 1);
    optimizer_destroy(&adam);
    optimizer_destroy(&rms);
    ck_assert_ptr_null(rms);
}
END_TEST

/* Those that all can have come first, as Keras makes them. */
START_TEST(file_order_of_common_slots)
{
    struct optimizer *opt =
        make("adam", "{\"use_ema\": true, \"gradient_accumulation_steps\": 2, "
                     "\"amsgrad\": true}");
    static const char *const names[] = {"average", "gradient_accumulator",
                                        "momentum", "velocity", "velocity_hat"};
    static const size_t order[][2] = {{0, 0}, {1, 0}, {0, 1}, {1, 1}, {0, 2},
                                      {0, 3}, {1, 2}, {1, 3}, {0, 4}, {1, 4}};

    ck_assert_uint_eq(optimizer_slot_count(opt), 5);
    for (size_t i = 0; i < 5; i++) {
        ck_assert_str_eq(optimizer_slot_name(opt, i), names[i]);
    }
    for (size_t i = 0; i < 10; i++) {
        size_t v;
        size_t s;

        optimizer_file_order(opt, 2, i, &v, &s);
        ck_assert_uint_eq(v, order[i][0]);
        ck_assert_uint_eq(s, order[i][1]);
    }
    optimizer_destroy(&opt);
}
END_TEST

START_TEST(averages_become_the_weights_in_the_end)
{
    struct optimizer *opt =
        make("sgd", "{\"use_ema\": true, \"ema_momentum\": 0.5, "
                    "\"learning_rate\": 1.0}");
    struct optimizer *plain = make("sgd", NULL);
    struct model *model = make_model();
    float slot[TOTAL];
    struct optimizer_state state;
    float params[TOTAL] = {0};
    float gradient[TOTAL];

    optimizer_state_init(opt, model, &state, slot);
    params[FIRST] = 8.0f;
    optimizer_finalize(opt, model, &state, params); /* nothing to take */
    ck_assert_float_eq(params[FIRST], 8.0f);
    for (int s = 0; s < 2; s++) { /* 7, 6; averages 7, 6.5 */
        for (size_t i = 0; i < TOTAL; i++) {
            gradient[i] = 1.0f;
        }
        optimizer_step(opt, model, &state, params, gradient);
    }
    params[0] = 3.0f; /* frozen */
    optimizer_finalize(plain, model, &state, params);
    ck_assert_float_eq(params[FIRST], 6.0f);
    ck_assert(!optimizer_has_averages(plain) && optimizer_has_averages(opt));
    optimizer_finalize(opt, model, &state, params);
    ck_assert_float_eq(params[FIRST], 6.5f);
    ck_assert_float_eq(params[0], 3.0f);
    optimizer_destroy(&opt);
    optimizer_destroy(&plain);
    model_destroy(&model);
}
END_TEST

START_TEST(schedule_sets_the_rate)
{
    struct optimizer *opt = make(
        "sgd", "{\"learning_rate\": {\"class_name\": \"ExponentialDecay\", "
               "\"config\": {\"initial_learning_rate\": 0.5, "
               "\"decay_steps\": 1, \"decay_rate\": 0.5}}}");
    struct model *model = make_model();
    json_t *config = optimizer_config(opt);
    struct optimizer_state state;
    float params[TOTAL] = {0};
    float gradient[TOTAL] = {0};

    ck_assert(optimizer_has_schedule(opt));
    ck_assert_str_eq(
        json_string_value(json_object_get(
            json_object_get(config, "learning_rate"), "class_name")),
        "ExponentialDecay");
    optimizer_state_init(opt, model, &state, NULL);
    ck_assert_double_eq(state.scalars[0], 0.5);
    state.scalars[0] = 7.0; /* is none of its business */
    ck_assert_double_eq(optimizer_learning_rate(opt, &state), 0.5);
    for (size_t i = 0; i < 2; i++) {
        gradient[FIRST] = 1.0f;
        optimizer_step(opt, model, &state, params, gradient);
    }
    ck_assert_float_eq(params[FIRST], -0.75f);
    ck_assert_double_eq(optimizer_learning_rate(opt, &state), 0.125);
    json_decref(config);
    optimizer_destroy(&opt);
    model_destroy(&model);
}
END_TEST

START_TEST(rate_comes_from_the_state)
{
    struct optimizer *opt = make("sgd", "{\"learning_rate\": 0.1}");
    struct model *model = make_model();
    struct optimizer_state state;
    float params[TOTAL] = {0};
    float gradient[TOTAL];

    optimizer_state_init(opt, model, &state, NULL);
    ck_assert_double_eq(state.scalars[0], (double)0.1f);
    ck_assert_double_eq(optimizer_learning_rate(opt, &state), (double)0.1f);
    for (size_t i = 0; i < TOTAL; i++) {
        gradient[i] = 1.0f;
    }
    state.scalars[0] = 0.5;
    optimizer_step(opt, model, &state, params, gradient);
    ck_assert_float_eq(params[FIRST], -0.5f);
    optimizer_destroy(&opt);
    model_destroy(&model);
}
END_TEST

/* A gradient without a finite norm must not pass for a clipped one. */
START_TEST(global_norm_keeps_nan)
{
    struct optimizer *opt = make("sgd", "{\"global_clipnorm\": 1.0}");
    struct model *model = make_model();
    struct optimizer_state state;
    float params[TOTAL] = {0};
    float gradient[TOTAL] = {0};

    optimizer_state_init(opt, model, &state, NULL);
    gradient[FIRST] = INFINITY;
    optimizer_step(opt, model, &state, params, gradient);
    ck_assert(isnan(params[FIRST + 1]));
    optimizer_destroy(&opt);
    model_destroy(&model);
}
END_TEST

START_TEST(config_is_keras_own)
{
    struct optimizer *opt =
        make("rmsprop", "{\"name\": \"mine\", \"learning_rate\": 0.25, "
                        "\"rho\": 0.75, \"clipnorm\": 2, \"ema_momentum\": "
                        "0.5, \"use_ema\": false, \"decay\": 0.0, "
                        "\"jit_compile\": true, \"is_legacy_optimizer\": "
                        "false, \"gradient_accumulation_steps\": null}");
    json_t *want = sample_json(
        "{\"name\": \"mine\", \"learning_rate\": 0.25, \"weight_decay\": "
        "null, \"clipnorm\": 2.0, \"global_clipnorm\": null, \"clipvalue\": "
        "null, \"use_ema\": false, \"ema_momentum\": 0.5, "
        "\"ema_overwrite_frequency\": null, \"loss_scale_factor\": null, "
        "\"gradient_accumulation_steps\": null, \"rho\": 0.75, \"momentum\": "
        "0.0, \"epsilon\": 1e-07, \"centered\": false}");
    json_t *got = optimizer_config(opt);
    struct optimizer *again = NULL;
    json_t *back;
    struct err err = {0};

    ck_assert_str_eq(optimizer_class_name(opt), "RMSprop");
    ck_assert(json_equal(got, want));
    unit_ok(optimizer_create("RMSprop", got, &again, &err), &err);
    back = optimizer_config(again);
    ck_assert(json_equal(back, want));
    json_decref(want);
    json_decref(got);
    json_decref(back);
    optimizer_destroy(&opt);
    optimizer_destroy(&again);
    unit_ok(optimizer_create("rmsprop", NULL, &opt, &err), &err);
    got = optimizer_config(opt);
    ck_assert_str_eq(json_string_value(json_object_get(got, "name")),
                     "rm_sprop");
    ck_assert_double_eq(json_real_value(json_object_get(got, "learning_rate")),
                        (double)0.001f);
    json_decref(got);
    optimizer_destroy(&opt);
}
END_TEST

static const struct {
    const char *class_name, *config;
    int code;
    const char *word;
} bad[] = {
    {"Adagrad9", "{}", ERR_UNSUPPORTED, "Adagrad9"},
    {"SGD", "[]", ERR_INVALID, "an array"},
    {"SGD", "{\"momentun\": 0.9}", ERR_UNSUPPORTED, "momentun"},
    {"SGD", "{\"momentum\": 1.5}", ERR_INVALID, "momentum"},
    {"SGD", "{\"momentum\": \"a\"}", ERR_INVALID, "momentum"},
    {"SGD", "{\"nesterov\": 1}", ERR_INVALID, "nesterov"},
    {"SGD", "{\"learning_rate\": 1e300}", ERR_INVALID, "learning_rate"},
    {"SGD",
     "{\"learning_rate\": {\"class_name\": \"CosineDecay\", \"config\": {}}}",
     ERR_INVALID, "initial_learning_rate: missing"},
    {"SGD", "{\"learning_rate\": {\"class_name\": \"Mine\", \"config\": {}}}",
     ERR_UNSUPPORTED, "Mine"},
    {"SGD", "{\"learning_rate\": \"fast\"}", ERR_INVALID, "learning_rate"},
    {"SGD", "{\"clipnorm\": 1, \"clipvalue\": 1}", ERR_INVALID, "only one"},
    {"SGD", "{\"clipnorm\": -1}", ERR_INVALID, "clipnorm"},
    {"SGD", "{\"use_ema\": true, \"ema_momentum\": 1.5}", ERR_INVALID,
     "ema_momentum"},
    {"SGD", "{\"use_ema\": 1}", ERR_INVALID, "use_ema"},
    {"SGD", "{\"ema_overwrite_frequency\": -1}", ERR_INVALID,
     "ema_overwrite_frequency"},
    {"SGD", "{\"gradient_accumulation_steps\": 1}", ERR_INVALID,
     "gradient_accumulation_steps"},
    {"SGD", "{\"loss_scale_factor\": 0}", ERR_INVALID, "loss_scale_factor"},
    {"AdamW", "{\"weight_decay\": null}", ERR_INVALID, "weight_decay"},
    {"Lion", "{\"beta_1\": 0}", ERR_INVALID, "beta_1"},
    {"Ftrl", "{\"learning_rate_power\": 0.5}", ERR_INVALID,
     "learning_rate_power"},
    {"Adafactor", "{}", ERR_UNSUPPORTED, "Adafactor"},
    {"Muon", "{}", ERR_UNSUPPORTED, "Muon"},
    {"SGD", "{\"decay\": 0.01}", ERR_UNSUPPORTED, "decay"},
    {"Adam", "{\"beta_1\": 1.0}", ERR_INVALID, "beta_1"},
    {"Adam", "{\"epsilon\": -1}", ERR_INVALID, "epsilon"},
    {"RMSprop", "{\"rho\": 2}", ERR_INVALID, "rho"},
};

START_TEST(refuses_by_name)
{
    json_t *config = sample_json(bad[_i].config);
    struct optimizer *opt = NULL;
    struct err err = {0};

    ck_assert_int_eq(optimizer_create(bad[_i].class_name, config, &opt, &err),
                     bad[_i].code);
    ck_assert_ptr_null(opt);
    sample_says(&err, bad[_i].class_name, bad[_i].word);
    json_decref(config);
}
END_TEST

static int create(void *state, struct err *err)
{
    struct optimizer *opt = NULL;
    json_t *config = sample_json(
        "{\"learning_rate\": {\"class_name\": \"PiecewiseConstantDecay\", "
        "\"config\": {\"boundaries\": [1], \"values\": [0.5, 0.25]}}}");
    int rc = optimizer_create("Adam", config, &opt, err);

    (void)state;
    json_decref(config);

    optimizer_destroy(&opt);
    return rc;
}

START_TEST(survives_refused_memory)
{
    ck_assert_int_ge(unit_oom_sweep(create, NULL), 5);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("optimizer");

    tcase_add_loop_test(tc, steps_like_keras, 0, CASES);
    tcase_add_test(tc, file_order);
    tcase_add_test(tc, file_order_of_common_slots);
    tcase_add_test(tc, averages_become_the_weights_in_the_end);
    tcase_add_test(tc, schedule_sets_the_rate);
    tcase_add_test(tc, rate_comes_from_the_state);
    tcase_add_test(tc, global_norm_keeps_nan);
    tcase_add_test(tc, config_is_keras_own);
    tcase_add_loop_test(tc, refuses_by_name, 0, sizeof(bad) / sizeof(bad[0]));
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("optimizer", basic)
