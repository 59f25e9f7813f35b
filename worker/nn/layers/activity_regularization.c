/* SPDX-License-Identifier: MIT
 *
 * activity_regularization: Keras' ActivityRegularization: nothing is computed
 * here; the penalty is that of the layer's activity regularizer.
 */
#include "worker/nn/op.h"

static enum op_view view(const struct op *op, bool training)
{
    (void)op;
    (void)training;
    return OP_SAME;
}

const struct nn_class nn_activity_regularization = {
    .view = view,
    .mask = op_mask_pass,
};
