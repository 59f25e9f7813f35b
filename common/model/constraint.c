/* SPDX-License-Identifier: MIT
 *
 * constraint: see constraint.h. After keras.constraints: NonNeg cuts off at 0;
 * the others scale each slice along `axis` (axes of the variable) by what its
 * norm is to become over its norm plus 1e-7, so that a slice of zeros stays.
 */
#include "common/model/constraint.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/named.h"
#include "common/model/slices.h"

#include <math.h>

#define EPSILON 1e-7f /* keras.backend.epsilon() */

enum kind { NON_NEG, MAX_NORM, MIN_MAX_NORM, UNIT_NORM };

struct constraint {
    enum kind kind;
    json_t *axis; /* as read; owned */
    float min_value;
    float max_value;
    float rate;
};

static const struct named_kind kinds[] = {{"NonNeg", NON_NEG},
                                          {"non_neg", NON_NEG},
                                          {"MaxNorm", MAX_NORM},
                                          {"max_norm", MAX_NORM},
                                          {"UnitNorm", UNIT_NORM},
                                          {"unit_norm", UNIT_NORM},
                                          {"MinMaxNorm", MIN_MAX_NORM},
                                          {"min_max_norm", MIN_MAX_NORM},
                                          {NULL, 0}};

static const char *const *keys_of(enum kind kind)
{
    static const char *const none[] = {NULL};
    static const char *const max_norm[] = {"max_value", "axis", NULL};
    static const char *const unit_norm[] = {"axis", NULL};
    static const char *const min_max_norm[] = {"min_value", "max_value", "rate",
                                               "axis", NULL};

    switch (kind) {
    case MAX_NORM:
        return max_norm;
    case UNIT_NORM:
        return unit_norm;
    case MIN_MAX_NORM:
        return min_max_norm;
    case NON_NEG:
    default:
        return none;
    }
}

static int read_options(struct constraint *c, const json_t *config,
                        struct err *err)
{
    const json_t *axis = jget_member(config, "axis");
    double max_missing = c->kind == MAX_NORM ? 2.0 : 1.0;
    double values[3] = {0.0};
    int rc;

    if ((rc = named_keys(config, keys_of(c->kind), err)) != 0 ||
        (rc = jget_double_or(config, "min_value", 0.0, &values[0], err)) != 0 ||
        (rc = jget_double_or(config, "max_value", max_missing, &values[1],
                             err)) != 0 ||
        (rc = jget_double_or(config, "rate", 1.0, &values[2], err)) != 0) {
        return rc;
    }
    c->min_value = (float)values[0];
    c->max_value = (float)values[1];
    c->rate = (float)values[2];
    c->axis = axis != NULL ? json_deep_copy(axis) : json_integer(0);
    return c->axis != NULL ? 0 : err_nomem(err);
}

int constraint_create(const json_t *value, struct constraint **out,
                      struct err *err)
{
    struct constraint *c;
    const json_t *config;
    int kind;
    int rc;

    *out = NULL;
    if (value == NULL || json_is_null(value)) {
        return 0;
    }
    rc = named_read(value, "constraint", kinds, &kind, &config, err);
    if (rc != 0) {
        return rc;
    }
    c = mem_zalloc(sizeof(*c));
    if (c == NULL) {
        return err_nomem(err);
    }
    c->kind = (enum kind)kind;
    if ((rc = read_options(c, config, err)) != 0) {
        constraint_destroy(&c);
        return rc;
    }
    *out = c;
    return 0;
}

void constraint_destroy(struct constraint **constraint)
{
    if (*constraint != NULL) {
        json_decref((*constraint)->axis);
        mem_free(*constraint);
        *constraint = NULL;
    }
}

int constraint_check(const struct constraint *constraint,
                     const struct shape *shape, struct err *err)
{
    unsigned axes;

    if (constraint->kind == NON_NEG) {
        return 0;
    }
    return slices_read_axes(constraint->axis, "axis", shape->rank, &axes, err);
}

/* What a norm is to become. */
static float desired(const struct constraint *c, float norm)
{
    float low = c->kind == MIN_MAX_NORM ? c->min_value : 0.0f;
    float clipped = norm < low ? low : norm;

    clipped = clipped > c->max_value ? c->max_value : clipped;
    return c->kind == MAX_NORM ? clipped
                               : c->rate * clipped + (1.0f - c->rate) * norm;
}

static void scale_slice(const struct constraint *c, const struct slices *s,
                        float *w)
{
    double sum = 0.0;
    float norm;
    float factor;

    for (size_t j = 0; j < s->width; j++) {
        double x = (double)w[slices_at(s, j)];

        sum += x * x;
    }
    norm = (float)sqrt(sum);
    factor = c->kind == UNIT_NORM ? 1.0f / (EPSILON + norm)
                                  : desired(c, norm) / (EPSILON + norm);
    for (size_t j = 0; j < s->width; j++) {
        w[slices_at(s, j)] *= factor;
    }
}

void constraint_apply(const struct constraint *constraint,
                      const struct shape *shape, float *w)
{
    struct slices s;
    unsigned axes = 0;

    if (constraint->kind == NON_NEG) {
        for (size_t i = 0; i < shape_size(shape); i++) {
            w[i] = w[i] > 0.0f ? w[i] : (isnan(w[i]) ? w[i] : 0.0f);
        }
        return;
    }
    if (slices_read_axes(constraint->axis, "axis", shape->rank, &axes, NULL) !=
        0) {
        return; /* refused by constraint_check() */
    }
    slices_init(&s, shape, axes);
    for (size_t i = 0; i < s.count; i++) {
        scale_slice(constraint, &s, w + slices_begin(&s, i));
    }
}
