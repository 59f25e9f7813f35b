/* SPDX-License-Identifier: MIT
 *
 * check_shape: sizes, limits and texts of common/model/shape.
 */
#include "tests/lib/unit.h"

#include "common/model/shape.h"

#include <string.h>

START_TEST(counts_and_compares)
{
    struct shape scalar = {.rank = 0};
    struct shape a = {.rank = 3, .dim = {2, 3, 4}};
    struct shape b = {.rank = 3, .dim = {2, 3, 5}};
    struct shape open = {.rank = 2, .dim = {SHAPE_UNKNOWN, 4}};

    ck_assert_uint_eq(shape_size(&scalar), 1);
    ck_assert_uint_eq(shape_size(&a), 24);
    ck_assert(shape_equal(&a, &a));
    ck_assert(!shape_equal(&a, &b));
    ck_assert(!shape_equal(&a, &scalar));
    ck_assert(shape_known(&a));
    ck_assert(!shape_known(&open));
}
END_TEST

START_TEST(refuses_what_is_no_shape)
{
    struct err err = {0};
    struct shape good = {.rank = 2, .dim = {SHAPE_UNKNOWN, 4}};
    struct shape deep = {.rank = SHAPE_MAX_RANK + 1};
    struct shape empty = {.rank = 2, .dim = {3, 0}};
    struct shape negative = {.rank = 1, .dim = {-2}};
    struct shape full = {.rank = 2, .dim = {SHAPE_MAX_ELEMENTS / 2, 2}};
    struct shape large = {.rank = 2, .dim = {SHAPE_MAX_ELEMENTS / 2, 3}};
    struct shape wraps = {.rank = 3, .dim = {INT64_MAX, INT64_MAX, INT64_MAX}};

    unit_ok(shape_check(&good, &err), &err);
    unit_ok(shape_check(&full, &err), &err);
    ck_assert_int_eq(shape_check(&deep, &err), ERR_LIMIT);
    ck_assert_int_eq(shape_check(&empty, &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "(3, 0)"));
    ck_assert_int_eq(shape_check(&negative, &err), ERR_INVALID);
    ck_assert_int_eq(shape_check(&large, &err), ERR_LIMIT);
    ck_assert_int_eq(shape_check(&wraps, NULL), ERR_LIMIT);
}
END_TEST

START_TEST(reads_like_keras)
{
    char text[SHAPE_TEXT_SIZE];
    struct shape s = {.rank = 3, .dim = {28, SHAPE_UNKNOWN, 1}};
    struct shape one = {.rank = 1, .dim = {5}};
    struct shape none = {.rank = 0};
    struct shape wide = {.rank = 7,
                         .dim = {INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN,
                                 INT64_MIN, INT64_MIN, INT64_MIN}};

    ck_assert_str_eq(shape_text(&s, text), "(28, None, 1)");
    ck_assert_str_eq(shape_text(&one, text), "(5,)");
    ck_assert_str_eq(shape_text(&none, text), "()");
    ck_assert_uint_lt(strlen(shape_text(&wide, text)), SHAPE_TEXT_SIZE);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("shape");

    tcase_add_test(tc, counts_and_compares);
    tcase_add_test(tc, refuses_what_is_no_shape);
    tcase_add_test(tc, reads_like_keras);
    return tc;
}

UNIT_MAIN("shape", basic)
