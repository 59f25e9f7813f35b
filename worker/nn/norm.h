/* SPDX-License-Identifier: MIT
 *
 * norm: vectors brought to mean 0 and variance 1, or to length 1: what the
 * normalization layers and Dot share. Sums are made in double precision.
 */
#ifndef WORKER_NN_NORM_H
#define WORKER_NN_NORM_H

#include <stddef.h>

/* y = x / |x|, where the divisor is at least epsilon (keras.ops.normalize). y
 * may be x. Returns what x was multiplied with. */
float norm_unit(const float *x, float *y, size_t n, float epsilon);
/* dx of that, given y and what norm_unit() returned. dx may be dy. */
void norm_unit_backward(const float *y, float factor, const float *dy,
                        float *dx, size_t n, float epsilon);

/* Mean and 1 / sqrt(variance + epsilon) of x. */
void norm_moments(const float *x, size_t n, float epsilon, float *mean,
                  float *inverse);
/* dx of (x - mean) * inverse; dx may be dy. */
void norm_moments_backward(const float *x, float mean, float inverse,
                           const float *dy, float *dx, size_t n);

#endif
