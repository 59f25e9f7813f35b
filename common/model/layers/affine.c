/* SPDX-License-Identifier: MIT
 *
 * affine: Keras' Rescaling and Normalization layers; see affine.h.
 */
#include "common/model/layers/affine.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/initializer.h"
#include "common/model/layer.h"
#include "common/model/slices.h"

#include <string.h>

#define MAX_VALUES ((size_t)1 << 24)

/* The sizes of nested lists, judged by the first of each. */
static int read_sizes(const json_t *value, struct shape *out, struct err *err)
{
    out->rank = 0;
    while (json_is_array(value)) {
        if (out->rank == SHAPE_MAX_RANK || json_array_size(value) == 0) {
            return err_set(err, ERR_INVALID,
                           "lists that are empty or too deep are no numbers");
        }
        out->dim[out->rank++] = (int64_t)json_array_size(value);
        value = json_array_get(value, 0);
    }
    return shape_check(out, err);
}

static int read_values(const json_t *value, const struct shape *shape, int axis,
                       float **to, struct err *err)
{
    int rc = 0;

    if (axis == shape->rank) {
        *(*to)++ = (float)json_number_value(value);
        return json_is_number(value)
                   ? 0
                   : err_set(err, ERR_INVALID, "a number is wanted, not %s",
                             jget_type_name(value));
    }
    if (json_array_size(value) != (size_t)shape->dim[axis]) {
        return err_set(err, ERR_INVALID, "lists of different lengths");
    }
    for (size_t i = 0; rc == 0 && i < json_array_size(value); i++) {
        rc = read_values(json_array_get(value, i), shape, axis + 1, to, err);
    }
    return rc;
}

/* A number, nested lists, or {"class_name": "__numpy__", "config": {"value":
 * ...}} of them. */
static int read_array(const struct layer *layer, const char *key,
                      struct affine_array *out, struct err *err)
{
    const json_t *value = jget_member(layer->config, key);
    float *at;
    int rc;

    if (json_is_object(value)) {
        value = json_object_get(json_object_get(value, "config"), "value");
    }
    if (value == NULL) {
        return 0;
    }
    rc = read_sizes(value, &out->shape, err);
    if (rc == 0 && shape_size(&out->shape) > MAX_VALUES) {
        rc = err_set(err, ERR_LIMIT, "more than %zu numbers", MAX_VALUES);
    }
    if (rc == 0) {
        out->values = mem_array(shape_size(&out->shape), sizeof(float));
        at = out->values;
        rc = at == NULL ? err_nomem(err)
                        : read_values(value, &out->shape, 0, &at, err);
    }
    if (rc != 0) {
        (void)err_wrap(err, "%s", key);
    }
    return rc;
}

static int begin(struct layer *layer, const char *const *keys,
                 struct affine_options **out, struct err *err)
{
    int rc = layer_config_keys(layer, keys, err);

    if (rc != 0) {
        return rc;
    }
    *out = mem_zalloc(sizeof(**out));
    layer->options = *out;
    return *out != NULL ? 0 : err_nomem(err);
}

static int configure_rescaling(struct layer *layer, struct err *err)
{
    static const char *const keys[] = {"scale", "offset", NULL};
    struct affine_options *o;
    int rc = begin(layer, keys, &o, err);

    if (rc != 0 || (rc = read_array(layer, "scale", &o->first, err)) != 0) {
        return rc;
    }
    if (o->first.values == NULL) {
        return err_set(err, ERR_INVALID, "scale: missing");
    }
    return read_array(layer, "offset", &o->second, err);
}

static int configure_normalization(struct layer *layer, struct err *err)
{
    static const char *const keys[] = {"axis", "mean", "variance", "invert",
                                       NULL};
    struct affine_options *o;
    int rc = begin(layer, keys, &o, err);

    if (rc != 0) {
        return rc;
    }
    o->is_normalization = true;
    if ((rc = jget_bool_or(layer->config, "invert", false, &o->invert, err)) !=
            0 ||
        (rc = read_array(layer, "mean", &o->first, err)) != 0 ||
        (rc = read_array(layer, "variance", &o->second, err)) != 0) {
        return rc;
    }
    o->adapted = o->first.values == NULL;
    if (o->adapted != (o->second.values == NULL) ||
        !shape_equal(&o->first.shape, &o->second.shape)) {
        return err_set(err, ERR_INVALID,
                       "mean and variance must both be given, and of one "
                       "shape");
    }
    return 0;
}

/* The axes that have numbers of their own, without the batch. */
static int kept_axes(const struct layer *layer, const struct shape *in,
                     unsigned *axes, struct err *err)
{
    const json_t *value = json_object_get(layer->config, "axis");
    int rc;

    if (value == NULL) {
        *axes = in->rank > 0 ? 1u << (in->rank - 1) : 0;
        return 0;
    }
    *axes = 0;
    if (json_is_null(value)) {
        return 0;
    }
    rc = slices_read_axes(value, "axis", in->rank + 1, axes, err);
    if (rc == 0 && (*axes & 1u) != 0) {
        return err_set(err, ERR_UNSUPPORTED,
                       "axis: numbers for each row of a batch are not "
                       "supported");
    }
    *axes >>= 1;
    return rc;
}

/* A variable that is carried along; its initializer by Keras' name. */
static int declare(struct model *model, struct layer *layer, const char *name,
                   const char *path, const char *initializer,
                   const struct shape *shape, struct err *err)
{
    struct initializer *made = NULL;
    int rc = initializer_create(NULL, initializer, &made, err);

    return rc != 0 ? rc
                   : model_declare(model, layer, name, path, shape,
                                   VARIABLE_CONSTANT, made, err);
}

/* Axes of explicit numbers are the last of the kept ones. */
static int spread(struct affine_options *o, const struct shape *in,
                  unsigned axes, struct err *err)
{
    struct shape given = o->first.shape;

    o->shape = *in;
    for (int i = in->rank - 1; i >= 0; i--) {
        bool kept = (axes & (1u << i)) != 0 && given.rank > 0;

        o->shape.dim[i] = kept ? given.dim[--given.rank] : 1;
        if (o->shape.dim[i] != 1 && o->shape.dim[i] != in->dim[i]) {
            return err_set(err, ERR_INVALID,
                           "mean: its shape does not suit the input");
        }
    }
    return given.rank == 0
               ? 0
               : err_set(err, ERR_INVALID,
                         "mean: it has more axes than `axis` names");
}

static int build(struct model *model, struct layer *layer,
                 const struct shape *in, size_t n, struct err *err)
{
    struct affine_options *o = layer->options;
    struct shape scalar = {.rank = 0};
    struct shape shape = {0};
    unsigned axes;
    int rc = layer_expect_inputs(layer, n, 1, err);

    if (rc != 0 || !o->is_normalization) {
        return rc;
    }
    if ((rc = kept_axes(layer, &in[0], &axes, err)) != 0) {
        return rc;
    }
    if (!o->adapted) {
        return spread(o, &in[0], axes, err);
    }
    o->shape = in[0];
    for (int i = 0; i < in[0].rank; i++) {
        if ((axes & (1u << i)) != 0) {
            shape.dim[shape.rank++] = in[0].dim[i];
        } else {
            o->shape.dim[i] = 1;
        }
    }
    if ((rc = declare(model, layer, "mean", "vars/0", "zeros", &shape, err)) !=
            0 ||
        (rc = declare(model, layer, "variance", "vars/1", "ones", &shape,
                      err)) != 0) {
        return rc;
    }
    return declare(model, layer, "count", "vars/2", "zeros", &scalar, err);
}

/* Whether numbers of that shape can be repeated to suit the input. */
static bool suits(const struct shape *shape, const struct shape *in)
{
    int skip = in->rank - shape->rank;
    bool fits = skip >= 0;

    for (int i = 0; fits && i < shape->rank; i++) {
        fits = shape->dim[i] == 1 || shape->dim[i] == in->dim[i + skip];
    }
    return fits;
}

static int infer(const struct layer *layer, const struct shape *in, size_t n,
                 struct shape *out, size_t *out_count, struct err *err)
{
    const struct affine_options *o = layer->options;
    char text[SHAPE_TEXT_SIZE];
    int rc = layer_expect_inputs(layer, n, 1, err);
    bool fits = rc == 0 &&
                (o->is_normalization
                     ? o->shape.rank == in[0].rank && suits(&o->shape, &in[0])
                     : suits(&o->first.shape, &in[0]) &&
                           suits(&o->second.shape, &in[0]));

    if (rc == 0 && !fits) {
        rc = err_set(err, ERR_INVALID,
                     "its numbers do not suit an input of shape %s",
                     shape_text(&in[0], text));
    }
    if (rc == 0) {
        out[0] = in[0];
        *out_count = 1;
    }
    return rc;
}

static void release(struct layer *layer)
{
    struct affine_options *o = layer->options;

    if (o != NULL) {
        mem_free(o->first.values);
        mem_free(o->second.values);
        mem_free(o);
    }
}

const struct layer_class layer_rescaling = {
    .name = "Rescaling",
    .configure = configure_rescaling,
    .build = build,
    .infer = infer,
    .release = release,
};

const struct layer_class layer_normalization = {
    .name = "Normalization",
    .configure = configure_normalization,
    .build = build,
    .infer = infer,
    .release = release,
};
