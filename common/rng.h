/* SPDX-License-Identifier: MIT
 *
 * rng: counter-based random numbers (Philox4x32-10: Salmon, Moraes, Dror,
 * Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011). A stream is
 * named by a 64-bit key and a 64-bit stream number; the draw number is the
 * counter. The same name gives the same numbers on every machine and in any
 * order of use, so shuffling and dropout do not depend on who trains first or
 * on what was repeated after a failure.
 */
#ifndef COMMON_RNG_H
#define COMMON_RNG_H

#include <stddef.h>
#include <stdint.h>

struct rng {
    uint32_t key[2];
    uint32_t counter[4]; /* low 64 bits: block; high 64 bits: stream */
    uint32_t block[4];   /* numbers of the current block */
    unsigned used;       /* of block */
};

/* What a stream is for; keeps streams of different use apart. */
enum rng_use {
    RNG_INITIALIZER = 1,
    RNG_SHUFFLE = 2,
    RNG_DROPOUT = 3,
    RNG_NOISE = 4,
    RNG_ROUNDING = 5
};

/* The stream (seed; use, a, b, c): e.g. (partition, epoch, batch). */
void rng_init(struct rng *rng, uint64_t seed, enum rng_use use, uint64_t a,
              uint64_t b, uint64_t c);
uint32_t rng_u32(struct rng *rng);
/* The next n numbers of rng_u32(), several times as fast as one by one. */
void rng_fill(struct rng *rng, uint32_t *out, size_t n);
/* Uniform in [0, n), without bias; n > 0. */
uint64_t rng_below(struct rng *rng, uint64_t n);
/* Uniform in [0, 1), a multiple of 2^-24. */
float rng_uniform(struct rng *rng);
/* Standard normal (Box and Muller, 1958). */
float rng_normal(struct rng *rng);
/* Puts 0 .. n-1 into order[] in random order (Fisher and Yates). */
void rng_permutation(struct rng *rng, uint64_t *order, size_t n);

#endif
