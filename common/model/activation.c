/* SPDX-License-Identifier: MIT
 *
 * activation: see activation.h.
 */
#include "common/model/activation.h"

#include "common/jget.h"
#include "common/model/plugins.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

const struct elephas_activation activation_table[ACTIVATION_COUNT] = {
#define ACTIVATION_NAME(symbol, text)                                          \
    [ACTIVATION_INDEX_##symbol] = {.name = (text)},
    ACTIVATIONS(ACTIVATION_NAME)
#undef ACTIVATION_NAME
};

static const struct {
    const char *alias;
    const struct elephas_activation *activation;
} aliases[] = {
    {"swish", ACTIVATION(SILU)},
    {"hard_swish", ACTIVATION(HARD_SILU)},
};

enum activation_index activation_index(const struct elephas_activation *a)
{
    size_t bytes = (uintptr_t)a - (uintptr_t)activation_table;

    return bytes < sizeof(activation_table)
               ? (enum activation_index)(bytes / sizeof(activation_table[0]))
               : ACTIVATION_COUNT;
}

static const struct elephas_activation *find_own(const char *name)
{
    for (size_t i = 0; i < ACTIVATION_COUNT; i++) {
        if (strcmp(name, activation_table[i].name) == 0) {
            return &activation_table[i];
        }
    }
    for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
        if (strcmp(name, aliases[i].alias) == 0) {
            return aliases[i].activation;
        }
    }
    return NULL;
}

/* custom: it is said to be none of Keras' own. */
static int parse_name(const char *name, bool custom,
                      const struct elephas_activation **out, struct err *err)
{
    *out = custom ? NULL : find_own(name);
    if (*out == NULL) {
        *out = plugins_activation(name);
    }
    if (*out != NULL) {
        return 0;
    }
    if (custom || plugins_is_custom(name)) {
        return plugins_missing("activation", name, err);
    }
    return err_set(err, ERR_UNSUPPORTED,
                   "activation \"%s\" is not supported: one of your own needs "
                   "a plug-in of that name, see --custom-objects",
                   name);
}

/* Whether the object is of another module than those of Keras. */
static bool is_foreign(const json_t *value)
{
    const char *module = json_string_value(json_object_get(value, "module"));

    return module != NULL && strcmp(module, "builtins") != 0 &&
           strcmp(module, "keras") != 0 && strncmp(module, "keras.", 6) != 0;
}

int activation_parse(const json_t *value, const struct elephas_activation **out,
                     struct err *err)
{
    const char *class_name;
    const json_t *config;
    int rc;

    if (value == NULL || json_is_null(value)) {
        *out = ACTIVATION(LINEAR);
        return 0;
    }
    if (json_is_string(value)) {
        return parse_name(json_string_value(value), false, out, err);
    }
    if (!json_is_object(value)) {
        return err_set(err, ERR_INVALID,
                       "activation: a name or an object is wanted, not %s",
                       jget_type_name(value));
    }
    if ((rc = jget_string(value, "class_name", &class_name, err)) != 0) {
        (void)err_wrap(err, "activation");
        return rc;
    }
    config = jget_member(value, "config");
    if (strcmp(class_name, "function") != 0) {
        /* a layer used as an activation, or a class of someone's own; the
         * functions themselves also come as objects without a config */
        if (config != NULL && json_is_object(config) &&
            json_object_size(config) != 0) {
            return err_set(err, ERR_UNSUPPORTED,
                           "activation of class \"%s\" is not supported: use "
                           "a function by name, or a layer",
                           class_name);
        }
        return parse_name(class_name, is_foreign(value), out, err);
    }
    if (config == NULL || !json_is_string(config)) {
        return err_set(err, ERR_INVALID,
                       "activation: the function has no name in its config");
    }
    return parse_name(json_string_value(config), is_foreign(value), out, err);
}

const char *activation_name(const struct elephas_activation *a)
{
    return a->name;
}

int activation_shape(const struct elephas_activation *a, const struct shape *in,
                     struct shape *out, struct err *err)
{
    int last = in->rank - 1;
    char text[SHAPE_TEXT_SIZE];

    switch (activation_index(a)) {
    case ACTIVATION_INDEX_SOFTMAX:
    case ACTIVATION_INDEX_LOG_SOFTMAX:
    case ACTIVATION_INDEX_SPARSEMAX:
    case ACTIVATION_INDEX_GLU:
        if (last < 0) {
            return err_set(err, ERR_INVALID,
                           "activation \"%s\" needs a tensor with at least "
                           "one axis beside the batch",
                           activation_name(a));
        }
        break;
    case ACTIVATION_INDEX_THRESHOLD:
        return err_set(err, ERR_UNSUPPORTED,
                       "activation \"threshold\" is not supported: a model "
                       "file does not hold its two arguments");
    default:
        break;
    }
    *out = *in;
    if (a == ACTIVATION(GLU)) {
        if (in->dim[last] % 2 != 0) {
            return err_set(err, ERR_INVALID,
                           "activation \"glu\" needs an even last axis, not "
                           "shape %s",
                           shape_text(in, text));
        }
        out->dim[last] = in->dim[last] / 2;
    }
    return 0;
}
