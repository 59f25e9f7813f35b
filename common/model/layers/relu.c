/* SPDX-License-Identifier: MIT
 *
 * relu: Keras' ReLU and LeakyReLU layers; see relu.h.
 */
#include "common/model/layers/relu.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/layer.h"

#include <math.h>

/* A number of 0 or more; null stands for the default only where that is not a
 * number. */
static int read_number(const struct layer *layer, const char *key,
                       double missing, float *out, struct err *err)
{
    const json_t *value = json_object_get(layer->config, key);
    double number;
    int rc;

    if (json_is_null(value) && isfinite(missing)) {
        return err_set(err, ERR_INVALID, "%s: a number is wanted, not null",
                       key);
    }
    rc = jget_double_or(layer->config, key, missing, &number, err);
    if (rc == 0 && !(number >= 0.0)) {
        rc = err_set(err, ERR_INVALID, "%s: %g is below 0", key, number);
    }
    if (rc == 0) {
        *out = (float)number;
    }
    return rc;
}

static int begin(struct layer *layer, const char *const *keys,
                 struct relu_options **out, struct err *err)
{
    int rc = layer_config_keys(layer, keys, err);

    if (rc != 0) {
        return rc;
    }
    *out = mem_zalloc(sizeof(**out));
    layer->options = *out;
    return *out != NULL ? 0 : err_nomem(err);
}

static int configure_relu(struct layer *layer, struct err *err)
{
    static const char *const keys[] = {"max_value", "negative_slope",
                                       "threshold", NULL};
    struct relu_options *o;
    int rc = begin(layer, keys, &o, err);

    if (rc != 0 ||
        (rc = read_number(layer, "max_value", (double)INFINITY, &o->max_value,
                          err)) != 0 ||
        (rc = read_number(layer, "negative_slope", 0.0, &o->slope, err)) != 0) {
        return rc;
    }
    return read_number(layer, "threshold", 0.0, &o->threshold, err);
}

static int configure_leaky(struct layer *layer, struct err *err)
{
    /* alpha: the name of Keras 2 */
    static const char *const keys[] = {"negative_slope", "alpha", NULL};
    struct relu_options *o;
    const char *key;
    int rc = begin(layer, keys, &o, err);

    if (rc != 0) {
        return rc;
    }
    o->max_value = INFINITY;
    key = json_object_get(layer->config, "alpha") != NULL ? "alpha"
                                                          : "negative_slope";
    return read_number(layer, key, 0.3, &o->slope, err);
}

const struct layer_class layer_relu = {
    .name = "ReLU",
    .configure = configure_relu,
};

const struct layer_class layer_leaky_relu = {
    .name = "LeakyReLU",
    .configure = configure_leaky,
};

/* The operation, whose slope is another one if it is not given. */
static int configure_op(struct layer *layer, struct err *err)
{
    static const char *const keys[] = {"negative_slope", NULL};
    struct relu_options *o;
    int rc = begin(layer, keys, &o, err);

    if (rc != 0) {
        return rc;
    }
    o->max_value = INFINITY;
    return read_number(layer, "negative_slope", 0.2, &o->slope, err);
}

const struct layer_class layer_op_leaky_relu = {
    .name = "ops.LeakyRelu",
    .configure = configure_op,
};
