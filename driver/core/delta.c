/* SPDX-License-Identifier: MIT
 *
 * delta: see delta.h. Numbers of other formats are converted in blocks that
 * stay in the first-level cache. float16 and bfloat16 are those of IEEE 754
 * (binary16) and of its upper half; both are exact as float32.
 */
#include "driver/core/delta.h"

#include "common/clones.h"

#include <math.h>
#include <string.h>

#define BLOCK ((size_t)1024)
#define LANES ((size_t)32)
#define EXPONENT 0x7f800000U
#define MAGNITUDE 0x7fffffffU

size_t delta_type_size(enum delta_type type)
{
    switch (type) {
    case DELTA_FLOAT16:
    case DELTA_BFLOAT16:
        return 2;
    case DELTA_FLOAT64:
    case DELTA_INT64:
        return 8;
    case DELTA_FLOAT32:
    case DELTA_INT32:
        return 4;
    }
    return 4;
}

static float from_bits(uint32_t bits)
{
    float f;

    memcpy(&f, &bits, sizeof(f));
    return f;
}

static uint32_t to_bits(float f)
{
    uint32_t bits;

    memcpy(&bits, &f, sizeof(bits));
    return bits;
}

static float from_half(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16;
    uint32_t exponent = h >> 10 & 0x1f;
    uint32_t fraction = h & 0x3ff;

    if (exponent == 0x1f) {
        return from_bits(sign | EXPONENT | fraction << 13);
    }
    if (exponent == 0) { /* zero, or a number without its leading bit */
        float f = (float)fraction * 0x1p-24F;

        return sign != 0 ? -f : f;
    }
    return from_bits(sign | (exponent + 112) << 23 | fraction << 13);
}

#define READ(kind, convert)                                                    \
    for (size_t i = 0; i < n; i++) {                                           \
        kind v;                                                                \
        memcpy(&v, in + i * sizeof(v), sizeof(v));                             \
        out[i] = convert(v);                                                   \
    }                                                                          \
    break
#define FLOAT(v) ((float)(v))
#define UPPER_HALF(v) from_bits((uint32_t)(v) << 16)

void delta_read(const struct delta_piece *piece, size_t from, size_t n,
                float *out)
{
    const uint8_t *in = piece->bytes + from * delta_type_size(piece->type);

    switch (piece->type) {
    case DELTA_FLOAT32:
        memcpy(out, in, n * sizeof(*out));
        break;
    case DELTA_FLOAT16:
        READ(uint16_t, from_half);
    case DELTA_BFLOAT16:
        READ(uint16_t, UPPER_HALF);
    case DELTA_FLOAT64:
        READ(double, FLOAT);
    case DELTA_INT32:
        READ(int32_t, FLOAT);
    case DELTA_INT64:
        READ(int64_t, FLOAT);
    }
}

/* Numbers of a block: where they lie, or converted. */
static const uint8_t *block(const struct delta_piece *piece, size_t from,
                            size_t n, float converted[BLOCK])
{
    if (piece->type == DELTA_FLOAT32) {
        return piece->bytes + from * sizeof(float);
    }
    delta_read(piece, from, n, converted);
    return (const uint8_t *)converted;
}

static float load(const uint8_t *bytes, size_t i)
{
    float f;

    memcpy(&f, bytes + i * sizeof(f), sizeof(f));
    return f;
}

/* LANES maxima side by side: one alone would be waited for at every step. As
 * integers magnitudes are in order, and NaN is above all. */
CLONES uint32_t delta_magnitude(const uint8_t *values, size_t n)
{
    int32_t lanes[LANES] = {0};
    int32_t largest = 0;
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        for (size_t k = 0; k < LANES; k++) {
            int32_t bits = (int32_t)(to_bits(load(values, i + k)) & MAGNITUDE);

            lanes[k] = bits > lanes[k] ? bits : lanes[k];
        }
    }
    for (; i < n; i++) {
        int32_t bits = (int32_t)(to_bits(load(values, i)) & MAGNITUDE);

        largest = bits > largest ? bits : largest;
    }
    for (size_t k = 0; k < LANES; k++) {
        largest = lanes[k] > largest ? lanes[k] : largest;
    }
    return (uint32_t)largest;
}

/* Without a branch, so that it is vector code. Not of several kinds (clones.h),
 * as there is a product that is subtracted. */
static bool stays_finite(const float *restrict values,
                         const uint8_t *restrict numbers, size_t n,
                         float factor)
{
    uint32_t bad = 0;

    for (size_t i = 0; i < n; i++) {
        uint32_t bits = to_bits(values[i] - factor * load(numbers, i));

        bad |= (bits & EXPONENT) == EXPONENT;
    }
    return bad == 0;
}

size_t delta_find_diverging(const float *values, const uint8_t *numbers,
                            size_t n, float factor)
{
    for (size_t at = 0; at < n; at += BLOCK) {
        const uint8_t *in = numbers + at * sizeof(float);
        size_t end = n - at < BLOCK ? n - at : BLOCK;

        if (!stays_finite(values + at, in, end, factor)) {
            end += at - 1; /* the last one is it if no other is */
            while (at < end &&
                   isfinite(values[at] - factor * load(numbers, at))) {
                at++;
            }
            return at;
        }
    }
    return n;
}

float delta_largest(const struct delta_piece *piece)
{
    float converted[BLOCK];
    uint32_t largest = 0;

    if (piece->type == DELTA_FLOAT32) {
        largest = delta_magnitude(piece->bytes, piece->count);
    } else {
        for (size_t at = 0; at < piece->count; at += BLOCK) {
            size_t n = piece->count - at < BLOCK ? piece->count - at : BLOCK;
            uint32_t bits = delta_magnitude(block(piece, at, n, converted), n);

            largest = bits > largest ? bits : largest;
        }
    }
    return largest >= EXPONENT ? INFINITY : from_bits(largest);
}

CLONES static void subtract(float *restrict to, const uint8_t *restrict values,
                            size_t n)
{
    for (size_t i = 0; i < n; i++) {
        to[i] -= load(values, i);
    }
}

void delta_subtract(const struct delta_piece *piece, size_t begin, size_t end,
                    float *values)
{
    float converted[BLOCK];
    size_t first = begin > piece->at ? begin - piece->at : 0;
    size_t last = end > piece->at ? end - piece->at : 0;

    last = last < piece->count ? last : piece->count;
    for (size_t at = first; at < last; at += BLOCK) {
        size_t n = last - at < BLOCK ? last - at : BLOCK;
        const uint8_t *in = block(piece, at, n, converted);

        subtract(values + piece->at + at, in, n);
    }
}

size_t delta_find_fault(const struct delta_piece *piece, const float *values)
{
    float converted[BLOCK];

    for (size_t at = 0; at < piece->count; at += BLOCK) {
        size_t n = piece->count - at < BLOCK ? piece->count - at : BLOCK;
        const uint8_t *in = block(piece, at, n, converted);

        for (size_t i = 0; i < n; i++) {
            if (!isfinite(values[piece->at + at + i] - load(in, i))) {
                return piece->at + at + i;
            }
        }
    }
    return SIZE_MAX;
}
