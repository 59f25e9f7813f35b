/* SPDX-License-Identifier: MIT
 *
 * check_override: what --optimizer, --loss and --metrics make of models that
 * are compiled, of those that are not, and with several outputs; and that
 * what fails changes nothing.
 */
#include "tests/unit/keras/files.h"

#include "common/model/loss.h"
#include "common/model/metric.h"
#include "common/model/optimizer.h"

static void change(struct loaded *l, const char *optimizer, const char *loss,
                   const char *metrics)
{
    struct err err = {0};

    unit_ok(keras_override_training(l->model, optimizer, loss, metrics, &err),
            &err);
}

static json_t *compile_config(const struct loaded *l)
{
    struct err err = {0};
    json_t *root = NULL;
    json_t *config;

    unit_ok(jget_parse(l->model->source.config, strlen(l->model->source.config),
                       &root, &err),
            &err);
    config = json_incref(json_object_get(root, "compile_config"));
    json_decref(root);
    return config;
}

static const char *text_of(const json_t *config, const char *key)
{
    const json_t *value = json_object_get(config, key);

    return json_string_value(
        json_is_object(value) ? json_object_get(value, "class_name") : value);
}

START_TEST(nothing_is_nothing)
{
    struct loaded l = files_load(FILES "plain.keras");
    char *before = strdup(l.model->source.config);

    change(&l, NULL, NULL, NULL);
    ck_assert_str_eq(l.model->source.config, before);
    free(before);
    loaded_free(&l);
}
END_TEST

START_TEST(one_at_a_time)
{
    struct loaded l = files_load(FILES "plain.keras");
    json_t *config;

    change(&l, "adam", NULL, NULL);
    ck_assert_str_eq(optimizer_class_name(l.model->optimizer), "Adam");
    ck_assert_str_eq(loss_class_name(l.model->training[0].loss),
                     "MeanSquaredError");
    change(&l, NULL, "mae", NULL);
    ck_assert_str_eq(optimizer_class_name(l.model->optimizer), "Adam");
    ck_assert_str_eq(loss_class_name(l.model->training[0].loss),
                     "MeanAbsoluteError");
    ck_assert_uint_eq(l.model->training[0].metric_count, 0);
    change(&l, NULL, NULL, "acc,mse");
    ck_assert_uint_eq(l.model->training[0].metric_count, 2);
    ck_assert_str_eq(metric_name(l.model->training[0].metrics[0]), "acc");
    ck_assert_str_eq(metric_name(l.model->training[0].metrics[1]), "mse");
    config = compile_config(&l);
    ck_assert_str_eq(text_of(config, "optimizer"), "Adam");
    ck_assert_str_eq(text_of(config, "loss"), "mae");
    ck_assert_uint_eq(json_array_size(json_object_get(config, "metrics")), 2);
    json_decref(config);
    change(&l, NULL, NULL, "");
    ck_assert_uint_eq(l.model->training[0].metric_count, 0);
    loaded_free(&l);
}
END_TEST

START_TEST(objects_with_options)
{
    struct loaded l = files_load(FILES "plain.keras");
    json_t *config;

    change(&l,
           "{\"class_name\": \"SGD\", \"config\": {\"learning_rate\": 0.5, "
           "\"momentum\": 0.25}}",
           "{\"class_name\": \"BinaryCrossentropy\", \"config\": "
           "{\"from_logits\": true}}",
           "[{\"class_name\": \"BinaryAccuracy\", \"config\": {\"name\": "
           "\"hits\"}}]");
    ck_assert(l.model->training[0].loss->from_logits);
    ck_assert_str_eq(metric_name(l.model->training[0].metrics[0]), "hits");
    config = compile_config(&l);
    /* in the form that Keras 3 reads */
    ck_assert_str_eq(json_string_value(json_object_get(
                         json_object_get(config, "optimizer"), "module")),
                     "keras.optimizers");
    ck_assert_double_eq(
        json_number_value(json_object_get(
            json_object_get(json_object_get(config, "optimizer"), "config"),
            "momentum")),
        0.25);
    ck_assert_str_eq(json_string_value(json_object_get(
                         json_object_get(config, "loss"), "module")),
                     "keras.losses");
    ck_assert_str_eq(
        json_string_value(json_object_get(
            json_array_get(json_object_get(config, "metrics"), 0), "module")),
        "keras.metrics");
    json_decref(config);
    loaded_free(&l);
}
END_TEST

START_TEST(a_model_that_is_not_compiled)
{
    struct loaded l = files_load(FILES "frozen_parts.keras");
    struct err err = {0};

    EXPECT(keras_override_training(l.model, NULL, NULL, "mae", &err), &err,
           ERR_INVALID, "a loss is needed");
    ck_assert_ptr_null(l.model->training);
    change(&l, NULL, "mse", NULL); /* compile() has a default optimizer */
    ck_assert(model_is_compiled(l.model));
    ck_assert_str_eq(optimizer_class_name(l.model->optimizer), "RMSprop");
    loaded_free(&l);
    l = files_load(FILES "keras2_sequential.json");
    change(&l, "sgd", "categorical_crossentropy", "acc");
    ck_assert(model_is_compiled(l.model));
    loaded_free(&l);
}
END_TEST

START_TEST(several_outputs)
{
    struct loaded l = files_load(FILES "nested.keras");
    json_t *config;

    change(&l, NULL, NULL, "mae,mse");
    for (size_t i = 0; i < 3; i++) {
        ck_assert_uint_eq(l.model->training[i].metric_count, 2);
    }
    config = compile_config(&l); /* the losses are still the file's words */
    ck_assert_str_eq(text_of(json_object_get(config, "loss"), "o"),
                     "mean_squared_error");
    json_decref(config);
    change(&l, NULL, "mae", NULL);
    ck_assert_str_eq(loss_class_name(l.model->training[2].loss),
                     "MeanAbsoluteError");
    ck_assert_double_eq(l.model->training[2].loss_weight, 0.5);
    config = compile_config(&l);
    ck_assert_uint_eq(json_array_size(json_object_get(config, "loss")), 3);
    ck_assert_uint_eq(json_array_size(json_object_get(config, "loss_weights")),
                      3);
    json_decref(config);
    change(&l, NULL, "{\"o\": \"mse\", \"p\": \"mae\", \"fun\": \"mse\"}",
           "{\"p\": [\"mae\"]}");
    ck_assert_str_eq(loss_class_name(l.model->training[1].loss),
                     "MeanAbsoluteError");
    ck_assert_uint_eq(l.model->training[0].metric_count, 0);
    ck_assert_uint_eq(l.model->training[1].metric_count, 1);
    loaded_free(&l);
}
END_TEST

START_TEST(what_fails_changes_nothing)
{
    static const struct {
        const char *optimizer;
        const char *loss;
        const char *metrics;
        int code;
        const char *word;
    } cases[] = {
        {"magic", NULL, NULL, ERR_UNSUPPORTED,
         "--optimizer: optimizer \"magic"},
        {"{\"class_name\":\"Adam\",\"config\":{\"lrr\":1}}", "mae", NULL,
         ERR_UNSUPPORTED, "--optimizer: optimizer Adam: option \"lrr\""},
        {"", NULL, NULL, ERR_INVALID, "--optimizer: a name"},
        {NULL, "magic", NULL, ERR_UNSUPPORTED, "--loss: loss \"magic"},
        {"adam", "magic", "acc", ERR_UNSUPPORTED, "--loss: loss \"magic"},
        {NULL, "{\"class_name\": ", NULL, ERR_INVALID, "--loss: not valid"},
        {NULL, "[\"mse\", \"mse\"]", NULL, ERR_INVALID, "--loss: "},
        {NULL, NULL, "acc,magic", ERR_UNSUPPORTED, "--metrics: metric \"magic"},
        {NULL, NULL, "acc,,mae", ERR_INVALID, "empty name"},
        {NULL, NULL, "[", ERR_INVALID, "metrics"},
        {NULL, NULL, "\xff", ERR_INVALID, "UTF-8"},
        {"adam", "mae", "magic", ERR_UNSUPPORTED, "--metrics: metric \"magic"},
    };
    struct loaded l = files_load(FILES "plain.keras");
    char *before = strdup(l.model->source.config);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err err = {0};

        EXPECT(keras_override_training(l.model, cases[i].optimizer,
                                       cases[i].loss, cases[i].metrics, &err),
               &err, cases[i].code, cases[i].word);
        ck_assert_str_eq(l.model->source.config, before);
        ck_assert_str_eq(optimizer_class_name(l.model->optimizer), "SGD");
        ck_assert_str_eq(loss_class_name(l.model->training[0].loss),
                         "MeanSquaredError");
        ck_assert_uint_eq(l.model->training[0].metric_count, 0);
    }
    free(before);
    loaded_free(&l);
}
END_TEST

START_TEST(without_a_source)
{
    struct loaded l = files_load(FILES "plain.keras");
    struct err err = {0};

    mem_free(l.model->source.config);
    l.model->source.config = NULL;
    EXPECT(keras_override_training(l.model, "sgd", NULL, NULL, &err), &err,
           ERR_STATE, "configuration");
    loaded_free(&l);
}
END_TEST

static int change_all(void *state, struct err *err)
{
    struct loaded *l = state;

    return keras_override_training(l->model, "rmsprop", "mae", "mse,acc", err);
}

START_TEST(survives_refused_memory)
{
    struct loaded l = files_load(FILES "plain.keras");

    ck_assert_int_gt(unit_oom_sweep(change_all, &l), 5);
    ck_assert_str_eq(optimizer_class_name(l.model->optimizer), "RMSprop");
    loaded_free(&l);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("override");

    tcase_add_test(tc, nothing_is_nothing);
    tcase_add_test(tc, one_at_a_time);
    tcase_add_test(tc, objects_with_options);
    tcase_add_test(tc, a_model_that_is_not_compiled);
    tcase_add_test(tc, several_outputs);
    tcase_add_test(tc, what_fails_changes_nothing);
    tcase_add_test(tc, without_a_source);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("override", basic)
