/* SPDX-License-Identifier: MIT
 *
 * broadcast: see broadcast.h.
 */
#include "worker/nn/broadcast.h"

#include "common/mem.h"

size_t *broadcast_map(const struct shape *in, const struct shape *out)
{
    size_t n = shape_size(out);
    size_t *map = mem_array(n, sizeof(*map));
    int skip = out->rank - in->rank;

    for (size_t j = 0; map != NULL && j < n; j++) {
        size_t rest = j;
        size_t stride = 1;

        map[j] = 0;
        for (int i = out->rank - 1; i >= skip; i--) {
            size_t dim = (size_t)in->dim[i - skip];

            map[j] += dim == 1 ? 0 : rest % (size_t)out->dim[i] * stride;
            rest /= (size_t)out->dim[i];
            stride *= dim;
        }
    }
    return map;
}
