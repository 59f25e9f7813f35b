/* SPDX-License-Identifier: MIT
 *
 * utf8: see utf8.h.
 */
#include "driver/utf8.h"

#include <stddef.h>

/* Length of the well-formed character at s, 0 if there is none. The NUL at the
 * end is no continuation byte, so nothing behind it is read. */
static size_t character(const unsigned char *s)
{
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    size_t len;

    if (s[0] < 0x80) {
        return 1;
    }
    if (s[0] < 0xc2 || s[0] > 0xf4) {
        return 0;
    }
    len = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    switch (s[0]) {
    case 0xe0:
        low = 0xa0; /* shorter forms exist */
        break;
    case 0xed:
        high = 0x9f; /* surrogates */
        break;
    case 0xf0:
        low = 0x90;
        break;
    case 0xf4:
        high = 0x8f; /* past the last one */
        break;
    default:
        break;
    }
    if (s[1] < low || s[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return len;
}

void utf8_clean(char *text)
{
    while (*text != '\0') {
        size_t n = character((const unsigned char *)text);

        if (n == 0) {
            *text = '?';
            n = 1;
        }
        text += n;
    }
}
