/* SPDX-License-Identifier: MIT
 *
 * rng: Philox4x32-10 and the distributions drawn from it; see rng.h. The
 * name of a stream is hashed to key and stream number with the finalizer of
 * SplitMix64 (Steele, Lea, Flood, OOPSLA 2014), so that near names share
 * nothing.
 */
#include "common/rng.h"

#include <math.h>
#include <string.h>

#define PHILOX_M0 0xD2511F53u
#define PHILOX_M1 0xCD9E8D57u
#define PHILOX_W0 0x9E3779B9u
#define PHILOX_W1 0xBB67AE85u
#define PHILOX_ROUNDS 10

static uint64_t mix(uint64_t z)
{
    z += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static void philox(const uint32_t counter[4], const uint32_t key[2],
                   uint32_t out[4])
{
    uint32_t c[4];
    uint32_t k0 = key[0];
    uint32_t k1 = key[1];

    memcpy(c, counter, sizeof(c));
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        uint64_t p0 = (uint64_t)PHILOX_M0 * c[0];
        uint64_t p1 = (uint64_t)PHILOX_M1 * c[2];
        uint32_t next[4] = {(uint32_t)(p1 >> 32) ^ c[1] ^ k0, (uint32_t)p1,
                            (uint32_t)(p0 >> 32) ^ c[3] ^ k1, (uint32_t)p0};

        memcpy(c, next, sizeof(c));
        k0 += PHILOX_W0;
        k1 += PHILOX_W1;
    }
    memcpy(out, c, sizeof(c));
}

void rng_init(struct rng *rng, uint64_t seed, enum rng_use use, uint64_t a,
              uint64_t b, uint64_t c)
{
    uint64_t key = mix(seed ^ mix((uint64_t)use));
    uint64_t stream = mix(mix(mix(a) + b) + c);

    memset(rng, 0, sizeof(*rng));
    rng->key[0] = (uint32_t)key;
    rng->key[1] = (uint32_t)(key >> 32);
    rng->counter[2] = (uint32_t)stream;
    rng->counter[3] = (uint32_t)(stream >> 32);
    rng->used = 4;
}

uint32_t rng_u32(struct rng *rng)
{
    if (rng->used == 4) {
        philox(rng->counter, rng->key, rng->block);
        if (++rng->counter[0] == 0) {
            rng->counter[1]++;
        }
        rng->used = 0;
    }
    return rng->block[rng->used++];
}

/* Blocks side by side, so that the compiler can use vector registers. */
#define LANES 8

static void philox_lanes(const struct rng *rng, uint32_t *out)
{
    uint64_t first = rng->counter[0] | (uint64_t)rng->counter[1] << 32;
    uint32_t c[4][LANES];
    uint32_t k0 = rng->key[0];
    uint32_t k1 = rng->key[1];

    for (unsigned l = 0; l < LANES; l++) {
        c[0][l] = (uint32_t)(first + l);
        c[1][l] = (uint32_t)((first + l) >> 32);
        c[2][l] = rng->counter[2];
        c[3][l] = rng->counter[3];
    }
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        for (unsigned l = 0; l < LANES; l++) {
            uint64_t p0 = (uint64_t)PHILOX_M0 * c[0][l];
            uint64_t p1 = (uint64_t)PHILOX_M1 * c[2][l];

            c[0][l] = (uint32_t)(p1 >> 32) ^ c[1][l] ^ k0;
            c[1][l] = (uint32_t)p1;
            c[2][l] = (uint32_t)(p0 >> 32) ^ c[3][l] ^ k1;
            c[3][l] = (uint32_t)p0;
        }
        k0 += PHILOX_W0;
        k1 += PHILOX_W1;
    }
    for (unsigned l = 0; l < LANES; l++) {
        for (unsigned i = 0; i < 4; i++) {
            out[4 * l + i] = c[i][l];
        }
    }
}

void rng_fill(struct rng *rng, uint32_t *out, size_t n)
{
    for (; n > 0 && rng->used < 4; n--) {
        *out++ = rng_u32(rng);
    }
    for (; n >= 4 * LANES; n -= 4 * LANES, out += 4 * LANES) {
        uint64_t next =
            (rng->counter[0] | (uint64_t)rng->counter[1] << 32) + LANES;

        philox_lanes(rng, out);
        rng->counter[0] = (uint32_t)next;
        rng->counter[1] = (uint32_t)(next >> 32);
    }
    for (; n > 0; n--) {
        *out++ = rng_u32(rng);
    }
}

static uint64_t rng_u64(struct rng *rng)
{
    uint64_t high = rng_u32(rng);

    return high << 32 | rng_u32(rng);
}

uint64_t rng_below(struct rng *rng, uint64_t n)
{
    uint64_t limit = UINT64_MAX - UINT64_MAX % n;
    uint64_t x;

    do {
        x = rng_u64(rng);
    } while (x >= limit);
    return x % n;
}

float rng_uniform(struct rng *rng)
{
    return (float)(rng_u32(rng) >> 8) * 0x1p-24f;
}

float rng_normal(struct rng *rng)
{
    double u = 1.0 - (double)rng_uniform(rng); /* (0, 1] */
    double v = (double)rng_uniform(rng);

    return (float)(sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v));
}

void rng_permutation(struct rng *rng, uint64_t *order, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        order[i] = i;
    }
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)rng_below(rng, i);
        uint64_t swap = order[i - 1];

        order[i - 1] = order[j];
        order[j] = swap;
    }
}
