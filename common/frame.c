/* SPDX-License-Identifier: MIT
 *
 * frame: see frame.h.
 */
#include "common/frame.h"

#include <stddef.h>

static uint64_t get_le(const uint8_t *p, size_t bytes)
{
    uint64_t value = 0;

    for (size_t i = bytes; i-- > 0;) {
        value = value << 8 | p[i];
    }
    return value;
}

static void put_le(uint64_t value, size_t bytes, uint8_t *p)
{
    for (size_t i = 0; i < bytes; i++) {
        p[i] = (uint8_t)(value >> (8 * i));
    }
}

void frame_put_header(uint32_t what, uint64_t length, uint8_t out[FRAME_HEADER])
{
    put_le(what, 4, out);
    put_le(length, 8, out + 4);
}

void frame_get_header(const uint8_t header[FRAME_HEADER], uint32_t *what,
                      uint64_t *length)
{
    *what = (uint32_t)get_le(header, 4);
    *length = get_le(header + 4, 8);
}
