/* SPDX-License-Identifier: MIT
 *
 * check_round: what batches say of themselves in a round, put together: the
 * gradient, losses that are no means over rows, tables; and what is refused.
 * That it is what Keras does is tested with the programs
 * (tests/integration/test_rounds.py).
 */
#include "tests/unit/model/sample.h"

#include "common/mem.h"
#include "common/model/optimizer.h"
#include "common/model/round.h"

#include <string.h>

#define TABLE 6  /* 3 rows of 2 */
#define PARAMS 9 /* and 2 weights and a bias */

/* (3 numbers) -> Embedding -> Dense of 1, for each of them. */
static struct model *make(const char *mask_zero)
{
    struct model *model = NULL;
    struct tensor_ref in;
    struct tensor_ref at;
    char config[96];
    struct err err = {0};

    (void)snprintf(config, sizeof(config),
                   "{\"input_dim\": 3, \"output_dim\": 2, \"mask_zero\": %s}",
                   mask_zero);
    unit_ok(model_create("tables", &model, &err), &err);
    unit_ok(sample_add(model, "in", "InputLayer",
                       "{\"batch_shape\": [null, 3]}", true, NULL, &in, &err),
            &err);
    unit_ok(
        sample_add(model, "table", "Embedding", config, true, &in, &at, &err),
        &err);
    unit_ok(sample_add(model, "out", "Dense", "{\"units\": 1}", true, &at, &at,
                       &err),
            &err);
    unit_ok(model_set_inputs(model, &in, 1, &err), &err);
    unit_ok(model_set_outputs(model, &at, 1, &err), &err);
    unit_ok(model_finish(model, &err), &err);
    ck_assert_uint_eq(model->parameters, PARAMS);
    return model;
}

static void compile(struct model *model, const char *optimizer,
                    const char *options, const char *loss,
                    const char *loss_options)
{
    json_t *o = sample_json(options);
    json_t *l = sample_json(loss_options);
    struct object_spec rule = {.class_name = optimizer, .config = o};
    struct object_spec one = {.class_name = loss, .config = l};
    struct output_spec output = {
        .name = "out", .loss = &one, .loss_weight = 1.0};
    struct err err = {0};

    unit_ok(model_set_training(model, &rule, &output, 1, &err), &err);
    json_decref(o);
    json_decref(l);
}

static void lay_out(const struct model *model, struct round_layout *l)
{
    struct err err = {0};

    unit_ok(round_layout_init(model, l, &err), &err);
}

START_TEST(a_mean_is_the_gradient_alone)
{
    struct model *model = make("false");
    struct round_layout l;

    compile(model, "SGD", "{}", "mse", "{}");
    lay_out(model, &l);
    ck_assert_uint_eq(l.size, PARAMS);
    ck_assert_uint_eq(l.part_count, 0);
    ck_assert_uint_eq(l.table_count, 0);
    ck_assert_ptr_null(round_part_of(&l, 0));
    round_layout_deinit(&l);
    model_destroy(&model);
}
END_TEST

static const struct {
    const char *mask_zero;
    const char *options;
    bool sum;
    double loss; /* of mean 3 and divisor 2, over 10 rows */
} apart[] = {
    {"false", "{\"reduction\": \"sum\"}", true, 30.0},
    {"false", "{\"reduction\": \"mean_with_sample_weight\"}", false, 1.5},
    {"true", "{}", false, 1.5},
};

START_TEST(parts_are_scaled_and_added)
{
    struct model *model = make(apart[_i].mask_zero);
    struct gradient_piece none[1];
    struct gradient_pieces pieces = {.list = none};
    struct round_layout l;
    float mean[2 * PARAMS + 2] = {1.0f};

    compile(model, "SGD", "{}", "mse", apart[_i].options);
    lay_out(model, &l);
    ck_assert_uint_eq(l.size, 2 * PARAMS + 2);
    ck_assert_uint_eq(l.part_count, 1);
    ck_assert_ptr_eq(round_part_of(&l, 0), l.parts);
    ck_assert(l.parts[0].sum == apart[_i].sum);
    mean[PARAMS] = 4.0f;
    mean[2 * PARAMS] = 3.0f;
    mean[2 * PARAMS + 1] = 2.0f;
    unit_assert_close(round_loss(l.parts, &l, 10, mean), apart[_i].loss, 1e-6);
    round_finish(&l, model, 10, mean, &pieces);
    unit_assert_close(mean[0], 1.0 + apart[_i].loss / 3.0 * 4.0, 1e-6);
    mean[2 * PARAMS + 1] = 0.0f; /* nothing to divide by */
    ck_assert(apart[_i].sum || round_loss(l.parts, &l, 10, mean) == 0.0);
    round_layout_deinit(&l);
    model_destroy(&model);
}
END_TEST

static const struct {
    const char *optimizer;
    const char *options;
    bool squares;
    bool magnitudes;
} reads[] = {
    {"Adam", "{}", true, false},
    {"Adamax", "{}", false, true},
    {"Adamax", "{\"clipnorm\": 1.0}", true, true},
    {"Adamax", "{\"global_clipnorm\": 1.0}", true, false},
    {"SGD", "{\"clipnorm\": 1.0}", true, false},
};

/* Two batches of 2 and 6 rows that use row 1 of the table once and twice; as
 * pieces of the mean over 8 rows those are 1/4 and 3/4 as large. */
START_TEST(tables_are_as_pieces_of_all_rows)
{
    static const float row[2] = {1.0f, 1.0f};
    static const float values[4] = {4.0f, -8.0f, 2.0f, 4.0f};
    struct gradient_piece one = {
        .variable = 0, .count = 1, .width = 2, .rows = row, .values = values};
    struct gradient_piece two = {
        .variable = 0, .count = 2, .width = 2, .rows = row, .values = values};
    struct gradient_pieces first = {.list = &one, .count = 1};
    struct gradient_pieces second = {.list = &two, .count = 1};
    struct gradient_piece room[1];
    struct gradient_pieces all = {.list = room};
    struct model *model = make("false");
    float a[PARAMS + 2 * TABLE] = {0};
    float b[PARAMS + 2 * TABLE] = {0};
    struct round_layout l;
    size_t want = PARAMS;

    compile(model, reads[_i].optimizer, reads[_i].options, "mse", "{}");
    lay_out(model, &l);
    want += reads[_i].squares ? TABLE : 0u;
    want += reads[_i].magnitudes ? TABLE : 0u;
    ck_assert_uint_eq(l.size, want);
    round_put_tables(&l, model, &first, 2, a);
    round_put_tables(&l, model, &second, 6, b);
    for (size_t i = 0; i < l.size; i++) {
        a[i] = (2.0f * a[i] + 6.0f * b[i]) / 8.0f;
    }
    round_finish(&l, model, 8, a, &all);
    ck_assert_uint_eq(all.count, 1);
    ck_assert((room[0].squares != NULL) == reads[_i].squares);
    ck_assert((room[0].magnitudes != NULL) == reads[_i].magnitudes);
    if (reads[_i].squares) { /* 1 + 9 + 2.25, 4 + 36 + 9 */
        ck_assert_float_eq(room[0].squares[0], 0.0f);
        unit_assert_close(room[0].squares[2], 12.25, 1e-6);
        unit_assert_close(room[0].squares[3], 49.0, 1e-6);
        unit_assert_close(pieces_squares(&all, 0, TABLE), 61.25, 1e-6);
    }
    if (reads[_i].magnitudes) {
        unit_assert_close(room[0].magnitudes[2], 5.5, 1e-6);
    }
    round_put_tables(&l, model, NULL, 2, a);
    ck_assert_float_eq(a[l.size - 1], 0.0f);
    round_layout_deinit(&l);
    model_destroy(&model);
}
END_TEST

START_TEST(what_cannot_be_put_together)
{
    struct model *model = make("false");
    struct round_layout l;
    struct err err = {0};

    compile(model, "Adam", "{\"clipvalue\": 1.0}", "mse", "{}");
    ck_assert_int_eq(round_layout_init(model, &l, &err), ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "clipvalue"));
    unit_ok(round_check(model, &err), &err);
    compile(model, "SGD", "{}", "Dice", "{}");
    ck_assert_int_eq(round_check(model, &err), ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "--frequency epoch"));
    model_destroy(&model);
}
END_TEST

static TCase *rounds(void)
{
    TCase *tc = tcase_create("round");

    tcase_add_test(tc, a_mean_is_the_gradient_alone);
    tcase_add_loop_test(tc, parts_are_scaled_and_added, 0,
                        sizeof(apart) / sizeof(apart[0]));
    tcase_add_loop_test(tc, tables_are_as_pieces_of_all_rows, 0,
                        sizeof(reads) / sizeof(reads[0]));
    tcase_add_test(tc, what_cannot_be_put_together);
    return tc;
}

UNIT_MAIN("round", rounds)
