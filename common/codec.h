/* SPDX-License-Identifier: MIT
 *
 * codec: vectors of floats in fewer bytes (docs/PARAMETER_SERVER.md, "Less on
 * the wire"). Little-endian, each form padded with zeros to a multiple of 4:
 *
 *   float32   as it is
 *   fp16      IEEE 754 binary16
 *   bf16      the upper half of a float32
 *   int8      blocks of 1024 values: a float32 scale, then a signed byte for
 *             each value, which is byte * scale (the last block is padded)
 *   topk      the values of greatest magnitude: u32 number of them, u32 bytes
 *             of the indices, the indices (rising; each as its distance to the
 *             one behind which it may lie, in 7-bit groups, lowest first, as
 *             protobuf's varints), padding, the values as float32. All others
 *             are 0.
 *
 * Encoding leaves behind what was lost, so that a sender can add it to what it
 * sends next (error feedback: Seide, Fu, Droppo, Li, Yu, "1-bit stochastic
 * gradient descent", 2014; Karimireddy, Rebjock, Stich, Jaggi, "Error feedback
 * fixes SignSGD", 2019). Or it rounds by chance, up or down as near as the
 * value lies, so that the mean error is 0 and nothing has to be remembered
 * (Alistarh, Grubic, Li, Tomioka, Vojnovic, "QSGD", 2017).
 *
 * Pure functions; the result is the same on every machine. Bytes that are
 * decoded are untrusted.
 */
#ifndef COMMON_CODEC_H
#define COMMON_CODEC_H

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>

struct rng;

enum codec_kind {
    CODEC_FLOAT32,
    CODEC_FP16,
    CODEC_BF16,
    CODEC_INT8,
    CODEC_TOPK
};
#define CODEC_BLOCK 1024
#define CODEC_KEPT 0.01 /* of topk, unless it says otherwise */
#define CODEC_TEXT_SIZE 48

struct codec {
    enum codec_kind kind;
    double kept; /* topk: the fraction that is sent, in (0, 1]; else 0 */
};

/* "none", "fp16", "bf16", "int8", "topk" or "topk:FRACTION". ERR_INVALID. */
int codec_parse(const char *text, struct codec *out,
                struct err *err) ERR_CHECKED;
/* The same back; returns text. */
const char *codec_text(const struct codec *codec, char text[CODEC_TEXT_SIZE]);
/* The word without the fraction, "float32" for CODEC_FLOAT32; NULL if there is
 * no such kind. */
const char *codec_kind_name(enum codec_kind kind);

/* Whether all values are finite and within the range of this kind (65504 for
 * fp16). Others cannot be encoded. */
bool codec_fits(enum codec_kind kind, const float *values, size_t n);

/* Appends the encoded values, which must fit. values[] is left with what the
 * receiver does not get: the value minus what it will decode. rng: where it
 * rounds by chance (fp16, bf16, int8); NULL: to the nearest. n < 2^32. */
int codec_encode(const struct codec *codec, float *values, size_t n,
                 struct rng *rng, struct buf *out, struct err *err) ERR_CHECKED;

/* Reads n values from the beginning of bytes; *used: the bytes they took.
 * ERR_PROTO: cut off, indices that do not rise or are out of range, a scale
 * that is no number, more values than there are elements, padding that is not
 * 0; out[] then holds anything. Values themselves may be NaN or infinite in
 * fp16, bf16, topk and float32: whoever adds them up looks at them anyway. */
int codec_decode(enum codec_kind kind, struct view bytes, float *out, size_t n,
                 size_t *used, struct err *err) ERR_CHECKED;

#endif
