/* SPDX-License-Identifier: MIT
 *
 * constraint: see constraint.h. None is computed yet: all are refused by name.
 */
#include "common/model/constraint.h"

#include "common/mem.h"

struct constraint {
    int kind;
};

int constraint_create(const json_t *value, struct constraint **out,
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
                   "the constraint %.100s is not supported",
                   json_is_string(name) ? json_string_value(name) : "?");
}

void constraint_destroy(struct constraint **constraint)
{
    mem_free(*constraint);
    *constraint = NULL;
}

int constraint_check(const struct constraint *constraint,
                     const struct shape *shape, struct err *err)
{
    (void)constraint;
    (void)shape;
    (void)err;
    return 0;
}

void constraint_apply(const struct constraint *constraint,
                      const struct shape *shape, float *w)
{
    (void)constraint;
    (void)shape;
    (void)w;
}
