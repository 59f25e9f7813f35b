/* SPDX-License-Identifier: MIT
 *
 * check_regularizer: penalties against what Keras' classes give for the same
 * numbers, their gradients against differences, and what is refused.
 */
#include "tests/lib/unit.h"

#include "common/model/regularizer.h"

#include <math.h>
#include <string.h>

static const struct shape matrix = {.rank = 2, .dim = {3, 2}};
static const float values[] = {3, -1, 4, 0.5f, -0.25f, 2};

static struct regularizer *make(const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    struct regularizer *r = NULL;
    struct err err = {0};

    ck_assert_ptr_nonnull(value);
    unit_ok(regularizer_create(value, &r, &err), &err);
    ck_assert_ptr_nonnull(r);
    json_decref(value);
    return r;
}

/* Penalties of [[3, -1], [4, 0.5], [-0.25, 2]]. */
static const struct {
    const char *config;
    double want;
} cases[] = {
    {"\"l1\"", 0.1075},
    {"\"L2\"", 0.303125},
    {"{\"class_name\": \"L1\", \"config\": {\"l1\": 0.5}}", 5.375},
    {"{\"class_name\": \"L1L2\", \"config\": {\"l1\": 0.5, \"l2\": 0.1}}",
     8.40625},
    {"{\"class_name\": \"L1L2\", \"config\": {\"l1\": null, \"l2\": 0.1}}",
     3.03125},
    {"\"orthogonal_regularizer\"", 0.0044452981},
    {"{\"class_name\": \"OrthogonalRegularizer\", \"config\": {\"factor\": "
     "0.3, \"mode\": \"columns\"}}",
     0.0392302052},
};

START_TEST(penalizes_as_keras)
{
    struct regularizer *r = make(cases[_i].config);
    struct err err = {0};
    float gradient[6] = {0};
    double value;

    unit_ok(regularizer_check(r, &matrix, &err), &err);
    unit_ok(regularizer_apply(r, &matrix, values, 0.5, &value, gradient, &err),
            &err);
    unit_assert_close(value, cases[_i].want, 1e-6);
    for (size_t i = 0; i < 6; i++) {
        float x[6];
        double up;
        double down;
        float h = 1e-2f;

        memcpy(x, values, sizeof(x));
        x[i] = values[i] + h;
        unit_ok(regularizer_apply(r, &matrix, x, 1.0, &up, NULL, &err), &err);
        x[i] = values[i] - h;
        unit_ok(regularizer_apply(r, &matrix, x, 1.0, &down, NULL, &err), &err);
        unit_assert_close(gradient[i], 0.5 * (up - down) / (2.0 * (double)h),
                          1e-5);
    }
    regularizer_destroy(&r);
    ck_assert_ptr_null(r);
}
END_TEST

START_TEST(vectors_of_zeros_have_no_direction)
{
    struct regularizer *r = make("\"OrthogonalRegularizer\"");
    static const float x[6] = {0, 0, 1, 2, -1, 1};
    struct err err = {0};
    float gradient[6] = {0};
    double value;

    unit_ok(regularizer_apply(r, &matrix, x, 1.0, &value, gradient, &err),
            &err);
    unit_assert_close(value, 0.01 / 3.0 / sqrt(10.0), 1e-6);
    ck_assert_float_eq(gradient[0], 0.0f);
    regularizer_destroy(&r);
}
END_TEST

static const struct {
    const char *value;
    int code;
    const char *says;
} refused[] = {
    {"\"l3\"", ERR_UNSUPPORTED, "l3"},
    {"{\"class_name\": \"R\", \"registered_name\": \"p>R\"}", ERR_UNSUPPORTED,
     "p>R"},
    {"{\"class_name\": \"L1\", \"config\": {\"l2\": 1}}", ERR_UNSUPPORTED,
     "l2"},
    {"{\"class_name\": \"L2\", \"config\": {\"l2\": -1}}", ERR_INVALID, "-1"},
    {"{\"class_name\": \"L1\", \"config\": {\"l1\": \"a\"}}", ERR_INVALID,
     "l1"},
    {"{\"class_name\": \"OrthogonalRegularizer\", \"config\": {\"mode\": "
     "\"diagonals\"}}",
     ERR_INVALID, "diagonals"},
    {"{\"class_name\": \"OrthogonalRegularizer\", \"config\": {\"l1\": 1}}",
     ERR_UNSUPPORTED, "l1"},
};

START_TEST(refuses_by_name)
{
    json_t *value = json_loads(refused[_i].value, JSON_DECODE_ANY, NULL);
    struct regularizer *r = NULL;
    struct err err = {0};

    ck_assert_int_eq(regularizer_create(value, &r, &err), refused[_i].code);
    ck_assert_msg(strstr(err.msg, refused[_i].says) != NULL, "%s", err.msg);
    ck_assert_ptr_null(r);
    json_decref(value);
}
END_TEST

START_TEST(orthogonal_takes_matrices)
{
    struct regularizer *r = make("\"OrthogonalRegularizer\"");
    struct shape vector = {.rank = 1, .dim = {3}};
    struct shape batch = {.rank = 2, .dim = {SHAPE_UNKNOWN, 3}};
    struct shape row = {.rank = 2, .dim = {1, 3}};

    ck_assert_int_eq(regularizer_check(r, &vector, NULL), ERR_INVALID);
    ck_assert_int_eq(regularizer_check(r, &batch, NULL), ERR_UNSUPPORTED);
    ck_assert_int_eq(regularizer_check(r, &row, NULL), ERR_INVALID);
    regularizer_destroy(&r);
}
END_TEST

static int apply(void *state, struct err *err)
{
    struct regularizer *r = NULL;
    double value;
    int rc = regularizer_create(state, &r, err);

    if (rc == 0) {
        rc = regularizer_apply(r, &matrix, values, 1.0, &value, NULL, err);
    }
    regularizer_destroy(&r);
    return rc;
}

START_TEST(survives_without_memory)
{
    json_t *value = json_string("OrthogonalRegularizer");

    ck_assert_int_eq(unit_oom_sweep(apply, value), 2);
    json_decref(value);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("regularizer");

    tcase_add_loop_test(tc, penalizes_as_keras, 0,
                        sizeof(cases) / sizeof(cases[0]));
    tcase_add_test(tc, vectors_of_zeros_have_no_direction);
    tcase_add_loop_test(tc, refuses_by_name, 0,
                        sizeof(refused) / sizeof(refused[0]));
    tcase_add_test(tc, orthogonal_takes_matrices);
    tcase_add_test(tc, survives_without_memory);
    return tc;
}

UNIT_MAIN("regularizer", basic)
