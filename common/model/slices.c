/* SPDX-License-Identifier: MIT
 *
 * slices: see slices.h.
 */
#include "common/model/slices.h"

#include "common/jget.h"

#include <string.h>

/* Puts an axis in front of those of its kind, or grows the front one. */
static void push(int *rank, size_t *dim, size_t *stride, size_t n, size_t step)
{
    if (*rank > 0 && stride[0] * dim[0] == step) {
        dim[0] *= n;
        return;
    }
    memmove(dim + 1, dim, (size_t)*rank * sizeof(*dim));
    memmove(stride + 1, stride, (size_t)*rank * sizeof(*stride));
    dim[0] = n;
    stride[0] = step;
    ++*rank;
}

void slices_init(struct slices *slices, const struct shape *shape,
                 unsigned inner)
{
    size_t stride = 1;

    *slices = (struct slices){.count = 1, .width = 1};
    for (int i = shape->rank - 1; i >= 0; i--) {
        size_t n = (size_t)shape->dim[i];

        if ((inner & (1u << i)) != 0) {
            push(&slices->inner_rank, slices->inner_dim, slices->inner_stride,
                 n, stride);
            slices->width *= n;
        } else {
            push(&slices->outer_rank, slices->outer_dim, slices->outer_stride,
                 n, stride);
            slices->count *= n;
        }
        stride *= n;
    }
}

static size_t offset_of(size_t index, int rank, const size_t *dim,
                        const size_t *stride)
{
    size_t offset = 0;

    for (int i = rank - 1; i > 0; i--) {
        offset += index % dim[i] * stride[i];
        index /= dim[i];
    }
    return rank > 0 ? offset + index * stride[0] : 0;
}

size_t slices_begin(const struct slices *slices, size_t i)
{
    return offset_of(i, slices->outer_rank, slices->outer_dim,
                     slices->outer_stride);
}

size_t slices_at(const struct slices *slices, size_t j)
{
    return offset_of(j, slices->inner_rank, slices->inner_dim,
                     slices->inner_stride);
}

bool slices_whole(const struct slices *slices)
{
    return slices->inner_rank == 0 ||
           (slices->inner_rank == 1 && slices->inner_stride[0] == 1);
}

void slices_gather(const struct slices *slices, size_t i, const float *from,
                   float *to)
{
    from += slices_begin(slices, i);
    if (slices_whole(slices)) {
        memcpy(to, from, slices->width * sizeof(*to));
        return;
    }
    for (size_t j = 0; j < slices->width; j++) {
        to[j] = from[slices_at(slices, j)];
    }
}

void slices_scatter(const struct slices *slices, size_t i, const float *from,
                    float *to)
{
    to += slices_begin(slices, i);
    if (slices_whole(slices)) {
        memcpy(to, from, slices->width * sizeof(*to));
        return;
    }
    for (size_t j = 0; j < slices->width; j++) {
        to[slices_at(slices, j)] = from[j];
    }
}

int slices_read_axes(const json_t *value, const char *key, int rank,
                     unsigned *axes, struct err *err)
{
    size_t n = json_is_array(value) ? json_array_size(value) : 1;
    unsigned seen = 0;

    for (size_t i = 0; i < n; i++) {
        const json_t *one =
            json_is_array(value) ? json_array_get(value, i) : value;
        json_int_t axis = json_integer_value(one);

        if (!json_is_integer(one)) {
            return err_set(err, ERR_INVALID,
                           "%s: a number of an axis is wanted, not %s", key,
                           jget_type_name(one));
        }
        if (axis < -rank || axis >= rank) {
            return err_set(err, ERR_INVALID,
                           "%s: %lld is no axis of a tensor with %d axes", key,
                           (long long)axis, rank);
        }
        axis += axis < 0 ? rank : 0;
        if ((seen & (1u << axis)) != 0) {
            return err_set(err, ERR_INVALID, "%s: axis %lld is given twice",
                           key, (long long)axis);
        }
        seen |= 1u << axis;
    }
    *axes = seen;
    return 0;
}
