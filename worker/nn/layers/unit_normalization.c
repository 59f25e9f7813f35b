/* SPDX-License-Identifier: MIT
 *
 * unit_normalization: Keras' UnitNormalization layer: slices along the axes
 * are brought to length 1. What they were multiplied with is kept.
 */
#include "common/mem.h"
#include "common/model/layer.h"
#include "common/model/layers/axes.h"
#include "common/model/slices.h"
#include "worker/nn/norm.h"
#include "worker/nn/op.h"

#define EPSILON 1e-12f

static int create(struct op *op, struct err *err)
{
    struct slices *s = mem_zalloc(sizeof(*s));
    unsigned axes;
    int rc;

    op->state = s;
    if (s == NULL) {
        return err_nomem(err);
    }
    rc = axes_read(layer_config_member(op->layer, "axis"),
                   op_input_shape(op, 0), &axes, err);
    if (rc == 0) {
        slices_init(s, op_input_shape(op, 0), axes);
    }
    return rc;
}

static void plan(struct op *op, bool training)
{
    const struct slices *s = op->state;

    op->saved_size = training ? s->count : 0;
    op->scratch_extra = 2 * s->width;
}

static int forward(struct op *op, struct err *err)
{
    const struct slices *s = op->state;
    size_t n = op_input_size(op, 0);
    float *v = op->scratch;

    (void)err;
    for (size_t r = 0; r < op->rows; r++) {
        for (size_t i = 0; i < s->count; i++) {
            float factor;

            slices_gather(s, i, op->x[0] + r * n, v);
            factor = norm_unit(v, v, s->width, EPSILON);
            slices_scatter(s, i, v, op->y[0] + r * n);
            if (op->training) {
                op->saved[r * s->count + i] = factor;
            }
        }
    }
    return 0;
}

static void backward(struct op *op)
{
    const struct slices *s = op->state;
    size_t n = op_input_size(op, 0);
    float *y = op->scratch;
    float *d = y + s->width;

    for (size_t r = 0; op->dx[0] != NULL && r < op->rows; r++) {
        for (size_t i = 0; i < s->count; i++) {
            slices_gather(s, i, op->y[0] + r * n, y);
            slices_gather(s, i, op->dy[0] + r * n, d);
            norm_unit_backward(y, op->saved[r * s->count + i], d, d, s->width,
                               EPSILON);
            slices_scatter(s, i, d, op->dx[0] + r * n);
        }
    }
}

const struct nn_class nn_unit_normalization = {
    .create = create,
    .mask = op_mask_pass,
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
