/* SPDX-License-Identifier: MIT
 *
 * ops_arithmetic: operations of keras.ops on one tensor and a number, or two
 * tensors, which are also what Python's operators make of symbolic tensors;
 * see ops.h.
 */
#include "common/model/layers/ops.h"

#include "common/model/layer.h"
#include "common/model/layers/merge.h"

const json_t *ops_number(const struct call *call, size_t i)
{
    const json_t *value =
        json_object_get(call->arguments, i == 0 ? "argument_0" : "argument_1");

    return json_is_number(value) ? value : NULL;
}

static int infer(const struct layer *layer, const struct call *call,
                 const struct shape *in, size_t n, struct shape *out,
                 size_t *out_count, struct err *err)
{
    bool number = ops_number(call, 0) != NULL || ops_number(call, 1) != NULL;
    char text[2][SHAPE_TEXT_SIZE];
    int rc = layer_expect_inputs(layer, n, number ? 1 : 2, err);

    if (rc != 0) {
        return rc;
    }
    out[0] = in[0];
    *out_count = 1;
    if (n == 2 &&
        (in[0].rank != in[1].rank || !merge_shapes(&in[0], &in[1], &out[0]))) {
        return err_set(err, ERR_UNSUPPORTED,
                       "tensors of the shapes %s and %s are not supported "
                       "together",
                       shape_text(&in[0], text[0]),
                       shape_text(&in[1], text[1]));
    }
    return 0;
}

static const char *const numbers[] = {"argument_0", "argument_1", NULL};

#define ARITHMETIC(symbol, class_name)                                         \
    const struct layer_class layer_op_##symbol = {                             \
        .name = class_name, .infer_call = infer, .arguments = numbers};

ARITHMETIC(add, "ops.Add")
ARITHMETIC(divide, "ops.Divide")
ARITHMETIC(maximum, "ops.Maximum")
ARITHMETIC(minimum, "ops.Minimum")
ARITHMETIC(multiply, "ops.Multiply")
ARITHMETIC(power, "ops.Power")
ARITHMETIC(subtract, "ops.Subtract")
ARITHMETIC(true_divide, "ops.TrueDivide")
