/* SPDX-License-Identifier: MIT
 *
 * check_compat_wire: the bytes of weights in Elephas' form, written down by
 * hand, and every way in which they can be wrong.
 */
#include "tests/lib/unit.h"

#include "tests/unit/core/linear.h"

#include "driver/compat_wire.h"

#include <stdio.h>

/* kernel (2, 1) and bias (1) */
#define COUNT "\2\0\0\0"
#define KERNEL_SHAPE                                                           \
    "\2"                                                                       \
    "\2\0\0\0\0\0\0\0"                                                         \
    "\1\0\0\0\0\0\0\0"
#define BIAS_SHAPE                                                             \
    "\1"                                                                       \
    "\1\0\0\0\0\0\0\0"
#define F32 "\7\0float32"
#define F64 "\7\0float64"
#define BYTES(n) n "\0\0\0\0\0\0\0"
#define KERNEL KERNEL_SHAPE F32 BYTES("\10") "\0\0\x80\x3f\0\0\0\x40"
#define BIAS BIAS_SHAPE F32 BYTES("\4") "\0\0\x40\x40"

#define TEXT(text) (text), sizeof(text) - 1
#define VIEW(text) ((struct view){(const uint8_t *)(text), sizeof(text) - 1})

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

START_TEST(reads_in_place)
{
    static const char message[] =
        COUNT KERNEL BIAS_SHAPE F64 BYTES("\10") "\0\0\0\0\0\0\x08\x40";
    struct delta_piece pieces[2];
    struct err err = {0};
    float value;

    unit_ok(compat_read(layout, VIEW(message), pieces, &err), &err);
    ck_assert_ptr_eq(pieces[0].bytes, message + sizeof(message) - 1 - 34 - 8);
    ck_assert(pieces[0].at == 0 && pieces[0].count == 2);
    ck_assert_int_eq(pieces[0].type, DELTA_FLOAT32);
    ck_assert(pieces[1].at == 2 && pieces[1].count == 1);
    delta_read(&pieces[1], 0, 1, &value);
    ck_assert(value == 3);
    delta_read(&pieces[0], 1, 1, &value);
    ck_assert(value == 2);
}
END_TEST

static const struct {
    const char *message;
    size_t size;
    const char *words;
} bad[] = {
    {TEXT("\2\0\0"), "no weights"},
    {TEXT("\1\0\0\0" KERNEL), "1 arrays, the model has 2"},
    {TEXT("\377\377\377\377"), "4294967295 arrays"},
    {TEXT(COUNT KERNEL), "cut off at array 1"},
    {TEXT(COUNT KERNEL BIAS "x"), "1 bytes follow"},
    {TEXT(COUNT "\2"
                "\1\0\0\0\0\0\0\0"
                "\2\0\0\0\0\0\0\0" F32),
     "(1, 2)"},
    {TEXT(COUNT "\1"
                "\2\0\0\0\0\0\0\0" F32),
     "array 0 (fc/kernel, (2, 1))"},
    {TEXT(COUNT "\377"
                "\2\0\0\0\0\0\0\0"),
     "cut off at array 0"},
    {TEXT(COUNT KERNEL_SHAPE "\3\0<U8"), "of type '<U8'"},
    {TEXT(COUNT KERNEL_SHAPE "\377\377float32"), "cut off"},
    {TEXT(COUNT KERNEL_SHAPE F32 BYTES("\7")), "7 bytes, its shape"},
    {TEXT(COUNT KERNEL_SHAPE F64 BYTES("\10")), "make 16"},
    {TEXT(COUNT KERNEL_SHAPE F32 "\10\0\0\0\0\0\0\x80\0\0\x80\x3f\0\0\0\x40"),
     "bytes, its shape"},
    {TEXT(COUNT KERNEL_SHAPE F32 BYTES("\10") "\0\0\x80"), "cut off"},
};

START_TEST(refuses)
{
    struct delta_piece pieces[2];
    struct view view = {(const uint8_t *)bad[_i].message, bad[_i].size};
    struct err err = {0};

    ck_assert_int_eq(compat_read(layout, view, pieces, &err), ERR_INVALID);
    ck_assert_msg(strstr(err.msg, bad[_i].words) != NULL, "%s", err.msg);
}
END_TEST

/* Every message that is cut off somewhere, and every changed byte of headers:
 * nothing outside is read (sanitizers look). */
START_TEST(survives_any_cut_and_byte)
{
    static const char whole[] = COUNT KERNEL BIAS;
    struct delta_piece pieces[2];

    for (size_t n = 0; n < sizeof(whole) - 1; n++) {
        char *copy = mem_copy(whole, n + 1);
        struct view view = {(const uint8_t *)copy, n};

        ck_assert_ptr_nonnull(copy);
        ck_assert_int_eq(compat_read(layout, view, pieces, NULL), ERR_INVALID);
        mem_free(copy);
    }
    for (size_t n = 0; n < sizeof(whole) - 1; n++) {
        char *copy = mem_copy(whole, sizeof(whole) - 1);
        struct view view = {(const uint8_t *)copy, sizeof(whole) - 1};

        ck_assert_ptr_nonnull(copy);
        copy[n] = (char)(copy[n] ^ 0x81);
        (void)!compat_read(layout, view, pieces, NULL);
        mem_free(copy);
    }
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
    tcase_add_test(tc, reads_in_place);
    tcase_add_loop_test(tc, refuses, 0, sizeof(bad) / sizeof(bad[0]));
    tcase_add_test(tc, survives_any_cut_and_byte);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("compat_wire", all)
