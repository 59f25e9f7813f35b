/* SPDX-License-Identifier: MIT
 *
 * named: see named.h.
 */
#include "common/model/named.h"

#include "common/jget.h"

#include <stdint.h>
#include <string.h>

static int find(const char *name, const char *what,
                const struct named_kind *kinds, int *kind, struct err *err)
{
    for (size_t i = 0; kinds[i].name != NULL; i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            *kind = kinds[i].kind;
            return 0;
        }
    }
    return err_set(err, ERR_UNSUPPORTED, "the %s %.100s is not supported", what,
                   name);
}

int named_read(const json_t *value, const char *what,
               const struct named_kind *kinds, int *kind, const json_t **config,
               struct err *err)
{
    const char *name;
    const char *registered;
    int rc;

    *config = NULL;
    if (json_is_string(value)) {
        return find(json_string_value(value), what, kinds, kind, err);
    }
    if (!json_is_object(value)) {
        return err_set(err, ERR_INVALID,
                       "a %s is wanted: a name or an object, not %s", what,
                       jget_type_name(value));
    }
    if ((rc = jget_string(value, "class_name", &name, err)) != 0 ||
        (rc = jget_string_or(value, "registered_name", "", &registered, err)) !=
            0) {
        return rc;
    }
    /* names of custom objects have the form package>name */
    if (strchr(registered, '>') != NULL) {
        return err_set(err, ERR_UNSUPPORTED,
                       "the custom %s %.100s is not supported", what,
                       registered);
    }
    if ((rc = find(name, what, kinds, kind, err)) != 0) {
        return rc;
    }
    *config = jget_member(value, "config");
    if (*config != NULL && !json_is_object(*config)) {
        return err_set(err, ERR_INVALID, "config: an object is wanted, not %s",
                       jget_type_name(*config));
    }
    return 0;
}

int named_keys(const json_t *config, const char *const *keys, struct err *err)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)config, key, value)
    {
        size_t i = 0;

        while (keys[i] != NULL && strcmp(key, keys[i]) != 0) {
            i++;
        }
        if (keys[i] == NULL && !json_is_null(value)) {
            return err_set(err, ERR_UNSUPPORTED,
                           "option \"%.100s\" is not supported", key);
        }
    }
    return 0;
}
