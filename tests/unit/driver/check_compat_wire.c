/* SPDX-License-Identifier: MIT
 *
 * check_compat_wire: the bytes around weights in Elephas' form, written down by
 * hand (compat_bytes.h).
 */
#include "tests/lib/unit.h"

#include "tests/unit/core/linear.h"
#include "tests/unit/driver/compat_bytes.h"

#include "driver/compat_wire.h"

static struct model *model;
static struct compat_layout *layout;

static void setup(void)
{
    struct err err = {0};

    unit_ok(linear_model(NULL, NULL, &model, &err), &err);
    unit_ok(compat_layout_create(model, &layout, &err), &err);
}

static void teardown(void)
{
    compat_layout_destroy(&layout);
    model_destroy(&model);
}

START_TEST(writes_the_headers)
{
    static const char first[] = COUNT KERNEL_SHAPE F32 BYTES("\10");
    static const char second[] = BIAS_SHAPE F32 BYTES("\4");
    struct view h = compat_header(layout, 0);
    size_t begin;
    size_t count;

    ck_assert_uint_eq(compat_arrays(layout), 2);
    ck_assert_uint_eq(h.len, sizeof(first) - 1);
    ck_assert_mem_eq(h.data, first, h.len);
    h = compat_header(layout, 1);
    ck_assert_uint_eq(h.len, sizeof(second) - 1);
    ck_assert_mem_eq(h.data, second, h.len);
    compat_range(layout, 1, &begin, &count);
    ck_assert(begin == 2 && count == 1);
    ck_assert_uint_eq(compat_size(layout), sizeof(COUNT KERNEL BIAS) - 1);
    ck_assert_uint_ge(compat_size_max(layout), compat_size(layout) + 12);
}
END_TEST

static int use(void *state, struct err *err)
{
    struct compat_layout *l = NULL;
    int rc = compat_layout_create(state, &l, err);

    compat_layout_destroy(&l);
    return rc;
}

START_TEST(survives_refused_memory)
{
    ck_assert_int_ge(unit_oom_sweep(use, model), 3);
}
END_TEST

static TCase *all(void)
{
    TCase *tc = tcase_create("compat_wire");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, writes_the_headers);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("compat_wire", all)
