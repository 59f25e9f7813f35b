/* SPDX-License-Identifier: MIT
 *
 * broadcast: tables for tensors that are repeated along axes of 1 (as NumPy
 * and Keras do it).
 */
#ifndef WORKER_NN_BROADCAST_H
#define WORKER_NN_BROADCAST_H

#include "common/model/shape.h"

/* For each element of a tensor of shape `out` the element of one of shape `in`
 * that is used for it; axes are those of `out` from the last one on, each the
 * same or 1. The caller frees it with mem_free(); NULL without memory. */
size_t *broadcast_map(const struct shape *in, const struct shape *out);

#endif
