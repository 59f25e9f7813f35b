/* SPDX-License-Identifier: MIT
 *
 * frame: what both sides of a connection of frames agree on (docs/PROTOCOL.md,
 * section 9): how it is asked for, and the twelve bytes before each message.
 */
#ifndef COMMON_FRAME_H
#define COMMON_FRAME_H

#include <stdint.h>

#define FRAME_PROTOCOL "elephas.v1" /* of the Upgrade header */
/* u32 kind (of a request) or HTTP status (of an answer), u64 length of the
 * message behind; little-endian */
#define FRAME_HEADER 12
#define FRAME_PULL_MAX 4096 /* bytes of a Pull message */

enum frame_kind { FRAME_PULL = 1, FRAME_UPDATE = 2 };

void frame_put_header(uint32_t what, uint64_t length,
                      uint8_t out[FRAME_HEADER]);
void frame_get_header(const uint8_t header[FRAME_HEADER], uint32_t *what,
                      uint64_t *length);

#endif
