/* SPDX-License-Identifier: MIT
 *
 * check_fixsum: sums against 1024-bit integers done here the slow way, every
 * order of adding, one vector giving itself back, range and refusals.
 */
#include "tests/lib/unit.h"

#include "common/mem.h"
#include "common/rng.h"
#include "driver/core/fixsum.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define N 257
#define VECTORS 9

static const uint8_t *bytes(const float *values)
{
    return (const uint8_t *)values;
}

/* A float of random sign and mantissa with an exponent from low to high. */
static float draw(struct rng *rng, int low, int high)
{
    int e = low + (int)rng_below(rng, (uint64_t)(high - low + 1));
    float m = 1.0F + (float)rng_below(rng, 1 << 23) * 0x1p-23F;

    return ldexpf(rng_below(rng, 2) == 0 ? m : -m, e);
}

/* sum of weight * value in units of 2^-110 as a 192-bit integer in three
 * limbs, by shifting and adding one bit at a time */
static void slow_add(uint32_t acc[6], float value, uint64_t weight)
{
    int e = 0;
    double m = frexp(fabs((double)value), &e); /* 0.5 <= m < 1 */
    uint64_t integer = (uint64_t)ldexp(m, 24) * weight;
    int at = e - 24 + 110;

    for (int bit = 0; bit < 64; bit++) {
        int place = at + bit;

        if ((integer >> bit & 1) == 0 || place < 0) {
            continue;
        }
        ck_assert_int_lt(place, 191);
        if (value > 0) {
            uint64_t carry = UINT64_C(1) << (place % 32);
            for (int i = place / 32; i < 6 && carry != 0; i++) {
                uint64_t s = acc[i] + carry;
                acc[i] = (uint32_t)s;
                carry = s >> 32;
            }
        } else {
            uint64_t borrow = UINT64_C(1) << (place % 32);
            for (int i = place / 32; i < 6 && borrow != 0; i++) {
                uint64_t d = acc[i] - borrow;
                acc[i] = (uint32_t)d;
                borrow = d >> 63;
            }
        }
    }
}

/* Through long double (64 bits): twice rounded at worst, so compared within
 * one unit of the last place of a double. */
static double slow_value(const uint32_t acc[6])
{
    uint32_t x[6];
    bool negative = acc[5] >> 31 != 0;
    uint64_t carry = negative ? 1 : 0;
    long double value = 0;

    for (int i = 0; i < 6; i++) {
        uint64_t s = (uint64_t)(negative ? ~acc[i] : acc[i]) + carry;
        x[i] = (uint32_t)s;
        carry = s >> 32;
    }
    for (int i = 5; i >= 0; i--) {
        value = value * 0x1p32L + (long double)x[i];
    }
    value = ldexpl(value, -110);
    return (double)(negative ? -value : value);
}

START_TEST(sums_are_those_of_big_integers)
{
    struct fixsum *sum = NULL;
    struct err err = {0};
    float values[VECTORS][N];
    float mean[N];
    uint64_t weights[VECTORS];
    uint32_t acc[6];
    uint64_t total = 0;
    struct rng rng;
    int low = -126 + _i * 20; /* ranges from the smallest to the largest */

    rng_init(&rng, 1, RNG_NOISE, (uint64_t)_i, 0, 0);
    unit_ok(fixsum_create(N, &sum, &err), &err);
    for (int v = 0; v < VECTORS; v++) {
        weights[v] = 1 + rng_below(&rng, 1 << 20);
        total += weights[v];
        for (int i = 0; i < N; i++) {
            values[v][i] = draw(&rng, low, low + 30 > 49 ? 49 : low + 30);
        }
        unit_ok(fixsum_add(sum, bytes(values[v]), weights[v], NULL, &err),
                &err);
    }
    ck_assert_uint_eq(fixsum_total(sum), total);
    fixsum_mean(sum, mean);
    for (int i = 0; i < N; i++) {
        float want;

        memset(acc, 0, sizeof(acc));
        for (int v = 0; v < VECTORS; v++) {
            slow_add(acc, values[v][i], weights[v]);
        }
        want = (float)(slow_value(acc) / (double)total);
        ck_assert_msg(mean[i] == want, "element %d: %a, want %a", i,
                      (double)mean[i], (double)want);
    }
    fixsum_destroy(&sum);
}
END_TEST

START_TEST(order_does_not_matter)
{
    struct fixsum *sum = NULL;
    struct err err = {0};
    float values[VECTORS][N];
    float first[N];
    float mean[N];
    uint64_t order[VECTORS];
    struct rng rng;

    rng_init(&rng, 2, RNG_NOISE, 0, 0, 0);
    for (int v = 0; v < VECTORS; v++) {
        for (int i = 0; i < N; i++) {
            values[v][i] = draw(&rng, -60, 20);
        }
    }
    unit_ok(fixsum_create(N, &sum, &err), &err);
    for (int round = 0; round < 50; round++) {
        rng_permutation(&rng, order, VECTORS);
        fixsum_clear(sum);
        for (int v = 0; v < VECTORS; v++) {
            unit_ok(fixsum_add(sum, bytes(values[order[v]]), order[v] * 3 + 1,
                               NULL, &err),
                    &err);
        }
        fixsum_mean(sum, round == 0 ? first : mean);
        ck_assert(round == 0 || memcmp(first, mean, sizeof(mean)) == 0);
    }
    fixsum_destroy(&sum);
}
END_TEST

/* Whatever its weight, one vector gives itself back, and applying it is the
 * plain subtraction. */
START_TEST(one_vector_is_its_own_mean)
{
    static const uint64_t weights[] = {
        1, 3, 1000, 60001, 2147483647, UINT64_C(0xffffffffff)};
    struct fixsum *sum = NULL;
    struct err err = {0};
    float values[N];
    float target[N];
    float plain[N];
    float mean[N];
    struct rng rng;

    rng_init(&rng, 3, RNG_NOISE, (uint64_t)_i, 0, 0);
    unit_ok(fixsum_create(N, &sum, &err), &err);
    for (int i = 0; i < N; i++) {
        values[i] = i == 0 ? 0.0F : draw(&rng, -87, 20);
        target[i] = draw(&rng, -30, 5);
        plain[i] = target[i] - values[i];
    }
    unit_ok(fixsum_add(sum, bytes(values), weights[_i], NULL, &err), &err);
    fixsum_mean(sum, mean);
    fixsum_subtract_mean(sum, target);
    ck_assert_mem_eq(mean, values, sizeof(mean));
    ck_assert_mem_eq(target, plain, sizeof(plain));
    fixsum_destroy(&sum);
}
END_TEST

START_TEST(cancellation_loses_nothing)
{
    const float a[3] = {1e10F, -1e15F, 0x1p-87F};
    const float b[3] = {-1e10F, 1e15F, 1e15F};
    const float c[3] = {1e-24F, 3.0F, -1e15F};
    float mean[3];
    struct fixsum *sum = NULL;
    struct err err = {0};

    unit_ok(fixsum_create(3, &sum, &err), &err);
    unit_ok(fixsum_add(sum, bytes(a), 1, NULL, &err), &err);
    unit_ok(fixsum_add(sum, bytes(b), 1, NULL, &err), &err);
    unit_ok(fixsum_add(sum, bytes(c), 1, NULL, &err), &err);
    fixsum_mean(sum, mean);
    ck_assert(mean[0] == (float)((double)1e-24F / 3));
    ck_assert(mean[1] == 1.0F);
    ck_assert(mean[2] == (float)(0x1p-87 / 3));
    fixsum_destroy(&sum);
}
END_TEST

START_TEST(small_values_are_cut_towards_zero)
{
    const float a[4] = {0x1.8p-110F, -0x1.8p-110F, FLT_TRUE_MIN, -FLT_MIN};
    float mean[4];
    struct fixsum *sum = NULL;
    struct err err = {0};

    unit_ok(fixsum_create(4, &sum, &err), &err);
    unit_ok(fixsum_add(sum, bytes(a), 1, NULL, &err), &err);
    fixsum_mean(sum, mean);
    ck_assert(mean[0] == 0x1p-110F);
    ck_assert(mean[1] == -0x1p-110F);
    ck_assert(mean[2] == 0);
    ck_assert(mean[3] == 0);
    fixsum_destroy(&sum);
}
END_TEST

START_TEST(the_documented_range_fits)
{
    const float a[4] = {1e15F, -1e15F, 1e-30F, -1e-30F};
    float mean[4];
    struct fixsum *sum = NULL;
    struct err err = {0};

    unit_ok(fixsum_create(4, &sum, &err), &err);
    unit_ok(fixsum_add(sum, bytes(a), UINT64_C(1) << 31, NULL, &err), &err);
    fixsum_mean(sum, mean);
    ck_assert(mean[0] == a[0]);
    ck_assert(mean[1] == a[1]);
    unit_assert_close(mean[2] * 1e30F, 1, 1e-6);
    unit_assert_close(mean[3] * 1e30F, -1, 1e-6);
    fixsum_destroy(&sum);
}
END_TEST

START_TEST(what_does_not_fit_is_named_and_leaves_no_trace)
{
    static const struct {
        float bad;
        const char *says;
    } table[] = {{NAN, "element 5 is not a number"},
                 {INFINITY, "element 5 is infinite"},
                 {-INFINITY, "element 5 is infinite"},
                 {1e17F, "element 5 is 1e+17, too large"},
                 {-FLT_MAX, "element 5 is -3.4"}};
    float values[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    float before[8];
    float after[8];
    struct fixsum *sum = NULL;
    struct err err = {0};
    size_t element = 0;

    unit_ok(fixsum_create(8, &sum, &err), &err);
    unit_ok(fixsum_add(sum, bytes(values), 3, NULL, &err), &err);
    fixsum_mean(sum, before);
    values[5] = table[_i].bad;
    ck_assert_int_eq(
        fixsum_add(sum, bytes(values), UINT64_C(1) << 30, &element, &err),
        ERR_INVALID);
    ck_assert_uint_eq(element, 5);
    ck_assert_msg(strstr(err.msg, table[_i].says) == err.msg, "%s", err.msg);
    ck_assert_uint_eq(fixsum_total(sum), 3);
    fixsum_mean(sum, after);
    ck_assert_mem_eq(before, after, sizeof(before));
    fixsum_destroy(&sum);
}
END_TEST

/* Vectors that fit alone but not together: refused before the sign flips. */
START_TEST(the_bound_counts_all_vectors)
{
    const float big = 0x1p50F;
    struct fixsum *sum = NULL;
    struct err err = {0};
    float mean = 0;

    unit_ok(fixsum_create(1, &sum, &err), &err);
    unit_ok(fixsum_add(sum, bytes(&big), UINT64_C(1) << 30, NULL, &err), &err);
    ck_assert_int_eq(
        fixsum_add(sum, bytes(&big), UINT64_C(1) << 30, NULL, &err),
        ERR_INVALID);
    unit_ok(fixsum_add(sum, bytes(&big), (UINT64_C(1) << 30) - 1, NULL, &err),
            &err);
    fixsum_mean(sum, &mean);
    ck_assert(mean == big);
    fixsum_destroy(&sum);
}
END_TEST

START_TEST(any_alignment_will_do)
{
    uint8_t raw[4 * N + 1];
    float values[N];
    float mean[N];
    struct fixsum *sum = NULL;
    struct err err = {0};

    for (int i = 0; i < N; i++) {
        values[i] = (float)i * 0.37F;
    }
    memcpy(raw + 1, values, sizeof(values));
    unit_ok(fixsum_create(N, &sum, &err), &err);
    unit_ok(fixsum_add(sum, raw + 1, 1, NULL, &err), &err);
    fixsum_mean(sum, mean);
    ck_assert_mem_eq(mean, values, sizeof(mean));
    fixsum_destroy(&sum);
    fixsum_destroy(&sum);
}
END_TEST

static int create(void *state, struct err *err)
{
    struct fixsum *sum = NULL;
    int rc = fixsum_create(*(size_t *)state, &sum, err);

    ck_assert((rc == 0) == (sum != NULL));
    fixsum_destroy(&sum);
    return rc;
}

START_TEST(memory_may_run_out)
{
    size_t n = 100;
    struct fixsum *sum = NULL;
    struct err err = {0};

    ck_assert_int_eq(unit_oom_sweep(create, &n), 2);
    ck_assert_int_eq(fixsum_create(SIZE_MAX / 3, &sum, &err), ERR_NOMEM);
    ck_assert_int_eq(fixsum_create(SIZE_MAX, &sum, &err), ERR_NOMEM);
    ck_assert_ptr_null(sum);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("fixsum");

    tcase_add_loop_test(tc, sums_are_those_of_big_integers, 0, 8);
    tcase_add_test(tc, order_does_not_matter);
    tcase_add_loop_test(tc, one_vector_is_its_own_mean, 0, 6);
    tcase_add_test(tc, cancellation_loses_nothing);
    tcase_add_test(tc, small_values_are_cut_towards_zero);
    tcase_add_test(tc, the_documented_range_fits);
    tcase_add_loop_test(tc, what_does_not_fit_is_named_and_leaves_no_trace, 0,
                        5);
    tcase_add_test(tc, the_bound_counts_all_vectors);
    tcase_add_test(tc, any_alignment_will_do);
    tcase_add_test(tc, memory_may_run_out);
    return tc;
}

UNIT_MAIN("fixsum", basic)
