/* SPDX-License-Identifier: MIT
 *
 * row_header: see row_header.h. nan and inf count as numbers, so that a bad
 * value in the first row is not taken for a name.
 */
#include "driver/row_header.h"

#include "common/csv_line.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

static size_t digits(const char *p, size_t len)
{
    size_t n = 0;

    while (n < len && p[n] >= '0' && p[n] <= '9') {
        n++;
    }
    return n;
}

static bool is_word(const char *p, size_t len)
{
    static const char *const words[] = {"nan", "inf", "infinity"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (len == strlen(words[i]) && strncasecmp(p, words[i], len) == 0) {
            return true;
        }
    }
    return false;
}

/* [+-]digits[.digits][e[+-]digits], or a word */
static bool is_number(const char *p, size_t len)
{
    size_t at = len > 0 && (p[0] == '+' || p[0] == '-');
    size_t whole;
    size_t part = 0;

    if (is_word(p + at, len - at)) {
        return true;
    }
    whole = digits(p + at, len - at);
    at += whole;
    if (at < len && p[at] == '.') {
        at++;
        part = digits(p + at, len - at);
        at += part;
    }
    if (whole + part == 0) {
        return false;
    }
    if (at < len && (p[at] == 'e' || p[at] == 'E')) {
        size_t exponent;

        at++;
        at += at < len && (p[at] == '+' || p[at] == '-');
        exponent = digits(p + at, len - at);
        at = exponent != 0 ? at + exponent : 0;
    }
    return at == len;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void trim(const char **p, size_t *len)
{
    while (*len > 0 && is_blank(**p)) {
        (*p)++;
        (*len)--;
    }
    while (*len > 0 && is_blank((*p)[*len - 1])) {
        (*len)--;
    }
}

enum row_header_guess row_header_guess(struct view line)
{
    const char *text = (const char *)line.data;
    char delimiter = csv_line_delimiter(line);
    size_t numbers = 0;
    size_t fields = 0;

    for (size_t at = 0; at <= line.len; fields++) {
        const char *p = text + at;
        bool quoted = false;
        size_t len = 0;

        while (at + len < line.len && (quoted || p[len] != delimiter)) {
            quoted = quoted != (p[len] == '"');
            len++;
        }
        at += len + 1;
        trim(&p, &len);
        if (len >= 2 && p[0] == '"' && p[len - 1] == '"') {
            p++;
            len -= 2;
            trim(&p, &len);
        }
        numbers += is_number(p, len);
    }
    return numbers == 0        ? ROW_HEADER_NAMES
           : numbers == fields ? ROW_HEADER_VALUES
                               : ROW_HEADER_MIXED;
}
