/* SPDX-License-Identifier: MIT
 *
 * dot: Keras' Dot layer. For each row both tensors are gathered into matrices
 * whose rows are the vectors along the axes, of length 1 if asked for; the
 * output is the product of the one with the other transposed. Backward gathers
 * again, as that costs less than to keep it.
 */
#include "common/model/layers/dot.h"
#include "common/model/slices.h"
#include "worker/nn/gemm.h"
#include "worker/nn/norm.h"
#include "worker/nn/op.h"

#define EPSILON 1e-7f /* keras.backend.epsilon() */

/* One of the two inputs: a row of it as a matrix. */
struct side {
    struct slices slices; /* vectors along the axis */
    size_t size;          /* elements */
    float *vectors;       /* count x width */
    float *factors;       /* what they were multiplied with; one per vector */
    float *gradient;      /* as vectors */
};

static const struct dot_options *options_of(const struct op *op)
{
    return op->layer->options;
}

static struct side side_of(const struct op *op, int i, float **scratch)
{
    const struct shape *in = op_input_shape(op, (size_t)i);
    struct side s;

    slices_init(&s.slices, in, 1u << dot_axis(options_of(op), i, in->rank));
    s.size = shape_size(in);
    s.vectors = *scratch;
    s.gradient = s.vectors + s.size;
    s.factors = s.gradient + s.size;
    *scratch = s.factors + s.slices.count;
    return s;
}

static int create(struct op *op, struct err *err)
{
    for (size_t i = 0; i < 2; i++) {
        if (op_input_size(op, i) > GEMM_MAX) {
            return err_set(err, ERR_LIMIT,
                           "layer %s: its input is over the limit of %zu "
                           "elements",
                           op->layer->name, GEMM_MAX);
        }
    }
    return 0;
}

static void plan(struct op *op, bool training)
{
    (void)training;
    op->scratch_extra = 3 * (op_input_size(op, 0) + op_input_size(op, 1));
}

static void gather(const struct op *op, struct side *s, const float *x)
{
    for (size_t i = 0; i < s->slices.count; i++) {
        float *v = s->vectors + i * s->slices.width;

        slices_gather(&s->slices, i, x, v);
        s->factors[i] = options_of(op)->normalize
                            ? norm_unit(v, v, s->slices.width, EPSILON)
                            : 1.0f;
    }
}

static void scatter(const struct op *op, const struct side *s, float *dx)
{
    for (size_t i = 0; i < s->slices.count; i++) {
        float *g = s->gradient + i * s->slices.width;

        if (options_of(op)->normalize) {
            norm_unit_backward(s->vectors + i * s->slices.width, s->factors[i],
                               g, g, s->slices.width, EPSILON);
        }
        slices_scatter(&s->slices, i, g, dx);
    }
}

static int forward(struct op *op, struct err *err)
{
    float *scratch = op->scratch;
    struct side a = side_of(op, 0, &scratch);
    struct side b = side_of(op, 1, &scratch);
    size_t d = a.slices.width;

    (void)err;
    for (size_t r = 0; r < op->rows; r++) {
        gather(op, &a, op->x[0] + r * a.size);
        gather(op, &b, op->x[1] + r * b.size);
        gemm(false, true, a.slices.count, b.slices.count, d, a.vectors, d,
             b.vectors, d, 0.0f, op->y[0] + r * op_output_size(op, 0),
             b.slices.count);
    }
    return 0;
}

static void backward(struct op *op)
{
    float *scratch = op->scratch;
    struct side a = side_of(op, 0, &scratch);
    struct side b = side_of(op, 1, &scratch);
    size_t d = a.slices.width;
    size_t n = b.slices.count;

    for (size_t r = 0; r < op->rows; r++) {
        const float *dy = op->dy[0] + r * op_output_size(op, 0);

        gather(op, &a, op->x[0] + r * a.size);
        gather(op, &b, op->x[1] + r * b.size);
        if (op->dx[0] != NULL) {
            gemm(false, false, a.slices.count, d, n, dy, n, b.vectors, d, 0.0f,
                 a.gradient, d);
            scatter(op, &a, op->dx[0] + r * a.size);
        }
        if (op->dx[1] != NULL) {
            gemm(true, false, n, d, a.slices.count, dy, n, a.vectors, d, 0.0f,
                 b.gradient, d);
            scatter(op, &b, op->dx[1] + r * b.size);
        }
    }
}

const struct nn_class nn_dot = {
    .create = create,
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
