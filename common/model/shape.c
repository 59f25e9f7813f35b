/* SPDX-License-Identifier: MIT
 *
 * shape: see shape.h.
 */
#include "common/model/shape.h"

#include <inttypes.h>
#include <stdio.h>

size_t shape_size(const struct shape *s)
{
    size_t n = 1;

    for (int i = 0; i < s->rank; i++) {
        n *= (size_t)s->dim[i];
    }
    return n;
}

bool shape_equal(const struct shape *a, const struct shape *b)
{
    if (a->rank != b->rank) {
        return false;
    }
    for (int i = 0; i < a->rank; i++) {
        if (a->dim[i] != b->dim[i]) {
            return false;
        }
    }
    return true;
}

bool shape_known(const struct shape *s)
{
    for (int i = 0; i < s->rank; i++) {
        if (s->dim[i] == SHAPE_UNKNOWN) {
            return false;
        }
    }
    return true;
}

int shape_check(const struct shape *s, struct err *err)
{
    char text[SHAPE_TEXT_SIZE];
    int64_t n = 1;

    if (s->rank < 0 || s->rank > SHAPE_MAX_RANK) {
        return err_set(err, ERR_LIMIT,
                       "a shape of %d axes: at most %d are supported", s->rank,
                       SHAPE_MAX_RANK);
    }
    for (int i = 0; i < s->rank; i++) {
        if (s->dim[i] == SHAPE_UNKNOWN) {
            continue;
        }
        if (s->dim[i] <= 0) {
            return err_set(err, ERR_INVALID,
                           "shape %s: an axis must be 1 or more",
                           shape_text(s, text));
        }
        if (s->dim[i] > SHAPE_MAX_ELEMENTS / n) {
            return err_set(err, ERR_LIMIT,
                           "shape %s: more than %" PRId64 " elements",
                           shape_text(s, text), SHAPE_MAX_ELEMENTS);
        }
        n *= s->dim[i];
    }
    return 0;
}

const char *shape_text(const struct shape *s, char text[SHAPE_TEXT_SIZE])
{
    size_t len = 0;

    /* 7 axes of at most 20 characters and ", " stay below the size only for
     * real shapes, so every step is bounded */
    text[len++] = '(';
    for (int i = 0; i < s->rank && i < SHAPE_MAX_RANK; i++) {
        const char *comma = i > 0 ? ", " : "";
        int n =
            s->dim[i] == SHAPE_UNKNOWN
                ? snprintf(text + len, SHAPE_TEXT_SIZE - len, "%sNone", comma)
                : snprintf(text + len, SHAPE_TEXT_SIZE - len, "%s%" PRId64,
                           comma, s->dim[i]);

        if (n < 0 || (size_t)n >= SHAPE_TEXT_SIZE - len - 2) {
            text[len] = '\0';
            return text;
        }
        len += (size_t)n;
    }
    (void)snprintf(text + len, SHAPE_TEXT_SIZE - len, "%s)",
                   s->rank == 1 ? "," : "");
    return text;
}
