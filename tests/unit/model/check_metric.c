/* SPDX-License-Identifier: MIT
 *
 * check_metric: which metric a name means, what it is reported as, its values
 * on rows small enough to count by hand, and that states merge.
 */
#include "tests/unit/model/sample.h"

#include "common/mem.h"
#include "common/model/loss.h"
#include "common/model/metric.h"

#include <math.h>
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
    {"CTC", "{}", &three, "mse", ERR_UNSUPPORTED, "CTC"},
    {"Mean", "{}", &three, "mse", ERR_UNSUPPORTED, "Mean"},
    {"mean_metric_wrapper", NULL, &three, "mse", ERR_UNSUPPORTED,
     "mean_metric_wrapper"},
    {"MeanMetricWrapper", "{}", &three, "mse", ERR_INVALID, "fn"},
    {"MeanMetricWrapper", "{\"fn\": \"mine\"}", &three, "mse", ERR_UNSUPPORTED,
     "mine"},
    {"AUC", "{\"curve\": \"LIFT\"}", &three, "mse", ERR_UNSUPPORTED, "LIFT"},
    {"AUC", "{\"num_thresholds\": 1}", &three, "mse", ERR_INVALID,
     "num_thresholds"},
    {"AUC", "{\"num_labels\": 3}", &three, "mse", ERR_INVALID, "num_labels"},
    {"AUC", "{\"label_weights\": [1]}", &three, "mse", ERR_INVALID,
     "label_weights"},
    {"AUC", "{\"multi_label\": true}", &steps, "mse", ERR_INVALID,
     "multi_label"},
    {"AUC", "{\"multi_label\": true, \"num_thresholds\": 1000000}", &three,
     "mse", ERR_LIMIT, "state"},
    {"Precision", "{\"thresholds\": [2]}", &three, "mse", ERR_INVALID,
     "thresholds"},
    {"Precision", "{\"thresholds\": []}", &three, "mse", ERR_INVALID,
     "thresholds"},
    {"Precision", "{\"thresholds\": [\"a\"]}", &three, "mse", ERR_INVALID,
     "thresholds"},
    {"Precision", "{\"class_id\": 3}", &three, "mse", ERR_INVALID, "class_id"},
    {"Recall", "{\"top_k\": 4}", &three, "mse", ERR_INVALID, "top_k"},
    {"PrecisionAtRecall", "{}", &three, "mse", ERR_INVALID, "recall: missing"},
    {"MeanIoU", NULL, &three, "mse", ERR_INVALID, "num_classes: missing"},
    {"IoU", "{\"num_classes\": 2, \"target_class_ids\": [2]}", &three, "mse",
     ERR_INVALID, "target_class_ids"},
    {"F1Score", "{\"average\": \"most\"}", &three, "mse", ERR_UNSUPPORTED,
     "most"},
    {"F1Score", "{}", &steps, "mse", ERR_INVALID, "(2, 3)"},
    {"R2Score", "{}", &steps, "mse", ERR_INVALID, "(2, 3)"},
    {"BinaryCrossentropy", "{\"axis\": 1}", &three, "mse", ERR_UNSUPPORTED,
     "axis"},
    {"MeanSquaredError", "{\"reduction\": \"sum\"}", &three, "mse",
     ERR_UNSUPPORTED, "reduction"},
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

/* ---- what Keras computed (metric_cases.json) ------------------------------
 */

struct recorded {
    const json_t *info;
    struct metric *metric;
    struct shape shape;
    float *y, *x, *p, *weights;
    size_t labels, outputs; /* numbers of a row */
};

static float *numbers(const json_t *info, const char *key)
{
    const json_t *list = json_object_get(info, key);
    size_t n = json_array_size(list);
    float *out = n != 0 ? mem_floats(n) : NULL;

    for (size_t i = 0; i < n; i++) {
        out[i] = (float)json_number_value(json_array_get(list, i));
    }
    return out;
}

static struct recorded open_case(const json_t *info)
{
    struct recorded r = {.info = info};
    const json_t *dims = json_object_get(info, "shape");
    bool sparse = json_is_true(json_object_get(info, "sparse"));
    struct loss *loss = make_loss(sparse ? SPARSE : "mse");
    const char *name = json_string_value(json_object_get(info, "name"));
    size_t rows = 0;
    struct err err = {0};

    r.shape.rank = (int)json_array_size(dims);
    for (int i = 0; i < r.shape.rank; i++) {
        r.shape.dim[i] = json_integer_value(json_array_get(dims, (size_t)i));
    }
    r.weights = numbers(info, "weights");
    unit_ok(metric_create(name, json_object_get(info, "config"), NULL,
                          r.weights != NULL, &r.shape, loss, &r.metric, &err),
            &err);
    ck_assert_str_eq(metric_class_name(r.metric), name);
    r.y = numbers(info, "y");
    r.x = numbers(info, "x");
    r.p = numbers(info, "p");
    for (size_t i = 0; i < 3; i++) {
        rows += (size_t)json_integer_value(
            json_array_get(json_object_get(info, "batches"), i));
    }
    r.labels = json_array_size(json_object_get(info, "y")) / rows;
    r.outputs = shape_size(&r.shape);
    loss_destroy(&loss);
    return r;
}

static void close_case(struct recorded *r)
{
    metric_destroy(&r->metric);
    mem_free_aligned(r->y);
    mem_free_aligned(r->x);
    mem_free_aligned(r->p);
    mem_free_aligned(r->weights);
}

/* Batches 0 and 2 in one partition, 1 in another; then both are added. */
static void update_parts(const struct recorded *r, double *state, double *other)
{
    bool closing = json_is_true(json_object_get(r->info, "closing"));
    size_t at = 0;

    for (size_t k = 0; k < 3; k++) {
        struct metric_batch batch = {
            .rows = (size_t)json_integer_value(
                json_array_get(json_object_get(r->info, "batches"), k)),
            .output = &r->shape,
            .y = r->y + at * r->labels,
            .p = r->p + at * r->outputs,
            .logits = closing ? r->x + at * r->outputs : NULL,
            .weights = r->weights != NULL ? r->weights + at : NULL,
        };

        metric_update(r->metric, &batch, k == 1 ? other : state);
        at += batch.rows;
    }
    for (size_t i = 0; i < metric_state_size(r->metric); i++) {
        state[i] += other[i];
    }
}

static void judge_case(size_t c, struct recorded *r)
{
    size_t n = metric_state_size(r->metric);
    const json_t *want = json_object_get(r->info, "result");
    double *state = mem_zarray(2 * n, sizeof(double));
    double result[16];

    ck_assert_ptr_nonnull(state);
    ck_assert_msg(metric_result_size(r->metric) == json_array_size(want),
                  "case %zu, %s: %zu numbers", c, metric_name(r->metric),
                  metric_result_size(r->metric));
    update_parts(r, state, state + n);
    metric_result(r->metric, state, result);
    for (size_t i = 0; i < json_array_size(want); i++) {
        double w = json_number_value(json_array_get(want, i));

        ck_assert_msg(fabs(result[i] - w) <= 3e-6 * (1.0 + fabs(w)),
                      "case %zu, %s: result[%zu] %.9g, want %.9g", c,
                      metric_name(r->metric), i, result[i], w);
    }
    mem_free(state);
}

START_TEST(recorded_results)
{
    json_error_t fault;
    json_t *file =
        json_load_file("tests/unit/model/metric_cases.json", 0, &fault);
    const json_t *cases = json_object_get(file, "cases");

    ck_assert_msg(file != NULL, "%s", fault.text);
    ck_assert_uint_gt(json_array_size(cases), 130);
    for (size_t c = 0; c < json_array_size(cases); c++) {
        struct recorded r = open_case(json_array_get(cases, c));
        json_t *config = metric_config(r.metric);
        struct metric *again = NULL;
        struct loss *loss = make_loss(
            json_is_true(json_object_get(r.info, "sparse")) ? SPARSE : "mse");
        struct err err = {0};
        json_t *back;

        judge_case(c, &r);
        /* its config makes the same metric again */
        unit_ok(metric_create(metric_class_name(r.metric), config, NULL,
                              r.weights != NULL, &r.shape, loss, &again, &err),
                &err);
        back = metric_config(again);
        ck_assert(json_equal(config, back));
        json_decref(config);
        json_decref(back);
        metric_destroy(&again);
        loss_destroy(&loss);
        close_case(&r);
    }
    json_decref(file);
}
END_TEST

/* Means of functions heed the mask as weights, others do not. */
START_TEST(masks)
{
    const float y[] = {1, 1, 1, 0, 0, 0, 2, 2, 2, 0, 0, 0};
    const float p[] = {0, 0, 0, 3, 3, 3, 2, 2, 2, 1, 1, 1};
    const float mask[] = {1, 0, 1, 1};
    static const struct {
        const char *name;
        double want;
    } table[] = {{"mse", 2.0 / 3}, {"RootMeanSquaredError", 1.6583123951777}};

    for (size_t i = 0; i < 2; i++) {
        struct metric *metric = NULL;
        struct metric_batch batch = {
            .rows = 2, .output = &steps, .y = y, .p = p, .mask = mask};
        double state[2] = {0};
        double result;
        struct err err = {0};

        unit_ok(create(table[i].name, NULL, NULL, &steps, "mse", &metric, &err),
                &err);
        metric_update(metric, &batch, state);
        metric_result(metric, state, &result);
        ck_assert_double_eq_tol(result, table[i].want, 1e-12);
        metric_destroy(&metric);
    }
}
END_TEST

START_TEST(functions_are_wrapped)
{
    struct metric *metric = NULL;
    struct err err = {0};
    json_t *config;

    unit_ok(create("MeanMetricWrapper",
                   "{\"name\": \"near\", \"fn\": {\"class_name\": "
                   "\"function\", \"config\": \"huber\"}, \"delta\": 0.5}",
                   NULL, &three, "mse", &metric, &err),
            &err);
    ck_assert_str_eq(metric_name(metric), "near");
    ck_assert_str_eq(metric_class_name(metric), "MeanMetricWrapper");
    config = metric_config(metric);
    ck_assert_double_eq(json_number_value(json_object_get(config, "delta")),
                        0.5);
    ck_assert_str_eq(json_string_value(json_object_get(
                         json_object_get(config, "fn"), "config")),
                     "huber");
    json_decref(config);
    metric_destroy(&metric);
    /* of an accuracy: the class that it is */
    unit_ok(create("MeanMetricWrapper",
                   "{\"name\": \"hits\", \"fn\": \"categorical_accuracy\"}",
                   NULL, &three, "mse", &metric, &err),
            &err);
    ck_assert_str_eq(metric_class_name(metric), "CategoricalAccuracy");
    ck_assert_str_eq(metric_name(metric), "hits");
    metric_destroy(&metric);
}
END_TEST

static int make_many(void *state, struct err *err)
{
    static const char *const configs[][2] = {
        {"AUC", "{\"thresholds\": [0.2, 0.4], \"label_weights\": [1, 2, 3]}"},
        {"Precision", "{\"thresholds\": [0.5, 0.1]}"},
        {"BinaryCrossentropy", "{\"from_logits\": true}"},
        {"MeanIoU", "{\"num_classes\": 3}"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(configs) / sizeof(configs[0]); i++) {
        json_t *config = sample_json(configs[i][1]);
        struct metric *metric = NULL;
        int rc = metric_create(configs[i][0], config, NULL, false, &three, NULL,
                               &metric, err);

        json_decref(config);
        metric_destroy(&metric);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

START_TEST(survives_refused_memory)
{
    ck_assert_int_ge(unit_oom_sweep(make_many, NULL), 12);
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
    tcase_add_test(tc, recorded_results);
    tcase_add_test(tc, masks);
    tcase_add_test(tc, functions_are_wrapped);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("metric", basic)
