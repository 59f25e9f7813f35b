/* SPDX-License-Identifier: MIT
 *
 * slices: a tensor cut along some of its axes. What a normalization or a
 * constraint works on is a slice: the elements along the chosen (inner) axes,
 * one slice for each place along the others. Neighbouring axes of one kind
 * count as one, so that the usual cases are a start and a stride.
 */
#ifndef COMMON_MODEL_SLICES_H
#define COMMON_MODEL_SLICES_H

#include "common/err.h"
#include "common/model/shape.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct slices {
    size_t count; /* of slices */
    size_t width; /* elements of a slice */
    int outer_rank, inner_rank;
    size_t outer_dim[SHAPE_MAX_RANK], outer_stride[SHAPE_MAX_RANK];
    size_t inner_dim[SHAPE_MAX_RANK], inner_stride[SHAPE_MAX_RANK];
};

/* Bit i of `inner`: axis i of the shape is an inner one. */
void slices_init(struct slices *slices, const struct shape *shape,
                 unsigned inner);
/* Where slice i begins. */
size_t slices_begin(const struct slices *slices, size_t i);
/* Where element j lies in a slice, counted from where it begins. */
size_t slices_at(const struct slices *slices, size_t j);
/* Whether slices lie in one piece each, one behind the other. */
bool slices_whole(const struct slices *slices);

/* One slice out of a tensor, and back. */
void slices_gather(const struct slices *slices, size_t i, const float *from,
                   float *to);
void slices_scatter(const struct slices *slices, size_t i, const float *from,
                    float *to);

/* Reads an axis or a list of axes of a tensor of `rank` axes, negative ones
 * counted from the end, as a mask of bits; key names it in messages. Refuses
 * axes that are not there or are given twice. */
int slices_read_axes(const json_t *value, const char *key, int rank,
                     unsigned *axes, struct err *err) ERR_CHECKED;

#endif
