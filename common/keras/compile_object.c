/* SPDX-License-Identifier: MIT
 *
 * compile_object: see compile_object.h.
 */
#include "common/keras/compile_object.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/plugins.h"

#include <string.h>

const json_t *compile_list(const json_t *value)
{
    const char *name = json_string_value(json_object_get(value, "class_name"));

    if (name != NULL && strcmp(name, "__tuple__") == 0) {
        value = json_object_get(value, "items");
    }
    return json_is_array(value) ? value : NULL;
}

bool compile_is_leaf(const json_t *value)
{
    return compile_list(value) == NULL &&
           (json_is_string(value) ||
            json_is_string(json_object_get(value, "class_name")));
}

int compile_check_known(const json_t *value, const char **name, struct err *err)
{
    const char *class_name = *name;
    const char *module = "keras";
    const char *registered = class_name;
    int rc;

    if ((rc = jget_string_or(value, "module", "keras", &module, err)) != 0 ||
        (rc = jget_string_or(value, "registered_name", class_name, &registered,
                             err)) != 0) {
        return rc;
    }
    if (strcmp(class_name, "__lambda__") == 0) {
        return err_set(err, ERR_UNSUPPORTED,
                       "is a Python lambda, which is never run here");
    }
    if (plugins_is_custom(registered)) {
        *name = registered;
    } else if (strcmp(module, "keras") != 0 &&
               strcmp(module, "builtins") != 0 &&
               strncmp(module, "keras.", 6) != 0) {
        /* not registered: a function is named by its config */
        const char *function =
            json_string_value(json_object_get(value, "config"));
        const char *own = function != NULL ? function : class_name;

        if (plugins_loss(own) == NULL && plugins_metric(own) == NULL) {
            return plugins_missing("object", own, err);
        }
    }
    return 0;
}

const char *compile_function_name(const json_t *fn)
{
    const json_t *name = json_object_get(fn, "config");

    return json_string_value(name != NULL ? name : fn);
}

/* A function in a wrapper class: the function's name is what matters, the rest
 * of the config are its options. */
static int read_wrapper(struct compile_spec *spec, const json_t *config,
                        struct object_spec *out, struct err *err)
{
    json_t *rest = json_copy((json_t *)(uintptr_t)config);

    out->class_name = compile_function_name(json_object_get(config, "fn"));
    if (out->class_name == NULL) {
        json_decref(rest);
        return err_set(err, ERR_INVALID, "config: fn is not a function");
    }
    if (rest == NULL || json_array_append_new(spec->kept, rest) != 0 ||
        json_object_del(rest, "fn") != 0) {
        return err_nomem(err);
    }
    out->config = rest;
    return 0;
}

int compile_read_object(struct compile_spec *spec, const json_t *value,
                        struct object_spec *out, struct err *err)
{
    const json_t *config = json_object_get(value, "config");
    const char *class_name;
    bool bare;
    int rc;

    *out = (struct object_spec){0};
    if (json_is_string(value)) {
        out->class_name = json_string_value(value);
        return 0;
    }
    rc = jget_string(value, "class_name", &out->class_name, err);
    if (rc == 0) {
        rc = compile_check_known(value, &out->class_name, err);
    }
    if (rc != 0) {
        return rc;
    }
    if (strcmp(out->class_name, "function") == 0) {
        if (!json_is_string(config)) {
            return err_set(err, ERR_INVALID, "function: config is no name");
        }
        out->class_name = json_string_value(config);
        return 0;
    }
    if (json_object_get(config, "fn") != NULL) {
        if (strcmp(out->class_name, "MeanMetricWrapper") == 0 ||
            strcmp(out->class_name, "LossFunctionWrapper") == 0) {
            return read_wrapper(spec, config, out, err);
        }
        /* Keras 2 wrote the function of a class too */
        class_name = out->class_name;
        rc = read_wrapper(spec, config, out, err);
        out->class_name = class_name;
        return rc;
    }
    /* a function that says its package apart has its name for a config */
    bare = plugins_is_custom(out->class_name) && json_is_string(config);
    out->config = bare || json_is_null(config) ? NULL : config;
    return 0;
}
