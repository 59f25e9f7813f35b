/* SPDX-License-Identifier: MIT
 *
 * base64: packed rows as text and back (RFC 4648, with padding). Nothing is
 * skipped: a byte that is not of the alphabet is a fault.
 */
#ifndef COMMON_BASE64_H
#define COMMON_BASE64_H

#include "common/buf.h"
#include "common/err.h"

#include <stddef.h>

/* Characters for n bytes. */
size_t base64_length(size_t n);
/* Room that base64_decode() needs for a text of len characters. */
size_t base64_room(size_t len);

/* Writes base64_length(n) characters, without an end. */
void base64_encode(const void *in, size_t n, char *out);

/* Decodes text, without blanks behind it, into out[base64_room(text.len)];
 * *n is how many bytes it is. ERR_INVALID for what is not base64. */
int base64_decode(struct view text, void *out, size_t *n,
                  struct err *err) ERR_CHECKED;

#endif
