/* SPDX-License-Identifier: MIT
 *
 * check_narrow: a part of the parameters: variables cut in the middle, vectors
 * cut and put back, what is said about a batch whose loss has a part of its
 * own, and what cannot be cut.
 */
#include "tests/lib/unit.h"

#include "common/mem.h"
#include "common/model/narrow.h"
#include "common/model/optimizer.h"
#include "common/model/round.h"

#include <string.h>

static size_t add(struct model *m, const char *name, const char *class_name,
                  const char *config, const size_t *from)
{
    json_t *json = json_loads(config, 0, NULL);
    const struct tensor_ref ref = {from != NULL ? *from : 0, 0};
    struct err err = {0};
    size_t layer = 0;
    size_t call = 0;

    unit_ok(model_add_layer(m, name, class_name, NULL, json, true, "layers/x",
                            &layer, &err),
            &err);
    unit_ok(
        model_add_call(m, layer, &ref, from != NULL ? 1 : 0, NULL, &call, &err),
        &err);
    json_decref(json);
    return call;
}

/* 2 -> Dense 3: a kernel of 6 and a bias of 3; the loss is a sum, which has a
 * part of its own in rounds of batches. */
static struct model *make(const char *dense, const char *optimizer)
{
    json_t *sum = json_loads("{\"reduction\": \"sum\"}", 0, NULL);
    json_t *config = json_loads(optimizer, 0, NULL);
    const struct object_spec opt = {.class_name = "adam", .config = config};
    const struct object_spec loss = {.class_name = "MeanSquaredError",
                                     .config = sum};
    const struct output_spec output = {
        .name = "out", .loss = &loss, .loss_weight = 1};
    struct model *m = NULL;
    struct err err = {0};
    size_t at;

    unit_ok(model_create("m", &m, &err), &err);
    at = add(m, "in", "InputLayer", "{\"batch_shape\":[null,2]}", NULL);
    at = add(m, "out", "Dense", dense, &at);
    unit_ok(model_set_inputs(m, &(struct tensor_ref){0, 0}, 1, &err), &err);
    unit_ok(model_set_outputs(m, &(struct tensor_ref){at, 0}, 1, &err), &err);
    unit_ok(model_finish(m, &err), &err);
    unit_ok(model_set_training(m, &opt, &output, 1, &err), &err);
    json_decref(sum);
    json_decref(config);
    return m;
}

START_TEST(variables_are_cut)
{
    struct model *m = make("{\"units\":3}", "{}");
    struct model_state state = {0};
    struct err err = {0};

    unit_ok(model_state_init(m, &state, &err), &err);
    ck_assert_uint_eq(state.count, 27);
    for (size_t i = 0; i < state.count; i++) {
        state.values[i] = (float)i;
    }
    unit_ok(narrow_model(m, &state, 4, 8, &err), &err);
    ck_assert_uint_eq(m->parameters, 4);
    ck_assert_uint_eq(m->trainable_parameters, 4);
    ck_assert_uint_eq(m->variables[0].offset, 0);
    ck_assert_uint_eq(m->variables[0].size, 2);
    ck_assert_uint_eq(m->variables[0].cut, 4);
    ck_assert_uint_eq(m->variables[1].offset, 2);
    ck_assert_uint_eq(m->variables[1].size, 2);
    ck_assert_uint_eq(m->variables[1].cut, 0);
    ck_assert_uint_eq(state.count, 12);
    ck_assert(state.optimizer.slots == state.values + 4);
    for (size_t i = 0; i < 12; i++) {
        ck_assert(state.values[i] == (float)(4 + i / 4 * 9 + i % 4));
    }
    model_state_deinit(&state);
    model_destroy(&m);
}
END_TEST

START_TEST(what_lies_outside_has_no_elements)
{
    struct model *m = make("{\"units\":3}", "{}");
    struct err err = {0};

    unit_ok(narrow_model(m, NULL, 7, 9, &err), &err);
    ck_assert_uint_eq(m->variables[0].size, 0);
    ck_assert_uint_eq(m->variables[0].offset, 0);
    ck_assert_uint_eq(m->variables[1].size, 2);
    ck_assert_uint_eq(m->variables[1].cut, 1);
    ck_assert_int_eq(narrow_model(m, NULL, 1, 3, &err), ERR_INVALID);
    ck_assert_int_eq(narrow_model(m, NULL, 1, 1, &err), ERR_INVALID);
    model_destroy(&m);
}
END_TEST

START_TEST(a_view_borrows_all_but_the_variables)
{
    struct model *m = make("{\"units\":3}", "{}");
    struct model view = {0};
    struct err err = {0};

    narrow_release(&view);
    unit_ok(narrow_view(m, 4, 8, &view, &err), &err);
    ck_assert_uint_eq(view.parameters, 4);
    ck_assert_uint_eq(view.variables[0].size, 2);
    ck_assert_uint_eq(m->parameters, 9);
    ck_assert_uint_eq(m->variables[0].size, 6);
    narrow_release(&view);
    ck_assert_ptr_null(view.variables);
    ck_assert_int_eq(narrow_view(m, 4, 10, &view, &err), ERR_INVALID);
    model_destroy(&m);
}
END_TEST

START_TEST(parts_put_together_are_the_whole)
{
    static const size_t bounds[] = {0, 1, 5, 9};
    float from[27];
    float to[27] = {0};

    for (size_t i = 0; i < 27; i++) {
        from[i] = (float)i + 0.5F;
    }
    for (size_t i = 0; i < 3; i++) {
        uint8_t bytes[27 * sizeof(float) + 1];
        float part[27];

        narrow_copy(from, 9, 3, bounds[i], bounds[i + 1], part);
        memcpy(bytes + 1, part, sizeof(part)); /* where nothing is aligned */
        narrow_put(bytes + 1, 9, 3, bounds[i], bounds[i + 1], to);
    }
    ck_assert_mem_eq(from, to, sizeof(from));
}
END_TEST

START_TEST(rounds_are_cut_as_the_part_lays_them_out)
{
    struct model *m = make("{\"units\":3}", "{}");
    struct round_layout whole;
    struct round_layout part;
    float from[32];
    float to[32] = {0};
    struct err err = {0};

    unit_ok(round_layout_init(m, &whole, &err), &err);
    ck_assert_uint_eq(whole.size, 9 + 9 + 2);
    for (size_t i = 0; i < whole.size; i++) {
        from[i] = (float)i;
    }
    unit_ok(narrow_model(m, NULL, 4, 8, &err), &err);
    unit_ok(round_layout_init(m, &part, &err), &err);
    ck_assert_uint_eq(narrow_round(&whole, from, 4, 8, NULL), part.size);
    ck_assert_uint_eq(narrow_round(&whole, from, 4, 8, to), part.size);
    for (size_t k = 0; k < 4; k++) {
        ck_assert(to[k] == (float)(4 + k));
        ck_assert(to[part.parts[0].offset + k] == (float)(9 + 4 + k));
    }
    ck_assert(to[part.parts[0].offset + 4] == 18.0F); /* value */
    ck_assert(to[part.parts[0].offset + 5] == 19.0F); /* divisor */
    round_layout_deinit(&whole);
    round_layout_deinit(&part);
    model_destroy(&m);
}
END_TEST

START_TEST(what_is_of_whole_variables_is_told)
{
    struct err err = {0};
    struct model *m = make("{\"units\":3}", "{\"clipvalue\": 1}");

    unit_ok(narrow_check_elementwise(m, m->optimizer, &err), &err);
    model_destroy(&m);
    m = make("{\"units\":3}", "{\"clipnorm\": 1}");
    ck_assert_int_eq(narrow_check_elementwise(m, m->optimizer, &err),
                     ERR_UNSUPPORTED);
    model_destroy(&m);
    m = make("{\"units\":3,\"kernel_constraint\":{\"class_name\":\"MaxNorm\","
             "\"config\":{}}}",
             "{}");
    ck_assert_int_eq(narrow_check_elementwise(m, m->optimizer, &err),
                     ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "constraint of kernel"));
    model_destroy(&m);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("narrow");

    tcase_add_test(tc, variables_are_cut);
    tcase_add_test(tc, what_lies_outside_has_no_elements);
    tcase_add_test(tc, a_view_borrows_all_but_the_variables);
    tcase_add_test(tc, parts_put_together_are_the_whole);
    tcase_add_test(tc, rounds_are_cut_as_the_part_lays_them_out);
    tcase_add_test(tc, what_is_of_whole_variables_is_told);
    return tc;
}

UNIT_MAIN("narrow", basic)
