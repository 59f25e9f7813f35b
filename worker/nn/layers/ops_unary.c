/* SPDX-License-Identifier: MIT
 *
 * ops_unary: y = f(x), element by element, and activation functions as
 * operations; see ops.h. Derivatives at kinks are TensorFlow's.
 */
#include "common/model/layer.h"
#include "common/model/layers/ops.h"
#include "worker/nn/activation.h"
#include "worker/nn/op.h"

#include <math.h>

static size_t count(const struct op *op)
{
    return op->rows * op_input_size(op, 0);
}

/* f, and its derivative by x. */
#define UNARY(symbol, result_y, result_dx)                                     \
    static int forward_##symbol(struct op *op, struct err *err)                \
    {                                                                          \
        (void)err;                                                             \
        for (size_t i = 0; i < count(op); i++) {                               \
            float x = op->x[0][i];                                             \
                                                                               \
            op->y[0][i] = (result_y);                                          \
        }                                                                      \
        return 0;                                                              \
    }                                                                          \
                                                                               \
    static void backward_##symbol(struct op *op)                               \
    {                                                                          \
        for (size_t i = 0; op->dx[0] != NULL && i < count(op); i++) {          \
            float x = op->x[0][i];                                             \
            float y = op->y[0][i];                                             \
                                                                               \
            (void)x;                                                           \
            (void)y;                                                           \
            op->dx[0][i] = op->dy[0][i] * (result_dx);                         \
        }                                                                      \
    }                                                                          \
                                                                               \
    const struct nn_class nn_op_##symbol = {.forward = forward_##symbol,       \
                                            .backward = backward_##symbol};

static float sign(float x)
{
    return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : 0.0f;
}

UNARY(abs, fabsf(x), sign(x))
UNARY(absolute, fabsf(x), sign(x))
UNARY(cos, cosf(x), -sinf(x))
UNARY(exp, expf(x), y)
UNARY(expm1, expm1f(x), y + 1.0f)
UNARY(log, logf(x), 1.0f / x)
UNARY(log1p, log1pf(x), 1.0f / (1.0f + x))
UNARY(negative, -x, -1.0f)
UNARY(reciprocal, 1.0f / x, -y *y)
UNARY(rsqrt, 1.0f / sqrtf(x), -0.5f * y * y * y)
UNARY(sin, sinf(x), cosf(x))
UNARY(sqrt, sqrtf(x), 0.5f / y)
UNARY(square, x *x, 2.0f * x)

/* ---- Clip
 * -------------------------------------------------------------------- */

static float limit(const struct op *op, const char *key, float missing)
{
    const json_t *value = layer_config_member(op->layer, key);

    return value != NULL ? (float)json_number_value(value) : missing;
}

static int clip(struct op *op, struct err *err)
{
    float least = limit(op, "x_min", -INFINITY);
    float most = limit(op, "x_max", INFINITY);

    (void)err;
    for (size_t i = 0; i < count(op); i++) {
        float x = op->x[0][i];

        op->y[0][i] = x < least ? least : x > most ? most : x;
    }
    return 0;
}

static void clip_back(struct op *op)
{
    float least = limit(op, "x_min", -INFINITY);
    float most = limit(op, "x_max", INFINITY);

    for (size_t i = 0; op->dx[0] != NULL && i < count(op); i++) {
        float x = op->x[0][i];

        op->dx[0][i] = x < least || x > most ? 0.0f : op->dy[0][i];
    }
}

/* ---- activation functions
 * ------------------------------------------------------ */

static int activate(struct op *op, const struct elephas_activation *a)
{
    size_t width = op_input_width(op, 0);

    activation_forward(a, op->x[0], op->y[0], count(op) / width, width);
    op->logits = op->x[0];
    return 0;
}

static void activate_back(struct op *op, const struct elephas_activation *a)
{
    size_t width = op_input_width(op, 0);

    if (op->dx[0] != NULL) {
        op_activation_backward(op, a, op->x[0], op->dx[0], count(op) / width,
                               width);
    }
}

#define ACTIVATE(symbol, index)                                                \
    static const struct elephas_activation *tail_##symbol(const struct op *op) \
    {                                                                          \
        (void)op;                                                              \
        return ACTIVATION(index);                                              \
    }                                                                          \
                                                                               \
    static int forward_##symbol(struct op *op, struct err *err)                \
    {                                                                          \
        (void)err;                                                             \
        return activate(op, ACTIVATION(index));                                \
    }                                                                          \
                                                                               \
    static void backward_##symbol(struct op *op)                               \
    {                                                                          \
        activate_back(op, ACTIVATION(index));                                  \
    }                                                                          \
                                                                               \
    const struct nn_class nn_op_##symbol = {.tail = tail_##symbol,             \
                                            .forward = forward_##symbol,       \
                                            .backward = backward_##symbol};

ACTIVATE(elu, ELU)
ACTIVATE(gelu, GELU)
ACTIVATE(hard_sigmoid, HARD_SIGMOID)
ACTIVATE(hard_silu, HARD_SILU)
ACTIVATE(log_sigmoid, LOG_SIGMOID)
ACTIVATE(log_softmax, LOG_SOFTMAX)
ACTIVATE(relu, RELU)
ACTIVATE(relu6, RELU6)
ACTIVATE(selu, SELU)
ACTIVATE(sigmoid, SIGMOID)
ACTIVATE(silu, SILU)
ACTIVATE(softmax, SOFTMAX)
ACTIVATE(softplus, SOFTPLUS)
ACTIVATE(softsign, SOFTSIGN)
ACTIVATE(tanh, TANH)

static enum op_view same(const struct op *op, bool training)
{
    (void)op;
    (void)training;
    return OP_SAME;
}

const struct nn_class nn_op_cast = {.view = same};
const struct nn_class nn_op_clip = {.forward = clip, .backward = clip_back};
