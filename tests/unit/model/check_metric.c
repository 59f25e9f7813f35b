/* SPDX-License-Identifier: MIT
 *
 * check_metric: which metric a name means, what it is reported as, its values
 * on rows small enough to count by hand, and that states merge.
 */
#include "tests/unit/model/sample.h"

#include "common/model/loss.h"
#include "common/model/metric.h"

#include <string.h>

static const struct shape three = {.rank = 1, .dim = {3}};
static const struct shape one = {.rank = 1, .dim = {1}};
static const struct shape steps = {.rank = 2, .dim = {2, 3}};

static struct loss *make_loss(const char *name)
{
    struct loss *loss = NULL;
    struct err err = {0};

    if (name != NULL) {
        unit_ok(loss_create(name, NULL, &loss, &err), &err);
    }
    return loss;
}

static int create(const char *name, const char *config, const char *as_name,
                  const struct shape *output, const char *loss_name,
                  struct metric **out, struct err *err)
{
    json_t *json = config != NULL ? sample_json(config) : NULL;
    struct loss *loss = make_loss(loss_name);
    int rc = metric_create(name, json, as_name, false, output, loss, out, err);

    loss_destroy(&loss);
    json_decref(json);
    return rc;
}

#define SPARSE "sparse_categorical_crossentropy"

static const struct {
    const char *name, *config, *as_name;
    const struct shape *output;
    const char *loss, *class_name, *reported;
} names[] = {
    {"acc", NULL, NULL, &one, "bce", "BinaryAccuracy", "acc"},
    {"accuracy", NULL, NULL, &three, SPARSE, "SparseCategoricalAccuracy",
     "accuracy"},
    {"accuracy", NULL, NULL, &three, "categorical_crossentropy",
     "CategoricalAccuracy", "accuracy"},
    {"Accuracy", NULL, NULL, &three, NULL, "CategoricalAccuracy", "Accuracy"},
    {"acc", NULL, "mine", &one, "mse", "BinaryAccuracy", "mine"},
    {"mse", NULL, NULL, &three, "mse", "MeanSquaredError", "mse"},
    {"MAE", NULL, NULL, &three, "mse", "MeanAbsoluteError", "MAE"},
    {"mean_squared_error", NULL, NULL, &three, "mse", "MeanSquaredError",
     "mean_squared_error"},
    {"MeanSquaredError", NULL, NULL, &three, "mse", "MeanSquaredError",
     "MeanSquaredError"},
    {"MeanSquaredError", "{}", NULL, &three, "mse", "MeanSquaredError",
     "mean_squared_error"},
    {"MeanAbsoluteError", "{\"name\": \"my_mae\", \"dtype\": \"float32\"}",
     NULL, &three, "mse", "MeanAbsoluteError", "my_mae"},
    {"BinaryAccuracy", "{\"name\": \"at_04\", \"threshold\": 0.4}", "other",
     &three, "bce", "BinaryAccuracy", "other"},
};

START_TEST(names_are_keras_own)
{
    struct metric *metric = NULL;
    struct metric *again = NULL;
    struct err err = {0};
    json_t *config;
    char *text;

    unit_ok(create(names[_i].name, names[_i].config, names[_i].as_name,
                   names[_i].output, names[_i].loss, &metric, &err),
            &err);
    ck_assert_str_eq(metric_class_name(metric), names[_i].class_name);
    ck_assert_str_eq(metric_name(metric), names[_i].reported);
    ck_assert_uint_eq(metric_result_size(metric), 1);
    config = metric_config(metric);
    text = json_dumps(config, 0);
    unit_ok(create(metric_class_name(metric), text, NULL, names[_i].output,
                   names[_i].loss, &again, &err),
            &err);
    ck_assert_str_eq(metric_name(again), names[_i].reported);
    json_decref(config);
    free(text);
    metric_destroy(&metric);
    metric_destroy(&again);
    ck_assert_ptr_null(again);
}
END_TEST

static const struct {
    const char *name, *config;
    const struct shape *output;
    const char *loss;
    int code;
    const char *word;
} bad[] = {
    {"f1", NULL, &three, "mse", ERR_UNSUPPORTED, "\"f1\""},
    {"mse", "[]", &three, "mse", ERR_INVALID, "an array"},
    {"mse", "{\"threshold\": 1}", &three, "mse", ERR_UNSUPPORTED, "threshold"},
    {"BinaryAccuracy", "{\"threshold\": \"a\"}", &three, "mse", ERR_INVALID,
     "threshold"},
    {"mse", "{\"name\": 3}", &three, "mse", ERR_INVALID, "name"},
    {"mse", NULL, &three, SPARSE, ERR_INVALID, "class numbers"},
    {"sparse_categorical_accuracy", NULL, &three, "categorical_crossentropy",
     ERR_INVALID, "vectors"},
};

START_TEST(refuses_by_name)
{
    struct metric *metric = NULL;
    struct err err = {0};

    ck_assert_int_eq(create(bad[_i].name, bad[_i].config, NULL, bad[_i].output,
                            bad[_i].loss, &metric, &err),
                     bad[_i].code);
    ck_assert_ptr_null(metric);
    sample_says(&err, bad[_i].word);
}
END_TEST

static const struct {
    const char *name, *config;
    const struct shape *output;
    const char *loss;
    float y[12], p[12];
    double rows[2]; /* value of each of the two rows */
} values[] = {
    {"mse",
     NULL,
     &three,
     "mse",
     {1, 2, 3, 0, 0, 0},
     {1, 0, 6, 1, 1, 2},
     {13.0 / 3, 2.0}},
    {"mae",
     NULL,
     &steps,
     "mse",
     {1, 2, 3, 0, 0, 0, 1, 1, 1, 1, 1, 1},
     {1, 0, 6, 1, 1, 2, 1, 1, 1, 1, 1, 1},
     {9.0 / 6, 0.0}},
    {"acc", NULL, &one, "bce", {1, 0}, {0.5f, 0.4f}, {0.0, 1.0}},
    {"BinaryAccuracy",
     "{\"threshold\": 0.4}",
     &three,
     "bce",
     {1, 0, 1, 0, 1, 0},
     {0.5f, 0.4f, 0.3f, 0.9f, 0.2f, 0.7f},
     {2.0 / 3, 0.0}},
    /* the first of equals wins */
    {"acc",
     NULL,
     &three,
     "categorical_crossentropy",
     {0, 1, 0, 0, 0, 1},
     {0.1f, 0.6f, 0.3f, 0.4f, 0.2f, 0.4f},
     {1.0, 0.0}},
    {"acc",
     NULL,
     &three,
     SPARSE,
     {1, 2},
     {0.1f, 0.6f, 0.3f, 0.4f, 0.2f, 0.4f},
     {1.0, 0.0}},
    {"acc",
     NULL,
     &steps,
     SPARSE,
     {1, 2, 0, 0},
     {0.1f, 0.6f, 0.3f, 0.5f, 0.2f, 0.4f, 1, 0, 0, 3, 2, 1},
     {0.5, 1.0}},
};

static void update(const struct metric *metric, const float *y, const float *p,
                   const float *w, size_t rows, const struct shape *output,
                   double *state)
{
    struct metric_batch batch = {
        .rows = rows, .output = output, .y = y, .p = p, .weights = w};

    metric_update(metric, &batch, state);
}

START_TEST(values_and_weights)
{
    struct metric *metric = NULL;
    const double *rows = values[_i].rows;
    const float weights[] = {3.0f, 1.0f};
    double state[2] = {0};
    double part[2] = {0};
    double result = -1.0;
    struct err err = {0};
    size_t labels = strcmp(values[_i].loss, SPARSE) == 0
                        ? shape_size(values[_i].output) / 3
                        : shape_size(values[_i].output);

    unit_ok(create(values[_i].name, values[_i].config, NULL, values[_i].output,
                   values[_i].loss, &metric, &err),
            &err);
    ck_assert_uint_eq(metric_state_size(metric), 2);
    metric_result(metric, state, &result);
    ck_assert_double_eq(result, 0.0);
    update(metric, values[_i].y, values[_i].p, NULL, 2, values[_i].output,
           state);
    metric_result(metric, state, &result);
    ck_assert_double_eq_tol(result, (rows[0] + rows[1]) / 2, 1e-12);
    /* row by row into two states, then added: the same */
    update(metric, values[_i].y + labels,
           values[_i].p + shape_size(values[_i].output), NULL, 1,
           values[_i].output, part);
    metric_result(metric, part, &result);
    ck_assert_double_eq_tol(result, rows[1], 1e-12);
    update(metric, values[_i].y, values[_i].p, NULL, 1, values[_i].output,
           part);
    ck_assert_double_eq(part[0], state[0]);
    ck_assert_double_eq(part[1], state[1]);
    memset(state, 0, sizeof(state));
    update(metric, values[_i].y, values[_i].p, weights, 2, values[_i].output,
           state);
    metric_result(metric, state, &result);
    ck_assert_double_eq_tol(result, (3 * rows[0] + rows[1]) / 4, 1e-12);
    metric_destroy(&metric);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("metric");

    tcase_add_loop_test(tc, names_are_keras_own, 0,
                        sizeof(names) / sizeof(names[0]));
    tcase_add_loop_test(tc, refuses_by_name, 0, sizeof(bad) / sizeof(bad[0]));
    tcase_add_loop_test(tc, values_and_weights, 0,
                        sizeof(values) / sizeof(values[0]));
    return tc;
}

UNIT_MAIN("metric", basic)
