/* SPDX-License-Identifier: MIT
 *
 * check_base64: the test vectors of RFC 4648 section 10, every byte value,
 * and what is refused.
 */
#include "tests/lib/unit.h"

#include "common/base64.h"

#include <string.h>

static struct view view_of(const char *text)
{
    return (struct view){(const uint8_t *)text, strlen(text)};
}

START_TEST(agrees_with_the_rfc)
{
    static const char *const table[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    const char *plain = table[_i][0];
    char text[16] = "";
    char back[16] = "";
    size_t n = 99;
    struct err err = {0};

    base64_encode(plain, strlen(plain), text);
    ck_assert_uint_eq(base64_length(strlen(plain)), strlen(table[_i][1]));
    ck_assert_str_eq(text, table[_i][1]);
    unit_ok(base64_decode(view_of(text), back, &n, &err), &err);
    ck_assert_uint_eq(n, strlen(plain));
    ck_assert_mem_eq(back, plain, n);
}
END_TEST

START_TEST(takes_every_byte)
{
    uint8_t bytes[256];
    uint8_t back[258];
    char text[345] = "";
    size_t n;
    struct err err = {0};

    for (int i = 0; i < 256; i++) {
        bytes[i] = (uint8_t)(i * 167);
    }
    base64_encode(bytes, sizeof(bytes), text);
    unit_ok(base64_decode(view_of(text), back, &n, &err), &err);
    ck_assert_uint_eq(n, sizeof(bytes));
    ck_assert_mem_eq(back, bytes, sizeof(bytes));
}
END_TEST

START_TEST(refuses)
{
    static const char *const table[] = {
        "Zm9",      "Z",        "Zm9*", "Zg==Zm9v", "Z===", "====", "Zm9\xe1=",
        "Zm\n9vYg", "Zm9v Zm8", " Zm9", "Zm-_",     "=m9v", "Zm=v", "Zm9vZ=9v"};
    uint8_t out[16];
    size_t n = 7;
    struct err err = {0};

    ck_assert_int_eq(base64_decode(view_of(table[_i]), out, &n, &err),
                     ERR_INVALID);
    ck_assert_msg(strstr(err.msg, "base64") != NULL, "%s", err.msg);
    ck_assert_uint_eq(n, 7);
}
END_TEST

static TCase *all(void)
{
    TCase *tc = tcase_create("base64");

    tcase_add_loop_test(tc, agrees_with_the_rfc, 0, 7);
    tcase_add_test(tc, takes_every_byte);
    tcase_add_loop_test(tc, refuses, 0, 14);
    return tc;
}

UNIT_MAIN("base64", all)
