/* SPDX-License-Identifier: MIT
 *
 * layer_normalization: Keras' LayerNormalization; see layer_normalization.h.
 */
#include "common/model/layers/layer_normalization.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/layer.h"
#include "common/model/layers/axes.h"

static int configure(struct layer *layer, struct err *err)
{
    static const char *const keys[] = {"axis", "rms_scaling", SCALE_SHIFT_KEYS,
                                       NULL};
    struct layer_normalization_options *o;
    int rc = layer_config_keys(layer, keys, err);

    if (rc != 0) {
        return rc;
    }
    o = mem_zalloc(sizeof(*o));
    if (o == NULL) {
        return err_nomem(err);
    }
    layer->options = o;
    rc =
        jget_bool_or(layer->config, "rms_scaling", false, &o->rms_scaling, err);
    if (rc == 0) {
        rc = scale_shift_configure(layer, &o->affine, err);
    }
    o->affine.scale = o->affine.scale || o->rms_scaling;
    o->affine.center = o->affine.center && !o->rms_scaling;
    return rc;
}

/* The sizes of the axes in the order of their numbers as given, in which Keras
 * sorts them: -1 before 1. What is in memory is in the order of the axes. */
static void sizes(const json_t *axis, const struct shape *in, unsigned axes,
                  struct shape *out)
{
    int n = 0;

    for (int given = -in->rank; given <= in->rank && axis != NULL; given++) {
        for (size_t i = 0; i < json_array_size(axis); i++) {
            if (json_integer_value(json_array_get(axis, i)) == given) {
                out->dim[n++] =
                    in->dim[given < 0 ? given + in->rank : given - 1];
            }
        }
    }
    for (int i = 0; n == 0 && i < in->rank; i++) {
        if ((axes & (1u << i)) != 0) { /* one axis, not in a list */
            out->dim[n++] = in->dim[i];
        }
    }
    out->rank = n;
}

static int build(struct model *model, struct layer *layer,
                 const struct shape *in, size_t n, struct err *err)
{
    struct layer_normalization_options *o = layer->options;
    const json_t *axis = jget_member(layer->config, "axis");
    int rc = layer_expect_inputs(layer, n, 1, err);

    if (rc == 0) {
        rc = axes_read(axis, &in[0], &o->axes, err);
    }
    if (rc != 0) {
        return rc;
    }
    sizes(axis, &in[0], o->axes, &o->shape);
    return scale_shift_build(model, layer, &o->affine, &o->shape, err);
}

static int infer(const struct layer *layer, const struct shape *in, size_t n,
                 struct shape *out, size_t *out_count, struct err *err)
{
    const struct layer_normalization_options *o = layer->options;
    char text[SHAPE_TEXT_SIZE];
    struct shape shape = {0};
    unsigned axes;
    int rc = layer_expect_inputs(layer, n, 1, err);

    if (rc == 0) {
        rc = axes_read(jget_member(layer->config, "axis"), &in[0], &axes, err);
    }
    if (rc != 0) {
        return rc;
    }
    sizes(jget_member(layer->config, "axis"), &in[0], axes, &shape);
    if (!shape_equal(&shape, &o->shape)) {
        return err_set(err, ERR_INVALID,
                       "its weights do not suit an input of shape %s",
                       shape_text(&in[0], text));
    }
    out[0] = in[0];
    *out_count = 1;
    return 0;
}

static void release(struct layer *layer)
{
    struct layer_normalization_options *o = layer->options;

    if (o != NULL) {
        scale_shift_deinit(&o->affine);
        mem_free(o);
    }
}

const struct layer_class layer_layer_normalization = {
    .name = "LayerNormalization",
    .configure = configure,
    .build = build,
    .infer = infer,
    .release = release,
};
