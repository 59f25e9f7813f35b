/* SPDX-License-Identifier: MIT
 *
 * ops: operations that masks are made with; see ops.h. After keras.ops.
 */
#include "common/model/layers/ops.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/layer.h"

#include <string.h>

/* Axis: a number, or a list of one. */
static int read_axis(const json_t *config, int *out, struct err *err)
{
    const json_t *axis = jget_member(config, "axis");

    if (json_is_array(axis) && json_array_size(axis) == 1) {
        axis = json_array_get(axis, 0);
    }
    if (axis == NULL) {
        *out = -1;
        return 0;
    }
    if (!json_is_integer(axis) || json_integer_value(axis) < -SHAPE_MAX_RANK ||
        json_integer_value(axis) > SHAPE_MAX_RANK) {
        return err_set(err, ERR_UNSUPPORTED, "axis: one number is wanted");
    }
    *out = (int)json_integer_value(axis);
    return 0;
}

/* The dtype of a mask changes nothing: what is not 0 counts. */
static int configure(struct layer *layer, struct err *err)
{
    struct ops_options *o = mem_zalloc(sizeof(*o));
    int rc;

    if (o == NULL) {
        return err_nomem(err);
    }
    layer->options = o;
    rc = read_axis(layer->config, &o->axis, err);
    return rc != 0 ? rc
                   : jget_bool_or(layer->config, "keepdims", false,
                                  &o->keepdims, err);
}

int ops_axis(const struct ops_options *options, const struct shape *shape,
             int more)
{
    int rank = shape->rank + more;
    int axis = options->axis;

    axis = axis < 0 ? axis + rank : axis - 1;
    return axis >= 0 && axis < rank ? axis : -1;
}

static int no_axis(const struct ops_options *o, const struct shape *in,
                   struct err *err)
{
    char text[SHAPE_TEXT_SIZE];

    return err_set(err, ERR_UNSUPPORTED,
                   "axis %d of a tensor of shape %s is the batch or none",
                   o->axis, shape_text(in, text));
}

static int same_shape(const struct layer *layer, const struct shape *in,
                      size_t n, struct shape *out, size_t *out_count,
                      struct err *err)
{
    int rc = layer_expect_inputs(layer, n, 1, err);

    if (rc == 0) {
        out[0] = in[0];
        *out_count = 1;
    }
    return rc;
}

static int not_equal(const struct layer *layer, const struct call *call,
                     const struct shape *in, size_t n, struct shape *out,
                     size_t *out_count, struct err *err)
{
    const json_t *number = json_object_get(call->arguments, "argument_1");
    char text[2][SHAPE_TEXT_SIZE];
    int rc = layer_expect_inputs(layer, n, json_is_number(number) ? 1 : 2, err);

    if (rc == 0 && n == 2 && !shape_equal(&in[0], &in[1])) {
        rc =
            err_set(err, ERR_UNSUPPORTED, "shapes %s and %s cannot be compared",
                    shape_text(&in[0], text[0]), shape_text(&in[1], text[1]));
    }
    return rc != 0 ? rc : same_shape(layer, in, 1, out, out_count, err);
}

static int logical_or(const struct layer *layer, const struct shape *in,
                      size_t n, struct shape *out, size_t *out_count,
                      struct err *err)
{
    char text[2][SHAPE_TEXT_SIZE];
    bool fit = true;
    int rc = layer_expect_inputs(layer, n, 2, err);

    if (rc != 0) {
        return rc;
    }
    fit = in[0].rank == in[1].rank;
    out[0] = in[0];
    *out_count = 1;
    for (int i = 0; fit && i < in[0].rank; i++) {
        int64_t a = in[0].dim[i];
        int64_t b = in[1].dim[i];

        fit = a == b || a == 1 || b == 1;
        out[0].dim[i] = a > b ? a : b;
    }
    return fit ? 0
               : err_set(err, ERR_INVALID, "shapes %s and %s do not fit",
                         shape_text(&in[0], text[0]),
                         shape_text(&in[1], text[1]));
}

static int any(const struct layer *layer, const struct shape *in, size_t n,
               struct shape *out, size_t *out_count, struct err *err)
{
    const struct ops_options *o = layer->options;
    int rc = same_shape(layer, in, n, out, out_count, err);
    int axis;

    if (rc != 0) {
        return rc;
    }
    axis = ops_axis(o, &in[0], 0);
    if (axis < 0) {
        return no_axis(o, &in[0], err);
    }
    if (o->keepdims) {
        out[0].dim[axis] = 1;
        return 0;
    }
    out[0].rank--;
    for (int i = axis; i < out[0].rank; i++) {
        out[0].dim[i] = in[0].dim[i + 1];
    }
    return 0;
}

static int expand_dims(const struct layer *layer, const struct shape *in,
                       size_t n, struct shape *out, size_t *out_count,
                       struct err *err)
{
    const struct ops_options *o = layer->options;
    int rc = same_shape(layer, in, n, out, out_count, err);
    int axis;

    if (rc != 0) {
        return rc;
    }
    axis = ops_axis(o, &in[0], 1);
    if (axis < 0 || in[0].rank == SHAPE_MAX_RANK) {
        return no_axis(o, &in[0], err);
    }
    out[0].rank++;
    out[0].dim[axis] = 1;
    for (int i = axis; i < in[0].rank; i++) {
        out[0].dim[i + 1] = in[0].dim[i];
    }
    return 0;
}

static int concatenate(const struct layer *layer, const struct shape *in,
                       size_t n, struct shape *out, size_t *out_count,
                       struct err *err)
{
    const struct ops_options *o = layer->options;
    char text[2][SHAPE_TEXT_SIZE];
    int axis;

    if (n == 0) {
        return layer_expect_inputs(layer, n, 1, err);
    }
    axis = ops_axis(o, &in[0], 0);
    if (axis < 0) {
        return no_axis(o, &in[0], err);
    }
    out[0] = in[0];
    *out_count = 1;
    for (size_t k = 1; k < n; k++) {
        struct shape like = in[k];

        if (like.rank > axis) {
            like.dim[axis] = in[0].dim[axis];
        }
        if (!shape_equal(&like, &in[0])) {
            return err_set(err, ERR_INVALID, "shapes %s and %s do not fit",
                           shape_text(&in[0], text[0]),
                           shape_text(&in[k], text[1]));
        }
        out[0].dim[axis] += in[k].dim[axis];
    }
    return 0;
}

static int stack(const struct layer *layer, const struct shape *in, size_t n,
                 struct shape *out, size_t *out_count, struct err *err)
{
    int rc = n == 0 ? layer_expect_inputs(layer, n, 1, err)
                    : expand_dims(layer, in, 1, out, out_count, err);
    int axis;

    if (rc != 0) {
        return rc;
    }
    axis = ops_axis(layer->options, &in[0], 1);
    for (size_t k = 1; k < n; k++) {
        if (!shape_equal(&in[k], &in[0])) {
            return err_set(err, ERR_INVALID, "shapes to stack differ");
        }
    }
    out[0].dim[axis] = (int64_t)n;
    return 0;
}

static const char *const with_number[] = {"argument_1", NULL};

const struct layer_class layer_op_any = {
    .name = "ops.Any", .configure = configure, .infer = any};
const struct layer_class layer_op_concatenate = {
    .name = "ops.Concatenate", .configure = configure, .infer = concatenate};
const struct layer_class layer_op_convert_to_tensor = {
    .name = "ops.ConvertToTensor", .configure = configure, .infer = same_shape};
const struct layer_class layer_op_expand_dims = {
    .name = "ops.ExpandDims", .configure = configure, .infer = expand_dims};
const struct layer_class layer_op_logical_or = {
    .name = "ops.LogicalOr", .configure = configure, .infer = logical_or};
const struct layer_class layer_op_not_equal = {.name = "ops.NotEqual",
                                               .configure = configure,
                                               .infer_call = not_equal,
                                               .arguments = with_number};
const struct layer_class layer_op_ones_like = {
    .name = "ops.OnesLike", .configure = configure, .infer = same_shape};
const struct layer_class layer_op_stack = {
    .name = "ops.Stack", .configure = configure, .infer = stack};
const struct layer_class layer_op_zeros_like = {
    .name = "ops.ZerosLike", .configure = configure, .infer = same_shape};
