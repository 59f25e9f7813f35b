/* SPDX-License-Identifier: MIT
 *
 * group_normalization: Keras' GroupNormalization; see group_normalization.h.
 */
#include "common/model/layers/group_normalization.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/layer.h"
#include "common/model/layers/axes.h"

static int configure(struct layer *layer, struct err *err)
{
    static const char *const keys[] = {"groups", "axis", SCALE_SHIFT_KEYS,
                                       NULL};
    struct group_normalization_options *o;
    const json_t *axis = jget_member(layer->config, "axis");
    int rc = layer_config_keys(layer, keys, err);

    if (rc != 0) {
        return rc;
    }
    o = mem_zalloc(sizeof(*o));
    if (o == NULL) {
        return err_nomem(err);
    }
    layer->options = o;
    rc = jget_int_or(layer->config, "groups", 32, &o->groups, err);
    if (rc == 0 && o->groups <= 0 && o->groups != -1) {
        rc = err_set(err, ERR_INVALID, "groups: %lld is no number of groups",
                     (long long)o->groups);
    }
    if (rc == 0 && axis != NULL && !json_is_integer(axis)) {
        rc = err_set(err, ERR_INVALID,
                     "axis: the number of one axis is wanted, not %s",
                     jget_type_name(axis));
    }
    return rc != 0 ? rc : scale_shift_configure(layer, &o->affine, err);
}

static int build(struct model *model, struct layer *layer,
                 const struct shape *in, size_t n, struct err *err)
{
    struct group_normalization_options *o = layer->options;
    struct shape shape = {.rank = 1};
    unsigned axes;
    int rc = layer_expect_inputs(layer, n, 1, err);

    if (rc == 0) {
        rc = axes_read(jget_member(layer->config, "axis"), &in[0], &axes, err);
    }
    if (rc != 0) {
        return rc;
    }
    while ((axes & (1u << o->at)) == 0) {
        o->at++;
    }
    o->channels = shape.dim[0] = in[0].dim[o->at];
    o->groups = o->groups == -1 ? o->channels : o->groups;
    if (o->channels % o->groups != 0) {
        return err_set(err, ERR_INVALID,
                       "%lld channels cannot be cut into %lld groups",
                       (long long)o->channels, (long long)o->groups);
    }
    return scale_shift_build(model, layer, &o->affine, &shape, err);
}

static int infer(const struct layer *layer, const struct shape *in, size_t n,
                 struct shape *out, size_t *out_count, struct err *err)
{
    const struct group_normalization_options *o = layer->options;
    char text[SHAPE_TEXT_SIZE];
    int rc = layer_expect_inputs(layer, n, 1, err);

    if (rc == 0 && (in[0].rank <= o->at || in[0].dim[o->at] != o->channels)) {
        rc = err_set(err, ERR_INVALID,
                     "it normalizes %lld channels, but the input has shape %s",
                     (long long)o->channels, shape_text(&in[0], text));
    }
    if (rc == 0) {
        out[0] = in[0];
        *out_count = 1;
    }
    return rc;
}

static void release(struct layer *layer)
{
    struct group_normalization_options *o = layer->options;

    if (o != NULL) {
        scale_shift_deinit(&o->affine);
        mem_free(o);
    }
}

const struct layer_class layer_group_normalization = {
    .name = "GroupNormalization",
    .configure = configure,
    .build = build,
    .infer = infer,
    .release = release,
};
