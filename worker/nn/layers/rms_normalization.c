/* SPDX-License-Identifier: MIT
 *
 * rms_normalization: Keras' RMSNormalization (Zhang, Sennrich, 2019): y = x r
 * scale with r = 1 / sqrt(mean(x ^ 2) + epsilon), for each run of the last
 * axes. r is kept for backward.
 */
#include "common/model/layers/rms_normalization.h"
#include "worker/nn/op.h"

#include <math.h>
#include <string.h>

static size_t width_of(const struct op *op)
{
    const struct rms_normalization_options *o = op->layer->options;

    return shape_size(&o->scale);
}

static void plan(struct op *op, bool training)
{
    op->saved_size = training ? op_input_size(op, 0) / width_of(op) : 0;
}

static int forward(struct op *op, struct err *err)
{
    const struct rms_normalization_options *o = op->layer->options;
    const float *scale = op_param(op, 0);
    size_t width = width_of(op);
    size_t runs = op->rows * (op_input_size(op, 0) / width);

    (void)err;
    for (size_t i = 0; i < runs; i++) {
        const float *x = op->x[0] + i * width;
        float *y = op->y[0] + i * width;
        double square = 0.0;
        float r;

        for (size_t j = 0; j < width; j++) {
            square += (double)x[j] * (double)x[j];
        }
        r = 1.0f / sqrtf((float)(square / (double)width) + o->epsilon);
        for (size_t j = 0; j < width; j++) {
            y[j] = x[j] * r * scale[j];
        }
        if (op->training) {
            op->saved[i] = r;
        }
    }
    return 0;
}

static void backward(struct op *op)
{
    const float *scale = op_param(op, 0);
    float *to_scale = op_gradient(op, 0);
    size_t width = width_of(op);
    size_t runs = op->rows * (op_input_size(op, 0) / width);

    if (to_scale != NULL && !op->gradient_add) {
        memset(to_scale, 0, width * sizeof(*to_scale));
    }
    for (size_t i = 0; i < runs; i++) {
        const float *x = op->x[0] + i * width;
        const float *dy = op->dy[0] + i * width;
        float r = op->saved[i];
        double along = 0.0;
        float pull;

        for (size_t j = 0; j < width; j++) {
            along += (double)dy[j] * (double)scale[j] * (double)x[j];
            if (to_scale != NULL) {
                to_scale[j] += dy[j] * x[j] * r;
            }
        }
        pull = (float)(along / (double)width) * r * r;
        for (size_t j = 0; op->dx[0] != NULL && j < width; j++) {
            op->dx[0][i * width + j] = r * (dy[j] * scale[j] - x[j] * pull);
        }
    }
}

const struct nn_class nn_rms_normalization = {
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
