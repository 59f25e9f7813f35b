/* SPDX-License-Identifier: MIT
 *
 * dense: Keras' Dense layer, y = f(x kernel + bias) over the last axis. The
 * axes before it count as rows, so the whole batch is one matrix product
 * forward and two backward (one where the input needs no gradient).
 *
 * What the activation got (z) is kept apart from y only where something reads
 * it again: an activation whose derivative is not a function of its output,
 * a crossentropy that is computed from logits, or glu, which is narrower.
 */
#include "common/model/layers/dense.h"
#include "worker/nn/activation.h"
#include "worker/nn/gemm.h"
#include "worker/nn/op.h"
#include "worker/nn/vector.h"

#include <string.h>

enum { KERNEL, BIAS };

struct sizes {
    size_t rows; /* of the batch times the axes before the last */
    size_t in;
    size_t units; /* width of z */
};

static struct sizes sizes_of(const struct op *op)
{
    const struct dense_options *options = op->layer->options;
    struct sizes s;

    s.in = op_input_width(op, 0);
    s.units = (size_t)options->units;
    s.rows = op->rows * (op_input_size(op, 0) / s.in);
    return s;
}

static const struct elephas_activation *function(const struct op *op)
{
    const struct dense_options *options = op->layer->options;

    return options->activation;
}

static int create(struct op *op, struct err *err)
{
    struct sizes s = sizes_of(op);

    if (activation_width(function(op), s.units) != op_output_width(op, 0)) {
        return err_set(err, ERR_UNSUPPORTED,
                       "layer %s: activation %s is not supported in a layer",
                       op->layer->name, activation_name(function(op)));
    }
    if (s.in > GEMM_MAX || s.units > GEMM_MAX) {
        return err_set(err, ERR_LIMIT,
                       "layer %s: a kernel of %zu x %zu is over the limit of "
                       "%zu an axis",
                       op->layer->name, s.in, s.units, GEMM_MAX);
    }
    return 0;
}

static bool keeps_z(const struct op *op, bool training)
{
    const struct elephas_activation *a = function(op);

    return op->wants_logits || a == ACTIVATION(GLU) ||
           (training && activation_needs_input(a));
}

static void plan(struct op *op, bool training)
{
    const struct dense_options *options = op->layer->options;
    size_t z =
        op_input_size(op, 0) / op_input_width(op, 0) * (size_t)options->units;

    op->saved_size = keeps_z(op, training) ? z : 0;
    op->scratch_size = training && function(op) == ACTIVATION(GLU) ? z : 0;
}

static int forward(struct op *op, struct err *err)
{
    const struct dense_options *options = op->layer->options;
    struct sizes s = sizes_of(op);
    float *z = keeps_z(op, op->training) ? op->saved : op->y[0];

    (void)err;
    gemm(false, false, s.rows, s.units, s.in, op->x[0], s.in,
         op_param(op, KERNEL), s.units, 0.0f, z, s.units);
    activation_forward_bias(options->activation,
                            options->use_bias ? op_param(op, BIAS) : NULL, z,
                            op->y[0], s.rows, s.units);
    op->logits = z;
    return 0;
}

static void sum_rows(const float *dz, size_t rows, size_t width, bool add,
                     float *sum)
{
    if (!add) {
        memset(sum, 0, width * sizeof(float));
    }
    for (size_t r = 0; r < rows; r++, dz += width) {
        VECTOR_LOOP
        for (size_t j = 0; j < width; j++) {
            sum[j] += dz[j];
        }
    }
}

static void backward(struct op *op)
{
    const struct dense_options *options = op->layer->options;
    struct sizes s = sizes_of(op);
    const float *z = keeps_z(op, true) ? op->saved : NULL;
    const float *dz = op->dlogits;
    float *to = op_gradient(op, KERNEL);

    if (op->dy[0] != NULL) {
        /* dy is done with, and as wide as dz but for glu */
        float *into =
            options->activation == ACTIVATION(GLU) ? op->scratch : op->dy[0];

        op_activation_backward(op, options->activation, z, into, s.rows,
                               s.units);
        dz = into;
    }
    if (to != NULL) {
        gemm(true, false, s.in, s.units, s.rows, op->x[0], s.in, dz, s.units,
             op->gradient_add ? 1.0f : 0.0f, to, s.units);
    }
    if (options->use_bias && (to = op_gradient(op, BIAS)) != NULL) {
        sum_rows(dz, s.rows, s.units, op->gradient_add, to);
    }
    if (op->dx[0] != NULL) {
        gemm(false, true, s.rows, s.in, s.units, dz, s.units,
             op_param(op, KERNEL), s.units, 0.0f, op->dx[0], s.in);
    }
}

const struct nn_class nn_dense = {
    .create = create,
    .tail = function,
    .plan = plan,
    .mask = op_mask_pass,
    .forward = forward,
    .backward = backward,
};
