/* SPDX-License-Identifier: MIT
 *
 * input: Keras' InputLayer; see input.h.
 */
#include "common/model/layers/input.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/bind.h"
#include "common/model/layer.h"

#include <string.h>

static int read_shape(const json_t *config, struct shape *out, struct err *err)
{
    static const struct {
        const char *key;
        bool has_batch;
    } forms[] = {
        {"batch_shape", true},
        {"batch_input_shape", true}, /* Keras 2 */
        {"shape", false},
    };

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        const json_t *value = jget_member(config, forms[i].key);
        int rc;

        if (value == NULL) {
            continue;
        }
        rc = layer_read_shape(value, forms[i].has_batch, out, err);
        if (rc != 0) {
            (void)err_wrap(err, "%s", forms[i].key);
        }
        return rc;
    }
    return err_set(err, ERR_INVALID, "batch_shape: missing");
}

static int read_dtype(const json_t *config, bool *is_integer, struct err *err)
{
    static const char *const whole[] = {"int32", "int64",  "int16",  "int8",
                                        "uint8", "uint16", "uint32", "bool"};
    const json_t *value = jget_member(config, "dtype");
    const char *name;
    int rc = 0;

    if (value != NULL && json_is_object(value)) {
        rc = jget_object(value, "config", &config, err);
        if (rc == 0) {
            rc = jget_string(config, "name", &name, err);
        }
    } else {
        rc = jget_string_or(config, "dtype", "float32", &name, err);
    }
    if (rc != 0) {
        return rc;
    }
    *is_integer = false;
    for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
        *is_integer = *is_integer || strcmp(name, whole[i]) == 0;
    }
    if (!*is_integer && strcmp(name, "float32") != 0) {
        return err_set(err, ERR_UNSUPPORTED,
                       "dtype \"%s\" is not supported: float32, a type of "
                       "whole numbers or bool is wanted",
                       name);
    }
    return 0;
}

static int configure(struct layer *layer, struct err *err)
{
    static const char *const keys[] = {"shape",  "dtype",    "sparse",
                                       "ragged", "optional", NULL};
    static const char *const off[] = {"sparse", "ragged", "optional"};
    struct input_options *o;
    int rc;

    if ((rc = layer_config_keys(layer, keys, err)) != 0) {
        return rc;
    }
    for (size_t i = 0; i < sizeof(off) / sizeof(off[0]); i++) {
        bool on;

        if ((rc = jget_bool_or(layer->config, off[i], false, &on, err)) != 0) {
            return rc;
        }
        if (on) {
            return err_set(err, ERR_UNSUPPORTED,
                           "option \"%s\" is not supported", off[i]);
        }
    }
    o = mem_zalloc(sizeof(*o));
    if (o == NULL) {
        return err_nomem(err);
    }
    layer->options = o;
    if ((rc = read_shape(layer->config, &o->shape, err)) != 0 ||
        (rc = read_dtype(layer->config, &o->is_integer, err)) != 0) {
        return rc;
    }
    o->declared = o->shape;
    for (int i = 0; i < o->shape.rank; i++) {
        if (o->shape.dim[i] == SHAPE_UNKNOWN) {
            o->shape.dim[i] = VARIABLE_AXIS;
        }
    }
    return shape_check(&o->shape, err);
}

static int infer(const struct layer *layer, const struct shape *in, size_t n,
                 struct shape *out, size_t *out_count, struct err *err)
{
    const struct input_options *o = layer->options;
    int rc = layer_expect_inputs(layer, n, 0, err);

    (void)in;
    if (rc != 0) {
        return rc;
    }
    out[0] = o->shape;
    *out_count = 1;
    return 0;
}

const struct layer_class layer_input = {
    .name = "InputLayer",
    .configure = configure,
    .infer = infer,
};
