/* SPDX-License-Identifier: MIT
 *
 * batch_normalization: Keras' BatchNormalization; see batch_normalization.h.
 */
#include "common/model/layers/batch_normalization.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/initializer.h"
#include "common/model/layer.h"

#include <stdio.h>

/* Options that are only known when they are off. */
static int check_off(const struct layer *layer, const char *key,
                     struct err *err)
{
    bool on;
    int rc = jget_bool_or(layer->config, key, false, &on, err);

    return rc == 0 && on ? err_set(err, ERR_UNSUPPORTED,
                                   "option \"%s\" is not supported", key)
                         : rc;
}

static int read_axis(const struct layer *layer, int64_t *out, struct err *err)
{
    const json_t *value = jget_member(layer->config, "axis");

    /* files of Keras 2 have a list of one axis */
    if (json_is_array(value) && json_array_size(value) == 1) {
        value = json_array_get(value, 0);
    }
    *out = value != NULL ? (int64_t)json_integer_value(value) : -1;
    return value == NULL || json_is_integer(value)
               ? 0
               : err_set(err, ERR_INVALID,
                         "axis: the number of one axis is wanted, not %s",
                         jget_type_name(value));
}

static int read_moving(const struct layer *layer,
                       struct batch_normalization_options *o, struct err *err)
{
    int rc = initializer_create(
        json_object_get(layer->config, "moving_mean_initializer"), "zeros",
        &o->mean, err);

    if (rc != 0) {
        (void)err_wrap(err, "moving_mean_initializer");
        return rc;
    }
    rc = initializer_create(
        json_object_get(layer->config, "moving_variance_initializer"), "ones",
        &o->variance, err);
    if (rc != 0) {
        (void)err_wrap(err, "moving_variance_initializer");
    }
    return rc;
}

static int configure(struct layer *layer, struct err *err)
{
    static const char *const keys[] = {"axis",
                                       "momentum",
                                       SCALE_SHIFT_KEYS,
                                       "moving_mean_initializer",
                                       "moving_variance_initializer",
                                       "synchronized",
                                       "renorm",
                                       "renorm_clipping",
                                       "renorm_momentum",
                                       NULL};
    struct batch_normalization_options *o;
    int rc;

    if ((rc = layer_config_keys(layer, keys, err)) != 0 ||
        (rc = check_off(layer, "synchronized", err)) != 0 ||
        (rc = check_off(layer, "renorm", err)) != 0) {
        return rc;
    }
    o = mem_zalloc(sizeof(*o));
    if (o == NULL) {
        return err_nomem(err);
    }
    layer->options = o;
    if ((rc = read_axis(layer, &o->axis, err)) != 0 ||
        (rc = jget_double_or(layer->config, "momentum", 0.99, &o->momentum,
                             err)) != 0 ||
        (rc = scale_shift_configure(layer, &o->affine, err)) != 0) {
        return rc;
    }
    return read_moving(layer, o, err);
}

/* The moving statistic number i of the layer's variables. */
static int declare(struct model *model, struct layer *layer, const char *name,
                   int i, struct initializer **initializer, struct err *err)
{
    const struct batch_normalization_options *o = layer->options;
    struct shape shape = {.rank = 1, .dim = {o->channels}};
    struct initializer *taken = *initializer;
    char path[16];

    (void)snprintf(path, sizeof(path), "vars/%d", i);
    *initializer = NULL; /* the model owns it now */
    return model_declare(model, layer, name, path, &shape, VARIABLE_STATISTIC,
                         taken, err);
}

static int build(struct model *model, struct layer *layer,
                 const struct shape *in, size_t n, struct err *err)
{
    struct batch_normalization_options *o = layer->options;
    struct shape shape = {.rank = 1};
    char text[SHAPE_TEXT_SIZE];
    int first = o->affine.scale + o->affine.center;
    int64_t at;
    int rc = layer_expect_inputs(layer, n, 1, err);

    if (rc != 0) {
        return rc;
    }
    at = (o->axis < 0 ? o->axis + in[0].rank + 1 : o->axis) - 1;
    if (at < 0 || at >= in[0].rank) {
        return err_set(err, at == -1 ? ERR_UNSUPPORTED : ERR_INVALID,
                       "axis: %lld is no axis beside the batch of an input of "
                       "shape %s",
                       (long long)o->axis, shape_text(&in[0], text));
    }
    o->at = (int)at;
    o->channels = shape.dim[0] = in[0].dim[at];
    if ((rc = scale_shift_build(model, layer, &o->affine, &shape, err)) != 0 ||
        (rc = declare(model, layer, "moving_mean", first, &o->mean, err)) !=
            0) {
        return rc;
    }
    return declare(model, layer, "moving_variance", first + 1, &o->variance,
                   err);
}

static int infer(const struct layer *layer, const struct shape *in, size_t n,
                 struct shape *out, size_t *out_count, struct err *err)
{
    const struct batch_normalization_options *o = layer->options;
    char text[SHAPE_TEXT_SIZE];
    int rc = layer_expect_inputs(layer, n, 1, err);

    if (rc != 0) {
        return rc;
    }
    if (in[0].rank <= o->at || in[0].dim[o->at] != o->channels) {
        return err_set(err, ERR_INVALID,
                       "it normalizes %lld channels, but the input has shape "
                       "%s",
                       (long long)o->channels, shape_text(&in[0], text));
    }
    out[0] = in[0];
    *out_count = 1;
    return 0;
}

static void release(struct layer *layer)
{
    struct batch_normalization_options *o = layer->options;

    if (o != NULL) {
        scale_shift_deinit(&o->affine);
        initializer_destroy(&o->mean);
        initializer_destroy(&o->variance);
        mem_free(o);
    }
}

const struct layer_class layer_batch_normalization = {
    .name = "BatchNormalization",
    .configure = configure,
    .build = build,
    .infer = infer,
    .release = release,
};
