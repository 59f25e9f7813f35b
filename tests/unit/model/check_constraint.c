/* SPDX-License-Identifier: MIT
 *
 * check_constraint: what constraints make of weights, against what Keras'
 * classes give for the same numbers, and what is refused.
 */
#include "tests/lib/unit.h"

#include "common/model/constraint.h"

#include <string.h>

static struct constraint *make(const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    struct constraint *c = NULL;
    struct err err = {0};

    ck_assert_ptr_nonnull(value);
    unit_ok(constraint_create(value, &c, &err), &err);
    ck_assert_ptr_nonnull(c);
    json_decref(value);
    return c;
}

/* The values of keras.constraints for w = [[3, -1], [4, 0.5], [0, 2]] and, of
 * rank 3, w = 1 ... 8 in shape (2, 2, 2). */
static const struct {
    const char *config;
    struct shape shape;
    float want[8];
} cases[] = {
    {"\"non_neg\"", {.rank = 2, .dim = {3, 2}}, {3, 0, 4, 0.5f, 0, 2}},
    {"{\"class_name\": \"MaxNorm\", \"config\": {\"max_value\": 2, "
     "\"axis\": 0}}",
     {.rank = 2, .dim = {3, 2}},
     {1.2f, -0.87287152f, 1.6f, 0.43643576f, 0, 1.74574304f}},
    {"{\"class_name\": \"MaxNorm\", \"config\": {\"max_value\": 2.5, "
     "\"axis\": [-1]}}",
     {.rank = 2, .dim = {3, 2}},
     {2.37170817f, -0.79056939f, 2.48069469f, 0.31008684f, 0, 2}},
    {"\"UnitNorm\"",
     {.rank = 2, .dim = {3, 2}},
     {0.6f, -0.43643576f, 0.8f, 0.21821788f, 0, 0.87287152f}},
    {"{\"class_name\": \"MinMaxNorm\", \"config\": {\"min_value\": 3, "
     "\"max_value\": 4, \"rate\": 0.5, \"axis\": 0}}",
     {.rank = 2, .dim = {3, 2}},
     {2.7f, -1.15465367f, 3.6f, 0.57732683f, 0, 2.30930734f}},
    {"{\"class_name\": \"UnitNorm\", \"config\": {\"axis\": [0, 2]}}",
     {.rank = 3, .dim = {2, 2, 2}},
     {0.12309149f, 0.24618298f, 0.25537696f, 0.34050262f, 0.6154574f,
      0.73854893f, 0.59587955f, 0.68100524f}},
};

START_TEST(projects_as_keras)
{
    static const float matrix[] = {3, -1, 4, 0.5f, 0, 2};
    struct constraint *c = make(cases[_i].config);
    const struct shape *shape = &cases[_i].shape;
    struct err err = {0};
    float w[8];

    for (size_t i = 0; i < 8; i++) {
        w[i] = shape->rank == 2 && i < 6 ? matrix[i] : (float)(i + 1);
    }
    unit_ok(constraint_check(c, shape, &err), &err);
    constraint_apply(c, shape, w);
    for (size_t i = 0; i < shape_size(shape); i++) {
        unit_assert_close(w[i], cases[_i].want[i], 1e-6);
    }
    constraint_destroy(&c);
    ck_assert_ptr_null(c);
}
END_TEST

START_TEST(slices_of_zeros_stay)
{
    struct shape shape = {.rank = 1, .dim = {2}};
    struct constraint *c = make("\"max_norm\"");
    float w[2] = {0.0f, 0.0f};

    constraint_apply(c, &shape, w);
    ck_assert_float_eq(w[0], 0.0f);
    ck_assert_float_eq(w[1], 0.0f);
    constraint_destroy(&c);
}
END_TEST

static const struct {
    const char *value;
    int code;
    const char *says;
} refused[] = {
    {"\"soft_norm\"", ERR_UNSUPPORTED, "soft_norm"},
    {"7", ERR_INVALID, "an integer"},
    {"{\"class_name\": \"Mine\", \"registered_name\": \"lab>Mine\"}",
     ERR_UNSUPPORTED, "lab>Mine"},
    {"{\"config\": {}}", ERR_INVALID, "class_name"},
    {"{\"class_name\": \"MaxNorm\", \"config\": 3}", ERR_INVALID, "config"},
    {"{\"class_name\": \"MaxNorm\", \"config\": {\"rate\": 1}}",
     ERR_UNSUPPORTED, "rate"},
    {"{\"class_name\": \"MaxNorm\", \"config\": {\"max_value\": \"x\"}}",
     ERR_INVALID, "max_value"},
};

START_TEST(refuses_by_name)
{
    json_t *value = json_loads(refused[_i].value, JSON_DECODE_ANY, NULL);
    struct constraint *c = NULL;
    struct err err = {0};

    ck_assert_int_eq(constraint_create(value, &c, &err), refused[_i].code);
    ck_assert_msg(strstr(err.msg, refused[_i].says) != NULL, "%s", err.msg);
    ck_assert_ptr_null(c);
    json_decref(value);
}
END_TEST

START_TEST(refuses_axes_that_are_not_there)
{
    static const char *const axes[] = {"2", "-3", "[0, 0]", "[\"a\"]"};
    struct shape shape = {.rank = 2, .dim = {3, 2}};
    char text[128];

    for (size_t i = 0; i < sizeof(axes) / sizeof(axes[0]); i++) {
        struct constraint *c;

        (void)snprintf(text, sizeof(text),
                       "{\"class_name\": \"UnitNorm\", \"config\": "
                       "{\"axis\": %s}}",
                       axes[i]);
        c = make(text);
        ck_assert_int_eq(constraint_check(c, &shape, NULL), ERR_INVALID);
        constraint_destroy(&c);
    }
}
END_TEST

static int create(void *state, struct err *err)
{
    struct constraint *c = NULL;
    int rc = constraint_create(state, &c, err);

    constraint_destroy(&c);
    return rc;
}

START_TEST(survives_without_memory)
{
    json_t *value = json_loads(cases[1].config, 0, NULL);

    ck_assert_int_gt(unit_oom_sweep(create, value), 0);
    json_decref(value);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("constraint");

    tcase_add_loop_test(tc, projects_as_keras, 0,
                        sizeof(cases) / sizeof(cases[0]));
    tcase_add_test(tc, slices_of_zeros_stay);
    tcase_add_loop_test(tc, refuses_by_name, 0,
                        sizeof(refused) / sizeof(refused[0]));
    tcase_add_test(tc, refuses_axes_that_are_not_there);
    tcase_add_test(tc, survives_without_memory);
    return tc;
}

UNIT_MAIN("constraint", basic)
