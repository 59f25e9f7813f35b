/* SPDX-License-Identifier: MIT
 *
 * input: InputLayer. The net hands out the caller's array as its output;
 * there is nothing to compute, so all that is left is to see that the caller
 * will give one.
 */
#include "worker/nn/op.h"

static int create(struct op *op, struct err *err)
{
    for (size_t i = 0; i < op->model->input_count; i++) {
        if (op->model->inputs[i].call == op->index) {
            return 0;
        }
    }
    return err_set(err, ERR_INVALID,
                   "layer %s: an InputLayer that is not an input of the model",
                   op->layer->name);
}

const struct nn_class nn_input = {.create = create};
