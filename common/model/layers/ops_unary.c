/* SPDX-License-Identifier: MIT
 *
 * ops_unary: operations of keras.ops on the elements of one tensor; see ops.h.
 * Those that are activation functions, too, take no options other than the
 * defaults of these.
 */
#include "common/jget.h"
#include "common/model/layer.h"
#include "common/model/layers/ops.h"

int ops_infer_same(const struct layer *layer, const struct shape *in, size_t n,
                   struct shape *out, size_t *out_count, struct err *err)
{
    int rc = layer_expect_inputs(layer, n, 1, err);

    if (rc == 0) {
        out[0] = in[0];
        *out_count = 1;
    }
    return rc;
}

/* An option that must have the value that the activation function has. */
static int fixed(struct layer *layer, const char *option, bool right,
                 struct err *err)
{
    const char *const keys[] = {option, NULL};
    int rc = layer_config_keys(layer, keys, err);

    return rc == 0 && !right
               ? err_set(err, ERR_UNSUPPORTED,
                         "option \"%s\": only the value that the activation "
                         "function has is supported",
                         option)
               : rc;
}

/* Keras approximates in the operation gelu, unlike in the activation. */
static int configure_gelu(struct layer *layer, struct err *err)
{
    return fixed(layer, "approximate",
                 json_is_false(jget_member(layer->config, "approximate")), err);
}

static int configure_elu(struct layer *layer, struct err *err)
{
    const json_t *alpha = jget_member(layer->config, "alpha");

    return fixed(layer, "alpha",
                 alpha == NULL || json_number_value(alpha) == 1.0, err);
}

static int configure_axis(struct layer *layer, struct err *err)
{
    const json_t *axis = jget_member(layer->config, "axis");

    return fixed(layer, "axis", axis == NULL || json_integer_value(axis) == -1,
                 err);
}

/* One limit: a number, or null for none. */
static bool is_limit(const json_t *value)
{
    return value == NULL || json_is_number(value);
}

static int configure_clip(struct layer *layer, struct err *err)
{
    static const char *const keys[] = {"x_min", "x_max", NULL};
    int rc = layer_config_keys(layer, keys, err);

    return rc != 0 || (is_limit(jget_member(layer->config, "x_min")) &&
                       is_limit(jget_member(layer->config, "x_max")))
               ? rc
               : err_set(err, ERR_UNSUPPORTED,
                         "x_min, x_max: numbers are wanted");
}

#define UNARY(symbol, class_name)                                              \
    const struct layer_class layer_op_##symbol = {.name = "ops." class_name,   \
                                                  .infer = ops_infer_same}
#define UNARY_WITH(symbol, class_name, function)                               \
    const struct layer_class layer_op_##symbol = {.name = "ops." class_name,   \
                                                  .configure = (function),     \
                                                  .infer = ops_infer_same}

UNARY(abs, "Abs");
UNARY(absolute, "Absolute");
UNARY(cast, "Cast"); /* to float32, as dtypes are checked */
UNARY(cos, "Cos");
UNARY(exp, "Exp");
UNARY(expm1, "Expm1");
UNARY(log, "Log");
UNARY(log1p, "Log1p");
UNARY(negative, "Negative");
UNARY(reciprocal, "Reciprocal");
UNARY(rsqrt, "Rsqrt");
UNARY(sin, "Sin");
UNARY(sqrt, "Sqrt");
UNARY(square, "Square");
UNARY_WITH(clip, "Clip", configure_clip);

UNARY(hard_sigmoid, "HardSigmoid");
UNARY(hard_silu, "HardSilu");
UNARY(log_sigmoid, "LogSigmoid");
UNARY(relu, "Relu");
UNARY(relu6, "Relu6");
UNARY(selu, "Selu");
UNARY(sigmoid, "Sigmoid");
UNARY(silu, "Silu");
UNARY(softplus, "Softplus");
UNARY(softsign, "Softsign");
UNARY(tanh, "Tanh");
UNARY_WITH(elu, "Elu", configure_elu);
UNARY_WITH(gelu, "Gelu", configure_gelu);
UNARY_WITH(log_softmax, "LogSoftmax", configure_axis);
UNARY_WITH(softmax, "Softmax", configure_axis);
