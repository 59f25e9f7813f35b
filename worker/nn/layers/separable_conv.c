/* SPDX-License-Identifier: MIT
 *
 * separable_conv: Keras' DepthwiseConv1D and DepthwiseConv2D, where each
 * channel has windows of its own, and SeparableConv1D and SeparableConv2D,
 * which mix what comes out of those by a matrix, the pointwise kernel.
 *
 * With a depth multiplier each channel of the image is repeated first, a row
 * of the batch at a time, so that the loops are always over channels side by
 * side: image, kernel and output have the same ones.
 */
#include "common/model/layers/conv.h"
#include "common/mem.h"
#include "worker/nn/closing.h"
#include "worker/nn/gemm.h"
#include "worker/nn/op.h"
#include "worker/nn/vector.h"

#include <stdint.h>
#include <string.h>

enum { KERNEL, POINTWISE };

struct state {
    struct window window;
    struct closing closing;
    size_t times;    /* depth multiplier */
    size_t channels; /* of the image, repeated */
    size_t filters;  /* of the output; separable only */
    bool separable;
};

static int create(struct op *op, struct err *err)
{
    const struct conv_options *o = op->layer->options;
    struct state *s = mem_zalloc(sizeof(*s));
    struct shape out;
    int rc;

    if (s == NULL) {
        return err_nomem(err);
    }
    op->state = s;
    rc = conv_fit(o, op_input_shape(op, 0), &s->window, &out, err);
    if (rc != 0) {
        return rc;
    }
    s->separable = o->kind == CONV_SEPARABLE;
    s->times = (size_t)o->depth_multiplier;
    s->channels = (size_t)o->channels * s->times;
    s->filters = (size_t)o->filters;
    if (s->channels > GEMM_MAX || s->filters > GEMM_MAX) {
        return err_set(err, ERR_LIMIT, "layer %s: the kernel is too large",
                       op->layer->name);
    }
    s->closing = (struct closing){.activation = o->activation,
                                  .size = shape_size(&out),
                                  .width = (size_t)o->filters,
                                  .use_bias = o->use_bias,
                                  .bias = s->separable ? 2 : 1};
    return closing_check(&s->closing, op, err);
}

static const struct elephas_activation *tail(const struct op *op)
{
    const struct conv_options *o = op->layer->options;

    return o->activation;
}

/* Floats of a row of the batch: what the windows give, before the pointwise
 * kernel; the image with its channels repeated (0: they are not). */
static size_t middle_size(const struct state *s)
{
    return window_count(&s->window) * s->channels;
}

static size_t image_size(const struct state *s)
{
    return s->times == 1 ? 0 : window_elements(&s->window) * s->channels;
}

static size_t kernel_size(const struct state *s)
{
    return s->window.axis[0].size * s->window.axis[1].size * s->channels;
}

static void plan(struct op *op, bool training)
{
    const struct state *s = op->state;

    op->saved_size = closing_saved(&s->closing, op, training);
    op->scratch_size = closing_scratch(&s->closing, training);
    if (s->separable) {
        op->saved_size += middle_size(s);
        op->scratch_size += training ? middle_size(s) : 0;
    }
    /* two images: values and gradient; the kernel's gradient of one row */
    op->scratch_extra = 2 * image_size(s) + (training ? kernel_size(s) : 0);
}

/* ---- one row of the batch ------------------------------------------------ */

enum pass { FORWARD, INPUT, WEIGHTS };

/* to += a b, element by element. */
static inline void add_product(const float *restrict a, const float *restrict b,
                               float *restrict to, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        to[i] += a[i] * b[i];
    }
}

/* Walks over all cells of all windows: y += x k (FORWARD), x += y k (INPUT)
 * or k += x y (WEIGHTS), where x is the image. */
static inline void walk(const struct state *s, enum pass pass, float *x,
                        float *k, float *y)
{
    const struct window_axis *ay = &s->window.axis[0];
    const struct window_axis *ax = &s->window.axis[1];
    size_t n = s->channels;

    for (size_t i = 0; i < window_count(&s->window); i++, y += n) {
        size_t y0;
        size_t y1;
        size_t x0;
        size_t x1;

        window_cells(ay, i / ax->out, &y0, &y1);
        window_cells(ax, i % ax->out, &x0, &x1);
        for (size_t cy = y0; cy < y1; cy++) {
            size_t line = window_at(ay, i / ax->out, cy) * ax->in;

            for (size_t cx = x0; cx < x1; cx++) {
                float *image = x + (line + window_at(ax, i % ax->out, cx)) * n;
                float *cell = k + (cy * ax->size + cx) * n;

                if (pass == FORWARD) {
                    add_product(image, cell, y, n);
                } else if (pass == INPUT) {
                    add_product(y, cell, image, n);
                } else {
                    add_product(image, y, cell, n);
                }
            }
        }
    }
}

/* Each of n values `times` times, and the sums of those. */
static void repeat(const float *from, size_t n, size_t times, float *to)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < times; j++) {
            *to++ = from[i];
        }
    }
}

static void gather(const float *from, size_t n, size_t times, float *to)
{
    for (size_t i = 0; i < n; i++) {
        to[i] = 0.0f;
        for (size_t j = 0; j < times; j++) {
            to[i] += *from++;
        }
    }
}

/* The image of a row with its channels repeated: in scratch, if they are. */
static const float *image_at(const struct op *op, size_t row, float *scratch)
{
    const struct state *s = op->state;
    size_t size = op_input_size(op, 0);
    const float *x = op->x[0] + row * size;

    if (s->times == 1) {
        return x;
    }
    repeat(x, size, s->times, scratch);
    return scratch;
}

/* ---- the batch ----------------------------------------------------------- */

static float *extra(const struct op *op)
{
    return op->scratch + op->rows * op->scratch_size;
}

/* Where the windows' results are: behind z, or z itself. */
static float *middle(const struct state *s, struct op *op)
{
    return s->separable ? op->saved + op->rows * closing_saved(&s->closing, op,
                                                               op->training)
                        : closing_sums(&s->closing, op);
}

static int forward(struct op *op, struct err *err)
{
    const struct state *s = op->state;
    size_t size = middle_size(s);
    float *mid = middle(s, op);

    (void)err;
    memset(mid, 0, op->rows * size * sizeof(float));
    for (size_t r = 0; r < op->rows; r++) {
        walk(s, FORWARD, (float *)(uintptr_t)image_at(op, r, extra(op)),
             (float *)(uintptr_t)op_param(op, KERNEL), mid + r * size);
    }
    if (s->separable) {
        gemm(false, false, op->rows * window_count(&s->window), s->filters,
             s->channels, mid, s->channels, op_param(op, POINTWISE), s->filters,
             0.0f, closing_sums(&s->closing, op), s->filters);
    }
    closing_forward(&s->closing, op);
    return 0;
}

/* Gradient of the pointwise kernel; returns what dz means for the windows. */
static const float *pointwise_backward(const struct state *s, struct op *op,
                                       const float *dz)
{
    size_t n = op->rows * window_count(&s->window);
    float *to = op_gradient(op, POINTWISE);
    float *dmid = op->scratch + op->rows * closing_scratch(&s->closing, true);

    if (to != NULL) {
        gemm(true, false, s->channels, s->filters, n, middle(s, op),
             s->channels, dz, s->filters, op->gradient_add ? 1.0f : 0.0f, to,
             s->filters);
    }
    gemm(false, true, n, s->channels, s->filters, dz, s->filters,
         op_param(op, POINTWISE), s->filters, 0.0f, dmid, s->channels);
    return dmid;
}

/* Row by row into an array of its own first: a sum over the whole batch at
 * once would lose more digits. */
static void kernel_backward(const struct state *s, struct op *op,
                            const float *dmid, float *to)
{
    float *sum = extra(op) + 2 * image_size(s);
    size_t n = kernel_size(s);

    if (!op->gradient_add) {
        memset(to, 0, n * sizeof(float));
    }
    for (size_t r = 0; r < op->rows; r++) {
        memset(sum, 0, n * sizeof(float));
        walk(s, WEIGHTS, (float *)(uintptr_t)image_at(op, r, extra(op)), sum,
             (float *)(uintptr_t)(dmid + r * middle_size(s)));
        VECTOR_LOOP
        for (size_t i = 0; i < n; i++) {
            to[i] += sum[i];
        }
    }
}

static void input_backward(const struct state *s, struct op *op,
                           const float *dmid)
{
    size_t size = op_input_size(op, 0);

    for (size_t r = 0; r < op->rows; r++) {
        float *dx = op->dx[0] + r * size;
        float *image = s->times == 1 ? dx : extra(op) + image_size(s);

        memset(image, 0, size * s->times * sizeof(float));
        walk(s, INPUT, image, (float *)(uintptr_t)op_param(op, KERNEL),
             (float *)(uintptr_t)(dmid + r * middle_size(s)));
        if (s->times != 1) {
            gather(image, size, s->times, dx);
        }
    }
}

static void backward(struct op *op)
{
    const struct state *s = op->state;
    const float *dmid = closing_backward(&s->closing, op);
    float *to = op_gradient(op, KERNEL);

    if (s->separable) {
        dmid = pointwise_backward(s, op, dmid);
    }
    if (to != NULL) {
        kernel_backward(s, op, dmid, to);
    }
    if (op->dx[0] != NULL) {
        input_backward(s, op, dmid);
    }
}

#define CLASS(symbol)                                                          \
    const struct nn_class nn_##symbol = {                                      \
        .create = create,                                                      \
        .tail = tail,                                                          \
        .plan = plan,                                                          \
        .forward = forward,                                                    \
        .backward = backward,                                                  \
    };

CLASS(depthwise_conv1d)
CLASS(depthwise_conv2d)
CLASS(separable_conv1d)
CLASS(separable_conv2d)
