/* SPDX-License-Identifier: MIT
 *
 * check_delta: numbers of every format, at every alignment, against plain
 * arithmetic.
 */
#include "tests/lib/unit.h"

#include "driver/core/delta.h"

#include <math.h>
#include <string.h>

#define N 3000

static const struct {
    enum delta_type type;
    size_t size;
    const char *bytes;
    float value;
} numbers[] = {
    {DELTA_FLOAT32, 4, "\x00\x00\xc0\x3f", 1.5F},
    {DELTA_FLOAT16, 2, "\x00\x3c", 1},
    {DELTA_FLOAT16, 2, "\x00\xc1", -2.5F},
    {DELTA_FLOAT16, 2, "\x01\x00", 0x1p-24F},
    {DELTA_FLOAT16, 2, "\xff\x83", -1023 * 0x1p-24F},
    {DELTA_FLOAT16, 2, "\xff\x7b", 65504},
    {DELTA_FLOAT16, 2, "\x00\x80", -0.0F},
    {DELTA_FLOAT16, 2, "\x00\xfc", -INFINITY},
    {DELTA_BFLOAT16, 2, "\x80\x3f", 1},
    {DELTA_BFLOAT16, 2, "\x20\xc0", -2.5F},
    {DELTA_FLOAT64, 8, "\x00\x00\x00\x00\x00\x00\xf8\xbf", -1.5F},
    {DELTA_INT32, 4, "\xff\xff\xff\xff", -1},
    {DELTA_INT64, 8, "\x10\x27\x00\x00\x00\x00\x00\x00", 10000},
};

START_TEST(reads_every_format)
{
    uint8_t bytes[3 * 8 + 1];
    float out[3];
    size_t size = numbers[_i].size;
    struct delta_piece p = {0, 3, numbers[_i].type, bytes + 1};

    ck_assert_uint_eq(delta_type_size(numbers[_i].type), size);
    for (size_t i = 0; i < 3; i++) {
        memcpy(bytes + 1 + i * size, numbers[_i].bytes, size);
    }
    delta_read(&p, 1, 2, out);
    ck_assert_mem_eq(&out[0], &numbers[_i].value, 4);
    ck_assert_mem_eq(&out[1], &numbers[_i].value, 4);
    ck_assert(delta_largest(&p) == fabsf(numbers[_i].value));
}
END_TEST

START_TEST(subtracts_what_is_in_the_range)
{
    static uint8_t bytes[N * 4 + 3];
    static float values[N + 20];
    static float want[N + 20];
    struct delta_piece p = {10, N, DELTA_FLOAT32, bytes + _i};

    for (size_t i = 0; i < N; i++) {
        float d = (float)i * 0.25F - 100;

        memcpy(bytes + _i + 4 * i, &d, 4);
    }
    for (size_t i = 0; i < N + 20; i++) {
        values[i] = (float)i;
        want[i] = values[i];
        if (i >= 15 && i < 2500) {
            want[i] -= (float)(i - 10) * 0.25F - 100;
        }
    }
    delta_subtract(&p, 15, 2500, values);
    ck_assert_mem_eq(values, want, sizeof(want));
    delta_subtract(&p, 0, 10, values);
    delta_subtract(&p, N + 10, N + 20, values);
    ck_assert_mem_eq(values, want, sizeof(want));
}
END_TEST

START_TEST(finds_what_is_not_finite)
{
    static float delta[N];
    static float values[N + 5];
    struct delta_piece p = {5, N, DELTA_FLOAT32, (uint8_t *)delta};

    ck_assert(delta_largest(&p) == 0);
    ck_assert_uint_eq(delta_find_fault(&p, values), SIZE_MAX);
    delta[2999] = -3e38F;
    ck_assert(delta_largest(&p) == 3e38F);
    ck_assert_uint_eq(delta_find_fault(&p, values), SIZE_MAX);
    values[3004] = 3e38F;
    ck_assert_uint_eq(delta_find_fault(&p, values), 3004);
    delta[7] = NAN;
    ck_assert(isinf(delta_largest(&p)));
    ck_assert_uint_eq(delta_find_fault(&p, values), 12);
}
END_TEST

START_TEST(finds_where_a_change_diverges)
{
    static const float bad[] = {NAN, INFINITY, -3e38F, 2e38F};
    static uint8_t bytes[N * 4 + 1];
    static float values[N];
    size_t places[] = {0, 1, 1023, 1024, 2047, N - 1};
    float number = bad[_i];

    memset(bytes, 0, sizeof(bytes));
    memset(values, 0, sizeof(values));
    for (size_t k = sizeof(places) / sizeof(places[0]); k-- > 0;) {
        size_t at = places[k];

        values[at] = fabsf(number) < INFINITY ? 3e38F : 0;
        values[at] *= number > 0 ? -1 : 1;
        memcpy(bytes + 1 + 4 * at, &number, 4);
        ck_assert_uint_eq(delta_find_diverging(values, bytes + 1, N, 1), at);
    }
    ck_assert_uint_eq(delta_find_diverging(values, bytes + 1, 0, 1), 0);
    if (fabsf(number) < INFINITY) { /* a smaller step stays */
        ck_assert_uint_eq(delta_find_diverging(values, bytes + 1, N, 0.1F), N);
    }
    /* what lies behind is not looked at */
    ck_assert_uint_eq(delta_find_diverging(values + 2, bytes + 9, 1021, 1),
                      1021);
}
END_TEST

static TCase *all(void)
{
    TCase *tc = tcase_create("delta");

    tcase_add_loop_test(tc, reads_every_format, 0,
                        sizeof(numbers) / sizeof(numbers[0]));
    tcase_add_loop_test(tc, subtracts_what_is_in_the_range, 0, 4);
    tcase_add_test(tc, finds_what_is_not_finite);
    tcase_add_loop_test(tc, finds_where_a_change_diverges, 0, 4);
    return tc;
}

UNIT_MAIN("delta", all)
