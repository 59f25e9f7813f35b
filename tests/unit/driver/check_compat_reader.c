/* SPDX-License-Identifier: MIT
 *
 * check_compat_reader: updates in Elephas' form, written down by hand, however
 * they are cut up on the way, and every way in which they can be wrong.
 */
#include "tests/lib/unit.h"

#include "tests/unit/core/linear.h"
#include "tests/unit/driver/compat_bytes.h"

#include "common/mem.h"
#include "driver/compat_reader.h"
#include "driver/compat_wire.h"

#include <math.h>
#include <stdio.h>

static struct model *model;
static struct compat_layout *layout;
static struct compat_reader *reader; /* of the last message */

static void setup(void)
{
    struct err err = {0};

    unit_ok(linear_model(NULL, NULL, &model, &err), &err);
    unit_ok(compat_layout_create(model, &layout, &err), &err);
}

static void teardown(void)
{
    compat_reader_destroy(&reader);
    compat_layout_destroy(&layout);
    model_destroy(&model);
}

/* The message comes in steps, and lies in another place each time; nothing but
 * what has come can be read (sanitizers look). */
static int read_split(struct view message, size_t step, struct delta *out,
                      struct err *err)
{
    compat_reader_destroy(&reader);
    unit_ok(compat_reader_create(layout, &reader, err), err);
    for (size_t n = 0; n < message.len; n += step) {
        uint8_t *copy = mem_copy(message.data, n + (n == 0));

        ck_assert_ptr_nonnull(copy);
        compat_reader_look(reader, (struct view){copy, n});
        mem_free(copy);
    }
    return compat_reader_end(reader, message, out, err);
}

static int read_whole(struct view message, struct delta *out, struct err *err)
{
    return read_split(message, message.len + 1, out, err);
}

START_TEST(reads_in_place)
{
    static const char message[] =
        COUNT KERNEL BIAS_SHAPE F64 BYTES("\10") "\0\0\0\0\0\0\x08\x40";
    const struct delta_piece *pieces;
    struct delta delta;
    struct err err = {0};
    float value;

    unit_ok(read_whole(VIEW(message), &delta, &err), &err);
    ck_assert_uint_eq(delta.count, 2);
    ck_assert(delta.largest == 3);
    pieces = delta.pieces;
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

START_TEST(may_come_in_any_pieces)
{
    static const char message[] = COUNT KERNEL BIAS;

    for (size_t step = 1; step <= sizeof(message); step++) {
        const struct delta_piece *pieces;
        struct delta delta;
        struct err err = {0};
        float value;

        unit_ok(read_split(VIEW(message), step, &delta, &err), &err);
        ck_assert(delta.count == 2 && delta.largest == 3);
        pieces = delta.pieces;
        ck_assert_ptr_eq(pieces[1].bytes, message + sizeof(message) - 1 - 4);
        delta_read(&pieces[0], 0, 1, &value);
        ck_assert(value == 1);
    }
}
END_TEST

START_TEST(what_is_not_finite_is_the_largest)
{
    static const char message[] =
        COUNT KERNEL_SHAPE F32 BYTES("\10") "\0\0\xc0\x7f\0\0\0\x40" BIAS;
    struct delta delta;
    struct err err = {0};

    unit_ok(read_split(VIEW(message), _i == 0 ? 1 : 1000, &delta, &err), &err);
    ck_assert(isinf(delta.largest));
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
    struct view view = {(const uint8_t *)bad[_i].message, bad[_i].size};
    struct delta delta;
    struct err err = {0};

    ck_assert_int_eq(read_whole(view, &delta, &err), ERR_INVALID);
    ck_assert_msg(strstr(err.msg, bad[_i].words) != NULL, "%s", err.msg);
    /* the same when it comes byte by byte */
    ck_assert_int_eq(read_split(view, 1, &delta, &err), ERR_INVALID);
    ck_assert_msg(strstr(err.msg, bad[_i].words) != NULL, "%s", err.msg);
}
END_TEST

/* Every message that is cut off somewhere, and every changed byte of headers:
 * nothing outside is read (sanitizers look). */
START_TEST(survives_any_cut_and_byte)
{
    static const char whole[] = COUNT KERNEL BIAS;
    struct delta delta;

    for (size_t n = 0; n < sizeof(whole) - 1; n++) {
        char *copy = mem_copy(whole, n + 1);
        struct view view = {(const uint8_t *)copy, n};

        ck_assert_ptr_nonnull(copy);
        ck_assert_int_eq(read_whole(view, &delta, NULL), ERR_INVALID);
        ck_assert_int_eq(read_split(view, 1, &delta, NULL), ERR_INVALID);
        mem_free(copy);
    }
    for (size_t n = 0; n < sizeof(whole) - 1; n++) {
        char *copy = mem_copy(whole, sizeof(whole) - 1);
        struct view view = {(const uint8_t *)copy, sizeof(whole) - 1};

        ck_assert_ptr_nonnull(copy);
        copy[n] = (char)(copy[n] ^ 0x81);
        ck_assert_int_eq(read_whole(view, &delta, NULL),
                         read_split(view, 3, &delta, NULL));
        mem_free(copy);
    }
}
END_TEST

static int use(void *state, struct err *err)
{
    struct compat_reader *r = NULL;
    int rc = compat_reader_create(state, &r, err);

    compat_reader_destroy(&r);
    return rc;
}

START_TEST(survives_refused_memory)
{
    ck_assert_int_ge(unit_oom_sweep(use, layout), 3);
}
END_TEST

static TCase *all(void)
{
    TCase *tc = tcase_create("compat_reader");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, reads_in_place);
    tcase_add_test(tc, may_come_in_any_pieces);
    tcase_add_loop_test(tc, what_is_not_finite_is_the_largest, 0, 2);
    tcase_add_loop_test(tc, refuses, 0, sizeof(bad) / sizeof(bad[0]));
    tcase_add_test(tc, survives_any_cut_and_byte);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("compat_reader", all)
