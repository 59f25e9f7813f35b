/* SPDX-License-Identifier: MIT
 *
 * codec: names of the forms, and the forms with a fixed number of bytes per
 * value: fp16, bf16, int8; see codec.h. The loops work on chunks of a block,
 * without branches, so that the compiler can use vector registers; topk is in
 * codec_topk.c.
 */
#include "common/codec.h"

#include "common/codec_internal.h"
#include "common/rng.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FP16_MAX 65504.0F
#define BF16_MAX 0x1.FEp127F

static const char *const names[] = {"float32", "fp16", "bf16", "int8", "topk"};

const char *codec_kind_name(enum codec_kind kind)
{
    return (unsigned)kind < sizeof(names) / sizeof(*names) ? names[kind] : NULL;
}

static int parse_kept(const char *text, double *kept, struct err *err)
{
    char *end = NULL;

    *kept = text[0] >= '0' && text[0] <= '9' ? strtod(text, &end) : 0;
    if (end == NULL || *end != '\0' || !(*kept > 0 && *kept <= 1)) {
        return err_set(err, ERR_INVALID,
                       "topk:%.32s: the fraction that is sent must be above 0 "
                       "and not more than 1",
                       text);
    }
    return 0;
}

int codec_parse(const char *text, struct codec *out, struct err *err)
{
    struct codec c = {CODEC_FLOAT32, 0};

    if (strncmp(text, "topk:", 5) == 0) {
        int rc = parse_kept(text + 5, &c.kept, err);

        if (rc != 0) {
            return rc;
        }
        c.kind = CODEC_TOPK;
    } else if (strcmp(text, "none") != 0) {
        for (c.kind = CODEC_FP16; c.kind <= CODEC_TOPK; c.kind++) {
            if (strcmp(text, names[c.kind]) == 0) {
                break;
            }
        }
        if (c.kind > CODEC_TOPK) {
            return err_set(err, ERR_INVALID,
                           "%.64s is not possible, none, fp16, bf16, int8, "
                           "topk or topk:FRACTION is",
                           text);
        }
        c.kept = c.kind == CODEC_TOPK ? CODEC_KEPT : 0;
    }
    *out = c;
    return 0;
}

const char *codec_text(const struct codec *codec, char text[CODEC_TEXT_SIZE])
{
    if (codec->kind == CODEC_TOPK) {
        (void)snprintf(text, CODEC_TEXT_SIZE, "topk:%.17g", codec->kept);
        for (int digits = 1; digits < 17; digits++) {
            char shorter[CODEC_TEXT_SIZE];

            (void)snprintf(shorter, sizeof(shorter), "topk:%.*g", digits,
                           codec->kept);
            if (strtod(shorter + 5, NULL) == codec->kept) {
                (void)snprintf(text, CODEC_TEXT_SIZE, "%s", shorter);
                break;
            }
        }
    } else {
        (void)snprintf(text, CODEC_TEXT_SIZE, "%s",
                       codec->kind == CODEC_FLOAT32
                           ? "none"
                           : codec_kind_name(codec->kind));
    }
    return text;
}

bool codec_fits(enum codec_kind kind, const float *values, size_t n)
{
    float limit = kind == CODEC_FP16   ? FP16_MAX
                  : kind == CODEC_BF16 ? BF16_MAX
                  : kind == CODEC_INT8 ? FLT_MAX / 2 /* 127 * (x / 127) */
                                       : FLT_MAX;
    unsigned beyond = 0;

    for (size_t i = 0; i < n; i++) {
        /* also true of NaN */
        beyond |= !(fabsf(values[i]) <= limit);
    }
    return beyond == 0;
}

/* ---- one value ----
 *
 * `chance` are random bits, or what makes adding it round to the nearest. */

static uint32_t bits_of(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof(bits));
    return bits;
}

static float float_of(uint32_t bits)
{
    float x;

    memcpy(&x, &bits, sizeof(x));
    return x;
}

/* To the nearest, ties to even: half of what is cut off, less one if the last
 * bit kept is 0. */
static uint32_t nearest(uint32_t bits, unsigned cut)
{
    return (1U << (cut - 1)) - 1 + (bits >> cut & 1);
}

static uint16_t to_bf16(float x, bool by_chance, uint32_t chance)
{
    uint32_t bits = bits_of(x);

    return (
        uint16_t)((bits + (by_chance ? chance & 0xffff : nearest(bits, 16))) >>
                  16);
}

static float from_bf16(uint16_t half)
{
    return float_of((uint32_t)half << 16);
}

/* condition ? a : b; without a branch, which compilers make of the operator
 * where the two are computed from floats, and then no vector code. */
static uint32_t pick(bool condition, uint32_t a, uint32_t b)
{
    return b ^ ((a ^ b) & (0U - (uint32_t)condition));
}

/* Below 2^-14 a half has a fixed distance of 2^-24 to the next one. */
static uint16_t to_fp16(float x, bool by_chance, uint32_t chance)
{
    const uint32_t most = (127U - 13) << 23; /* 2^-13 */
    uint32_t bits = bits_of(x);
    uint32_t sign = bits >> 16 & 0x8000;
    uint32_t magnitude = bits & 0x7fffffff;
    uint32_t normal =
        (magnitude - (112U << 23) +
         (by_chance ? chance & 0x1fff : nearest(magnitude, 13))) >>
        13;
    float scaled = float_of(pick(magnitude < most, magnitude, most)) * 0x1p24F;
    /* adding 2^23 rounds to an integer, ties to even */
    uint32_t small =
        by_chance
            ? (uint32_t)(int32_t)(scaled + (float)(chance >> 8) * 0x1p-24F)
            : bits_of(scaled + 0x1p23F) - bits_of(0x1p23F);

    return (uint16_t)(sign | pick(magnitude < (113U << 23), small, normal));
}

static float from_fp16(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t exponent = half >> 10 & 0x1f;
    uint32_t rest = (uint32_t)(half & 0x7fff) << 13;
    float small = (float)(half & 0x3ff) * 0x1p-24F;
    uint32_t bias = pick(exponent == 0x1f, 224U << 23, 112U << 23);

    return float_of(sign | pick(exponent == 0, bits_of(small), rest + bias));
}

/* ---- chunks ---- */

/* Random bits for a chunk; without rng they are not looked at. */
static void draw(struct rng *rng, uint32_t *chance, size_t n)
{
    if (rng != NULL) {
        rng_fill(rng, chance, n);
    }
}

/* The loops have one way each for what does not change in them: by_chance is
 * constant where these are called. */
static inline void to_halves_fp16(float *restrict x, size_t n, bool by_chance,
                                  const uint32_t *restrict chance,
                                  uint16_t *restrict out)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = to_fp16(x[i], by_chance, chance[i]);
        x[i] -= from_fp16(out[i]);
    }
}

static inline void to_halves_bf16(float *restrict x, size_t n, bool by_chance,
                                  const uint32_t *restrict chance,
                                  uint16_t *restrict out)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = to_bf16(x[i], by_chance, chance[i]);
        x[i] -= from_bf16(out[i]);
    }
}

static void halves(enum codec_kind kind, float *x, size_t n, bool by_chance,
                   const uint32_t *chance, uint16_t *out)
{
    if (kind == CODEC_FP16 && by_chance) {
        to_halves_fp16(x, n, true, chance, out);
    } else if (kind == CODEC_FP16) {
        to_halves_fp16(x, n, false, chance, out);
    } else if (by_chance) {
        to_halves_bf16(x, n, true, chance, out);
    } else {
        to_halves_bf16(x, n, false, chance, out);
    }
}

static int encode_halves(enum codec_kind kind, float *values, size_t n,
                         struct rng *rng, struct buf *out, struct err *err)
{
    uint32_t chance[CODEC_BLOCK] = {0};
    uint16_t packed[CODEC_BLOCK];
    int rc = 0;

    for (size_t at = 0; rc == 0 && at < n; at += CODEC_BLOCK) {
        size_t count = n - at < CODEC_BLOCK ? n - at : CODEC_BLOCK;

        draw(rng, chance, count);
        halves(kind, values + at, count, rng != NULL, chance, packed);
        rc = buf_append(out, packed, count * sizeof(*packed), err);
    }
    return rc == 0 ? codec_pad(out, n * sizeof(*packed), err) : rc;
}

/* v / scale is within 127 in magnitude, and 128 more than that is positive:
 * cutting off its fraction is rounding down. */
static void bytes_of(float *x, size_t n, float scale, bool by_chance,
                     const uint32_t *chance, int8_t *out)
{
    for (size_t i = 0; i < n; i++) {
        float up = by_chance ? (float)(chance[i] >> 8) * 0x1p-24F : 0.5F;
        int32_t q = (int32_t)(x[i] / scale + 128.0F + up) - 128;

        q = q > 127 ? 127 : q;
        q = q < -127 ? -127 : q;
        out[i] = (int8_t)q;
        x[i] -= (float)q * scale;
    }
}

static float greatest(const float *x, size_t n)
{
    int32_t max = 0; /* magnitudes are in order as integers */

    for (size_t i = 0; i < n; i++) {
        int32_t magnitude = (int32_t)(bits_of(x[i]) & 0x7fffffff);

        max = magnitude > max ? magnitude : max;
    }
    return float_of((uint32_t)max);
}

static int encode_int8(float *values, size_t n, struct rng *rng,
                       struct buf *out, struct err *err)
{
    uint32_t chance[CODEC_BLOCK] = {0};
    int8_t packed[CODEC_BLOCK];
    int rc = 0;

    for (size_t at = 0; rc == 0 && at < n; at += CODEC_BLOCK) {
        size_t count = n - at < CODEC_BLOCK ? n - at : CODEC_BLOCK;
        float scale = greatest(values + at, count) / 127;

        draw(rng, chance, count);
        if (scale > 0) {
            bytes_of(values + at, count, scale, rng != NULL, chance, packed);
        } else { /* all 0, or too small for a scale */
            memset(packed, 0, count);
        }
        rc = buf_append(out, &scale, sizeof(scale), err);
        if (rc == 0) {
            rc = buf_append(out, packed, count, err);
        }
        if (rc == 0) {
            rc = codec_pad(out, count, err);
        }
    }
    return rc;
}

int codec_pad(struct buf *out, size_t written, struct err *err)
{
    static const uint8_t zeros[3];

    return buf_append(out, zeros, -written & 3, err);
}

int codec_encode(const struct codec *codec, float *values, size_t n,
                 struct rng *rng, struct buf *out, struct err *err)
{
    int rc;

    switch (codec->kind) {
    case CODEC_FP16:
    case CODEC_BF16:
        return encode_halves(codec->kind, values, n, rng, out, err);
    case CODEC_INT8:
        return encode_int8(values, n, rng, out, err);
    case CODEC_TOPK:
        return codec_topk_encode(codec->kept, values, n, out, err);
    default:
        rc = buf_append(out, values, n * sizeof(*values), err);
        if (rc == 0 && n != 0) {
            memset(values, 0, n * sizeof(*values));
        }
        return rc;
    }
}

/* ---- and back ---- */

int codec_check_padding(struct view bytes, size_t end, struct err *err)
{
    for (size_t i = end; i < ((end + 3) & ~(size_t)3); i++) {
        if (bytes.data[i] != 0) {
            return err_set(err, ERR_PROTO, "byte %zu is not 0", i);
        }
    }
    return 0;
}

static int too_short(struct view bytes, size_t want, size_t n, struct err *err)
{
    return err_set(err, ERR_PROTO, "%zu bytes, %zu values take %zu", bytes.len,
                   n, want);
}

static uint16_t load_half(const uint8_t *bytes, size_t i)
{
    uint16_t half;

    memcpy(&half, bytes + 2 * i, sizeof(half));
    return half;
}

static void from_halves_fp16(const uint8_t *restrict bytes, size_t n,
                             float *restrict out)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = from_fp16(load_half(bytes, i));
    }
}

static void from_halves_bf16(const uint8_t *restrict bytes, size_t n,
                             float *restrict out)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = from_bf16(load_half(bytes, i));
    }
}

static int decode_halves(enum codec_kind kind, struct view bytes, float *out,
                         size_t n, size_t *used, struct err *err)
{
    size_t want = (n * 2 + 3) & ~(size_t)3;

    if (bytes.len < want) {
        return too_short(bytes, want, n, err);
    }
    if (kind == CODEC_FP16) {
        from_halves_fp16(bytes.data, n, out);
    } else {
        from_halves_bf16(bytes.data, n, out);
    }
    *used = want;
    return codec_check_padding(bytes, n * 2, err);
}

static size_t int8_size(size_t n)
{
    size_t rest = n % CODEC_BLOCK;

    return n / CODEC_BLOCK * (CODEC_BLOCK + 4) +
           (rest != 0 ? 4 + ((rest + 3) & ~(size_t)3) : 0);
}

static void scale_bytes(const uint8_t *from, size_t n, float scale, float *out)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = (float)(int8_t)from[i] * scale;
    }
}

static int decode_int8(struct view bytes, float *out, size_t n, size_t *used,
                       struct err *err)
{
    size_t want = int8_size(n);
    size_t at = 0;
    int rc = 0;

    if (bytes.len < want) {
        return too_short(bytes, want, n, err);
    }
    for (size_t i = 0; rc == 0 && i < n; i += CODEC_BLOCK) {
        size_t count = n - i < CODEC_BLOCK ? n - i : CODEC_BLOCK;
        float scale;

        memcpy(&scale, bytes.data + at, sizeof(scale));
        at += sizeof(scale);
        if (!(scale >= 0 && scale <= FLT_MAX / 127)) {
            return err_set(err, ERR_PROTO,
                           "the scale of values %zu to %zu is %g", i, i + count,
                           (double)scale);
        }
        if (memchr(bytes.data + at, 0x80, count) != NULL) {
            return err_set(err, ERR_PROTO,
                           "a byte of values %zu to %zu is -128", i, i + count);
        }
        scale_bytes(bytes.data + at, count, scale, out + i);
        rc = codec_check_padding(bytes, at + count, err);
        at += (count + 3) & ~(size_t)3;
    }
    *used = want;
    return rc;
}

int codec_decode(enum codec_kind kind, struct view bytes, float *out, size_t n,
                 size_t *used, struct err *err)
{
    switch (kind) {
    case CODEC_FP16:
    case CODEC_BF16:
        return decode_halves(kind, bytes, out, n, used, err);
    case CODEC_INT8:
        return decode_int8(bytes, out, n, used, err);
    case CODEC_TOPK:
        return codec_topk_decode(bytes, out, n, used, err);
    case CODEC_FLOAT32:
        if (bytes.len < n * sizeof(*out)) {
            return too_short(bytes, n * sizeof(*out), n, err);
        }
        if (n != 0) {
            memcpy(out, bytes.data, n * sizeof(*out));
        }
        *used = n * sizeof(*out);
        return 0;
    }
    return err_set(err, ERR_PROTO, "encoding %d is not known", (int)kind);
}
