/* SPDX-License-Identifier: MIT
 *
 * update_code: the values of an update (a delta or a gradient) as they travel
 * in an encoding of common/codec.h. Only the values of weights may lose
 * anything. All else is sent as float32 behind them, in order: moving
 * statistics and the optimizer's slots, where a small error makes a variance
 * negative; constants; sums and divisors behind a gradient (round.h). Both
 * sides know from the model which is which.
 */
#ifndef COMMON_MODEL_UPDATE_CODE_H
#define COMMON_MODEL_UPDATE_CODE_H

#include "common/codec.h"
#include "common/model/model.h"

/* Whether the values can be encoded: those of weights are finite, and fit. The
 * n values begin with the model's parameters, here and below. */
bool update_code_fits(const struct model *model, enum codec_kind kind,
                      const float *values, size_t n);

/* Appends the encoded values, which fit. values[] is left with what the
 * receiver does not get; rng as of codec_encode(). */
int update_code_encode(const struct model *model, const struct codec *codec,
                       float *values, size_t n, struct rng *rng,
                       struct buf *out, struct err *err) ERR_CHECKED;

/* Reads n values. ERR_PROTO: malformed, or bytes are missing or left over;
 * out[] then holds anything. */
int update_code_decode(const struct model *model, enum codec_kind kind,
                       struct view bytes, float *out, size_t n,
                       struct err *err) ERR_CHECKED;

#endif
