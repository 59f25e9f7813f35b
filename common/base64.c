/* SPDX-License-Identifier: MIT
 *
 * base64: see base64.h. Faults are gathered in one word and looked at once, at
 * the end: the loop has no branch for them. Values over 127 are no ASCII.
 */
#include "common/base64.h"

#include <stdint.h>

#define BAD 0xff

static const char digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static const uint8_t values[128] = {
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, 62,  BAD,
    BAD, BAD, 63,  52,  53,  54,  55,  56,  57,  58,  59,  60,  61,  BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, 0,   1,   2,   3,   4,   5,   6,   7,   8,   9,
    10,  11,  12,  13,  14,  15,  16,  17,  18,  19,  20,  21,  22,  23,  24,
    25,  BAD, BAD, BAD, BAD, BAD, BAD, 26,  27,  28,  29,  30,  31,  32,  33,
    34,  35,  36,  37,  38,  39,  40,  41,  42,  43,  44,  45,  46,  47,  48,
    49,  50,  51,  BAD, BAD, BAD, BAD, BAD,
};

size_t base64_length(size_t n)
{
    return n / 3 * 4 + (n % 3 != 0 ? 4 : 0);
}

size_t base64_room(size_t len)
{
    return len / 4 * 3;
}

void base64_encode(const void *in, size_t n, char *out)
{
    const uint8_t *b = in;

    for (size_t i = 0; i < n; i += 3, out += 4) {
        size_t left = n - i;
        uint32_t bits = (uint32_t)b[i] << 16;

        if (left > 1) {
            bits |= (uint32_t)b[i + 1] << 8;
        }
        if (left > 2) {
            bits |= b[i + 2];
        }
        out[0] = digits[bits >> 18];
        out[1] = digits[bits >> 12 & 63];
        out[2] = left > 1 ? digits[bits >> 6 & 63] : '=';
        out[3] = left > 2 ? digits[bits & 63] : '=';
    }
}

static size_t padding(struct view text)
{
    size_t n = 0;

    while (n < 2 && n < text.len && text.data[text.len - 1 - n] == '=') {
        n++;
    }
    return n;
}

/* One group of four; bits over 6 in *bad are a fault. */
static void decode_group(const uint8_t *in, uint8_t *out, unsigned *bad)
{
    uint32_t a = values[in[0] & 127];
    uint32_t b = values[in[1] & 127];
    uint32_t c = values[in[2] & 127];
    uint32_t d = values[in[3] & 127];
    uint32_t bits = a << 18 | b << 12 | c << 6 | d;

    *bad |= a | b | c | d | ((in[0] | in[1] | in[2] | in[3]) & 128U);
    out[0] = (uint8_t)(bits >> 16);
    out[1] = (uint8_t)(bits >> 8);
    out[2] = (uint8_t)bits;
}

int base64_decode(struct view text, void *out, size_t *n, struct err *err)
{
    uint8_t *bytes = out;
    size_t pad = padding(text);
    size_t i = 0;
    unsigned bad = 0;

    if (text.len % 4 != 0) {
        return err_set(err, ERR_INVALID,
                       "%zu characters, which is no multiple of 4: the base64 "
                       "is cut off",
                       text.len);
    }
    for (; i + (pad != 0 ? 4 : 0) < text.len; i += 4, bytes += 3) {
        decode_group(text.data + i, bytes, &bad);
    }
    if (pad != 0) {
        uint8_t last[4] = {text.data[i], text.data[i + 1],
                           pad > 1 ? 'A' : text.data[i + 2], 'A'};

        decode_group(last, bytes, &bad);
    }
    if ((bad & 0xc0) != 0) {
        return err_set(err, ERR_INVALID, "is not base64");
    }
    *n = base64_room(text.len) - pad;
    return 0;
}
