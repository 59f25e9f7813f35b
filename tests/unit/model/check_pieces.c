/* SPDX-License-Identifier: MIT
 *
 * check_pieces: optimizer steps over a table whose rows were used more than
 * once: what is not linear is taken of each piece.
 */
#include "tests/lib/unit.h"

#include "common/model/model.h"
#include "common/model/optimizer.h"
#include "common/model/pieces.h"

#include <math.h>
#include <string.h>

#define ROWS 3
#define WIDTH 2
#define N (ROWS * WIDTH)

/* Row 0 twice, row 2 once, in two calls. */
static const float first_rows[] = {0.0f, 2.0f};
static const float first_values[] = {1.0f, -2.0f, 3.0f, 4.0f};
static const float second_rows[] = {0.0f};
static const float second_values[] = {2.0f, 2.0f};
static const float sums[N] = {3.0f, 0.0f, 0.0f, 0.0f, 3.0f, 4.0f};

struct table {
    struct variable variable;
    struct model model;
    struct gradient_piece list[2];
    struct gradient_pieces pieces;
    float scratch[N];
    float params[N];
    float gradient[N];
    float slots[3 * N];
    struct optimizer_state state;
    struct optimizer *opt;
};

static void begin(struct table *t, const char *class_name, const char *config)
{
    struct err err = {0};
    json_t *options = json_loads(config, 0, NULL);

    memset(t, 0, sizeof(*t));
    t->variable = (struct variable){.size = N,
                                    .shape = {.rank = 2, .dim = {ROWS, WIDTH}},
                                    .trainable = true};
    t->model.variables = &t->variable;
    t->model.variable_count = 1;
    t->model.parameters = N;
    t->list[0] = (struct gradient_piece){
        .count = 2, .width = WIDTH, .rows = first_rows, .values = first_values};
    t->list[1] = (struct gradient_piece){.count = 1,
                                         .width = WIDTH,
                                         .rows = second_rows,
                                         .values = second_values};
    t->pieces = (struct gradient_pieces){
        .list = t->list, .count = 2, .scratch = t->scratch};
    memcpy(t->gradient, sums, sizeof(sums));
    unit_ok(optimizer_create(class_name, options, &t->opt, &err), &err);
    optimizer_state_init(t->opt, &t->model, &t->state, t->slots);
    json_decref(options);
}

static void step(struct table *t, bool in_pieces)
{
    optimizer_step_pieces(t->opt, &t->model, &t->state, t->params, t->gradient,
                          in_pieces ? &t->pieces : NULL);
}

START_TEST(sums_of_what_is_asked_for)
{
    struct table t;
    float got[N];

    begin(&t, "SGD", "{}");
    ck_assert(pieces_have(&t.pieces, 0));
    ck_assert(!pieces_have(&t.pieces, 1));
    ck_assert(!pieces_have(NULL, 0));
    unit_assert_close(pieces_squares(&t.pieces, 0, N), 38.0, 1e-7);
    pieces_sum(&t.pieces, 0, PIECES_VALUES, 0.0f, got, N);
    ck_assert_mem_eq(got, sums, sizeof(sums));
    pieces_sum(&t.pieces, 0, PIECES_SQUARES, 0.0f, got, N);
    ck_assert_float_eq(got[0], 5.0f); /* 1 + 4, not 9 */
    ck_assert_float_eq(got[1], 8.0f);
    ck_assert_float_eq(got[2], 0.0f);
    pieces_sum(&t.pieces, 0, PIECES_MAGNITUDES, 1.5f, got, N);
    ck_assert_float_eq(got[0], 2.5f);
    ck_assert_float_eq(got[1], 3.0f);
    ck_assert_float_eq(got[5], 1.5f);
    optimizer_destroy(&t.opt);
}
END_TEST

START_TEST(squares_of_pieces)
{
    struct table t;

    begin(&t, "RMSprop", "{\"rho\": 0.5}");
    step(&t, true);
    ck_assert_float_eq(t.slots[0], 2.5f);
    ck_assert_float_eq(t.slots[1], 4.0f);
    ck_assert_float_eq(t.slots[4], 4.5f);
    unit_assert_close(t.params[0], -0.001 * 3.0 / sqrt(2.5), 1e-6);
    ck_assert_float_eq(t.params[1], 0.0f); /* 2 - 2 */
    optimizer_destroy(&t.opt);
    begin(&t, "RMSprop", "{\"rho\": 0.5}");
    step(&t, false);
    ck_assert_float_eq(t.slots[0], 4.5f);
    optimizer_destroy(&t.opt);
}
END_TEST

START_TEST(clips_pieces)
{
    struct table t;
    double norm = sqrt(38.0);

    begin(&t, "SGD", "{\"learning_rate\": 1.0, \"clipvalue\": 1.5}");
    step(&t, true);
    ck_assert_float_eq(t.params[0], -2.5f); /* 1 + 1.5 */
    ck_assert_float_eq(t.params[1], 0.0f);
    ck_assert_float_eq(t.params[4], -1.5f);
    optimizer_destroy(&t.opt);
    begin(&t, "SGD", "{\"learning_rate\": 1.0, \"clipnorm\": 1.0}");
    step(&t, true);
    unit_assert_close(t.params[0], -3.0 / norm, 1e-6);
    optimizer_destroy(&t.opt);
    begin(&t, "SGD", "{\"learning_rate\": 1.0, \"global_clipnorm\": 1.0}");
    step(&t, true);
    unit_assert_close(t.params[4], -3.0 / norm, 1e-6);
    optimizer_destroy(&t.opt);
    begin(&t, "Adam", "{\"clipnorm\": 1.0, \"beta_2\": 0.0}");
    step(&t, true);
    unit_assert_close(t.slots[N], 5.0 / 38.0, 1e-6); /* clipped squares */
    optimizer_destroy(&t.opt);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("pieces");

    tcase_add_test(tc, sums_of_what_is_asked_for);
    tcase_add_test(tc, squares_of_pieces);
    tcase_add_test(tc, clips_pieces);
    return tc;
}

UNIT_MAIN("pieces", basic)
