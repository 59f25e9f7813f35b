/* SPDX-License-Identifier: MIT
 *
 * check_rng: Philox against its published known answers (kat_vectors of
 * Random123 1.14, D. E. Shaw Research), streams, and the distributions.
 */
#include "tests/lib/unit.h"

#include "common/rng.h"

#include <math.h>
#include <string.h>

static const struct {
    uint32_t counter[4];
    uint32_t key[2];
    uint32_t answer[4];
} known[] = {
    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
     {0xffffffff, 0xffffffff},
     {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
     {0xa4093822, 0x299f31d0},
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};

START_TEST(known_answers)
{
    struct rng r = {.used = 4};

    memcpy(r.counter, known[_i].counter, sizeof(r.counter));
    memcpy(r.key, known[_i].key, sizeof(r.key));
    for (int k = 0; k < 4; k++) {
        ck_assert_uint_eq(rng_u32(&r), known[_i].answer[k]);
    }
}
END_TEST

START_TEST(the_counter_carries)
{
    struct rng r = {.counter = {UINT32_MAX, 5, 7, 9}, .used = 4};

    (void)rng_u32(&r);
    ck_assert_uint_eq(r.counter[0], 0);
    ck_assert_uint_eq(r.counter[1], 6);
    ck_assert_uint_eq(r.counter[2], 7);
    ck_assert_uint_eq(r.counter[3], 9);
}
END_TEST

START_TEST(a_name_is_a_stream)
{
    struct rng a;
    struct rng b;
    uint32_t first[8];

    rng_init(&a, 1, RNG_SHUFFLE, 2, 3, 4);
    for (int i = 0; i < 8; i++) {
        first[i] = rng_u32(&a);
    }
    rng_init(&b, 1, RNG_SHUFFLE, 2, 3, 4);
    for (int i = 0; i < 8; i++) {
        ck_assert_uint_eq(rng_u32(&b), first[i]);
    }
}
END_TEST

/* Near names share nothing: every part of the name matters. */
START_TEST(near_names_differ)
{
    const uint64_t names[][5] = {
        {1, RNG_SHUFFLE, 2, 3, 4}, {2, RNG_SHUFFLE, 2, 3, 4},
        {1, RNG_DROPOUT, 2, 3, 4}, {1, RNG_SHUFFLE, 3, 3, 4},
        {1, RNG_SHUFFLE, 2, 4, 4}, {1, RNG_SHUFFLE, 2, 3, 5},
        {1, RNG_SHUFFLE, 3, 2, 4}, {1, RNG_SHUFFLE, 2, 4, 3},
        {1, RNG_SHUFFLE, 4, 3, 2}, {0, RNG_SHUFFLE, 0, 0, 0},
        {0, RNG_SHUFFLE, 0, 0, 1}, {0, RNG_SHUFFLE, 0, 1, 0},
        {0, RNG_SHUFFLE, 1, 0, 0}, {1, RNG_SHUFFLE, 0, 0, 0},
    };
    uint64_t drawn[14];

    for (size_t i = 0; i < 14; i++) {
        struct rng r;

        rng_init(&r, names[i][0], (enum rng_use)names[i][1], names[i][2],
                 names[i][3], names[i][4]);
        drawn[i] = (uint64_t)rng_u32(&r) << 32 | rng_u32(&r);
        for (size_t k = 0; k < i; k++) {
            ck_assert_msg(drawn[i] != drawn[k], "%zu and %zu", i, k);
        }
    }
}
END_TEST

#define DRAWS 200000

START_TEST(uniform_is_uniform)
{
    struct rng r;
    size_t bins[16] = {0};
    double sum = 0;
    double chi = 0;

    rng_init(&r, 5, RNG_INITIALIZER, 0, 0, 0);
    for (int i = 0; i < DRAWS; i++) {
        float x = rng_uniform(&r);

        ck_assert(x >= 0.0f && x < 1.0f);
        ck_assert(x * 0x1p24f == floorf(x * 0x1p24f));
        bins[(int)(x * 16)]++;
        sum += (double)x;
    }
    unit_assert_close(sum / DRAWS, 0.5, 2e-3);
    for (int i = 0; i < 16; i++) {
        double d = (double)bins[i] - DRAWS / 16.0;

        chi += d * d / (DRAWS / 16.0);
    }
    ck_assert_msg(chi < 37.7, "chi square %g", chi); /* 15 degrees, 0.1 % */
}
END_TEST

START_TEST(normal_is_normal)
{
    struct rng r;
    double sum = 0;
    double square = 0;
    double fourth = 0;

    rng_init(&r, 6, RNG_NOISE, 1, 0, 0);
    for (int i = 0; i < DRAWS; i++) {
        double x = (double)rng_normal(&r);

        ck_assert(isfinite(x));
        sum += x;
        square += x * x;
        fourth += x * x * x * x;
    }
    unit_assert_close(sum / DRAWS, 0.0, 1e-2);
    unit_assert_close(square / DRAWS, 1.0, 1e-2);
    unit_assert_close(fourth / DRAWS, 3.0, 3e-2); /* kurtosis of a normal */
}
END_TEST

START_TEST(below_is_even)
{
    struct rng r;
    size_t count[7] = {0};

    rng_init(&r, 7, RNG_SHUFFLE, 0, 0, 0);
    for (int i = 0; i < 70000; i++) {
        uint64_t x = rng_below(&r, 7);

        ck_assert_uint_lt(x, 7);
        count[x]++;
    }
    for (int i = 0; i < 7; i++) {
        ck_assert_uint_gt(count[i], 9500);
        ck_assert_uint_lt(count[i], 10500);
    }
    ck_assert_uint_eq(rng_below(&r, 1), 0);
    for (int i = 0; i < 100; i++) {
        ck_assert_uint_lt(rng_below(&r, UINT64_MAX), UINT64_MAX);
    }
}
END_TEST

START_TEST(a_permutation_holds_all)
{
    struct rng r;
    uint64_t order[1000];
    unsigned char seen[1000] = {0};
    size_t fixed = 0;

    rng_init(&r, 8, RNG_SHUFFLE, 1, 2, 3);
    rng_permutation(&r, order, 0);
    rng_permutation(&r, order, 1);
    ck_assert_uint_eq(order[0], 0);
    rng_permutation(&r, order, 1000);
    for (size_t i = 0; i < 1000; i++) {
        ck_assert_uint_lt(order[i], 1000);
        ck_assert_uint_eq(seen[order[i]], 0);
        seen[order[i]] = 1;
        fixed += order[i] == i;
    }
    ck_assert_uint_lt(fixed, 10); /* one is expected */
}
END_TEST

/* All 24 orders of four things come equally often. */
START_TEST(permutations_are_fair)
{
    size_t count[256] = {0};
    size_t kinds = 0;

    for (uint64_t i = 0; i < 24000; i++) {
        struct rng r;
        uint64_t o[4];

        rng_init(&r, 9, RNG_SHUFFLE, i, 0, 0);
        rng_permutation(&r, o, 4);
        count[o[0] | o[1] << 2 | o[2] << 4 | o[3] << 6]++;
    }
    for (size_t i = 0; i < 256; i++) {
        if (count[i] != 0) {
            kinds++;
            ck_assert_uint_gt(count[i], 850);
            ck_assert_uint_lt(count[i], 1150);
        }
    }
    ck_assert_uint_eq(kinds, 24);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("rng");

    tcase_add_loop_test(tc, known_answers, 0, sizeof(known) / sizeof(*known));
    tcase_add_test(tc, the_counter_carries);
    tcase_add_test(tc, a_name_is_a_stream);
    tcase_add_test(tc, near_names_differ);
    tcase_add_test(tc, uniform_is_uniform);
    tcase_add_test(tc, normal_is_normal);
    tcase_add_test(tc, below_is_even);
    tcase_add_test(tc, a_permutation_holds_all);
    tcase_add_test(tc, permutations_are_fair);
    return tc;
}

UNIT_MAIN("rng", basic)
