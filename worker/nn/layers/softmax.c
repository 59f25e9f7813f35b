/* SPDX-License-Identifier: MIT
 *
 * softmax: Keras' Softmax layer, along any axes. Elements that a mask leaves
 * out (one value for each element) take no part and become 0.
 */
#include "common/mem.h"
#include "common/model/layer.h"
#include "common/model/layers/axes.h"
#include "common/model/slices.h"
#include "worker/nn/activation.h"
#include "worker/nn/op.h"

#define MASKED (-1e9f)

static int create(struct op *op, struct err *err)
{
    struct slices *s = mem_zalloc(sizeof(*s));
    const struct shape *in = op_input_shape(op, 0);
    char text[SHAPE_TEXT_SIZE];
    unsigned axes;
    int rc;

    op->state = s;
    if (s == NULL) {
        return err_nomem(err);
    }
    rc = axes_read(layer_config_member(op->layer, "axis"), in, &axes, err);
    if (rc != 0) {
        return rc;
    }
    slices_init(s, in, axes);
    if (op->mask_shapes[0] != NULL && !shape_equal(op->mask_shapes[0], in)) {
        return err_set(err, ERR_UNSUPPORTED,
                       "layer %s: a mask of shape %s does not suit its input",
                       op->layer->name, shape_text(op->mask_shapes[0], text));
    }
    return 0;
}

static const struct elephas_activation *tail(const struct op *op)
{
    const struct slices *s = op->state;
    bool last = slices_whole(s) && s->width == op_input_width(op, 0);

    return last && op->mask_shapes[0] == NULL ? ACTIVATION(SOFTMAX)
                                              : ACTIVATION(LINEAR);
}

static void plan(struct op *op, bool training)
{
    const struct slices *s = op->state;

    (void)training;
    op->scratch_extra = 2 * s->width;
}

/* Gathers a slice, with what the mask leaves out far below the rest. */
static void gather(const struct op *op, size_t r, size_t i, float *v)
{
    const struct slices *s = op->state;
    const float *mask = op->x_mask[0];
    size_t n = op_input_size(op, 0);

    slices_gather(s, i, op->x[0] + r * n, v);
    for (size_t j = 0; mask != NULL && j < s->width; j++) {
        if (mask[r * n + slices_begin(s, i) + slices_at(s, j)] == 0.0f) {
            v[j] = MASKED;
        }
    }
}

static int forward(struct op *op, struct err *err)
{
    const struct slices *s = op->state;
    const float *mask = op->x_mask[0];
    size_t n = op_input_size(op, 0);
    float *v = op->scratch;

    (void)err;
    for (size_t r = 0; r < op->rows; r++) {
        for (size_t i = 0; i < s->count; i++) {
            gather(op, r, i, v);
            activation_forward(ACTIVATION(SOFTMAX), v, v, 1, s->width);
            slices_scatter(s, i, v, op->y[0] + r * n);
        }
    }
    for (size_t k = 0; mask != NULL && k < op->rows * n; k++) {
        op->y[0][k] = mask[k] != 0.0f ? op->y[0][k] : 0.0f;
    }
    op->logits = op->x[0];
    return 0;
}

static void backward(struct op *op)
{
    const struct slices *s = op->state;
    size_t n = op_input_size(op, 0);
    float *y = op->scratch;
    float *d = y + s->width;

    if (op->dx[0] == NULL) {
        return;
    }
    if (tail(op) == ACTIVATION(SOFTMAX)) {
        op_activation_backward(op, ACTIVATION(SOFTMAX), op->x[0], op->dx[0],
                               op->rows * s->count, s->width);
        return;
    }
    /* where the mask is 0, so is y, and with it the gradient */
    for (size_t r = 0; r < op->rows; r++) {
        for (size_t i = 0; i < s->count; i++) {
            slices_gather(s, i, op->y[0] + r * n, y);
            slices_gather(s, i, op->dy[0] + r * n, d);
            activation_backward(ACTIVATION(SOFTMAX), NULL, y, d, d, 1,
                                s->width);
            slices_scatter(s, i, d, op->dx[0] + r * n);
        }
    }
}

const struct nn_class nn_softmax = {
    .create = create,
    .tail = tail,
    .mask = op_mask_pass,
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
