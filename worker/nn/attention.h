/* SPDX-License-Identifier: MIT
 *
 * attention: what the attention layers share: the softmax of scores and its
 * gradient, and dropout of the weights.
 */
#ifndef WORKER_NN_ATTENTION_H
#define WORKER_NN_ATTENTION_H

#include "common/rng.h"

#include <stddef.h>

/* Weights of n elements: factor becomes 0 or 1 / (1 - rate) for each, and
 * weights are multiplied with it. */
void attention_drop(struct rng *rng, double rate, float *weights, float *factor,
                    size_t n);

/* From the gradient by the weights used, d (rows x width), to that by the
 * scores. weights: the softmax; factor: of dropout, or NULL; also: a further
 * gradient by the softmax, or NULL. */
void attention_scores_backward(const float *weights, const float *factor,
                               const float *also, float *d, size_t rows,
                               size_t width);

#endif
