/* SPDX-License-Identifier: MIT
 *
 * check_evaluation: each partition counts once, sums do not depend on the
 * order of arrival, and what cannot be a result is refused.
 */
#include "tests/unit/core/linear.h"

#include "driver/core/evaluation.h"

#include <math.h>

static struct totals *sums_of(const struct model *model, uint32_t p,
                              uint64_t rows)
{
    const float w[LINEAR_P] = {1, 1, 0};
    struct totals *totals = NULL;
    struct err err = {0};

    unit_ok(totals_create(model, &totals, &err), &err);
    linear_batch(w, 3, p, 0, rows, NULL, totals);
    return totals;
}

/* mean squared and absolute error over the first rows of each partition */
static void reference(const uint64_t rows[3], double *mse, double *mae)
{
    uint64_t n = 0;

    *mse = 0;
    *mae = 0;
    for (uint32_t p = 0; p < 3; p++) {
        for (uint64_t k = 0; k < rows[p]; k++) {
            float x[2];
            float y;
            double d;

            linear_row(k * 3 + p, x, &y);
            d = (double)(x[0] + x[1]) - (double)y;
            *mse += d * d;
            *mae += fabs(d);
            n++;
        }
    }
    *mse /= (double)n;
    *mae /= (double)n;
}

START_TEST(partitions_add_up_in_any_order)
{
    static const uint32_t orders[][3] = {{0, 1, 2}, {2, 1, 0}, {1, 2, 0}};
    const uint64_t rows[3] = {5, 0, 17};
    struct model *model = NULL;
    struct err err = {0};
    double first = 0;
    double mse;
    double mae;

    reference(rows, &mse, &mae);
    unit_ok(linear_model("sgd", "{}", &model, &err), &err);
    for (int o = 0; o < 3; o++) {
        struct evaluation *e = NULL;
        json_t *result = NULL;
        double loss;

        unit_ok(evaluation_create(model, 3, &e, &err), &err);
        for (int k = 0; k < 3; k++) {
            uint32_t p = orders[o][k];
            struct totals *sums = sums_of(model, p, rows[p]);
            bool duplicate = true;

            ck_assert(!evaluation_complete(e));
            unit_ok(evaluation_add(e, p, rows[p], sums, &duplicate, &err),
                    &err);
            ck_assert(!duplicate);
            unit_ok(evaluation_add(e, p, rows[p], sums, &duplicate, &err),
                    &err);
            ck_assert(duplicate);
            totals_destroy(&sums);
        }
        ck_assert(evaluation_complete(e));
        ck_assert_uint_eq(evaluation_samples(e), 22);
        unit_ok(evaluation_result(e, &result, &err), &err);
        ck_assert_uint_eq(json_object_size(result), 2);
        loss = json_number_value(json_object_get(result, "loss"));
        unit_assert_close(loss, mse, 1e-6);
        unit_assert_close(json_number_value(json_object_get(result, "mae")),
                          mae, 1e-6);
        ck_assert(o == 0 || loss == first);
        first = loss;
        json_decref(result);
        evaluation_destroy(&e);
    }
    model_destroy(&model);
}
END_TEST

START_TEST(a_prediction_counts_rows)
{
    struct evaluation *e = NULL;
    struct err err = {0};
    bool duplicate;

    unit_ok(evaluation_create(NULL, 2, &e, &err), &err);
    unit_ok(evaluation_add(e, 1, 10, NULL, &duplicate, &err), &err);
    unit_ok(evaluation_add(e, 0, 11, NULL, &duplicate, &err), &err);
    unit_ok(evaluation_add(e, 0, 11, NULL, &duplicate, &err), &err);
    ck_assert(duplicate);
    ck_assert(evaluation_complete(e));
    ck_assert_uint_eq(evaluation_samples(e), 21);
    evaluation_destroy(&e);
    evaluation_destroy(&e);
}
END_TEST

START_TEST(refusals_leave_no_trace)
{
    struct model *model = NULL;
    struct evaluation *e = NULL;
    struct totals *sums;
    json_t *result = NULL;
    struct err err = {0};
    bool duplicate;
    size_t n;

    unit_ok(linear_model("sgd", "{}", &model, &err), &err);
    ck_assert_int_eq(evaluation_create(model, 0, &e, &err), ERR_INVALID);
    unit_ok(evaluation_create(model, 2, &e, &err), &err);
    sums = sums_of(model, 0, 3);
    ck_assert_int_eq(evaluation_add(e, 2, 3, sums, &duplicate, &err),
                     ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "partition 2"));
    ck_assert_int_eq(evaluation_add(e, 0, 0, sums, &duplicate, &err),
                     ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "sums without rows"));
    totals_state(sums, 1, &n)[0] = (double)NAN;
    ck_assert_int_eq(evaluation_add(e, 0, 3, sums, &duplicate, &err),
                     ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "partition 0: mae is not a number"));
    totals_clear(sums);
    unit_ok(evaluation_add(e, 0, 0, sums, &duplicate, &err), &err);
    unit_ok(evaluation_add(e, 1, 0, sums, &duplicate, &err), &err);
    ck_assert(evaluation_complete(e));
    ck_assert_int_eq(evaluation_result(e, &result, &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "not a single row"));
    ck_assert_ptr_null(result);
    totals_destroy(&sums);
    evaluation_destroy(&e);
    model_destroy(&model);
}
END_TEST

struct sweep {
    struct model *model;
    struct totals *sums;
};

static int whole_run(void *state, struct err *err)
{
    struct sweep *s = state;
    struct evaluation *e = NULL;
    json_t *result = NULL;
    bool duplicate;
    int rc = evaluation_create(s->model, 1, &e, err);

    if (rc == 0 &&
        (rc = evaluation_add(e, 0, 3, s->sums, &duplicate, err)) == 0) {
        rc = evaluation_result(e, &result, err);
    }
    ck_assert((rc == 0) == (result != NULL));
    json_decref(result);
    evaluation_destroy(&e);
    return rc;
}

START_TEST(memory_may_run_out)
{
    struct sweep s = {0};
    struct err err = {0};

    json_set_alloc_funcs(mem_alloc, mem_free);
    unit_ok(linear_model("sgd", "{}", &s.model, &err), &err);
    s.sums = sums_of(s.model, 0, 3);
    ck_assert_int_gt(unit_oom_sweep(whole_run, &s), 10);
    totals_destroy(&s.sums);
    model_destroy(&s.model);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("evaluation");

    tcase_add_test(tc, partitions_add_up_in_any_order);
    tcase_add_test(tc, a_prediction_counts_rows);
    tcase_add_test(tc, refusals_leave_no_trace);
    tcase_add_test(tc, memory_may_run_out);
    return tc;
}

UNIT_MAIN("evaluation", basic)
