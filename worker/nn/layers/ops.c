/* SPDX-License-Identifier: MIT
 *
 * ops: operations that masks are made with; see ops.h of common/model/layers.
 * No gradient goes through those that give true or false.
 */
#include "common/model/layers/ops.h"

#include "worker/nn/op.h"

#include <string.h>

static size_t count(const struct op *op)
{
    return op->rows * op_output_size(op, 0);
}

static void backward(struct op *op)
{
    for (size_t i = 0; i < op->call->input_count; i++) {
        if (op->dx[i] != NULL) {
            memset(op->dx[i], 0,
                   op->rows * op_input_size(op, i) * sizeof(float));
        }
    }
}

static int fill(struct op *op, float value)
{
    for (size_t i = 0; i < count(op); i++) {
        op->y[0][i] = value;
    }
    return 0;
}

static int zeros_like(struct op *op, struct err *err)
{
    (void)err;
    return fill(op, 0.0f);
}

static int ones_like(struct op *op, struct err *err)
{
    (void)err;
    return fill(op, 1.0f);
}

static int not_equal(struct op *op, struct err *err)
{
    const json_t *number = json_object_get(op->call->arguments, "argument_1");
    const float *other = number == NULL ? op->x[1] : NULL;
    float value = (float)json_number_value(number);

    (void)err;
    for (size_t i = 0; i < count(op); i++) {
        float with = other != NULL ? other[i] : value;

        op->y[0][i] = op->x[0][i] != with ? 1.0f : 0.0f;
    }
    return 0;
}

/* Where element i of the output lies in an input whose axes of 1 stand for all
 * of them. */
static size_t place(const struct shape *out, const struct shape *in, size_t i)
{
    size_t at = 0;
    size_t stride = 1;

    for (int k = out->rank - 1; k >= 0; k--) {
        size_t here = i % (size_t)out->dim[k];

        i /= (size_t)out->dim[k];
        at += in->dim[k] == 1 ? 0 : here * stride;
        stride *= (size_t)in->dim[k];
    }
    return at;
}

static int logical_or(struct op *op, struct err *err)
{
    const struct shape *out = &op->call->outputs[0];
    size_t size = op_output_size(op, 0);

    (void)err;
    for (size_t r = 0; r < op->rows; r++) {
        const float *a = op->x[0] + r * op_input_size(op, 0);
        const float *b = op->x[1] + r * op_input_size(op, 1);

        for (size_t i = 0; i < size; i++) {
            bool on = a[place(out, op_input_shape(op, 0), i)] != 0.0f ||
                      b[place(out, op_input_shape(op, 1), i)] != 0.0f;

            op->y[0][r * size + i] = on ? 1.0f : 0.0f;
        }
    }
    return 0;
}

/* A shape as (axes before, the axis, axes behind), whatever the batch is. */
struct around {
    size_t before;
    size_t size;
    size_t behind;
};

static struct around around(const struct shape *shape, int axis)
{
    struct around a = {1, (size_t)shape->dim[axis], 1};

    for (int i = 0; i < shape->rank; i++) {
        a.before *= i < axis ? (size_t)shape->dim[i] : 1;
        a.behind *= i > axis ? (size_t)shape->dim[i] : 1;
    }
    return a;
}

static int any(struct op *op, struct err *err)
{
    const struct shape *in = op_input_shape(op, 0);
    struct around a = around(in, ops_axis(op->layer->options, in, 0));

    (void)err;
    for (size_t i = 0; i < op->rows * a.before; i++) {
        for (size_t k = 0; k < a.behind; k++) {
            const float *x = op->x[0] + i * a.size * a.behind + k;
            bool on = false;

            for (size_t j = 0; j < a.size; j++) {
                on = on || x[j * a.behind] != 0.0f;
            }
            op->y[0][i * a.behind + k] = on ? 1.0f : 0.0f;
        }
    }
    return 0;
}

/* The axis that the output has its inputs along. */
static struct around joined(const struct op *op)
{
    const struct shape *out = &op->call->outputs[0];

    return around(out, ops_axis(op->layer->options, out, 0));
}

static int concatenate(struct op *op, struct err *err)
{
    struct around whole = joined(op);
    size_t at = 0;

    (void)err;
    for (size_t k = 0; k < op->call->input_count; k++) {
        size_t part = op_input_size(op, k) / whole.before;

        for (size_t i = 0; i < op->rows * whole.before; i++) {
            memcpy(op->y[0] + i * whole.size * whole.behind + at,
                   op->x[k] + i * part, part * sizeof(float));
        }
        at += part;
    }
    return 0;
}

static void concatenate_back(struct op *op)
{
    struct around whole = joined(op);
    size_t at = 0;

    for (size_t k = 0; k < op->call->input_count; k++) {
        size_t part = op_input_size(op, k) / whole.before;

        for (size_t i = 0; op->dx[k] != NULL && i < op->rows * whole.before;
             i++) {
            memcpy(op->dx[k] + i * part,
                   op->dy[0] + i * whole.size * whole.behind + at,
                   part * sizeof(float));
        }
        at += part;
    }
}

static enum op_view reshape(const struct op *op, bool training)
{
    (void)op;
    (void)training;
    return OP_RESHAPE;
}

static enum op_view same(const struct op *op, bool training)
{
    (void)op;
    (void)training;
    return OP_SAME;
}

const struct nn_class nn_op_any = {.forward = any, .backward = backward};
const struct nn_class nn_op_concatenate = {.forward = concatenate,
                                           .backward = concatenate_back};
const struct nn_class nn_op_convert_to_tensor = {.view = same};
const struct nn_class nn_op_expand_dims = {.view = reshape};
const struct nn_class nn_op_logical_or = {.forward = logical_or,
                                          .backward = backward};
const struct nn_class nn_op_not_equal = {.forward = not_equal,
                                         .backward = backward};
const struct nn_class nn_op_ones_like = {.forward = ones_like,
                                         .backward = backward};
const struct nn_class nn_op_stack = {.forward = concatenate,
                                     .backward = concatenate_back};
const struct nn_class nn_op_zeros_like = {.forward = zeros_like,
                                          .backward = backward};
