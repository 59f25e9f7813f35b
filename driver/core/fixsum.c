/* SPDX-License-Identifier: MIT
 *
 * fixsum: see fixsum.h. The three 64-bit limbs of the elements lie in three
 * arrays, and the loop over them has no branch, so that the compiler turns it
 * into vector code. Values are checked in a pass of their own before anything
 * is added, so that a refused vector leaves no trace.
 *
 * A float is m * 2^(e - 150) with an integer m below 2^24 and 1 <= e <= 254.
 * weight * m has at most 64 bits and is shifted to bit e + 24 of a 256-bit
 * number whose lowest bit is 2^-174 and whose lowest limb is dropped.
 */
#include "driver/core/fixsum.h"

#include "common/clones.h"
#include "common/mem.h"
#include "driver/core/delta.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#define LIMBS 3
#define BOUND 0x1p81
/* vectors are checked and added in pieces that stay in the cache */
#define PIECE 4096

struct fixsum {
    size_t n;        /* elements */
    uint64_t *limbs; /* n low, n middle, n high ones */
    uint64_t total;  /* of the weights */
    double bound;    /* no element's magnitude is larger */
};

int fixsum_create(size_t n, struct fixsum **out, struct err *err)
{
    struct fixsum *sum = mem_zalloc(sizeof(*sum));

    if (sum == NULL || n > SIZE_MAX / LIMBS ||
        (sum->limbs = mem_zarray(n * LIMBS, sizeof(uint64_t))) == NULL) {
        mem_free(sum);
        return err_nomem(err);
    }
    sum->n = n;
    *out = sum;
    return 0;
}

void fixsum_destroy(struct fixsum **sum)
{
    if (*sum != NULL) {
        mem_free((*sum)->limbs);
        mem_free(*sum);
        *sum = NULL;
    }
}

void fixsum_clear(struct fixsum *sum)
{
    memset(sum->limbs, 0, sum->n * LIMBS * sizeof(uint64_t));
    sum->total = 0;
    sum->bound = 0;
}

uint64_t fixsum_total(const struct fixsum *sum)
{
    return sum->total;
}

static uint32_t load(const uint8_t *values, size_t i)
{
    uint32_t bits;

    memcpy(&bits, values + i * sizeof(bits), sizeof(bits));
    return bits;
}

bool fixsum_is_finite(const uint8_t *values, size_t n)
{
    return delta_magnitude(values, n) < 0x7f800000;
}

CLONES static void add_piece(uint64_t *restrict low, uint64_t *restrict middle,
                             uint64_t *restrict high,
                             const uint8_t *restrict values, size_t n,
                             uint64_t weight)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t bits = load(values, i);
        uint64_t sign = 0 - (bits >> 31);
        uint64_t exponent = bits >> 23 & 0xff;
        uint64_t normal = (exponent + 0xff) >> 8; /* 0 for subnormals */
        uint64_t product = (bits & 0x7fffff) | normal << 23;
        uint64_t at, shift, limb, p0, p1, x0, x1, x2, s0, s1, carry;

        product *= weight;
        at = exponent + 1 - normal + 24;
        shift = at & 63;
        limb = at >> 6;
        p0 = product << shift;
        p1 = product >> 1 >> (63 - shift);
        x0 = (limb == 0 ? p1 : 0) | (limb == 1 ? p0 : 0);
        x1 = (limb == 1 ? p1 : 0) | (limb == 2 ? p0 : 0);
        x2 = (limb == 2 ? p1 : 0) | (limb == 3 ? p0 : 0);
        /* minus x is ~x + 1: the 1 goes in as a carry */
        x0 ^= sign;
        x1 ^= sign;
        x2 ^= sign;
        s0 = low[i] + x0;
        carry = s0 < x0;
        low[i] = s0 + (sign & 1);
        carry |= low[i] < s0;
        s1 = middle[i] + x1;
        x1 = s1 < x1;
        middle[i] = s1 + carry;
        x1 |= middle[i] < s1;
        high[i] += x2 + x1;
    }
}

static float float_of(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* Finds the element to blame: the first that is not finite, else the first
 * of the largest. */
static int refuse(const struct fixsum *sum, const uint8_t *values, uint32_t max,
                  size_t *element, struct err *err)
{
    size_t i = 0;
    float value;

    if (max >= 0x7f800000) {
        max = 0x7f800000;
    }
    while (i < sum->n - 1 && (load(values, i) & 0x7fffffff) < max) {
        i++;
    }
    value = float_of(load(values, i));
    if (element != NULL) {
        *element = i;
    }
    if (isnan(value)) {
        return err_set(err, ERR_INVALID, "element %zu is not a number", i);
    }
    if (isinf(value)) {
        return err_set(err, ERR_INVALID, "element %zu is infinite", i);
    }
    return err_set(err, ERR_INVALID, "element %zu is %g, too large to sum up",
                   i, (double)value);
}

int fixsum_add(struct fixsum *sum, const uint8_t *values, uint64_t weight,
               size_t *element, struct err *err)
{
    uint32_t max = delta_magnitude(values, sum->n);
    double bound;

    assert(weight > 0 && weight < FIXSUM_MAX_WEIGHT);
    bound = sum->bound + (double)weight * (double)float_of(max);
    /* not >=: it is NaN if an element is */
    if (!(bound < BOUND) || sum->total > UINT64_MAX - weight) {
        return refuse(sum, values, max, element, err);
    }
    for (size_t i = 0; i < sum->n; i += PIECE) {
        size_t n = sum->n - i < PIECE ? sum->n - i : PIECE;

        add_piece(sum->limbs + i, sum->limbs + sum->n + i,
                  sum->limbs + 2 * sum->n + i, values + i * sizeof(float), n,
                  weight);
    }
    sum->bound = bound;
    sum->total += weight;
    return 0;
}

/* 2^e for a normal result. */
static double power_of_two(int e)
{
    uint64_t bits = (uint64_t)(e + 1023) << 52;
    double value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* The nearest double, ties to even. Signs come at random: without a branch for
 * them it is twice as fast. */
static double nearest(uint64_t low, uint64_t middle, uint64_t high)
{
    uint64_t sign = 0 - (high >> 63);
    uint64_t carry = sign & 1;
    uint64_t rest;
    int exponent = 128 - 110;
    int zeros;
    double value;

    low = (low ^ sign) + carry;
    carry &= low == 0;
    middle = (middle ^ sign) + carry;
    carry &= middle == 0;
    high = (high ^ sign) + carry;
    if (high == 0) {
        exponent = 64 - 110;
        high = middle;
        middle = low;
        low = 0;
        if (high == 0) {
            exponent = -110;
            high = middle;
            middle = 0;
        }
        if (high == 0) {
            return 0;
        }
    }
    zeros = __builtin_clzll(high);
    rest = middle << zeros | low;
    high = high << zeros | middle >> 1 >> (63 - zeros);
    /* what is below only matters for being there; 63 bits are enough, and
     * signed numbers are converted faster */
    rest = (rest | high << 63) != 0;
    value = (double)(int64_t)(high >> 1 | rest) *
            power_of_two(exponent + 1 - zeros);
    return value * (1.0 - (double)(sign & 2));
}

static float mean_of(const struct fixsum *sum, size_t i, double total)
{
    double value = nearest(sum->limbs[i], sum->limbs[sum->n + i],
                           sum->limbs[2 * sum->n + i]);

    return (float)(value / total);
}

void fixsum_mean(const struct fixsum *sum, float *mean)
{
    double total = (double)sum->total;

    assert(sum->total != 0);
    for (size_t i = 0; i < sum->n; i++) {
        mean[i] = mean_of(sum, i, total);
    }
}

void fixsum_subtract_mean(const struct fixsum *sum, float *target)
{
    double total = (double)sum->total;

    assert(sum->total != 0);
    for (size_t i = 0; i < sum->n; i++) {
        target[i] -= mean_of(sum, i, total);
    }
}
