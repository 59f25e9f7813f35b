/* SPDX-License-Identifier: MIT
 *
 * rms_normalization: Keras' RMSNormalization; see rms_normalization.h.
 */
#include "common/model/layers/rms_normalization.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/layer.h"
#include "common/model/layers/axes.h"

#include <string.h>

static int configure(struct layer *layer, struct err *err)
{
    static const char *const keys[] = {"axis", "epsilon", NULL};
    struct rms_normalization_options *o;
    double epsilon;
    int rc;

    if ((rc = layer_config_keys(layer, keys, err)) != 0 ||
        (rc = jget_double_or(layer->config, "epsilon", 1e-6, &epsilon, err)) !=
            0) {
        return rc;
    }
    if (!(epsilon >= 0.0)) {
        return err_set(err, ERR_INVALID, "epsilon: %g is below 0", epsilon);
    }
    o = mem_zalloc(sizeof(*o));
    if (o == NULL) {
        return err_nomem(err);
    }
    layer->options = o;
    o->epsilon = (float)epsilon;
    return 0;
}

/* The number of an axis as the config has it, counted from the end; 0: it is
 * none. */
static int from_end(const json_t *axis, int rank)
{
    json_int_t at = json_integer_value(axis);

    at -= at > 0 ? rank + 1 : 0;
    return json_is_integer(axis) && at >= -rank && at < 0 ? (int)at : 0;
}

/* Keras sorts the axes as they are given, and multiplies by a scale of their
 * sizes, which fits only if they are the last axes in their order. */
static int last_axes(const json_t *axis, const struct shape *in, int *count,
                     struct err *err)
{
    bool negative = true;
    bool positive = true;
    size_t n = json_is_array(axis) ? json_array_size(axis) : 1;
    unsigned seen = 0;

    for (size_t i = 0; i < n && axis != NULL; i++) {
        const json_t *one =
            json_is_array(axis) ? json_array_get(axis, i) : axis;
        int at = from_end(one, in->rank);

        seen |= at != 0 ? 1u << -at : 1u;
        negative = negative && json_integer_value(one) < 0;
        positive = positive && json_integer_value(one) > 0;
    }
    seen = axis == NULL ? 2u : seen;
    *count = (int)n;
    if (n == 0 || in->rank == 0 || n > (size_t)in->rank ||
        seen != (1u << (n + 1)) - 2u || !(negative || positive)) {
        return err_set(err, ERR_UNSUPPORTED,
                       "option \"axis\": only the last axes are supported");
    }
    return 0;
}

static int scale_of(const struct layer *layer, const struct shape *in,
                    struct shape *out, struct err *err)
{
    int count = 0;
    int rc = last_axes(jget_member(layer->config, "axis"), in, &count, err);

    if (rc == 0) {
        *out = (struct shape){.rank = count};
        memcpy(out->dim, in->dim + in->rank - count,
               (size_t)count * sizeof(out->dim[0]));
    }
    return rc;
}

static int build(struct model *model, struct layer *layer,
                 const struct shape *in, size_t n, struct err *err)
{
    struct rms_normalization_options *o = layer->options;
    struct weight_options scale = {0};
    int rc = layer_expect_inputs(layer, n, 1, err);

    if (rc == 0) {
        rc = scale_of(layer, &in[0], &o->scale, err);
    }
    if (rc == 0) {
        rc = layer_weight_options(layer, "scale", "ones", &scale, err);
    }
    if (rc == 0) {
        rc = model_declare_weight(model, layer, "scale", "vars/0", &o->scale,
                                  &scale, err);
    }
    weight_options_deinit(&scale);
    return rc;
}

static int infer(const struct layer *layer, const struct shape *in, size_t n,
                 struct shape *out, size_t *out_count, struct err *err)
{
    const struct rms_normalization_options *o = layer->options;
    char text[SHAPE_TEXT_SIZE];
    struct shape scale;
    int rc = layer_expect_inputs(layer, n, 1, err);

    if (rc == 0) {
        rc = scale_of(layer, &in[0], &scale, err);
    }
    if (rc != 0) {
        return rc;
    }
    if (!shape_equal(&scale, &o->scale)) {
        return err_set(err, ERR_INVALID,
                       "its weights do not suit an input of shape %s",
                       shape_text(&in[0], text));
    }
    out[0] = in[0];
    *out_count = 1;
    return 0;
}

const struct layer_class layer_rms_normalization = {
    .name = "RMSNormalization",
    .configure = configure,
    .build = build,
    .infer = infer,
};
