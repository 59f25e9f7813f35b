/* SPDX-License-Identifier: MIT
 *
 * fixsum: exact sums of weighted float vectors. Each element is a 192-bit
 * fixed-point number in two's complement whose lowest bit is 2^-110, so adding
 * is integer arithmetic: the sum is the same in whatever order the vectors
 * come, and memory does not grow with their number. The idea of summing floats
 * in a wide fixed-point register is Kulisch's long accumulator ("Computer
 * Arithmetic and Validity", 2008), here cut to the range that weights and
 * gradients have.
 *
 * A float32 of magnitude 2^-87 (6e-27) or more, or 0, goes in exactly; of a
 * smaller one, times its weight, bits below 2^-110 are cut off towards zero.
 * The sum of weight * |largest element| over all vectors must stay below 2^81
 * (2.4e24); that vector is refused which would lead past it.
 */
#ifndef DRIVER_CORE_FIXSUM_H
#define DRIVER_CORE_FIXSUM_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FIXSUM_MAX_WEIGHT (UINT64_C(1) << 40)

struct fixsum;

/* A sum of vectors of n floats, zero so far; 24 bytes an element. */
int fixsum_create(size_t n, struct fixsum **out, struct err *err) ERR_CHECKED;
void fixsum_destroy(struct fixsum **sum);
void fixsum_clear(struct fixsum *sum);

/* Adds weight * values; `values` are n floats of any alignment, weight is from
 * 1 to FIXSUM_MAX_WEIGHT - 1. ERR_INVALID if an element is NaN, infinite or
 * too large: *element (may be NULL) is its index, and nothing is added. */
int fixsum_add(struct fixsum *sum, const uint8_t *values, uint64_t weight,
               size_t *element, struct err *err) ERR_CHECKED;

/* Whether all of n floats, of any alignment, are finite. */
bool fixsum_is_finite(const uint8_t *values, size_t n);

/* The weights so far. */
uint64_t fixsum_total(const struct fixsum *sum);

/* mean[i] = sum / total, rounded once to double, divided, and rounded to
 * float: with one vector, its own elements again. total must not be 0. */
void fixsum_mean(const struct fixsum *sum, float *mean);
/* target[i] -= mean[i], in float. */
void fixsum_subtract_mean(const struct fixsum *sum, float *target);

#endif
