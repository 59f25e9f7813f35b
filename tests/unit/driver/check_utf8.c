/* SPDX-License-Identifier: MIT
 *
 * check_utf8: what stays and what does not, compared with jansson's idea of
 * UTF-8.
 */
#include "tests/lib/unit.h"

#include "driver/utf8.h"

#include <jansson.h>

#include <string.h>

static const struct {
    const char *in;
    const char *out;
} cases[] = {
    {"", ""},
    {"plain", "plain"},
    {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
    {"\xe2\x82\xac \xf0\x9f\x90\x98", "\xe2\x82\xac \xf0\x9f\x90\x98"},
    {"a\xff\xfez", "a??z"},
    {"cut \xe2\x82", "cut ??"},
    {"cut \xf0\x9f\x90", "cut ???"},
    {"\xc0\xaf", "??"},
    {"\xe0\x80\xaf", "???"},
    {"\xed\xa0\x80", "???"},
    {"\xf4\x90\x80\x80", "????"},
    {"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
    {"\x80tail", "?tail"},
    {"\xc3(", "?("},
};

START_TEST(cleans)
{
    char text[32];

    (void)strcpy(text, cases[_i].in);
    utf8_clean(text);
    ck_assert_str_eq(text, cases[_i].out);
}
END_TEST

/* All pairs behind each first byte, and all that jansson would refuse. */
START_TEST(agrees_with_the_json_library)
{
    for (int a = 1; a < 256; a++) {
        for (int b = 1; b < 256; b++) {
            char text[] = {(char)a, (char)b, (char)0x80, (char)0x80, 'x', 0};
            char copy[sizeof(text)];
            json_t *before;
            json_t *after;

            memcpy(copy, text, sizeof(text));
            before = json_string(text);
            utf8_clean(text);
            after = json_string(text);
            ck_assert_msg(after != NULL, "%02x %02x", (unsigned)a, (unsigned)b);
            ck_assert_msg((strcmp(copy, text) == 0) == (before != NULL),
                          "%02x %02x", (unsigned)a, (unsigned)b);
            json_decref(before);
            json_decref(after);
        }
    }
}
END_TEST

static TCase *all(void)
{
    TCase *tc = tcase_create("utf8");

    tcase_add_loop_test(tc, cleans, 0, (int)(sizeof(cases) / sizeof(cases[0])));
    tcase_add_test(tc, agrees_with_the_json_library);
    return tc;
}

UNIT_MAIN("utf8", all)
