/* SPDX-License-Identifier: MIT
 *
 * check_gemm: products of odd sizes, in all transpositions, with rows further
 * apart than they are long, against a plain sum in double precision.
 */
#include "tests/lib/unit.h"

#include "worker/nn/gemm.h"

#include <math.h>
#include <string.h>

#define SPACE 4096

static float a[SPACE];
static float b[SPACE];
static float c[SPACE];
static float before[SPACE];

static const size_t sizes[][3] = {
    {1, 1, 1}, {3, 5, 7}, {8, 1, 17}, {1, 9, 30}, {33, 10, 1}, {16, 24, 40},
};

static void fill(void)
{
    for (size_t i = 0; i < SPACE; i++) {
        a[i] = (float)((double)((i * 7919) % 997) / 499.0 - 1.0);
        b[i] = (float)((double)((i * 104729) % 991) / 496.0 - 1.0);
        c[i] = (float)((double)(i % 13) - 6.0);
    }
    memcpy(before, c, sizeof(c));
}

static void compare(bool ta, bool tb, const size_t size[3], float beta)
{
    size_t m = size[0];
    size_t n = size[1];
    size_t k = size[2];
    size_t lda = (ta ? m : k) + 3;
    size_t ldb = (tb ? k : n) + 1;
    size_t ldc = n + 2;

    fill();
    if (beta == 0.0f) {
        for (size_t i = 0; i < m * ldc; i++) {
            c[i] = i % ldc < n ? NAN : before[i]; /* must not be read */
        }
    }
    gemm(ta, tb, m, n, k, a, lda, b, ldb, beta, c, ldc);
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < ldc; j++) {
            double want = (double)(beta * before[i * ldc + j]);

            if (j >= n) { /* between the rows */
                ck_assert(c[i * ldc + j] == before[i * ldc + j]);
                continue;
            }
            for (size_t l = 0; l < k; l++) {
                want += (double)a[ta ? l * lda + i : i * lda + l] *
                        (double)b[tb ? j * ldb + l : l * ldb + j];
            }
            unit_assert_close(c[i * ldc + j], want, 1e-5);
        }
    }
}

START_TEST(equals_the_plain_sum)
{
    const size_t *size = sizes[_i];

    gemm_setup();
    for (int way = 0; way < 8; way++) {
        compare((way & 1) != 0, (way & 2) != 0, size,
                (way & 4) != 0 ? 1.0f : 0.0f);
    }
}
END_TEST

START_TEST(no_depth_only_scales)
{
    fill();
    gemm_setup();
    gemm(false, false, 2, 3, 0, a, 1, b, 3, 1.0f, c, 3);
    ck_assert_mem_eq(c, before, sizeof(c));
    gemm(false, false, 2, 3, 0, a, 1, b, 3, 0.0f, c, 3);
    for (size_t i = 0; i < 6; i++) {
        ck_assert(c[i] == 0.0f);
    }
}
END_TEST

START_TEST(is_named)
{
    ck_assert_uint_gt(strlen(gemm_name()), 3);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("gemm");

    tcase_add_loop_test(tc, equals_the_plain_sum, 0,
                        sizeof(sizes) / sizeof(sizes[0]));
    tcase_add_test(tc, no_depth_only_scales);
    tcase_add_test(tc, is_named);
    return tc;
}

UNIT_MAIN("gemm", basic)
