/* SPDX-License-Identifier: MIT
 *
 * activation: Keras' Activation layer, y = f(x). "linear" hands its input on.
 */
#include "common/model/layers/activation.h"
#include "worker/nn/activation.h"
#include "worker/nn/op.h"

static const struct elephas_activation *function(const struct op *op)
{
    const struct activation_options *options = op->layer->options;

    return options->activation;
}

static int create(struct op *op, struct err *err)
{
    if (activation_width(function(op), op_input_width(op, 0)) !=
        op_output_width(op, 0)) {
        return err_set(err, ERR_UNSUPPORTED,
                       "layer %s: activation %s is not supported in a layer",
                       op->layer->name, activation_name(function(op)));
    }
    return 0;
}

static enum op_view view(const struct op *op, bool training)
{
    (void)training;
    return function(op) == ACTIVATION(LINEAR) ? OP_SAME : OP_OWN;
}

static int forward(struct op *op, struct err *err)
{
    size_t width = op_input_width(op, 0);
    size_t rows = op->rows * (op_input_size(op, 0) / width);

    (void)err;
    activation_forward(function(op), op->x[0], op->y[0], rows, width);
    op->logits = op->x[0];
    return 0;
}

static void backward(struct op *op)
{
    size_t width = op_input_width(op, 0);
    size_t rows = op->rows * (op_input_size(op, 0) / width);

    if (op->dx[0] != NULL) {
        op_activation_backward(op, function(op), op->x[0], op->dx[0], rows,
                               width);
    }
}

const struct nn_class nn_activation = {
    .create = create,
    .view = view,
    .tail = function,
    .mask = op_mask_pass,
    .forward = forward,
    .backward = backward,
};
