/* SPDX-License-Identifier: MIT
 *
 * check_buf: growth, ceiling, termination and failing memory of common/buf.
 */
#include "tests/lib/unit.h"

#include "common/buf.h"
#include "common/mem.h"

#include <string.h>

START_TEST(grows_and_terminates)
{
    struct buf b;
    struct err err = {0};

    buf_init(&b, 1 << 20);
    ck_assert_str_eq(buf_str(&b), "");
    for (int i = 0; i < 10000; i++) {
        unit_ok(buf_printf(&b, &err, "%d,", i % 10), &err);
    }
    ck_assert_uint_eq(b.len, 20000);
    ck_assert_uint_eq(strlen(buf_str(&b)), 20000);
    buf_drain(&b, 19998);
    ck_assert_str_eq(buf_str(&b), "9,");
    buf_clear(&b);
    ck_assert_str_eq(buf_str(&b), "");
    buf_deinit(&b);
}
END_TEST

START_TEST(stops_at_the_ceiling)
{
    struct buf b;
    struct err err = {0};

    buf_init(&b, 4);
    unit_ok(buf_puts(&b, "abcd", &err), &err);
    ck_assert_int_eq(buf_puts(&b, "e", &err), ERR_LIMIT);
    ck_assert_int_eq(buf_append(&b, "", SIZE_MAX, &err), ERR_LIMIT);
    ck_assert_str_eq(buf_str(&b), "abcd");
    buf_deinit(&b);
}
END_TEST

START_TEST(take_moves_the_bytes)
{
    struct buf b;
    struct err err = {0};
    size_t len = 0;
    char *text;

    buf_init(&b, 100);
    unit_ok(buf_puts(&b, "xy", &err), &err);
    text = buf_take(&b, &len);
    ck_assert_str_eq(text, "xy");
    ck_assert_uint_eq(len, 2);
    ck_assert_ptr_null(b.data);
    mem_free(text);
    text = buf_take(&b, &len);
    ck_assert_str_eq(text, "");
    mem_free(text);
}
END_TEST

static int fill(void *state, struct err *err)
{
    struct buf b;
    int rc;

    (void)state;
    buf_init(&b, 1 << 16);
    rc = buf_printf(&b, err, "%01000d", 1);
    if (rc == 0) {
        rc = buf_printf(&b, err, "%010000d", 1);
    }
    buf_deinit(&b);
    return rc;
}

START_TEST(survives_refused_memory)
{
    ck_assert_int_gt(unit_oom_sweep(fill, NULL), 1);
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("buf");

    tcase_add_test(tc, grows_and_terminates);
    tcase_add_test(tc, stops_at_the_ceiling);
    tcase_add_test(tc, take_moves_the_bytes);
    tcase_add_test(tc, survives_refused_memory);
    return tc;
}

UNIT_MAIN("buf", basic)
