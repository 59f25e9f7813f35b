/* SPDX-License-Identifier: MIT
 *
 * norm: see norm.h.
 */
#include "worker/nn/norm.h"

#include "worker/nn/vector.h"

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++) {
        sum += (double)a[i] * (double)b[i];
    }
    return sum;
}

float norm_unit(const float *x, float *y, size_t n, float epsilon)
{
    float inverse = 1.0f / sqrtf((float)dot(x, x, n));
    float factor = inverse < 1.0f / epsilon ? inverse : 1.0f / epsilon;

    VECTOR_LOOP
    for (size_t i = 0; i < n; i++) {
        y[i] = x[i] * factor;
    }
    return factor;
}

void norm_unit_backward(const float *y, float factor, const float *dy,
                        float *dx, size_t n, float epsilon)
{
    /* of a vector shorter than epsilon the divisor is constant */
    float along = factor < 1.0f / epsilon ? (float)dot(y, dy, n) : 0.0f;

    VECTOR_LOOP
    for (size_t i = 0; i < n; i++) {
        dx[i] = factor * (dy[i] - along * y[i]);
    }
}

void norm_moments(const float *x, size_t n, float epsilon, float *mean,
                  float *inverse)
{
    double sum = 0.0;
    double squares = 0.0;

    for (size_t i = 0; i < n; i++) {
        sum += (double)x[i];
    }
    *mean = (float)(sum / (double)n);
    for (size_t i = 0; i < n; i++) {
        double v = (double)x[i] - (double)*mean;

        squares += v * v;
    }
    *inverse = 1.0f / sqrtf((float)(squares / (double)n) + epsilon);
}

void norm_moments_backward(const float *x, float mean, float inverse,
                           const float *dy, float *dx, size_t n)
{
    double sum = 0.0;
    double along = 0.0;
    float shift;
    float slope;

    for (size_t i = 0; i < n; i++) {
        sum += (double)dy[i];
        along += (double)dy[i] * (double)(x[i] - mean);
    }
    shift = (float)(sum / (double)n);
    slope = (float)(along / (double)n) * inverse * inverse;
    VECTOR_LOOP
    for (size_t i = 0; i < n; i++) {
        dx[i] = inverse * (dy[i] - shift - (x[i] - mean) * slope);
    }
}
