/* SPDX-License-Identifier: MIT
 *
 * units: see units.h.
 */
#include "common/model/units.h"

struct axes axes_last(void)
{
    return (struct axes){.count = 1, .axis = {-1}};
}

/* Counted from 0, the batch. */
static int from_front(int axis, int rank)
{
    return axis < 0 ? axis + rank + 1 : axis;
}

int axes_check(const struct axes *axes, const struct shape *shape,
               bool allow_batch, struct err *err)
{
    char text[SHAPE_TEXT_SIZE];
    unsigned seen = 0;

    for (int i = 0; i < axes->count; i++) {
        int axis = from_front(axes->axis[i], shape->rank);

        if (axis < 0 || axis > shape->rank) {
            return err_set(err, ERR_INVALID,
                           "axis: an output of shape %s has no axis %d",
                           shape_text(shape, text), axes->axis[i]);
        }
        if (axis == 0 && !allow_batch) {
            return err_set(err, ERR_UNSUPPORTED,
                           "axis: %d is the batch, along which there are no "
                           "values",
                           axes->axis[i]);
        }
        if ((seen & (1u << axis)) != 0) {
            return err_set(err, ERR_INVALID, "axis: %d is given twice",
                           axes->axis[i]);
        }
        seen |= 1u << axis;
    }
    if (!axes->all && axes->count == 0) {
        return err_set(err, ERR_INVALID, "axis: none is given");
    }
    return 0;
}

bool axes_are_last(const struct axes *axes, const struct shape *shape)
{
    return !axes->all && axes->count == 1 &&
           from_front(axes->axis[0], shape->rank) == shape->rank;
}

void units_init(struct units *units, const struct axes *axes,
                const struct shape *shape, size_t rows)
{
    size_t stride = 1;
    unsigned inner = 0;
    int total = shape->rank + 1;

    *units = (struct units){.count = 1, .width = 1};
    for (int i = 0; i < axes->count; i++) {
        inner |= 1u << from_front(axes->axis[i], shape->rank);
    }
    if (axes->all) {
        inner = (1u << total) - 1;
    }
    units->whole = (inner & 1u) != 0;
    for (int i = 0; i < total; i++) {
        *((inner & (1u << i)) != 0 ? &units->inner_rank : &units->outer_rank) +=
            1;
    }
    /* an inner axis before an outer one takes a unit apart */
    for (int i = 0; i < shape->rank; i++) {
        units->pieces = units->pieces ||
                        ((inner & (1u << i)) != 0 && (inner & (2u << i)) == 0);
    }
    for (int i = total - 1, in = units->inner_rank, out = units->outer_rank;
         i >= 0; i--) {
        size_t dim = i == 0 ? rows : (size_t)shape->dim[i - 1];

        if ((inner & (1u << i)) != 0) {
            units->inner_dim[--in] = dim;
            units->inner_stride[in] = stride;
            units->width *= dim;
        } else {
            units->outer_dim[--out] = dim;
            units->outer_stride[out] = stride;
            units->count *= i == 0 ? 1 : dim;
        }
        stride *= dim;
    }
}

/* Where element `index` of these axes begins. */
static size_t offset_of(size_t index, int rank, const size_t *dim,
                        const size_t *stride)
{
    size_t offset = 0;

    for (int i = rank - 1; i >= 0; i--) {
        offset += index % dim[i] * stride[i];
        index /= dim[i];
    }
    return offset;
}

void units_gather(const struct units *units, size_t i, const float *from,
                  float *to)
{
    from +=
        offset_of(i, units->outer_rank, units->outer_dim, units->outer_stride);
    for (size_t j = 0; j < units->width; j++) {
        to[j] = from[offset_of(j, units->inner_rank, units->inner_dim,
                               units->inner_stride)];
    }
}

void units_scatter(const struct units *units, size_t i, const float *from,
                   float *to)
{
    to +=
        offset_of(i, units->outer_rank, units->outer_dim, units->outer_stride);
    for (size_t j = 0; j < units->width; j++) {
        to[offset_of(j, units->inner_rank, units->inner_dim,
                     units->inner_stride)] = from[j];
    }
}
