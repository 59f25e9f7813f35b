/* SPDX-License-Identifier: MIT
 *
 * check_loss: values of the losses against keras.losses (probabilities and
 * logits, weights, all reductions), gradients against differences, labels that
 * are no classes, and the extremes where clipping matters.
 */
#include "tests/lib/unit.h"

#include "common/mem.h"
#include "worker/nn/loss.h"

#include <math.h>
#include <string.h>

#define ROWS 4
#define WIDTH 3
#define SIZE (ROWS * WIDTH)

static const float probabilities[SIZE] = {0.1f, 0.2f, 0.6f, 0.7f,  0.2f, 0.2f,
                                          0.3f, 0.3f, 0.4f, 1e-9f, 0.5f, 0.5f};
static const float logits[SIZE] = {1.0f, -2.0f, 0.5f, 30.0f,  -1.0f,  2.0f,
                                   0.3f, 0.3f,  0.4f, -40.0f, -41.0f, -39.5f};
static const float one_hot[SIZE] = {0, 0, 1, 1, 0, 0, 0, 1, 0, 1, 0, 0};
static const float classes[ROWS] = {2, 0, 1, 0};
static const float weights[ROWS] = {1.0f, 0.5f, 2.0f, 0.25f};

static const struct shape shape = {.rank = 1, .dim = {WIDTH}};

/* By reduction: sum over batch size, sum, mean with sample weight; each
 * without and with weights. Numbers of Keras' NumPy backend in float32, but
 * for binary crossentropy from logits, which that backend clips and
 * TensorFlow does not: there the formula in double precision. */
static const struct {
    const char *name;
    const char *config; /* what stands before the reduction */
    bool from_logits;
    double want[3][2];
} table[] = {
    {"mean_squared_error",
     "",
     false,
     {{0.218333334, 0.179166675},
      {0.873333335, 0.716666698},
      {0.218333334, 0.191111118}}},
    {"mean_absolute_error",
     "",
     false,
     {{0.400000006, 0.362499982},
      {1.60000002, 1.44999993},
      {0.400000006, 0.386666656}}},
    {"binary_crossentropy",
     "",
     false,
     {{1.76817966, 0.813321233},
      {7.07271862, 3.25328493},
      {1.76817966, 0.867542624}}},
    {"binary_crossentropy",
     "\"from_logits\": true, ",
     true,
     {{3.88968184, 1.48148442},
      {15.5587274, 5.92593768},
      {3.88968184, 1.58025005}}},
    {"binary_crossentropy",
     "\"label_smoothing\": 0.2, ",
     false,
     {{1.70064831, 0.834824085},
      {6.80259323, 3.33929634},
      {1.70064831, 0.890479028}}},
    {"categorical_crossentropy",
     "",
     false,
     {{4.54487944, 1.7672317},
      {18.1795177, 7.06892681},
      {4.54487944, 1.8850472}}},
    {"categorical_crossentropy",
     "\"from_logits\": true, ",
     true,
     {{0.810449123, 0.886691809},
      {3.24179649, 3.54676723},
      {0.810449123, 0.945804596}}},
    {"categorical_crossentropy",
     "\"label_smoothing\": 0.2, ",
     false,
     {{4.11585188, 1.6981535},
      {16.4634075, 6.79261398},
      {4.11585188, 1.8113637}}},
    {"sparse_categorical_crossentropy",
     "",
     false,
     {{4.54487944, 1.7672317},
      {18.1795177, 7.06892681},
      {4.54487944, 1.8850472}}},
    {"sparse_categorical_crossentropy",
     "\"from_logits\": true, ",
     true,
     {{0.810449123, 0.886691809},
      {3.24179649, 3.54676723},
      {0.810449123, 0.945804596}}},
    {"sparse_categorical_crossentropy",
     "\"from_logits\": true, \"ignore_class\": 0, ",
     true,
     {{1.06883287, 1.63536727},
      {2.13766575, 3.27073455},
      {1.06883287, 1.09024489}}},
};

#define TABLE_SIZE ((int)(sizeof(table) / sizeof(table[0])))

static const char *const reductions[] = {"sum_over_batch_size", "sum",
                                         "mean_with_sample_weight"};

static struct loss *make_loss(const char *name, const char *config,
                              const char *reduction)
{
    struct loss *loss = NULL;
    struct err err = {0};
    json_error_t fault;
    char text[256];
    json_t *more;

    (void)snprintf(text, sizeof(text), "{%s\"reduction\": \"%s\"}", config,
                   reduction);
    more = json_loads(text, 0, &fault);
    ck_assert_ptr_nonnull(more);
    unit_ok(loss_create(name, more, &loss, &err), &err);
    json_decref(more);
    return loss;
}

static struct loss_batch batch_of(const struct loss *loss, bool from_logits)
{
    return (struct loss_batch){
        .loss = loss,
        .output = &shape,
        .rows = ROWS,
        .y = loss_is_sparse(loss) ? classes : one_hot,
        .p = from_logits ? logits : probabilities,
    };
}

START_TEST(values_are_keras)
{
    for (size_t r = 0; r < 3; r++) {
        struct loss *loss =
            make_loss(table[_i].name, table[_i].config, reductions[r]);
        struct loss_batch b = batch_of(loss, table[_i].from_logits);
        struct err err = {0};
        double value = NAN;

        unit_ok(loss_compute(&b, 1.0f, NULL, &value, &err), &err);
        unit_assert_close(value, table[_i].want[r][0], 2e-6);
        b.weights = weights;
        unit_ok(loss_compute(&b, 1.0f, NULL, &value, &err), &err);
        unit_assert_close(value, table[_i].want[r][1], 2e-6);
        loss_destroy(&loss);
    }
}
END_TEST

/* dL/dp_i by differences, in place of p. */
static double slope(struct loss_batch *b, float *p, size_t i)
{
    const float step = 0x1p-9f;
    float kept = p[i];
    double value[4];
    struct err err = {0};

    for (int k = 0; k < 4; k++) {
        p[i] = kept + step * (float)(k < 2 ? k - 2 : k - 1);
        unit_ok(loss_compute(b, 1.0f, NULL, &value[k], &err), &err);
    }
    p[i] = kept;
    return (value[0] - 8.0 * value[1] + 8.0 * value[2] - value[3]) /
           (12.0 * (double)step);
}

START_TEST(gradients_equal_differences)
{
    /* inside the clipped range, and not too small for differences */
    static const float tame[SIZE] = {0.15f, 0.2f, 0.55f, 0.7f, 0.25f, 0.2f,
                                     0.3f,  0.3f, 0.4f,  0.2f, 0.45f, 0.35f};

    for (size_t way = 0; way < 6; way++) {
        struct loss *loss =
            make_loss(table[_i].name, table[_i].config, reductions[way % 3]);
        struct loss_batch b = batch_of(loss, table[_i].from_logits);
        float p[SIZE];
        float gradient[SIZE];
        struct err err = {0};
        double value;

        memcpy(p, tame, sizeof(p));
        b.p = p;
        b.weights = way < 3 ? NULL : weights;
        memset(gradient, 0x7f, sizeof(gradient));
        unit_ok(loss_compute(&b, -3.0f, gradient, &value, &err), &err);
        for (size_t i = 0; i < SIZE; i++) {
            unit_assert_close(gradient[i], -3.0 * slope(&b, p, i), 2e-3);
        }
        loss_destroy(&loss);
    }
}
END_TEST

/* What a closing softmax or sigmoid got comes before the probabilities. */
START_TEST(logits_are_taken_where_given)
{
    struct loss *loss = make_loss("binary_crossentropy", "", "sum");
    struct loss_batch b = batch_of(loss, false);
    struct err err = {0};
    double value;

    ck_assert(loss_takes_logits(loss));
    b.logits = logits;
    unit_ok(loss_compute(&b, 1.0f, NULL, &value, &err), &err);
    unit_assert_close(value, 15.5587274, 2e-6);
    loss_destroy(&loss);

    loss = make_loss("mse", "", "sum");
    b.loss = loss;
    ck_assert(!loss_takes_logits(loss));
    unit_ok(loss_compute(&b, 1.0f, NULL, &value, &err), &err);
    unit_assert_close(value, 0.873333335, 2e-6);
    loss_destroy(&loss);

    loss = make_loss("sparse_categorical_crossentropy", "\"ignore_class\": 0,",
                     "sum");
    ck_assert(!loss_takes_logits(loss));
    loss_destroy(&loss);
}
END_TEST

START_TEST(several_positions_share_the_weight_of_their_row)
{
    static const struct shape two = {.rank = 2, .dim = {2, WIDTH}};
    static const float pair[2] = {3.0f, 0.5f};
    struct loss *loss = make_loss("sparse_categorical_crossentropy", "", "sum");
    struct loss_batch b = batch_of(loss, false);
    struct err err = {0};
    double value[ROWS];
    double total;

    b.rows = 1;
    for (size_t i = 0; i < ROWS; i++) {
        b.y = classes + i;
        b.p = probabilities + i * WIDTH;
        unit_ok(loss_compute(&b, 1.0f, NULL, &value[i], &err), &err);
    }
    b = batch_of(loss, false);
    b.rows = 2;
    b.output = &two;
    b.weights = pair;
    unit_ok(loss_compute(&b, 1.0f, NULL, &total, &err), &err);
    unit_assert_close(
        total, 3.0 * (value[0] + value[1]) + 0.5 * (value[2] + value[3]), 1e-6);
    loss_destroy(&loss);
}
END_TEST

START_TEST(certain_and_wrong_stays_finite)
{
    static const float sure[SIZE] = {1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 1};
    static const float far[SIZE] = {1e4f,  -1e4f, 0,      -1e4f, 1e4f, 0,
                                    1e30f, 0,     -1e30f, 0,     0,    1e4f};

    for (int i = 2; i < TABLE_SIZE; i++) {
        struct loss *loss =
            make_loss(table[i].name, table[i].config, reductions[0]);
        struct loss_batch b = batch_of(loss, false);
        float gradient[SIZE];
        struct err err = {0};
        double value;

        b.p = table[i].from_logits ? far : sure;
        unit_ok(loss_compute(&b, 1.0f, gradient, &value, &err), &err);
        ck_assert_msg(isfinite(value), "%s", table[i].name);
        for (size_t j = 0; j < SIZE; j++) {
            ck_assert_msg(isfinite(gradient[j]), "%s", table[i].name);
        }
        loss_destroy(&loss);
    }
}
END_TEST

START_TEST(labels_that_are_no_class_are_named)
{
    static const float bad[] = {3.0f, -1.0f, NAN, 1e30f};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct loss *loss =
            make_loss("sparse_categorical_crossentropy", "", "sum");
        struct loss_batch b = batch_of(loss, false);
        float y[ROWS];
        struct err err = {0};
        double value;

        memcpy(y, classes, sizeof(y));
        y[2] = bad[i];
        b.y = y;
        ck_assert_int_eq(loss_compute(&b, 1.0f, NULL, &value, &err),
                         ERR_INVALID);
        ck_assert_ptr_nonnull(strstr(err.msg, "row 2"));
        ck_assert_ptr_nonnull(strstr(err.msg, "3 classes"));
        loss_destroy(&loss);
    }
}
END_TEST

START_TEST(nothing_to_divide_by_is_zero)
{
    static const float none[ROWS] = {0};
    struct loss *loss = make_loss("mse", "", "mean_with_sample_weight");
    struct loss_batch b = batch_of(loss, false);
    float gradient[SIZE];
    struct err err = {0};
    double value = 1.0;

    b.weights = none;
    unit_ok(loss_compute(&b, 1.0f, gradient, &value, &err), &err);
    ck_assert(value == 0.0);
    for (size_t i = 0; i < SIZE; i++) {
        ck_assert(gradient[i] == 0.0f);
    }
    loss_destroy(&loss);
}
END_TEST

START_TEST(what_is_not_computed_is_refused)
{
    struct loss *loss = make_loss("categorical_crossentropy", "", "sum");
    struct loss changed = *loss;
    struct loss_batch b = batch_of(&changed, false);
    struct err err = {0};
    double value;

    changed.reduction = LOSS_NONE;
    ck_assert_int_eq(loss_compute(&b, 1.0f, NULL, &value, &err),
                     ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "reduction"));
    changed.reduction = LOSS_SUM;
    changed.axes.axis[0] = 1; /* the last one, counted with the batch */
    unit_ok(loss_compute(&b, 1.0f, NULL, &value, &err), &err);
    loss_destroy(&loss);
}
END_TEST

/* ---- what Keras computed (loss_cases.json) --------------------------------
 */

/* One recorded case; arrays are owned. */
struct recorded {
    const json_t *info;
    struct loss *loss;
    struct shape shape;
    float *y, *x, *p, *weights, *mask, *want;
    size_t size; /* elements of the output */
};

static float *numbers(const json_t *info, const char *key, size_t *count)
{
    const json_t *list = json_object_get(info, key);
    size_t n = json_array_size(list);
    float *out = n != 0 ? mem_floats(n) : NULL;

    for (size_t i = 0; i < n; i++) {
        out[i] = (float)json_number_value(json_array_get(list, i));
    }
    if (count != NULL) {
        *count = n;
    }
    return out;
}

static struct recorded open_case(const json_t *info)
{
    struct recorded r = {.info = info};
    const json_t *dims = json_object_get(info, "shape");
    struct err err = {0};

    unit_ok(loss_create(json_string_value(json_object_get(info, "name")),
                        json_object_get(info, "config"), &r.loss, &err),
            &err);
    r.shape.rank = (int)json_array_size(dims);
    for (int i = 0; i < r.shape.rank; i++) {
        r.shape.dim[i] = json_integer_value(json_array_get(dims, (size_t)i));
    }
    unit_ok(loss_check(r.loss, &r.shape, &err), &err);
    r.y = numbers(info, "y", NULL);
    r.x = numbers(info, "x", &r.size);
    r.p = numbers(info, "p", NULL);
    r.want = numbers(info, "gradient", NULL);
    r.weights = numbers(info, "weights", NULL);
    r.mask = numbers(info, "mask", NULL);
    return r;
}

static void close_case(struct recorded *r)
{
    loss_destroy(&r->loss);
    mem_free_aligned(r->y);
    mem_free_aligned(r->x);
    mem_free_aligned(r->p);
    mem_free_aligned(r->want);
    mem_free_aligned(r->weights);
    mem_free_aligned(r->mask);
}

static struct loss_batch recorded_batch(const struct recorded *r)
{
    bool closing = json_is_true(json_object_get(r->info, "closing"));

    return (struct loss_batch){
        .loss = r->loss,
        .output = &r->shape,
        .rows = (size_t)json_integer_value(json_object_get(r->info, "rows")),
        .y = r->y,
        .p = r->p,
        .logits = closing ? r->x : NULL,
        .weights = r->weights,
        .mask = r->mask,
    };
}

/* Differences of two widths; false where they disagree: beside a kink. */
static bool smooth_slope(const struct recorded *r, size_t i, double *out)
{
    struct loss_batch b = recorded_batch(r);
    float *moved = b.logits != NULL ? r->x : r->p;
    float kept = moved[i];
    double slopes[2];
    struct err err = {0};

    for (int k = 0; k < 2; k++) {
        float step = k == 0 ? 0x1p-8f : 0x1p-9f;
        double above;
        double below;

        moved[i] = kept + step;
        unit_ok(loss_compute(&b, 1.0f, NULL, &above, &err), &err);
        moved[i] = kept - step;
        unit_ok(loss_compute(&b, 1.0f, NULL, &below, &err), &err);
        slopes[k] = (above - below) / (2.0 * (double)step);
    }
    moved[i] = kept;
    *out = slopes[1] + (slopes[1] - slopes[0]) / 3.0;
    return fabs(slopes[1] - slopes[0]) <= 2e-3 * (1.0 + fabs(*out));
}

START_TEST(recorded_values_and_gradients)
{
    json_error_t fault;
    json_t *file = json_load_file("tests/unit/nn/loss_cases.json", 0, &fault);
    const json_t *cases = json_object_get(file, "cases");
    size_t judged = 0;

    ck_assert_msg(file != NULL, "%s", fault.text);
    ck_assert_uint_gt(json_array_size(cases), 200);
    for (size_t c = 0; c < json_array_size(cases); c++) {
        struct recorded r = open_case(json_array_get(cases, c));
        struct loss_batch b = recorded_batch(&r);
        float *gradient = mem_floats(r.size);
        double want = json_number_value(json_object_get(r.info, "value"));
        struct err err = {0};
        double value;

        memset(gradient, 0x7f, r.size * sizeof(float));
        unit_ok(loss_compute(&b, 1.0f, gradient, &value, &err), &err);
        ck_assert_msg(fabs(value - want) <= 3e-6 * (1.0 + fabs(want)),
                      "case %zu, %s: value %.9g, want %.9g", c, r.loss->name,
                      value, want);
        for (size_t i = 0; i < r.size; i++) {
            double slope;

            ck_assert_msg(fabs((double)(gradient[i] - r.want[i])) <=
                              1e-5 * (1.0 + fabs((double)r.want[i])),
                          "case %zu, %s: gradient[%zu] %.9g, want %.9g", c,
                          r.loss->name, i, (double)gradient[i],
                          (double)r.want[i]);
            if (!json_is_true(json_object_get(r.info, "differs")) &&
                smooth_slope(&r, i, &slope)) {
                ck_assert_msg(
                    fabs((double)gradient[i] - slope) <=
                        1e-2 * (1.0 + fabs(slope)),
                    "case %zu, %s: gradient[%zu] %.9g, difference %.9g", c,
                    r.loss->name, i, (double)gradient[i], slope);
                judged++;
            }
        }
        mem_free_aligned(gradient);
        close_case(&r);
    }
    ck_assert_uint_gt(judged, 1000);
    json_decref(file);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("loss");

    tcase_add_loop_test(tc, values_are_keras, 0, TABLE_SIZE);
    tcase_add_loop_test(tc, gradients_equal_differences, 0, TABLE_SIZE);
    tcase_add_test(tc, logits_are_taken_where_given);
    tcase_add_test(tc, several_positions_share_the_weight_of_their_row);
    tcase_add_test(tc, certain_and_wrong_stays_finite);
    tcase_add_test(tc, labels_that_are_no_class_are_named);
    tcase_add_test(tc, nothing_to_divide_by_is_zero);
    tcase_add_test(tc, what_is_not_computed_is_refused);
    tcase_add_test(tc, recorded_values_and_gradients);
    return tc;
}

UNIT_MAIN("loss", basic)
