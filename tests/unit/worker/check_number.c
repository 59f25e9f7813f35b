/* SPDX-License-Identifier: MIT
 *
 * check_number: worker/number against strtof() and printf() of the C library:
 * every class of text, middles between floats, and random bits.
 */
#include "tests/lib/unit.h"

#include "common/rng.h"
#include "worker/number.h"

#include <locale.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t bits_of(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static float float_of(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* Reads text, all of it, to the same bits as strtof(). */
static void check_like_strtof(const char *text)
{
    const char *end = NULL;
    float got = -1;
    float want = strtof(text, NULL);
    enum number_result result = number_parse(text, &end, &got);

    if (isinf(want)) {
        ck_assert_msg(result == NUMBER_RANGE, "'%s' is not refused", text);
        return;
    }
    ck_assert_msg(result == NUMBER_OK, "'%s' is refused", text);
    ck_assert_msg(*end == '\0', "'%s' is left of '%s'", end, text);
    ck_assert_msg(bits_of(got) == bits_of(want), "'%s' is %.9g, not %.9g", text,
                  (double)got, (double)want);
}

START_TEST(reads_numbers)
{
    static const char *const texts[] = {"0",
                                        "-0",
                                        "+0",
                                        "1",
                                        "255",
                                        "0.5",
                                        ".5",
                                        "5.",
                                        "-.25",
                                        "+1.5",
                                        "1e0",
                                        "1E5",
                                        "1e+5",
                                        "1e-5",
                                        "3.14159265358979",
                                        "0.1",
                                        "0.2",
                                        "5.1",
                                        "16777216",
                                        "16777217",
                                        "16777218",
                                        "16777219",
                                        "33554433",
                                        "9007199254740993",
                                        "123456789012345678",
                                        "1234567890123456789",
                                        "12345678901234567890123",
                                        "0.00000000000000000000001",
                                        "000000000000000000000000000001.5",
                                        "1.00000000000000000000000000000",
                                        "3.4028234e38",
                                        "3.4028235e38",
                                        "3.4028236e38",
                                        "1e38",
                                        "1e39",
                                        "1e400",
                                        "-1e400",
                                        "1e-37",
                                        "1.1754943e-38",
                                        "1.1754944e-38",
                                        "1e-45",
                                        "7e-46",
                                        "7.1e-46",
                                        "1e-400",
                                        "1e99999999999",
                                        "1e-99999999999",
                                        "0e99999999999",
                                        "1.17549429e-38",
                                        "8388608.5",
                                        "8388609.5",
                                        "2.98023224e-8",
                                        "1e22",
                                        "1e23",
                                        "7.0064923216240853546186479164e-46"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        check_like_strtof(texts[i]);
    }
}
END_TEST

START_TEST(stops_behind_the_number)
{
    static const struct {
        const char *text;
        float value;
        size_t used;
    } cases[] = {{"12,3", 12, 2},    {"1.5;", 1.5F, 3}, {"7 ", 7, 1},
                 {"2e", 2, 1},       {"2e+", 2, 1},     {"2e+x", 2, 1},
                 {"3.4.5", 3.4F, 3}, {"0x10", 0, 1},    {"1-2", 1, 1},
                 {"1_000", 1, 1}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *end = NULL;
        float value = -1;

        ck_assert_int_eq(number_parse(cases[i].text, &end, &value), NUMBER_OK);
        ck_assert_msg(value == cases[i].value, "%s", cases[i].text);
        ck_assert_uint_eq((size_t)(end - cases[i].text), cases[i].used);
    }
}
END_TEST

START_TEST(refuses_what_is_none)
{
    static const char *const none[] = {"",   "abc", "-",   "+",  ".",  "-.",
                                       "e5", ".e5", "--1", " 1", "in", "na"};
    static const char *const range[] = {"nan",  "NaN", "-nan",     "inf",
                                        "-Inf", "INF", "infinity", "1e39"};
    char digits[8192];
    const char *end;
    float value;

    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        ck_assert_msg(number_parse(none[i], &end, &value) == NUMBER_NONE,
                      "'%s' is accepted", none[i]);
    }
    for (size_t i = 0; i < sizeof(range) / sizeof(range[0]); i++) {
        ck_assert_msg(number_parse(range[i], &end, &value) == NUMBER_RANGE,
                      "'%s' is accepted", range[i]);
    }
    memset(digits, '1', sizeof(digits));
    digits[sizeof(digits) - 1] = '\0';
    ck_assert_int_eq(number_parse(digits, &end, &value), NUMBER_LONG);
    digits[1] = '.';
    ck_assert_int_eq(number_parse(digits, &end, &value), NUMBER_LONG);
}
END_TEST

/* The exact middle between two floats, and its neighbours one digit away. */
START_TEST(rounds_middles_correctly)
{
    struct rng rng;

    rng_init(&rng, 1, RNG_NOISE, 1, 0, 0);
    for (int i = 0; i < 20000; i++) {
        uint32_t bits = rng_u32(&rng) & 0x7fffffff;
        float low = float_of(bits);
        float high = float_of(bits + 1);
        char text[400];

        if (!isfinite(low) || !isfinite(high)) {
            continue;
        }
        for (int digits = 7; digits <= 21; digits += 2) {
            (void)snprintf(text, sizeof(text), "%.*e", digits,
                           ((double)low + (double)high) / 2);
            check_like_strtof(text);
        }
    }
    for (uint32_t m = (1U << 24) + 1; m < (1U << 24) + 2000; m += 2) {
        char text[64];

        (void)snprintf(text, sizeof(text), "%u", m); /* a middle */
        check_like_strtof(text);
        (void)snprintf(text, sizeof(text), "%u.0000000001", m);
        check_like_strtof(text);
        (void)snprintf(text, sizeof(text), "%u.00000000000000000001", m);
        check_like_strtof(text);
        (void)snprintf(text, sizeof(text), "%u.9999999999", m - 1);
        check_like_strtof(text);
    }
}
END_TEST

START_TEST(reads_short_decimals)
{
    char text[32];

    for (int i = 0; i < 100000; i++) {
        (void)snprintf(text, sizeof(text), "%d.%03d", i / 1000, i % 1000);
        check_like_strtof(text);
        (void)snprintf(text, sizeof(text), "-%de%d", i, i % 60 - 30);
        check_like_strtof(text);
    }
}
END_TEST

START_TEST(does_not_ask_the_locale)
{
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8",
                                        "fr_FR.UTF-8", "C"};
    const char *end;
    float value = 0;
    char text[NUMBER_TEXT_MAX];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (setlocale(LC_ALL, names[i]) != NULL) {
            break;
        }
    }
    ck_assert_int_eq(number_parse("1.50000000000000000000000001", &end, &value),
                     NUMBER_OK);
    ck_assert(value == 1.5F && *end == '\0');
    ck_assert_uint_eq(number_print(1.5e-42F, text), strlen("1.5e-42"));
    ck_assert(memcmp(text, "1.5e-42", 7) == 0);
    (void)setlocale(LC_ALL, "C");
}
END_TEST

/* The shortest of %.1g .. %.9g that reads back as value has as many digits
 * as what is printed. */
static void check_print(float value)
{
    char text[NUMBER_TEXT_MAX + 1];
    char want[64];
    size_t len = number_print(value, text);
    int digits = 0;
    int shortest = 0;
    bool leading = true;

    ck_assert_uint_lt(len, NUMBER_TEXT_MAX);
    text[len] = '\0';
    ck_assert_msg(bits_of(strtof(text, NULL)) == bits_of(value),
                  "%s does not read back as %.9g", text, (double)value);
    do {
        (void)snprintf(want, sizeof(want), "%.*g", ++shortest, (double)value);
    } while (strtof(want, NULL) != value);
    for (const char *p = text; *p != '\0' && *p != 'e'; p++) {
        if (*p >= '0' && *p <= '9' && !(leading && *p == '0')) {
            leading = false;
            digits++;
        }
    }
    if (strchr(text, '.') == NULL) {
        for (const char *p = text + strcspn(text, "e"); p > text;) {
            if (*--p != '0' || digits == 0) {
                break;
            }
            digits--; /* zeros at the end of a whole number */
        }
    }
    ck_assert_msg(digits <= shortest, "%s has %d digits, %d are enough (%s)",
                  text, digits, shortest, want);
}

START_TEST(prints_what_reads_back)
{
    static const float values[] = {
        0.1F,         0.2F,        1.0F,   -1.0F,  123.0F,   1e9F,
        123456789.0F, 1e10F,       1e-4F,  1e-5F,  1.5e-5F,  0.3F,
        2.5F,         1e38F,       3e-38F, 1e-45F, 1.4e-44F, 16777216.0F,
        9.9999998F,   0.99999994F, 1e20F,  100.0F, 1200.0F};
    struct rng rng;

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        check_print(values[i]);
    }
    rng_init(&rng, 7, RNG_NOISE, 0, 0, 0);
    for (int i = 0; i < 200000; i++) {
        float value = float_of(rng_u32(&rng));

        if (isfinite(value)) {
            check_print(value);
        }
        check_print(rng_uniform(&rng));
        check_print(expf(-20 * rng_uniform(&rng)));
    }
}
END_TEST

START_TEST(prints_in_plain_form)
{
    static const struct {
        float value;
        const char *text;
    } cases[] = {{0, "0"},
                 {-0.0F, "-0"},
                 {1, "1"},
                 {10, "10"},
                 {-2.5F, "-2.5"},
                 {0.1F, "0.1"},
                 {0.05F, "0.05"},
                 {123456, "123456"},
                 {1e-3F, "0.001"},
                 {1.5e-7F, "1.5e-07"},
                 {3e12F, "3e+12"},
                 {1e30F, "1e+30"},
                 {NAN, "nan"},
                 {INFINITY, "inf"},
                 {-INFINITY, "-inf"},
                 {1e-45F, "1e-45"},
                 {0.333333343F, "0.33333334"}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[NUMBER_TEXT_MAX + 1];

        text[number_print(cases[i].value, text)] = '\0';
        ck_assert_str_eq(text, cases[i].text);
    }
}
END_TEST

static TCase *reading(void)
{
    TCase *tc = tcase_create("reading");

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, reads_numbers);
    tcase_add_test(tc, stops_behind_the_number);
    tcase_add_test(tc, refuses_what_is_none);
    tcase_add_test(tc, rounds_middles_correctly);
    tcase_add_test(tc, reads_short_decimals);
    tcase_add_test(tc, does_not_ask_the_locale);
    return tc;
}

static TCase *printing(void)
{
    TCase *tc = tcase_create("printing");

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, prints_what_reads_back);
    tcase_add_test(tc, prints_in_plain_form);
    return tc;
}

UNIT_MAIN("number", reading, printing)
