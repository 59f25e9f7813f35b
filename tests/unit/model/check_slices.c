/* SPDX-License-Identifier: MIT
 *
 * check_slices: cutting tensors along every choice of axes.
 */
#include "tests/lib/unit.h"

#include "common/model/slices.h"

#include <string.h>

/* Every element belongs to one slice, and its place there follows from its
 * index along the inner axes. */
START_TEST(covers_every_element_once)
{
    struct shape shape = {.rank = 4, .dim = {2, 3, 1, 4}};
    unsigned inner = (unsigned)_i;
    struct slices s;
    int seen[24] = {0};
    float from[24];
    float back[24] = {0};
    float one[24];

    slices_init(&s, &shape, inner);
    ck_assert_uint_eq(s.count * s.width, 24);
    for (size_t i = 0; i < 24; i++) {
        from[i] = (float)i;
    }
    for (size_t i = 0; i < s.count; i++) {
        for (size_t j = 0; j < s.width; j++) {
            seen[slices_begin(&s, i) + slices_at(&s, j)]++;
        }
        slices_gather(&s, i, from, one);
        ck_assert_float_eq(
            one[s.width - 1],
            (float)(slices_begin(&s, i) + slices_at(&s, s.width - 1)));
        slices_scatter(&s, i, one, back);
    }
    for (size_t i = 0; i < 24; i++) {
        ck_assert_int_eq(seen[i], 1);
        ck_assert_float_eq(back[i], from[i]);
    }
}
END_TEST

START_TEST(neighbours_count_as_one)
{
    struct shape shape = {.rank = 3, .dim = {2, 3, 4}};
    struct slices s;

    slices_init(&s, &shape, 6);
    ck_assert(slices_whole(&s));
    ck_assert_uint_eq(s.width, 12);
    slices_init(&s, &shape, 3);
    ck_assert(!slices_whole(&s));
    ck_assert_int_eq(s.inner_rank, 1);
    ck_assert_uint_eq(s.inner_stride[0], 4);
    slices_init(&s, &shape, 5);
    ck_assert_int_eq(s.inner_rank, 2);
    ck_assert_uint_eq(slices_begin(&s, 2), 8);
    ck_assert_uint_eq(slices_at(&s, 5), 13);
}
END_TEST

START_TEST(reads_axes)
{
    static const struct {
        const char *text;
        unsigned axes; /* 0: refused */
    } cases[] = {{"1", 2},  {"-1", 4},      {"[0, -1]", 5}, {"3", 0},
                 {"-4", 0}, {"[2, -1]", 0}, {"\"a\"", 0},   {"[null]", 0}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *value = json_loads(cases[i].text, JSON_DECODE_ANY, NULL);
        struct err err = {0};
        unsigned axes = 0;
        int rc = slices_read_axes(value, "axis", 3, &axes, &err);

        ck_assert_int_eq(rc, cases[i].axes != 0 ? 0 : ERR_INVALID);
        ck_assert_uint_eq(axes, cases[i].axes);
        ck_assert(rc == 0 || strstr(err.msg, "axis") != NULL);
        json_decref(value);
    }
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("slices");

    tcase_add_loop_test(tc, covers_every_element_once, 0, 16);
    tcase_add_test(tc, neighbours_count_as_one);
    tcase_add_test(tc, reads_axes);
    return tc;
}

UNIT_MAIN("slices", basic)
