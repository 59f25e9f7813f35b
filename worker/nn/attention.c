/* SPDX-License-Identifier: MIT
 *
 * attention: see attention.h.
 */
#include "worker/nn/attention.h"

#include "worker/nn/activation.h"

void attention_drop(struct rng *rng, double rate, float *weights, float *factor,
                    size_t n)
{
    for (size_t i = 0; i < n; i++) {
        factor[i] = (double)rng_uniform(rng) >= rate
                        ? (float)(1.0 / (1.0 - rate))
                        : 0.0f;
        weights[i] *= factor[i];
    }
}

void attention_scores_backward(const float *weights, const float *factor,
                               const float *also, float *d, size_t rows,
                               size_t width)
{
    for (size_t i = 0; i < rows * width; i++) {
        d[i] *= factor != NULL ? factor[i] : 1.0f;
        d[i] += also != NULL ? also[i] : 0.0f;
    }
    activation_backward(ACTIVATION(SOFTMAX), NULL, weights, d, d, rows, width);
}
