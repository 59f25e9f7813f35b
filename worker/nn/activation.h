/* SPDX-License-Identifier: MIT
 *
 * activation: what the activation functions compute, forward and backward, on
 * rows x width floats. Formulas, default arguments and the derivative chosen
 * at a kink are those of Keras 3 (keras.activations) on TensorFlow.
 *
 * All work in place (y == x, dx == dy) except glu, whose output is half as
 * wide as its input.
 */
#ifndef WORKER_NN_ACTIVATION_H
#define WORKER_NN_ACTIVATION_H

#include "common/model/activation.h"

#include <stdbool.h>
#include <stddef.h>

/* Width of the output for an input row of that width; 0 if it is not defined:
 * glu on an odd width, and "threshold", which Keras cannot call without
 * arguments that no model file holds. */
size_t activation_width(const struct elephas_activation *a, size_t width);

/* Whether backward reads the input; if not, x may be NULL there. */
bool activation_needs_input(const struct elephas_activation *a);

/* y = f(x). width is that of x. */
void activation_forward(const struct elephas_activation *a, const float *x,
                        float *y, size_t rows, size_t width);

/* dx = f'(x) dy, given y = f(x). */
void activation_backward(const struct elephas_activation *a, const float *x,
                         const float *y, const float *dy, float *dx,
                         size_t rows, size_t width);

/* z += bias on each row, then y = f(z); y may be z. bias may be NULL. */
void activation_forward_bias(const struct elephas_activation *a,
                             const float *bias, float *z, float *y, size_t rows,
                             size_t width);

#endif
