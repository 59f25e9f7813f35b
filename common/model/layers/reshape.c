/* SPDX-License-Identifier: MIT
 *
 * reshape: Keras' Reshape layer; see reshape.h.
 */
#include "common/model/layers/reshape.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/layer.h"

static int configure(struct layer *layer, struct err *err)
{
    static const char *const keys[] = {"target_shape", NULL};
    struct reshape_options *o;
    const json_t *target;
    int unknown = 0;
    int rc;

    if ((rc = layer_config_keys(layer, keys, err)) != 0 ||
        (rc = jget_array(layer->config, "target_shape", &target, err)) != 0) {
        return rc;
    }
    o = mem_zalloc(sizeof(*o));
    if (o == NULL) {
        return err_nomem(err);
    }
    layer->options = o;
    /* -1 in the file is SHAPE_UNKNOWN already */
    if ((rc = layer_read_shape(target, false, &o->target, err)) != 0) {
        (void)err_wrap(err, "target_shape");
        return rc;
    }
    for (int i = 0; i < o->target.rank; i++) {
        unknown += o->target.dim[i] == SHAPE_UNKNOWN;
    }
    if (unknown > 1) {
        return err_set(err, ERR_INVALID,
                       "target_shape: only one axis may be -1");
    }
    return 0;
}

static int infer(const struct layer *layer, const struct shape *in, size_t n,
                 struct shape *out, size_t *out_count, struct err *err)
{
    const struct reshape_options *o = layer->options;
    char from[SHAPE_TEXT_SIZE];
    char to[SHAPE_TEXT_SIZE];
    size_t fixed = 1;
    size_t have;
    int open = -1;
    int rc = layer_expect_inputs(layer, n, 1, err);

    if (rc != 0) {
        return rc;
    }
    out[0] = o->target;
    have = shape_size(&in[0]);
    for (int i = 0; i < o->target.rank; i++) {
        if (o->target.dim[i] == SHAPE_UNKNOWN) {
            open = i;
        } else {
            fixed *= (size_t)o->target.dim[i];
        }
    }
    if (open >= 0 && have % fixed == 0) {
        out[0].dim[open] = (int64_t)(have / fixed);
        fixed = have;
    }
    if (fixed != have) {
        return err_set(err, ERR_INVALID,
                       "shape %s cannot become target_shape %s: the number of "
                       "elements differs",
                       shape_text(&in[0], from), shape_text(&o->target, to));
    }
    *out_count = 1;
    return 0;
}

const struct layer_class layer_reshape = {
    .name = "Reshape",
    .configure = configure,
    .infer = infer,
};
