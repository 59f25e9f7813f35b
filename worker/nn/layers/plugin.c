/* SPDX-License-Identifier: MIT
 *
 * plugin: passes of a layer that a plug-in computes; common/model/plugin.h.
 */
#include "common/model/layers/plugin.h"
#include "worker/nn/op.h"

#include <string.h>

static void fill(const struct op *op, const float **weights,
                 struct elephas_pass *pass)
{
    for (size_t i = 0; i < op->layer->variable_count; i++) {
        weights[i] = op_param(op, i);
    }
    *pass = (struct elephas_pass){
        .rows = op->rows,
        .in_size = op_input_size(op, 0),
        .out_size = op_output_size(op, 0),
        .training = op->training,
        .x = op->x[0],
        .y = op->y[0],
        .weights = weights,
    };
}

static int forward(struct op *op, struct err *err)
{
    const struct plugin_options *o = op->layer->options;
    const float *weights[ELEPHAS_MAX_WEIGHTS];
    struct elephas_pass pass;

    (void)err;
    fill(op, weights, &pass);
    o->layer->forward(o->state, &pass);
    return 0;
}

static void backward(struct op *op)
{
    const struct plugin_options *o = op->layer->options;
    const struct variable *v = op->model->variables + op->layer->first_variable;
    const float *weights[ELEPHAS_MAX_WEIGHTS];
    float *gradients[ELEPHAS_MAX_WEIGHTS];
    struct elephas_pass pass;

    fill(op, weights, &pass);
    for (size_t i = 0; i < op->layer->variable_count; i++) {
        gradients[i] = op_gradient(op, i);
        if (gradients[i] != NULL && !op->gradient_add) {
            memset(gradients[i], 0, v[i].size * sizeof(float));
        }
    }
    pass.gradients = gradients;
    pass.dy = op->dy[0];
    pass.dx = op->dx[0];
    o->layer->backward(o->state, &pass);
}

const struct nn_class nn_plugin = {
    .forward = forward,
    .backward = backward,
};
