/* SPDX-License-Identifier: MIT
 *
 * group_normalization: Keras' GroupNormalization (Wu and He, 2018). The
 * channels of a row become two axes, groups and channels of a group, and a
 * slice is everything of one group.
 */
#include "common/model/layers/group_normalization.h"
#include "common/mem.h"
#include "worker/nn/slice_norm.h"

static int create(struct op *op, struct err *err)
{
    const struct group_normalization_options *o = op->layer->options;
    const struct shape *in = op_input_shape(op, 0);
    struct shape cut = {.rank = 4, .dim = {1, o->groups, 1, 1}};
    struct slice_norm *s = mem_zalloc(sizeof(*s));

    op->state = s;
    if (s == NULL) {
        return err_nomem(err);
    }
    cut.dim[2] = o->channels / o->groups;
    for (int i = 0; i < in->rank; i++) {
        cut.dim[0] *= i < o->at ? in->dim[i] : 1;
        cut.dim[3] *= i > o->at ? in->dim[i] : 1;
    }
    slices_init(&s->slices, &cut, 1u | 4u | 8u);
    s->affine = &o->affine;
    s->weights = (size_t)o->channels;
    s->per_slice = (size_t)cut.dim[2];
    s->run = (size_t)cut.dim[3];
    s->cycle = s->per_slice;
    return 0;
}

const struct nn_class nn_group_normalization = {
    .create = create,
    .mask = op_mask_pass,
    .plan = slice_norm_plan,
    .forward = slice_norm_forward,
    .backward = slice_norm_backward,
};
