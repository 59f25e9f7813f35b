/* SPDX-License-Identifier: MIT
 *
 * vector: what element-wise loops of optimizers, losses and kernels share: a
 * mark for loops whose iterations are independent even where two arrays are
 * the same one (compilers otherwise fall back to scalar code for work in
 * place), and exp and tanh as straight-line code that such loops can hold.
 * Both functions stay within 2 units in the last place; argument reduction
 * and coefficients are those of the Cephes library (Moshier, expf.c, tanhf.c).
 */
#ifndef COMMON_MODEL_VECTOR_H
#define COMMON_MODEL_VECTOR_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#if defined(__clang__)
/* At -O1 (sanitizers) there is no vectoriser, which is no fault. */
#pragma clang diagnostic ignored "-Wpass-failed"
#define VECTOR_LOOP _Pragma("clang loop vectorize(assume_safety)")
#else
#define VECTOR_LOOP _Pragma("GCC ivdep")
#endif

union vector_bits {
    float f;
    uint32_t u;
};

/* condition ? a : b. With the conditional operator compilers make branches of
 * what could raise a floating-point exception, and then no vector code. */
static inline float vector_select(bool condition, float a, float b)
{
    uint32_t mask = 0u - (uint32_t)condition;
    union vector_bits x = {.f = a};
    union vector_bits y = {.f = b};

    x.u = (x.u & mask) | (y.u & ~mask);
    return x.f;
}

/* e^x; infinity above 88.72, 0 below -103.97, NaN for NaN. */
static inline float vector_exp(float x)
{
    const float shift = 0x1.8p23f; /* puts the integer into the low bits */
    float c = vector_select(x < -104.0f, -104.0f, x);
    union vector_bits n;
    union vector_bits low;
    union vector_bits high;
    float whole;
    float r;
    float y;
    uint32_t exponent;

    c = vector_select(c > 88.8f, 88.8f, c);
    n.f = c * 1.44269504f + shift;
    whole = n.f - shift;
    r = c - whole * 0.693359375f;
    r = r + whole * 2.12194440e-4f;
    y = 1.9875691500e-4f;
    y = y * r + 1.3981999507e-3f;
    y = y * r + 8.3334519073e-3f;
    y = y * r + 4.1665795894e-2f;
    y = y * r + 1.6666665459e-1f;
    y = y * r + 5.0000001201e-1f;
    y = y * r * r + r + 1.0f;
    /* 2^n in two factors, so that the ends of the range round correctly */
    exponent = n.u - 0x4B400000u + 512u;
    low.u = ((exponent >> 1) - 129u) << 23;
    high.u = (exponent - (exponent >> 1) - 129u) << 23;
    return y * low.f * high.f;
}

static inline float vector_sigmoid(float x)
{
    return 1.0f / (1.0f + vector_exp(-x));
}

static inline float vector_tanh(float x)
{
    float a = fabsf(x);
    float z = x * x;
    float near = -5.70498872745e-3f;
    float far = 1.0f - 2.0f / (vector_exp(2.0f * a) + 1.0f);

    near = near * z + 2.06390887954e-2f;
    near = near * z - 5.37397155531e-2f;
    near = near * z + 1.33314422036e-1f;
    near = near * z - 3.33332819422e-1f;
    near = near * z * x + x;
    far = copysignf(far, x);
    return vector_select(a < 0.625f, near, far);
}

#endif
