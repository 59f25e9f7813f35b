/* SPDX-License-Identifier: MIT
 *
 * pieces: see pieces.h.
 */
#include "common/model/pieces.h"

#include <math.h>
#include <string.h>

bool pieces_have(const struct gradient_pieces *pieces, size_t variable)
{
    for (size_t i = 0; pieces != NULL && i < pieces->count; i++) {
        if (pieces->list[i].variable == variable) {
            return true;
        }
    }
    return false;
}

double pieces_squares(const struct gradient_pieces *pieces, size_t variable,
                      size_t n)
{
    double sum = 0.0;

    for (size_t i = 0; i < pieces->count; i++) {
        const struct gradient_piece *p = &pieces->list[i];

        for (size_t k = 0; p->variable == variable && p->together && k < n;
             k++) {
            sum += (double)p->squares[k];
        }
        for (size_t k = 0; p->variable == variable && k < p->count * p->width;
             k++) {
            sum += (double)p->values[k] * (double)p->values[k];
        }
    }
    return sum;
}

static float clip(float x, float limit)
{
    return limit <= 0.0f ? x : x < -limit ? -limit : x > limit ? limit : x;
}

static void add_row(const float *values, size_t width, enum pieces_of what,
                    float limit, float *to)
{
    for (size_t j = 0; j < width; j++) {
        float x = clip(values[j], limit);

        to[j] += what == PIECES_SQUARES      ? x * x
                 : what == PIECES_MAGNITUDES ? fabsf(x)
                                             : x;
    }
}

void pieces_sum(const struct gradient_pieces *pieces, size_t variable,
                enum pieces_of what, float limit, float *to, size_t n)
{
    memset(to, 0, n * sizeof(*to));
    for (size_t i = 0; i < pieces->count; i++) {
        const struct gradient_piece *p = &pieces->list[i];
        const float *all = what == PIECES_SQUARES ? p->squares : p->magnitudes;

        for (size_t k = 0; p->variable == variable && p->together && k < n;
             k++) {
            to[k] += all[k];
        }
        for (size_t k = 0; p->variable == variable && k < p->count; k++) {
            add_row(p->values + k * p->width, p->width, what, limit,
                    to + (size_t)p->rows[k] * p->width);
        }
    }
}
