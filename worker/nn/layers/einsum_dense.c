/* SPDX-License-Identifier: MIT
 *
 * einsum_dense: Keras' EinsumDense layer, y = f(einsum(x, kernel) + bias).
 * Tables say where in x and in the kernel the first product of each element of
 * y is, and where its others are from there. Where the kernel is a matrix
 * between the last axes of x and those of y, as it mostly is, one matrix
 * product does.
 */
#include "common/mem.h"
#include "common/model/layers/einsum_dense.h"
#include "worker/nn/activation.h"
#include "worker/nn/broadcast.h"
#include "worker/nn/gemm.h"
#include "worker/nn/op.h"

#include <string.h>

enum { KERNEL, BIAS };

struct place {
    size_t x;
    size_t kernel;
};

struct state {
    size_t rows; /* of x for a row of the batch, if one matrix product does */
    size_t in;
    size_t out;
    struct place *begin; /* for each element of y; NULL: it does */
    struct place *step;  /* for each product of an element */
    size_t steps;
    size_t *bias; /* element of the bias for each of y; NULL: none */
};

static void destroy(struct op *op)
{
    struct state *s = op->state;

    if (s != NULL) {
        mem_free(s->begin);
        mem_free(s->step);
        mem_free(s->bias);
        mem_free(s);
    }
}

/* ---- tables
 * -------------------------------------------------------------------- */

static size_t stride_of(const struct einsum_term *term, char letter)
{
    const char *at = strchr(term->letter, letter);
    size_t stride = 1;

    for (int i = at != NULL ? (int)(at - term->letter) + 1 : 0;
         at != NULL && i < term->shape.rank; i++) {
        stride *= (size_t)term->shape.dim[i];
    }
    return at != NULL ? stride : 0;
}

/* Places of all combinations of the axes of some letters, the last of which
 * varies fastest. NULL without memory. */
static struct place *places(const struct einsum *e,
                            const struct einsum_term *over)
{
    size_t n = shape_size(&over->shape);
    struct place *out = mem_zarray(n, sizeof(*out));

    for (size_t i = 0; out != NULL && i < n; i++) {
        size_t left = i;

        for (int k = over->shape.rank - 1; k >= 0; k--) {
            size_t at = left % (size_t)over->shape.dim[k];

            left /= (size_t)over->shape.dim[k];
            out[i].x += at * stride_of(&e->x, over->letter[k]);
            out[i].kernel += at * stride_of(&e->kernel, over->letter[k]);
        }
    }
    return out;
}

/* The axes that are summed over: of x, and not of y. */
static struct einsum_term summed(const struct einsum *e)
{
    struct einsum_term out = {.shape = {.rank = 0}};

    for (int i = 0; i < e->x.shape.rank; i++) {
        if (strchr(e->y.letter, e->x.letter[i]) == NULL) {
            out.letter[out.shape.rank] = e->x.letter[i];
            out.shape.dim[out.shape.rank++] = e->x.shape.dim[i];
        }
    }
    return out;
}

/* x is rows and then what is summed over, in the kernel's order, and y is the
 * rows and then the kernel's others. */
static bool is_matrix(const struct einsum *e, struct state *s)
{
    struct einsum_term sum = summed(e);
    int rows = e->x.shape.rank - sum.shape.rank;
    struct shape in = {.rank = 0};

    if (rows < 0 || e->y.shape.rank < rows ||
        strcmp(e->x.letter + rows, sum.letter) != 0 ||
        strncmp(e->x.letter, e->y.letter, (size_t)rows) != 0 ||
        strncmp(e->kernel.letter, sum.letter, (size_t)sum.shape.rank) != 0 ||
        strcmp(e->kernel.letter + sum.shape.rank, e->y.letter + rows) != 0) {
        return false;
    }
    in = sum.shape;
    s->in = shape_size(&in);
    s->rows = shape_size(&e->x.shape) / s->in;
    s->out = shape_size(&e->kernel.shape) / s->in;
    return s->in <= GEMM_MAX && s->out <= GEMM_MAX;
}

static int create(struct op *op, struct err *err)
{
    const struct einsum_dense_options *o = op->layer->options;
    struct state *s = mem_zalloc(sizeof(*s));
    struct einsum_term sum;
    struct einsum e;
    int rc;

    op->state = s;
    if (s == NULL) {
        return err_nomem(err);
    }
    rc = einsum_read(op->layer, op_input_shape(op, 0), &e, err);
    if (rc != 0) {
        return rc;
    }
    if (!is_matrix(&e, s)) {
        sum = summed(&e);
        s->begin = places(&e, &e.y);
        s->step = places(&e, &sum);
        s->steps = shape_size(&sum.shape);
        if (s->begin == NULL || s->step == NULL) {
            return err_nomem(err);
        }
    }
    if (o->use_bias) {
        s->bias = broadcast_map(&e.bias, &e.y.shape);
        if (s->bias == NULL) {
            return err_nomem(err);
        }
    }
    return 0;
}

static const struct elephas_activation *function(const struct op *op)
{
    const struct einsum_dense_options *o = op->layer->options;

    return o->activation;
}

static bool keeps_z(const struct op *op, bool training)
{
    return op->wants_logits ||
           (training && activation_needs_input(function(op)));
}

static void plan(struct op *op, bool training)
{
    op->saved_size = keeps_z(op, training) ? op_output_size(op, 0) : 0;
}

/* ---- forward
 * -------------------------------------------------------------------- */

static void multiply(const struct op *op, float *z)
{
    const struct state *s = op->state;
    const float *kernel = op_param(op, KERNEL);
    size_t n = op_output_size(op, 0);

    if (s->begin == NULL) {
        gemm(false, false, op->rows * s->rows, s->out, s->in, op->x[0], s->in,
             kernel, s->out, 0.0f, z, s->out);
        return;
    }
    for (size_t r = 0; r < op->rows; r++) {
        const float *x = op->x[0] + r * op_input_size(op, 0);

        for (size_t i = 0; i < n; i++) {
            const float *from = x + s->begin[i].x;
            const float *with = kernel + s->begin[i].kernel;
            float sum = 0.0f;

            for (size_t k = 0; k < s->steps; k++) {
                sum += from[s->step[k].x] * with[s->step[k].kernel];
            }
            z[r * n + i] = sum;
        }
    }
}

static int forward(struct op *op, struct err *err)
{
    const struct state *s = op->state;
    size_t n = op_output_size(op, 0);
    size_t width = op_output_width(op, 0);
    float *z = keeps_z(op, op->training) ? op->saved : op->y[0];

    (void)err;
    multiply(op, z);
    for (size_t i = 0; s->bias != NULL && i < op->rows * n; i++) {
        z[i] += op_param(op, BIAS)[s->bias[i % n]];
    }
    activation_forward(function(op), z, op->y[0], op->rows * n / width, width);
    op->logits = z;
    return 0;
}

/* ---- backward
 * ------------------------------------------------------------------- */

static void back_matrix(const struct op *op, const float *dz, float *to)
{
    const struct state *s = op->state;
    size_t rows = op->rows * s->rows;

    if (to != NULL) {
        gemm(true, false, s->in, s->out, rows, op->x[0], s->in, dz, s->out,
             op->gradient_add ? 1.0f : 0.0f, to, s->out);
    }
    if (op->dx[0] != NULL) {
        gemm(false, true, rows, s->in, s->out, dz, s->out, op_param(op, KERNEL),
             s->out, 0.0f, op->dx[0], s->in);
    }
}

static void back_tables(const struct op *op, const float *dz, float *to)
{
    const struct state *s = op->state;
    const float *kernel = op_param(op, KERNEL);
    size_t in = op_input_size(op, 0);
    size_t n = op_output_size(op, 0);

    if (op->dx[0] != NULL) {
        memset(op->dx[0], 0, op->rows * in * sizeof(float));
    }
    for (size_t r = 0; r < op->rows; r++) {
        for (size_t i = 0; i < n; i++) {
            float d = dz[r * n + i];

            for (size_t k = 0; k < s->steps; k++) {
                size_t x = r * in + s->begin[i].x + s->step[k].x;
                size_t w = s->begin[i].kernel + s->step[k].kernel;

                if (to != NULL) {
                    to[w] += d * op->x[0][x];
                }
                if (op->dx[0] != NULL) {
                    op->dx[0][x] += d * kernel[w];
                }
            }
        }
    }
}

static void begin(float *to, bool add, size_t n)
{
    if (to != NULL && !add) {
        memset(to, 0, n * sizeof(*to));
    }
}

static void backward(struct op *op)
{
    const struct einsum_dense_options *o = op->layer->options;
    const struct state *s = op->state;
    const float *z = keeps_z(op, true) ? op->saved : NULL;
    const float *dz = op->dlogits;
    float *to = op_gradient(op, KERNEL);
    float *to_bias = o->use_bias ? op_gradient(op, BIAS) : NULL;
    size_t n = op_output_size(op, 0);
    size_t width = op_output_width(op, 0);

    if (op->dy[0] != NULL) {
        op_activation_backward(op, function(op), z, op->dy[0],
                               op->rows * n / width, width);
        dz = op->dy[0];
    }
    if (s->begin == NULL) {
        back_matrix(op, dz, to);
    } else {
        begin(to, op->gradient_add, shape_size(&o->built));
        back_tables(op, dz, to);
    }
    for (size_t i = 0; to_bias != NULL && !op->gradient_add && i < n; i++) {
        to_bias[s->bias[i]] = 0.0f;
    }
    for (size_t i = 0; to_bias != NULL && i < op->rows * n; i++) {
        to_bias[s->bias[i % n]] += dz[i];
    }
}

const struct nn_class nn_einsum_dense = {
    .create = create,
    .destroy = destroy,
    .tail = function,
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
