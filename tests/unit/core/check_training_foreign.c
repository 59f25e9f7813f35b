/* SPDX-License-Identifier: MIT
 *
 * check_training_foreign: changes by clients without a partition.
 */
#include "tests/lib/unit.h"

#include "tests/unit/core/linear.h"

#include <math.h>

static struct model *model;
static struct training *training;

static void begin(enum training_mode mode)
{
    const struct training_options options = {
        .mode = mode, .partitions = 1, .epochs = 1, .batch_size = 4};
    struct err err = {0};

    unit_ok(linear_model("sgd", "{}", &model, &err), &err);
    unit_ok(linear_training(model, &options, &training, &err), &err);
}

static void end(void)
{
    training_destroy(&training);
    model_destroy(&model);
}

static int change(const float delta[LINEAR_P], struct err *err)
{
    const struct delta_piece pieces[2] = {
        {0, 2, DELTA_FLOAT32, (const uint8_t *)delta},
        {2, 1, DELTA_FLOAT32, (const uint8_t *)(delta + 2)}};
    const struct delta whole = {pieces, 2, 0}; /* it is not relied on */

    return training_change(training, &whole, err);
}

START_TEST(is_subtracted_as_it_is)
{
    static const float delta[LINEAR_P] = {1, -2, 0.5F};
    float want[LINEAR_P];
    struct err err = {0};

    begin(_i == 0 ? TRAINING_ASYNCHRONOUS : TRAINING_HOGWILD);
    for (int i = 0; i < LINEAR_P; i++) {
        want[i] = training_state(training)->values[i] - delta[i];
    }
    unit_ok(change(delta, &err), &err);
    ck_assert_mem_eq(training_state(training)->values, want, sizeof(want));
    ck_assert_uint_eq(training_version(training), 1);
    end();
}
END_TEST

START_TEST(what_is_not_finite_is_named)
{
    static const float delta[LINEAR_P] = {1, 1, NAN};
    float before[LINEAR_P];
    struct err err = {0};

    begin(TRAINING_ASYNCHRONOUS);
    memcpy(before, training_state(training)->values, sizeof(before));
    ck_assert_int_eq(change(delta, &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "fc/bias, element 0"));
    ck_assert_mem_eq(training_state(training)->values, before, sizeof(before));
    ck_assert_uint_eq(training_version(training), 0);
    end();
}
END_TEST

START_TEST(a_synchronous_training_takes_none)
{
    static const float delta[LINEAR_P] = {0};
    struct err err = {0};

    begin(TRAINING_SYNCHRONOUS);
    ck_assert_int_eq(change(delta, &err), ERR_STATE);
    ck_assert_uint_eq(training_version(training), 0);
    end();
}
END_TEST

static TCase *all(void)
{
    TCase *tc = tcase_create("training_foreign");

    tcase_add_loop_test(tc, is_subtracted_as_it_is, 0, 2);
    tcase_add_test(tc, what_is_not_finite_is_named);
    tcase_add_test(tc, a_synchronous_training_takes_none);
    return tc;
}

UNIT_MAIN("training_foreign", all)
