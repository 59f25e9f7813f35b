/* SPDX-License-Identifier: MIT
 *
 * ops_shape: operations of keras.ops that reduce axes, put them into another
 * order or shape, or multiply matrices; see ops.h. Keras counts the batch as
 * axis 0; none of them may touch it.
 */
#include "common/jget.h"
#include "common/model/layer.h"
#include "common/model/layers/axes.h"
#include "common/model/layers/ops.h"
#include "common/model/layers/permute.h"

static int batch_is_touched(const char *option, struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED,
                   "option \"%s\": only operations within each row are "
                   "supported",
                   option);
}

/* ---- Mean, Sum, Max, Min, Squeeze ---------------------------------------- */

int ops_reduced(const struct layer *layer, const struct shape *in,
                unsigned *axes, struct err *err)
{
    const json_t *axis = jget_member(layer->config, "axis");

    return axis == NULL ? batch_is_touched("axis", err)
                        : axes_read(axis, in, axes, err);
}

/* The shape without some axes, or with these as 1. */
static struct shape without(const struct shape *in, unsigned axes, bool keep)
{
    struct shape out = {0};

    for (int i = 0; i < in->rank; i++) {
        if ((axes & (1u << i)) == 0) {
            out.dim[out.rank++] = in->dim[i];
        } else if (keep) {
            out.dim[out.rank++] = 1;
        }
    }
    return out;
}

static int configure_reduction(struct layer *layer, struct err *err)
{
    static const char *const keys[] = {"axis", "keepdims", NULL};

    return layer_config_keys(layer, keys, err);
}

static int configure_squeeze(struct layer *layer, struct err *err)
{
    static const char *const keys[] = {"axis", NULL};

    return layer_config_keys(layer, keys, err);
}

static int reduce(const struct layer *layer, const struct shape *in, size_t n,
                  struct shape *out, size_t *out_count, struct err *err)
{
    bool keep;
    unsigned axes;
    int rc = layer_expect_inputs(layer, n, 1, err);

    if (rc != 0 ||
        (rc = jget_bool_or(layer->config, "keepdims", false, &keep, err)) !=
            0 ||
        (rc = ops_reduced(layer, &in[0], &axes, err)) != 0) {
        return rc;
    }
    out[0] = without(&in[0], axes, keep);
    *out_count = 1;
    return 0;
}

static int squeeze(const struct layer *layer, const struct shape *in, size_t n,
                   struct shape *out, size_t *out_count, struct err *err)
{
    const json_t *axis = jget_member(layer->config, "axis");
    unsigned axes = 0;
    int rc = layer_expect_inputs(layer, n, 1, err);

    if (rc == 0 && axis != NULL) {
        rc = axes_read(axis, &in[0], &axes, err);
    }
    if (rc != 0) {
        return rc;
    }
    for (int i = 0; i < in[0].rank; i++) {
        bool named = (axes & (1u << i)) != 0;

        if (named && in[0].dim[i] != 1) {
            return err_set(err, ERR_INVALID, "axis %d is not 1", i + 1);
        }
        axes |= axis == NULL && in[0].dim[i] == 1 ? 1u << i : 0;
    }
    out[0] = without(&in[0], axes, false);
    *out_count = 1;
    return 0;
}

/* ---- Reshape --------------------------------------------------------------
 */

static int configure_reshape(struct layer *layer, struct err *err)
{
    static const char *const keys[] = {"newshape", NULL};

    return layer_config_keys(layer, keys, err);
}

static int reshape(const struct layer *layer, const struct shape *in, size_t n,
                   struct shape *out, size_t *out_count, struct err *err)
{
    const json_t *to = jget_member(layer->config, "newshape");
    const json_t *batch = json_array_get(to, 0);
    char text[SHAPE_TEXT_SIZE];
    int rc = layer_expect_inputs(layer, n, 1, err);

    if (rc == 0) {
        rc = layer_read_shape(to, true, &out[0], err);
    }
    if (rc != 0) {
        return rc;
    }
    if (!json_is_null(batch) && json_integer_value(batch) != -1) {
        return batch_is_touched("newshape", err);
    }
    if (!shape_known(&out[0]) || shape_size(&out[0]) != shape_size(&in[0])) {
        return err_set(err, ERR_UNSUPPORTED,
                       "newshape: a row of shape %s does not become another "
                       "row",
                       shape_text(&in[0], text));
    }
    *out_count = 1;
    return 0;
}

/* ---- Transpose, Swapaxes ---------------------------------------------------
 */

static int configure_transpose(struct layer *layer, struct err *err)
{
    static const char *const keys[] = {"axes", NULL};

    return layer_config_keys(layer, keys, err);
}

static int configure_swapaxes(struct layer *layer, struct err *err)
{
    static const char *const keys[] = {"axis1", "axis2", NULL};

    return layer_config_keys(layer, keys, err);
}

/* Axis `value` without the batch; -1: none. */
static int axis_of(const json_t *value, int rank)
{
    json_int_t at = json_integer_value(value);

    at += at < 0 ? rank + 1 : 0;
    return json_is_integer(value) && at >= 1 && at <= rank ? (int)at - 1 : -1;
}

static int read_axes(const json_t *axes, struct permute_options *out,
                     struct err *err)
{
    unsigned seen = 0;

    if (json_array_size(axes) != (size_t)out->rank + 1 ||
        json_integer_value(json_array_get(axes, 0)) != 0) {
        return batch_is_touched("axes", err);
    }
    for (int i = 0; i < out->rank; i++) {
        int from = axis_of(json_array_get(axes, (size_t)i + 1), out->rank);

        if (from < 0 || (seen & (1u << from)) != 0) {
            return err_set(err, ERR_INVALID, "axes: each axis is wanted once");
        }
        seen |= 1u << from;
        out->from[i] = from;
    }
    return 0;
}

int ops_permutation(const struct layer *layer, const struct shape *in,
                    struct permute_options *out, struct err *err)
{
    int a = axis_of(jget_member(layer->config, "axis1"), in->rank);
    int b = axis_of(jget_member(layer->config, "axis2"), in->rank);

    *out = (struct permute_options){.rank = in->rank};
    if (layer->class == &layer_op_transpose) {
        return read_axes(jget_member(layer->config, "axes"), out, err);
    }
    if (a < 0 || b < 0) {
        return batch_is_touched("axis1", err);
    }
    for (int i = 0; i < in->rank; i++) {
        out->from[i] = i == a ? b : i == b ? a : i;
    }
    return 0;
}

static int permute(const struct layer *layer, const struct shape *in, size_t n,
                   struct shape *out, size_t *out_count, struct err *err)
{
    struct permute_options o;
    int rc = layer_expect_inputs(layer, n, 1, err);

    if (rc == 0) {
        rc = ops_permutation(layer, &in[0], &o, err);
    }
    if (rc != 0) {
        return rc;
    }
    out[0].rank = o.rank;
    for (int i = 0; i < o.rank; i++) {
        out[0].dim[i] = in[0].dim[o.from[i]];
    }
    *out_count = 1;
    return 0;
}

/* ---- Matmul -----------------------------------------------------------------
 */

static int matmul(const struct layer *layer, const struct shape *in, size_t n,
                  struct shape *out, size_t *out_count, struct err *err)
{
    char text[2][SHAPE_TEXT_SIZE];
    int rank = in[0].rank;
    bool fit = n == 2 && rank >= 2 && in[1].rank == rank &&
               in[0].dim[rank - 1] == in[1].dim[rank - 2];
    int rc = layer_expect_inputs(layer, n, 2, err);

    if (rc != 0) {
        return rc;
    }
    for (int i = 0; fit && i < rank - 2; i++) {
        fit = in[0].dim[i] == in[1].dim[i];
    }
    if (!fit) {
        return err_set(err, ERR_UNSUPPORTED,
                       "tensors of the shapes %s and %s are not supported "
                       "together",
                       shape_text(&in[0], text[0]),
                       shape_text(&in[1], text[1]));
    }
    out[0] = in[0];
    out[0].dim[rank - 1] = in[1].dim[rank - 1];
    *out_count = 1;
    return 0;
}

#define REDUCTION(symbol, class_name)                                          \
    const struct layer_class layer_op_##symbol = {.name = "ops." class_name,   \
                                                  .configure =                 \
                                                      configure_reduction,     \
                                                  .infer = reduce}

REDUCTION(max, "Max");
REDUCTION(mean, "Mean");
REDUCTION(min, "Min");
REDUCTION(sum, "Sum");

const struct layer_class layer_op_matmul = {.name = "ops.Matmul",
                                            .infer = matmul};
const struct layer_class layer_op_reshape = {
    .name = "ops.Reshape", .configure = configure_reshape, .infer = reshape};
const struct layer_class layer_op_squeeze = {
    .name = "ops.Squeeze", .configure = configure_squeeze, .infer = squeeze};
const struct layer_class layer_op_swapaxes = {
    .name = "ops.Swapaxes", .configure = configure_swapaxes, .infer = permute};
const struct layer_class layer_op_transpose = {.name = "ops.Transpose",
                                               .configure = configure_transpose,
                                               .infer = permute};
