/* SPDX-License-Identifier: MIT
 *
 * regularizer: see regularizer.h. None is computed yet: all are refused by
 * name.
 */
#include "common/model/regularizer.h"

#include "common/jget.h"
#include "common/mem.h"

struct regularizer {
    int kind;
};

int regularizer_create(const json_t *value, struct regularizer **out,
                       struct err *err)
{
    const json_t *name = value;

    *out = NULL;
    if (value == NULL || json_is_null(value)) {
        return 0;
    }
    if (json_is_object(value)) {
        name = json_object_get(value, "class_name");
    }
    return err_set(err, ERR_UNSUPPORTED,
                   "the regularizer %.100s is not supported",
                   json_is_string(name) ? json_string_value(name) : "?");
}

void regularizer_destroy(struct regularizer **regularizer)
{
    mem_free(*regularizer);
    *regularizer = NULL;
}

int regularizer_check(const struct regularizer *regularizer,
                      const struct shape *shape, struct err *err)
{
    (void)regularizer;
    (void)shape;
    (void)err;
    return 0;
}

int regularizer_apply(const struct regularizer *regularizer,
                      const struct shape *shape, const float *x, double scale,
                      double *value, float *gradient, struct err *err)
{
    (void)regularizer;
    (void)shape;
    (void)x;
    (void)scale;
    (void)gradient;
    (void)err;
    *value = 0.0;
    return 0;
}
