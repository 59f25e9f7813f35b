/* SPDX-License-Identifier: MIT
 *
 * check_vector: exp, sigmoid and tanh of worker/nn/vector.h against libm in
 * double precision, over their whole range and at its ends.
 */
#include "tests/lib/unit.h"

#include "worker/nn/vector.h"

#include <float.h>

/* Distance in units in the last place of the right answer. */
static double ulps(float got, double want)
{
    float near = (float)want;
    double unit = (double)(nextafterf(fabsf(near), INFINITY) - fabsf(near));

    return fabs((double)got - want) / unit;
}

START_TEST(exp_is_exact_to_two_ulps)
{
    double worst = 0.0;

    for (double x = -87.0; x < 88.7; x += 1.0 / 1024 + 1e-5) {
        double off = ulps(vector_exp((float)x), exp((double)(float)x));

        worst = off > worst ? off : worst;
    }
    ck_assert_msg(worst <= 2.0, "off by %g ulps", worst);
}
END_TEST

START_TEST(exp_ends_well)
{
    ck_assert(vector_exp(0.0f) == 1.0f);
    ck_assert(isinf(vector_exp(89.0f)));
    ck_assert(isinf(vector_exp(INFINITY)));
    ck_assert(vector_exp(88.5f) < FLT_MAX);
    ck_assert(vector_exp(-105.0f) == 0.0f);
    ck_assert(vector_exp(-INFINITY) == 0.0f);
    ck_assert(isnan(vector_exp(NAN)));
    /* denormal results: a few units of the smallest number */
    for (float x = -103.0f; x < -87.0f; x += 0.01f) {
        ck_assert(fabs((double)vector_exp(x) - exp((double)x)) <
                  3.0 * 0x1p-149 + 2e-7 * exp((double)x));
    }
}
END_TEST

START_TEST(tanh_is_exact_to_two_ulps)
{
    double worst = 0.0;

    for (double x = -12.0; x < 12.0; x += 1.0 / 4096 + 1e-6) {
        double off = ulps(vector_tanh((float)x), tanh((double)(float)x));

        worst = off > worst ? off : worst;
    }
    ck_assert_msg(worst <= 2.0, "off by %g ulps", worst);
    ck_assert(vector_tanh(1e-20f) == 1e-20f);
    ck_assert(vector_tanh(100.0f) == 1.0f);
    ck_assert(vector_tanh(-INFINITY) == -1.0f);
    ck_assert(isnan(vector_tanh(NAN)));
}
END_TEST

START_TEST(sigmoid_is_right)
{
    for (double x = -100.0; x < 100.0; x += 0.013) {
        double want = 1.0 / (1.0 + exp(-(double)(float)x));

        ck_assert(fabs((double)vector_sigmoid((float)x) - want) <
                  4e-7 * want + 1e-38);
    }
    ck_assert(vector_sigmoid(-INFINITY) == 0.0f);
    ck_assert(vector_sigmoid(INFINITY) == 1.0f);
    ck_assert(isnan(vector_sigmoid(NAN)));
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("vector");

    tcase_add_test(tc, exp_is_exact_to_two_ulps);
    tcase_add_test(tc, exp_ends_well);
    tcase_add_test(tc, tanh_is_exact_to_two_ulps);
    tcase_add_test(tc, sigmoid_is_right);
    return tc;
}

UNIT_MAIN("vector", basic)
