/* SPDX-License-Identifier: MIT
 *
 * activation: see activation.h.
 */
#include "common/model/activation.h"

#include "common/jget.h"

#include <string.h>

static const struct {
    const char *name;
    enum activation activation;
} names[] = {
#define ACTIVATION_NAME(symbol, text) {text, ACTIVATION_##symbol},
    ACTIVATIONS(ACTIVATION_NAME)
#undef ACTIVATION_NAME
    /* aliases; the table begins with the canonical names in enum order */
    {"swish", ACTIVATION_SILU},
    {"hard_swish", ACTIVATION_HARD_SILU},
};

static int parse_name(const char *name, enum activation *out, struct err *err)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i].name) == 0) {
            *out = names[i].activation;
            return 0;
        }
    }
    return err_set(err, ERR_UNSUPPORTED, "activation \"%s\" is not supported",
                   name);
}

int activation_parse(const json_t *value, enum activation *out, struct err *err)
{
    const char *class_name;
    const json_t *config;
    int rc;

    if (value == NULL || json_is_null(value)) {
        *out = ACTIVATION_LINEAR;
        return 0;
    }
    if (json_is_string(value)) {
        return parse_name(json_string_value(value), out, err);
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
                           "a function by name",
                           class_name);
        }
        return parse_name(class_name, out, err);
    }
    if (config == NULL || !json_is_string(config)) {
        return err_set(err, ERR_INVALID,
                       "activation: the function has no name in its config");
    }
    return parse_name(json_string_value(config), out, err);
}

const char *activation_name(enum activation a)
{
    return names[a].name;
}

int activation_shape(enum activation a, const struct shape *in,
                     struct shape *out, struct err *err)
{
    int last = in->rank - 1;
    char text[SHAPE_TEXT_SIZE];

    switch (a) {
    case ACTIVATION_SOFTMAX:
    case ACTIVATION_LOG_SOFTMAX:
    case ACTIVATION_SPARSEMAX:
    case ACTIVATION_GLU:
        if (last < 0) {
            return err_set(err, ERR_INVALID,
                           "activation \"%s\" needs a tensor with at least "
                           "one axis beside the batch",
                           activation_name(a));
        }
        break;
    case ACTIVATION_THRESHOLD:
        return err_set(err, ERR_UNSUPPORTED,
                       "activation \"threshold\" is not supported: a model "
                       "file does not hold its two arguments");
    default:
        break;
    }
    *out = *in;
    if (a == ACTIVATION_GLU) {
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
