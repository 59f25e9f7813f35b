/* SPDX-License-Identifier: MIT
 *
 * check_batch: packed rows spread over the arrays of inputs and outputs.
 */
#include "tests/unit/worker/fixture.h"

#include "worker/batch.h"

#define ROOM 5

START_TEST(gathers_rows)
{
    struct model *m = fixture_heads(2, 3, "linear", "mse", 2);
    const struct row_layout layout = {2, 6, true, 9};
    struct batch *b = NULL;
    const struct net_batch *net;
    struct err err = {0};

    unit_ok(batch_create(m, &layout, ROOM, &b, &err), &err);
    ck_assert_uint_eq(batch_room(b), ROOM);
    for (int round = 0; round < 2; round++) {
        for (size_t r = 0; r < ROOM; r++) {
            float row[9];

            for (size_t k = 0; k < 9; k++) {
                row[k] = (float)(r * 10 + k);
            }
            batch_add(b, row);
        }
        ck_assert_uint_eq(batch_rows(b), ROOM);
        net = batch_net(b);
        ck_assert_uint_eq(net->rows, ROOM);
        for (size_t r = 0; r < ROOM; r++) {
            ck_assert(net->x[0][r * 2 + 1] == (float)(r * 10 + 1));
            ck_assert(net->y[0][r * 3] == (float)(r * 10 + 2));
            ck_assert(net->y[1][r * 3 + 2] == (float)(r * 10 + 7));
            ck_assert(net->weights[r] == (float)(r * 10 + 8));
        }
        batch_clear(b);
        ck_assert_uint_eq(batch_rows(b), 0);
    }
    batch_destroy(&b);
    ck_assert_ptr_null(b);
    model_destroy(&m);
}
END_TEST

START_TEST(does_without_labels_and_weights)
{
    struct model *m = fixture_model(2, 3, "linear", NULL);
    const struct row_layout layout = {2, 0, false, 2};
    struct batch *b = NULL;
    struct err err = {0};

    unit_ok(batch_create(m, &layout, 1, &b, &err), &err);
    batch_add(b, (const float[]){7, 8});
    ck_assert_ptr_null(batch_net(b)->y);
    ck_assert_ptr_null(batch_net(b)->weights);
    ck_assert(batch_net(b)->x[0][1] == 8);
    batch_destroy(&b);
    model_destroy(&m);
}
END_TEST

START_TEST(refuses_what_no_memory_can_hold)
{
    struct model *m = fixture_model(1000, 3, "linear", NULL);
    const struct row_layout layout = {1000, 0, false, 1000};
    struct batch *b = NULL;
    struct err err = {0};

    ck_assert_int_eq(batch_create(m, &layout, SIZE_MAX / 100, &b, &err),
                     ERR_LIMIT);
    ck_assert_ptr_null(b);
    model_destroy(&m);
}
END_TEST

static int create(void *state, struct err *err)
{
    const struct row_layout layout = {2, 3, true, 6};
    struct batch *b = NULL;
    int rc = batch_create(state, &layout, ROOM, &b, err);

    batch_destroy(&b);
    return rc;
}

START_TEST(survives_refused_memory)
{
    struct model *m = fixture_model(2, 3, "linear", "mse");

    ck_assert_int_eq(unit_oom_sweep(create, m), 4);
    model_destroy(&m);
}
END_TEST

static TCase *all(void)
{
    TCase *tc = tcase_create("batch");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, gathers_rows);
    tcase_add_test(tc, does_without_labels_and_weights);
    tcase_add_test(tc, refuses_what_no_memory_can_hold);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("batch", all)
