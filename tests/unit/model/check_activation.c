/* SPDX-License-Identifier: MIT
 *
 * check_activation: names, aliases, object forms and shapes.
 */
#include "tests/unit/model/sample.h"

#include "common/model/activation.h"

#include <string.h>

static const struct {
    const char *json;
    const struct elephas_activation *want;
} good[] = {
    {"null", ACTIVATION(LINEAR)},
    {"\"relu\"", ACTIVATION(RELU)},
    {"\"mish\"", ACTIVATION(MISH)},
    {"\"swish\"", ACTIVATION(SILU)},
    {"\"hard_swish\"", ACTIVATION(HARD_SILU)},
    {"\"log_softmax\"", ACTIVATION(LOG_SOFTMAX)},
    {"{\"module\": \"builtins\", \"class_name\": \"function\", \"config\": "
     "\"gelu\", \"registered_name\": \"function\"}",
     ACTIVATION(GELU)},
    {"{\"class_name\": \"tanh\", \"config\": null}", ACTIVATION(TANH)},
    {"{\"class_name\": \"elu\", \"config\": {}}", ACTIVATION(ELU)},
};

START_TEST(reads_names_and_objects)
{
    json_t *value = sample_json(good[_i].json);
    const struct elephas_activation *a = ACTIVATION(SPARSEMAX);
    struct err err = {0};

    unit_ok(activation_parse(value, &a, &err), &err);
    ck_assert_ptr_eq(a, good[_i].want);
    json_decref(value);
}
END_TEST

START_TEST(every_name_is_its_own)
{
    for (int i = 0; i < ACTIVATION_COUNT; i++) {
        json_t *name = json_string(activation_name(&activation_table[i]));
        const struct elephas_activation *a = ACTIVATION(LINEAR);
        struct err err = {0};

        unit_ok(activation_parse(name, &a, &err), &err);
        ck_assert_ptr_eq(a, &activation_table[i]);
        ck_assert_int_eq(activation_index(a), i);
        json_decref(name);
    }
    ck_assert_str_eq(activation_name(ACTIVATION(SPARSEMAX)), "sparsemax");
}
END_TEST

static const struct {
    const char *json;
    int code;
    const char *word;
} bad[] = {
    {"\"sofmax\"", ERR_UNSUPPORTED, "sofmax"},
    {"3", ERR_INVALID, "an integer"},
    {"{}", ERR_INVALID, "class_name"},
    {"{\"class_name\": \"function\", \"config\": {}}", ERR_INVALID, "config"},
    {"{\"class_name\": \"function\", \"config\": \"mine\"}", ERR_UNSUPPORTED,
     "mine"},
    {"{\"class_name\": \"LeakyReLU\", \"config\": {\"negative_slope\": 0.1}}",
     ERR_UNSUPPORTED, "LeakyReLU"},
    {"{\"module\": \"builtins\", \"class_name\": \"function\", \"config\": "
     "\"my_package>swoosh\", \"registered_name\": \"function\"}",
     ERR_UNSUPPORTED, "activation my_package>swoosh is not one of Keras"},
    /* of one's own, though it has the name of one of Keras */
    {"{\"module\": \"mine\", \"class_name\": \"function\", \"config\": "
     "\"relu\", \"registered_name\": \"relu\"}",
     ERR_UNSUPPORTED, "--custom-objects"},
};

START_TEST(refuses_by_name)
{
    json_t *value = sample_json(bad[_i].json);
    const struct elephas_activation *a;
    struct err err = {0};

    ck_assert_int_eq(activation_parse(value, &a, &err), bad[_i].code);
    sample_says(&err, bad[_i].word);
    ck_assert_int_eq(activation_parse(value, &a, NULL), bad[_i].code);
    json_decref(value);
}
END_TEST

START_TEST(shapes)
{
    struct err err = {0};
    struct shape out;
    struct shape in = {.rank = 2, .dim = {3, 8}};
    struct shape odd = {.rank = 1, .dim = {5}};
    struct shape none = {.rank = 0};

    unit_ok(activation_shape(ACTIVATION(SOFTMAX), &in, &out, &err), &err);
    ck_assert(shape_equal(&in, &out));
    unit_ok(activation_shape(ACTIVATION(RELU), &none, &out, &err), &err);
    ck_assert(shape_equal(&none, &out));
    unit_ok(activation_shape(ACTIVATION(GLU), &in, &out, &err), &err);
    ck_assert_int_eq(out.dim[0], 3);
    ck_assert_int_eq(out.dim[1], 4);
    ck_assert_int_eq(activation_shape(ACTIVATION(GLU), &odd, &out, &err),
                     ERR_INVALID);
    ck_assert_int_eq(activation_shape(ACTIVATION(SOFTMAX), &none, &out, &err),
                     ERR_INVALID);
    ck_assert_int_eq(activation_shape(ACTIVATION(THRESHOLD), &in, &out, &err),
                     ERR_UNSUPPORTED);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("activation");

    tcase_add_loop_test(tc, reads_names_and_objects, 0,
                        sizeof(good) / sizeof(good[0]));
    tcase_add_test(tc, every_name_is_its_own);
    tcase_add_loop_test(tc, refuses_by_name, 0, sizeof(bad) / sizeof(bad[0]));
    tcase_add_test(tc, shapes);
    return tc;
}

UNIT_MAIN("activation", basic)
