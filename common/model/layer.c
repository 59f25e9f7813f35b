/* SPDX-License-Identifier: MIT
 *
 * layer: see layer.h.
 */
#include "common/model/layer.h"

#include "common/jget.h"
#include "common/model/constraint.h"
#include "common/model/initializer.h"
#include "common/model/regularizer.h"

#include <stdio.h>
#include <string.h>

/* The classes in the order of layers.def. A class's own name is the one of
 * its struct; that both agree is tested. */
static const struct layer_class *const classes[] = {
#define LAYER(symbol, class_name) &layer_##symbol,
#include "common/model/layers.def"
#undef LAYER
};

#define CLASS_COUNT (sizeof(classes) / sizeof(classes[0]))

const struct layer_class *layer_class_find(const char *name)
{
    for (size_t i = 0; i < CLASS_COUNT; i++) {
        if (strcmp(classes[i]->name, name) == 0) {
            return classes[i];
        }
    }
    return NULL;
}

int layer_class_index(const struct layer_class *class)
{
    for (size_t i = 0; i < CLASS_COUNT; i++) {
        if (classes[i] == class) {
            return (int)i;
        }
    }
    return -1;
}

size_t layer_class_count(void)
{
    return CLASS_COUNT;
}

const struct layer_class *layer_class_at(size_t index)
{
    return classes[index];
}

static bool is_listed(const char *key, const char *const *keys)
{
    for (size_t i = 0; keys != NULL && keys[i] != NULL; i++) {
        if (strcmp(key, keys[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* "float32", or a dtype policy object of that name. */
static int check_dtype(const json_t *value, struct err *err)
{
    const json_t *config;
    const char *name;
    int rc;

    if (json_is_string(value)) {
        name = json_string_value(value);
    } else {
        if (!json_is_object(value)) {
            return err_set(err, ERR_INVALID,
                           "dtype: a name or a policy is wanted, not %s",
                           jget_type_name(value));
        }
        if ((rc = jget_object(value, "config", &config, err)) != 0 ||
            (rc = jget_string(config, "name", &name, err)) != 0) {
            (void)err_wrap(err, "dtype");
            return rc;
        }
    }
    if (strcmp(name, "float32") != 0) {
        return err_set(err, ERR_UNSUPPORTED,
                       "dtype \"%s\" is not supported: save the model with "
                       "float32",
                       name);
    }
    return 0;
}

int layer_config_keys(const struct layer *layer, const char *const *keys,
                      struct err *err)
{
    /* of every Keras layer, or put there by older versions; they change
     * nothing about what is computed */
    static const char *const common[] = {"name",        "trainable",
                                         "batch_shape", "batch_input_shape",
                                         "autocast",    "activity_regularizer",
                                         NULL};
    const char *key;
    json_t *value;
    int rc;

    json_object_foreach(layer->config, key, value)
    {
        if (json_is_null(value) || is_listed(key, keys) ||
            is_listed(key, common)) {
            continue;
        }
        if (strcmp(key, "dtype") != 0) {
            return err_set(err, ERR_UNSUPPORTED,
                           "option \"%s\" is not supported", key);
        }
        if ((rc = check_dtype(value, err)) != 0) {
            return rc;
        }
    }
    return 0;
}

int layer_config_absent(const struct layer *layer, const char *const *keys,
                        struct err *err)
{
    for (size_t i = 0; keys[i] != NULL; i++) {
        if (jget_member(layer->config, keys[i]) != NULL) {
            return err_set(err, ERR_UNSUPPORTED,
                           "option \"%s\" is not supported", keys[i]);
        }
    }
    return 0;
}

/* The value of the option name_suffix; NULL if there is none. */
static const json_t *weight_option(const struct layer *layer, const char *name,
                                   const char *suffix, char key[64])
{
    (void)snprintf(key, 64, "%s_%s", name, suffix);
    return json_object_get(layer->config, key);
}

int layer_weight_options(const struct layer *layer, const char *name,
                         const char *missing, struct weight_options *out,
                         struct err *err)
{
    char key[64];
    const json_t *value = weight_option(layer, name, "initializer", key);
    int rc = initializer_create(value, missing, &out->initializer, err);

    if (rc == 0) {
        value = weight_option(layer, name, "regularizer", key);
        rc = regularizer_create(value, &out->regularizer, err);
    }
    if (rc == 0) {
        value = weight_option(layer, name, "constraint", key);
        rc = constraint_create(value, &out->constraint, err);
    }
    if (rc != 0) {
        (void)err_wrap(err, "%s", key);
    }
    return rc;
}

void weight_options_deinit(struct weight_options *options)
{
    initializer_destroy(&options->initializer);
    regularizer_destroy(&options->regularizer);
    constraint_destroy(&options->constraint);
}

int layer_read_shape(const json_t *value, bool skip_batch, struct shape *out,
                     struct err *err)
{
    size_t first = skip_batch ? 1 : 0;
    struct shape shape = {0};
    size_t n;
    int rc;

    if (!json_is_array(value) || json_array_size(value) < first) {
        return err_set(err, ERR_INVALID, "a list of axes is wanted");
    }
    n = json_array_size(value) - first;
    if (n > SHAPE_MAX_RANK) {
        return err_set(err, ERR_LIMIT, "%zu axes: at most %d are supported", n,
                       SHAPE_MAX_RANK);
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *axis = json_array_get(value, i + first);

        if (json_is_null(axis)) {
            shape.dim[i] = SHAPE_UNKNOWN;
        } else if (json_is_integer(axis)) {
            shape.dim[i] = (int64_t)json_integer_value(axis);
        } else {
            return err_set(err, ERR_INVALID, "axis %zu: %s is no size", i,
                           jget_type_name(axis));
        }
    }
    shape.rank = (int)n;
    if ((rc = shape_check(&shape, err)) != 0) {
        return rc;
    }
    *out = shape;
    return 0;
}

const json_t *layer_config_member(const struct layer *layer, const char *key)
{
    return jget_member(layer->config, key);
}

int layer_expect_inputs(const struct layer *layer, size_t n, size_t want,
                        struct err *err)
{
    if (n != want) {
        return err_set(err, ERR_INVALID,
                       "%s takes %zu input%s, but %zu are given",
                       layer->class->name, want, want == 1 ? "" : "s", n);
    }
    return 0;
}
