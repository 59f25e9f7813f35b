/* SPDX-License-Identifier: MIT
 *
 * conv: Keras' Conv1D and Conv2D, and the transposed ones, whose forward pass
 * is the backward pass of a convolution for its input, and the other way
 * round. The products are those of im2col.h.
 */
#include "common/model/layers/conv.h"
#include "common/mem.h"
#include "worker/nn/closing.h"
#include "worker/nn/im2col.h"
#include "worker/nn/op.h"

#include <string.h>

enum { KERNEL, BIAS };

struct state {
    struct im2col im2col;
    struct closing closing;
    bool transposed;
};

static int create(struct op *op, struct err *err)
{
    const struct conv_options *o = op->layer->options;
    struct state *s = mem_zalloc(sizeof(*s));
    struct im2col *c;
    struct shape out;
    int rc;

    if (s == NULL) {
        return err_nomem(err);
    }
    op->state = s;
    c = &s->im2col;
    if ((rc = conv_fit(o, op_input_shape(op, 0), &c->window, &out, err)) != 0) {
        return rc;
    }
    s->transposed = o->kind == CONV_TRANSPOSED;
    c->channels = (size_t)(s->transposed ? o->filters : o->channels);
    c->filters = (size_t)(s->transposed ? o->channels : o->filters);
    c->groups = (size_t)o->groups;
    if (!im2col_init(c)) {
        return err_set(err, ERR_LIMIT, "layer %s: the kernel is too large",
                       op->layer->name);
    }
    s->closing = (struct closing){.activation = o->activation,
                                  .size = shape_size(&out),
                                  .width = (size_t)o->filters,
                                  .use_bias = o->use_bias,
                                  .bias = BIAS};
    return closing_check(&s->closing, op, err);
}

static const struct elephas_activation *tail(const struct op *op)
{
    const struct conv_options *o = op->layer->options;

    return o->activation;
}

static void plan(struct op *op, bool training)
{
    const struct state *s = op->state;

    op->saved_size = closing_saved(&s->closing, op, training);
    op->scratch_size = closing_scratch(&s->closing, training);
    op->scratch_extra = im2col_scratch(&s->im2col);
}

static int forward(struct op *op, struct err *err)
{
    const struct state *s = op->state;
    float *z = closing_sums(&s->closing, op);
    float *scratch = op->scratch + op->rows * op->scratch_size;

    (void)err;
    if (s->transposed) {
        im2col_input(&s->im2col, op->rows, op->x[0], op_param(op, KERNEL), z,
                     scratch);
    } else {
        im2col_forward(&s->im2col, op->rows, op->x[0], op_param(op, KERNEL), z,
                       scratch);
    }
    closing_forward(&s->closing, op);
    return 0;
}

static void backward(struct op *op)
{
    const struct state *s = op->state;
    const float *dz = closing_backward(&s->closing, op);
    float *scratch = op->scratch + op->rows * op->scratch_size;
    float *to = op_gradient(op, KERNEL);

    if (to != NULL) {
        im2col_kernel(&s->im2col, op->rows, s->transposed ? dz : op->x[0],
                      s->transposed ? op->x[0] : dz, op->gradient_add, to,
                      scratch);
    }
    if (op->dx[0] == NULL) {
        return;
    }
    if (s->transposed) {
        im2col_forward(&s->im2col, op->rows, dz, op_param(op, KERNEL),
                       op->dx[0], scratch);
    } else {
        im2col_input(&s->im2col, op->rows, dz, op_param(op, KERNEL), op->dx[0],
                     scratch);
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

CLASS(conv1d)
CLASS(conv2d)
CLASS(conv1d_transpose)
CLASS(conv2d_transpose)
