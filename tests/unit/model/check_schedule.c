/* SPDX-License-Identifier: MIT
 *
 * check_schedule: rates against Keras' own (schedule_cases.h), configs, and
 * what is refused.
 */
#include "tests/unit/model/sample.h"
#include "tests/unit/model/schedule_cases.h"

#include "common/model/schedule.h"

#define CASES (sizeof(schedule_cases) / sizeof(schedule_cases[0]))

START_TEST(rates_are_keras)
{
    json_t *object = sample_json(schedule_cases[_i].object);
    json_t *written;
    json_t *config;
    struct schedule *s = NULL;
    struct schedule *again = NULL;
    struct err err = {0};
    const char *key;
    json_t *value;

    unit_ok(schedule_create(object, &s, &err), &err);
    written = schedule_object(s);
    unit_ok(schedule_create(written, &again, &err), &err);
    for (size_t i = 0; i < RATE_COUNT; i++) {
        unit_assert_close(schedule_rate(s, rate_steps[i]),
                          schedule_cases[_i].rates[i], 3e-7);
        ck_assert_double_eq(schedule_rate(again, rate_steps[i]),
                            schedule_rate(s, rate_steps[i]));
    }
    /* what was given is written as it was given */
    config = json_object_get(written, "config");
    json_object_foreach(json_object_get(object, "config"), key, value)
    {
        ck_assert_msg(json_equal(value, json_object_get(config, key)), "%s",
                      key);
    }
    ck_assert_str_eq(json_string_value(json_object_get(written, "module")),
                     "keras.optimizers.schedules");
    ck_assert(json_is_string(json_object_get(config, "name")));
    json_decref(object);
    json_decref(written);
    schedule_destroy(&s);
    schedule_destroy(&again);
    ck_assert_ptr_null(again);
}
END_TEST

static const struct {
    const char *object;
    int code;
    const char *word;
} bad[] = {
    {"{}", ERR_INVALID, "class_name"},
    {"{\"class_name\": \"CosineDecay\"}", ERR_INVALID, "config"},
    {"{\"class_name\": \"Mine\", \"config\": {}}", ERR_UNSUPPORTED, "Mine"},
    {"{\"class_name\": \"CosineDecay\", \"config\": {}}", ERR_INVALID,
     "initial_learning_rate"},
    {"{\"class_name\": \"CosineDecay\", \"config\": "
     "{\"initial_learning_rate\": 0.1, \"decay_steps\": 0}}",
     ERR_INVALID, "decay_steps"},
    {"{\"class_name\": \"CosineDecay\", \"config\": "
     "{\"initial_learning_rate\": 1e99, \"decay_steps\": 3}}",
     ERR_INVALID, "initial_learning_rate"},
    {"{\"class_name\": \"CosineDecay\", \"config\": "
     "{\"initial_learning_rate\": 0.1, \"decay_steps\": 3, \"power\": 2}}",
     ERR_UNSUPPORTED, "power"},
    {"{\"class_name\": \"ExponentialDecay\", \"config\": "
     "{\"initial_learning_rate\": 0.1, \"decay_steps\": 3, \"decay_rate\": "
     "0.5, \"staircase\": 3}}",
     ERR_INVALID, "staircase"},
    {"{\"class_name\": \"PiecewiseConstantDecay\", \"config\": "
     "{\"boundaries\": [1], \"values\": [1.0]}}",
     ERR_INVALID, "values"},
    {"{\"class_name\": \"PiecewiseConstantDecay\", \"config\": "
     "{\"boundaries\": [], \"values\": [1.0]}}",
     ERR_INVALID, "values"},
    {"{\"class_name\": \"PiecewiseConstantDecay\", \"config\": "
     "{\"boundaries\": [3, 2], \"values\": [1.0, 0.5, 0.1]}}",
     ERR_INVALID, "boundaries"},
    {"{\"class_name\": \"PiecewiseConstantDecay\", \"config\": "
     "{\"boundaries\": [\"a\"], \"values\": [1.0, 0.5]}}",
     ERR_INVALID, "boundaries"},
    {"{\"class_name\": \"PiecewiseConstantDecay\", \"config\": "
     "{\"boundaries\": 3, \"values\": [1.0, 0.5]}}",
     ERR_INVALID, "boundaries"},
};

START_TEST(refuses_by_name)
{
    json_t *object = sample_json(bad[_i].object);
    struct schedule *s = NULL;
    struct err err = {0};

    ck_assert_int_eq(schedule_create(object, &s, &err), bad[_i].code);
    ck_assert_ptr_null(s);
    sample_says(&err, bad[_i].word);
    json_decref(object);
}
END_TEST

static int create(void *state, struct err *err)
{
    struct schedule *s = NULL;
    int rc = schedule_create(state, &s, err);

    schedule_destroy(&s);
    return rc;
}

START_TEST(survives_refused_memory)
{
    json_t *object =
        sample_json("{\"class_name\": \"PiecewiseConstantDecay\", \"config\": "
                    "{\"boundaries\": [3], \"values\": [1.0, 0.5]}}");

    ck_assert_int_ge(unit_oom_sweep(create, object), 4);
    json_decref(object);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("schedule");

    tcase_add_loop_test(tc, rates_are_keras, 0, CASES);
    tcase_add_loop_test(tc, refuses_by_name, 0, sizeof(bad) / sizeof(bad[0]));
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("schedule", basic)
