/* SPDX-License-Identifier: MIT
 *
 * slice_norm: see slice_norm.h. Mean and 1 / sqrt(variance + epsilon) of each
 * slice are kept for backward. y = x a + (beta - mean a), as Keras computes
 * it (keras.ops.layer_normalization).
 */
#include "worker/nn/slice_norm.h"

#include "worker/nn/norm.h"

#include <string.h>

void slice_norm_plan(struct op *op, bool training)
{
    const struct slice_norm *s = op->state;

    op->saved_size = training ? 2 * s->slices.count : 0;
    op->scratch_extra = 2 * s->slices.width;
}

static size_t weight_of(const struct slice_norm *s, size_t slice, size_t j)
{
    return slice * s->per_slice + j / s->run % s->cycle;
}

int slice_norm_forward(struct op *op, struct err *err)
{
    const struct slice_norm *s = op->state;
    const float *gamma = s->affine->scale ? op_param(op, 0) : NULL;
    const float *beta =
        s->affine->center ? op_param(op, s->affine->scale) : NULL;
    size_t n = op_input_size(op, 0);
    float *v = op->scratch;

    (void)err;
    for (size_t k = 0; k < op->rows * s->slices.count; k++) {
        size_t r = k / s->slices.count;
        size_t i = k % s->slices.count;
        float mean;
        float inverse;

        slices_gather(&s->slices, i, op->x[0] + r * n, v);
        norm_moments(v, s->slices.width, s->affine->epsilon, &mean, &inverse);
        if (op->training) {
            op->saved[2 * k] = mean;
            op->saved[2 * k + 1] = inverse;
        }
        mean = s->rms ? 0.0f : mean;
        for (size_t j = 0; j < s->slices.width; j++) {
            size_t w = weight_of(s, i, j);
            float a = gamma != NULL ? inverse * gamma[w] : inverse;
            float b = beta != NULL ? beta[w] : 0.0f;

            v[j] = v[j] * a + (b - mean * a);
        }
        slices_scatter(&s->slices, i, v, op->y[0] + r * n);
    }
    return 0;
}

static void begin(float *to, bool add, size_t n)
{
    if (to != NULL && !add) {
        memset(to, 0, n * sizeof(*to));
    }
}

/* dx of x / sqrt(variance + epsilon), where x keeps its mean. */
static void rms_backward(const float *x, float mean, float inverse, float *d,
                         size_t n)
{
    double along = 0.0;
    float slope;

    for (size_t j = 0; j < n; j++) {
        along += (double)d[j] * (double)x[j];
    }
    slope = (float)(along / (double)n) * inverse * inverse;
    for (size_t j = 0; j < n; j++) {
        d[j] = inverse * (d[j] - (x[j] - mean) * slope);
    }
}

void slice_norm_backward(struct op *op)
{
    const struct slice_norm *s = op->state;
    const float *gamma = s->affine->scale ? op_param(op, 0) : NULL;
    float *to_gamma = gamma != NULL ? op_gradient(op, 0) : NULL;
    float *to_beta =
        s->affine->center ? op_gradient(op, s->affine->scale) : NULL;
    size_t width = s->slices.width;
    size_t n = op_input_size(op, 0);
    float *v = op->scratch;
    float *d = v + width;

    begin(to_gamma, op->gradient_add, s->weights);
    begin(to_beta, op->gradient_add, s->weights);
    for (size_t k = 0; k < op->rows * s->slices.count; k++) {
        size_t r = k / s->slices.count;
        size_t i = k % s->slices.count;
        float mean = op->saved[2 * k];
        float inverse = op->saved[2 * k + 1];
        float middle = s->rms ? 0.0f : mean;

        slices_gather(&s->slices, i, op->x[0] + r * n, v);
        slices_gather(&s->slices, i, op->dy[0] + r * n, d);
        for (size_t j = 0; j < width; j++) {
            size_t w = weight_of(s, i, j);

            if (to_gamma != NULL) {
                to_gamma[w] += d[j] * (v[j] - middle) * inverse;
            }
            if (to_beta != NULL) {
                to_beta[w] += d[j];
            }
            d[j] *= gamma != NULL ? gamma[w] : 1.0f;
        }
        if (op->dx[0] == NULL) {
            continue;
        }
        if (s->rms) {
            rms_backward(v, mean, inverse, d, width);
        } else {
            norm_moments_backward(v, mean, inverse, d, d, width);
        }
        slices_scatter(&s->slices, i, d, op->dx[0] + r * n);
    }
}
