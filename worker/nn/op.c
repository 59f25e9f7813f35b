/* SPDX-License-Identifier: MIT
 *
 * op: the table of kernels, parallel to that of the layer classes, and what
 * kernels share; see op.h.
 */
#include "worker/nn/op.h"

#include "common/model/layer.h"
#include "worker/nn/activation.h"
#include "worker/nn/vector.h"

#include <assert.h>
#include <string.h>

static const struct nn_class *const classes[] = {
#define LAYER(symbol, name) &nn_##symbol,
#include "common/model/layers.def"
#undef LAYER
};

const struct nn_class *op_class(const struct layer *layer)
{
    int index = layer_class_index(layer->class);

    assert(index >= 0 && (size_t)index < sizeof(classes) / sizeof(classes[0]));
    return classes[index];
}

static size_t last_axis(const struct shape *shape)
{
    return shape->rank == 0 ? 1 : (size_t)shape->dim[shape->rank - 1];
}

const struct shape *op_input_shape(const struct op *op, size_t i)
{
    return model_tensor_shape(op->model, op->call->inputs[i]);
}

size_t op_input_size(const struct op *op, size_t i)
{
    return shape_size(op_input_shape(op, i));
}

size_t op_input_width(const struct op *op, size_t i)
{
    return last_axis(op_input_shape(op, i));
}

size_t op_output_size(const struct op *op, size_t i)
{
    return shape_size(&op->call->outputs[i]);
}

size_t op_output_width(const struct op *op, size_t i)
{
    return last_axis(&op->call->outputs[i]);
}

size_t op_mask_pass(const struct op *op, size_t i, struct shape *shape)
{
    (void)shape;
    return i == 0 && op->call->input_count > 0 ? 0 : OP_MASK_NONE;
}

size_t op_mask_size(const struct op *op, size_t i)
{
    return shape_size(op->mask_shapes[i]);
}

size_t op_argument(const struct op *op, const char *name, size_t i)
{
    return call_argument(op->call, name, i);
}

static const struct variable *variable(const struct op *op, size_t i)
{
    assert(i < op->layer->variable_count);
    return &op->model->variables[op->layer->first_variable + i];
}

const float *op_param(const struct op *op, size_t i)
{
    return op->params + variable(op, i)->offset;
}

float *op_gradient(const struct op *op, size_t i)
{
    const struct variable *v = variable(op, i);

    return v->trainable ? op->gradient + v->offset : NULL;
}

void op_activation_backward(const struct op *op,
                            const struct elephas_activation *a, const float *x,
                            float *dx, size_t rows, size_t width)
{
    const float *dlogits = op->dlogits;
    size_t n = rows * width;

    if (op->dy[0] == NULL) {
        memcpy(dx, dlogits, n * sizeof(float));
        return;
    }
    if (a != ACTIVATION(LINEAR) || dx != op->dy[0]) {
        activation_backward(a, x, op->y[0], op->dy[0], dx, rows, width);
    }
    if (dlogits != NULL) {
        VECTOR_LOOP
        for (size_t i = 0; i < n; i++) {
            dx[i] += dlogits[i];
        }
    }
}

void op_sum_rows(const float *values, size_t rows, size_t width, size_t ld,
                 bool add, float *sum)
{
    if (!add) {
        memset(sum, 0, width * sizeof(float));
    }
    for (size_t r = 0; r < rows; r++, values += ld) {
        VECTOR_LOOP
        for (size_t j = 0; j < width; j++) {
            sum[j] += values[j];
        }
    }
}
