/* SPDX-License-Identifier: MIT
 *
 * closing: bias and activation at the end of a layer; see closing.h.
 */
#include "worker/nn/closing.h"

#include "worker/nn/activation.h"

int closing_check(const struct closing *c, const struct op *op, struct err *err)
{
    if (activation_width(c->activation, c->width) != op_output_width(op, 0)) {
        return err_set(err, ERR_UNSUPPORTED,
                       "layer %s: activation %s is not supported in a layer",
                       op->layer->name, activation_name(c->activation));
    }
    return 0;
}

size_t closing_saved(const struct closing *c, const struct op *op,
                     bool training)
{
    bool keeps = op->wants_logits || c->activation == ACTIVATION(GLU) ||
                 (training && activation_needs_input(c->activation));

    return keeps ? c->size : 0;
}

size_t closing_scratch(const struct closing *c, bool training)
{
    return training && c->activation == ACTIVATION(GLU) ? c->size : 0;
}

float *closing_sums(const struct closing *c, struct op *op)
{
    return closing_saved(c, op, op->training) > 0 ? op->saved : op->y[0];
}

void closing_forward(const struct closing *c, struct op *op)
{
    float *z = closing_sums(c, op);

    activation_forward_bias(
        c->activation, c->use_bias ? op_param(op, c->bias) : NULL, z, op->y[0],
        op->rows * (c->size / c->width), c->width);
    op->logits = z;
}

const float *closing_backward(const struct closing *c, struct op *op)
{
    const float *z = closing_saved(c, op, true) > 0 ? op->saved : NULL;
    size_t rows = op->rows * (c->size / c->width);
    const float *dz = op->dlogits;
    float *to = c->use_bias ? op_gradient(op, c->bias) : NULL;

    if (op->dy[0] != NULL) {
        /* dy is done with, and as wide as dz but for glu */
        float *into =
            c->activation == ACTIVATION(GLU) ? op->scratch : op->dy[0];

        op_activation_backward(op, c->activation, z, into, rows, c->width);
        dz = into;
    }
    if (to != NULL) {
        op_sum_rows(dz, rows, c->width, c->width, op->gradient_add, to);
    }
    return dz;
}
