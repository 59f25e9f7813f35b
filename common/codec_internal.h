/* SPDX-License-Identifier: MIT
 *
 * codec_internal: what codec.c and codec_topk.c have of each other.
 */
#ifndef COMMON_CODEC_INTERNAL_H
#define COMMON_CODEC_INTERNAL_H

#include "common/buf.h"
#include "common/err.h"

#include <stddef.h>

/* Appends zeros up to a multiple of 4 of what was written. */
int codec_pad(struct buf *out, size_t written, struct err *err) ERR_CHECKED;
/* Whether the bytes from end up to the next multiple of 4, which must be
 * there, are 0. */
int codec_check_padding(struct view bytes, size_t end,
                        struct err *err) ERR_CHECKED;

int codec_topk_encode(double kept, float *values, size_t n, struct buf *out,
                      struct err *err) ERR_CHECKED;
int codec_topk_decode(struct view bytes, float *out, size_t n, size_t *used,
                      struct err *err) ERR_CHECKED;

#endif
