/* SPDX-License-Identifier: MIT
 *
 * compat_wire: weights as Elephas 7.3.0 writes them, so that its clients can
 * talk to a parameter server of ours. Little-endian:
 *
 *   u32 count, and for each array  u8 ndim, i64 shape[ndim], u16 n and n bytes
 *   of a NumPy dtype name ("float32"), u64 nbytes, the numbers (C order)
 *
 * The arrays are the model's weights in the order of get_weights(), which is
 * the order of the flat vector, so nothing is copied in either direction.
 * Input is untrusted.
 */
#ifndef DRIVER_COMPAT_WIRE_H
#define DRIVER_COMPAT_WIRE_H

#include "common/buf.h"
#include "common/err.h"
#include "driver/core/delta.h"

#include <stddef.h>

struct compat_layout;
struct model;

/* How the weights of a model are written; the model is borrowed. */
int compat_layout_create(const struct model *model, struct compat_layout **out,
                         struct err *err) ERR_CHECKED;
/* Accepts NULL. */
void compat_layout_destroy(struct compat_layout **layout);

/* Bytes of all weights, as they are written. */
size_t compat_size(const struct compat_layout *layout);
/* The most bytes that may be read: arrays of 8-byte numbers. */
size_t compat_size_max(const struct compat_layout *layout);
const struct model *compat_model(const struct compat_layout *layout);
size_t compat_arrays(const struct compat_layout *layout);

/* What comes before the numbers of array i (the count too, before the first),
 * and where these are in the flat vector. */
struct view compat_header(const struct compat_layout *layout, size_t i);
void compat_range(const struct compat_layout *layout, size_t i, size_t *begin,
                  size_t *count);

#endif
