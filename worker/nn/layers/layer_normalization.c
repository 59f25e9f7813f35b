/* SPDX-License-Identifier: MIT
 *
 * layer_normalization: Keras' LayerNormalization (Ba, Kiros, Hinton, 2016).
 */
#include "common/model/layers/layer_normalization.h"
#include "common/mem.h"
#include "worker/nn/slice_norm.h"

static int create(struct op *op, struct err *err)
{
    const struct layer_normalization_options *o = op->layer->options;
    struct slice_norm *s = mem_zalloc(sizeof(*s));

    op->state = s;
    if (s == NULL) {
        return err_nomem(err);
    }
    slices_init(&s->slices, op_input_shape(op, 0), o->axes);
    s->affine = &o->affine;
    s->rms = o->rms_scaling;
    s->weights = s->slices.width;
    s->run = 1;
    s->cycle = s->weights;
    return 0;
}

const struct nn_class nn_layer_normalization = {
    .create = create,
    .mask = op_mask_pass,
    .plan = slice_norm_plan,
    .forward = slice_norm_forward,
    .backward = slice_norm_backward,
};
