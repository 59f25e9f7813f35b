/* SPDX-License-Identifier: MIT
 *
 * number: see number.h.
 *
 * Reading. A decimal is m * 10^e. If m < 2^53 and |e| <= 22, both are exact
 * doubles and one multiplication or division rounds correctly to double
 * (W. D. Clinger, "How to read floating point numbers accurately", PLDI 1990).
 * Rounding that to float once more is correct too unless the double lies just
 * on the middle between two floats, since rounding is monotonic and those
 * middles are doubles themselves. Those, and everything else, go to strtof().
 *
 * Printing. Nine digits always suffice for a float32, six digits rounded from
 * it contain every shorter decimal that reads back as the same (its half ulp
 * is less than half a unit of the sixth digit), and if n digits suffice, so do
 * n + 1. So 6 to 9 digits are tried and trailing zeros cut off. A trial is one
 * multiplication and the fast path of reading.
 */
#include "worker/number.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_POWER 22
#define MAX_MANTISSA (UINT64_C(1) << 53)
/* 10^19 fits 64 bits; one digit less leaves room for the multiplication. */
#define MAX_DIGITS 18
#define MAX_TEXT 4096

static const double powers[MAX_POWER + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static bool is_digit(char c)
{
    return (unsigned)(c - '0') < 10;
}

/* m * 10^power as a float if the fast path is exact. */
static bool exact(uint64_t m, int power, float *out)
{
    double d = (double)m;
    uint64_t bits;

    if (m >= MAX_MANTISSA || power < -MAX_POWER || power > MAX_POWER) {
        return false;
    }
    d = power < 0 ? d / powers[-power] : d * powers[power];
    if ((d < (double)FLT_MIN && m != 0) || d > (double)FLT_MAX) {
        return false; /* subnormal floats have other middles */
    }
    memcpy(&bits, &d, sizeof(bits));
    if ((bits & 0x1fffffffU) == 0x10000000U) {
        return false;
    }
    *out = (float)d;
    return true;
}

/* The text is a number by its syntax; strtof() decides its value. */
static enum number_result slow(const char *p, const char *end, float *out)
{
    char text[MAX_TEXT];
    size_t len = (size_t)(end - p);
    locale_t locale;

    if (len >= sizeof(text)) {
        return NUMBER_LONG;
    }
    memcpy(text, p, len);
    text[len] = '\0';
    /* glibc answers with a constant for this locale: nothing is allocated */
    locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    *out = locale != (locale_t)0 ? strtof_l(text, NULL, locale)
                                 : strtof(text, NULL);
    if (locale != (locale_t)0) {
        freelocale(locale);
    }
    return isfinite(*out) ? NUMBER_OK : NUMBER_RANGE;
}

static enum number_result word(const char *p, const char **end)
{
    static const char *const words[] = {"nan", "infinity", "inf"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t len = strlen(words[i]);

        if (strncasecmp(p, words[i], len) == 0) {
            *end = p + len;
            return NUMBER_RANGE;
        }
    }
    return NUMBER_NONE;
}

/* The exponent behind e or E, at most 9999 in size; p stays if there is
 * none. */
static const char *read_exponent(const char *p, int *power)
{
    const char *q = p + 1;
    bool negative = *q == '-';
    int value = 0;

    if (*q == '-' || *q == '+') {
        q++;
    }
    if (!is_digit(*q)) {
        return p;
    }
    for (; is_digit(*q); q++) {
        if (value < 9999) {
            value = value * 10 + (*q - '0');
        }
    }
    *power += negative ? -value : value;
    return q;
}

enum number_result number_parse(const char *p, const char **end, float *out)
{
    const char *start = p;
    bool negative = *p == '-';
    const char *first;
    uint64_t m = 0;
    int digits;
    int power = 0;
    bool fits;

    if (*p == '-' || *p == '+') {
        p++;
    }
    first = p;
    for (; is_digit(*p); p++) {
        m = m * 10 + (uint64_t)(*p - '0'); /* may wrap: see digits */
    }
    digits = p - first > MAX_TEXT ? MAX_TEXT : (int)(p - first);
    if (*p == '.') {
        const char *point = p++;

        for (; is_digit(*p); p++) {
            m = m * 10 + (uint64_t)(*p - '0');
        }
        power = p - point > MAX_TEXT ? -MAX_TEXT : -(int)(p - point - 1);
        digits -= power;
    }
    if (digits == 0) {
        return word(first, end);
    }
    if (*p == 'e' || *p == 'E') {
        p = read_exponent(p, &power);
    }
    *end = p;
    fits = digits <= MAX_DIGITS && exact(m, power, out);
    if (!fits) {
        return slow(start, p, out);
    }
    if (negative) {
        *out = -*out;
    }
    return NUMBER_OK;
}

/* value > 0 rounded to n significant digits as m * 10^power. */
static bool round_digits(double value, int exponent, int n, uint64_t *m,
                         int *power)
{
    int shift = n - 1 - exponent;

    if (shift < -MAX_POWER || shift > MAX_POWER) {
        return false;
    }
    *m = (uint64_t)llrint(shift < 0 ? value / powers[-shift]
                                    : value * powers[shift]);
    *power = -shift;
    return true;
}

/* Whether m * 10^power is read as value. */
static bool reads_back(uint64_t m, int power, float value)
{
    char text[40];
    const char *end;
    float back;

    if (exact(m, power, &back)) {
        return back == value;
    }
    (void)snprintf(text, sizeof(text), "%llue%d", (unsigned long long)m, power);
    return number_parse(text, &end, &back) == NUMBER_OK && back == value;
}

/* The shortest m * 10^power, m without trailing zeros, that reads back. */
static bool shortest(float value, uint64_t *m, int *power)
{
    double d = (double)value;
    int exponent = (int)floor(log10(d));
    bool found = false;

    for (int n = 8; n >= 6 && n <= 9;) {
        uint64_t tried;
        int its_power;
        bool good;

        if (!round_digits(d, exponent, n, &tried, &its_power)) {
            return false;
        }
        good = reads_back(tried, its_power, value);
        if (good) {
            *m = tried;
            *power = its_power;
            found = true;
            if (n == 9) {
                break;
            }
            n--;
        } else if (found || n == 9) {
            break; /* one digit more was the shortest */
        } else {
            n = 9;
        }
    }
    while (found && *m % 10 == 0) {
        *m /= 10;
        (*power)++;
    }
    return found;
}

/* What the fast way cannot do: very small and very large numbers. */
static size_t print_slow(float value, char text[NUMBER_TEXT_MAX])
{
    char tried[32];
    int n = 0;

    for (int digits = 1; digits <= 9; digits++) {
        const char *end;
        float back;

        n = snprintf(tried, sizeof(tried), "%.*e", digits - 1, (double)value);
        for (char *p = tried; *p != '\0'; p++) {
            if (*p == ',') {
                *p = '.'; /* of a locale */
            }
        }
        if (number_parse(tried, &end, &back) == NUMBER_OK && back == value) {
            break;
        }
    }
    memcpy(text, tried, (size_t)n);
    return (size_t)n;
}

/* As "%g" lays numbers out: fixed for 10^-5 < |value| < 10^9. */
static size_t lay_out(uint64_t m, int power, char *text)
{
    char digits[24];
    int n = 0;
    int point; /* digits before the decimal point */
    char *p = text;

    for (; m != 0; m /= 10) {
        digits[n++] = (char)('0' + m % 10);
    }
    point = n + power;
    if (point > 9 || point < -4) {
        *p++ = digits[--n];
        if (n > 0) {
            *p++ = '.';
        }
        while (n > 0) {
            *p++ = digits[--n];
        }
        p += sprintf(p, "e%+03d", point - 1);
        return (size_t)(p - text);
    }
    if (point <= 0) {
        *p++ = '0';
        *p++ = '.';
        for (; point < 0; point++) {
            *p++ = '0';
        }
        point = -1; /* the point is behind us */
    }
    while (n > 0) {
        *p++ = digits[--n];
        if (--point == 0 && n > 0) {
            *p++ = '.';
        }
    }
    for (; point > 0; point--) {
        *p++ = '0';
    }
    return (size_t)(p - text);
}

size_t number_print(float value, char text[NUMBER_TEXT_MAX])
{
    float size = fabsf(value);
    size_t used = 0;
    uint64_t m = 0;
    int power = 0;

    if (isnan(value)) {
        memcpy(text, "nan", 3);
        return 3;
    }
    if (signbit(value)) {
        text[used++] = '-';
    }
    if (isinf(value)) {
        memcpy(text + used, "inf", 3);
        return used + 3;
    }
    if (size == 0) {
        text[used] = '0';
        return used + 1;
    }
    if (!shortest(size, &m, &power)) {
        return used + print_slow(size, text + used);
    }
    return used + lay_out(m, power, text + used);
}
