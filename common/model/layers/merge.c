/* SPDX-License-Identifier: MIT
 *
 * merge: the element-wise merging layers; see merge.h.
 */
#include "common/model/layers/merge.h"

#include "common/model/layer.h"

bool merge_shapes(const struct shape *a, const struct shape *b,
                  struct shape *out)
{
    const struct shape *longer = a->rank >= b->rank ? a : b;
    const struct shape *other = longer == a ? b : a;
    struct shape merged = *longer;
    int skip = longer->rank - other->rank;

    for (int i = 0; i < other->rank; i++) {
        int64_t p = longer->dim[i + skip];
        int64_t q = other->dim[i];

        if (p != q && p != 1 && q != 1) {
            return false;
        }
        merged.dim[i + skip] = p == 1 ? q : p;
    }
    *out = merged;
    return true;
}

static int infer(const struct layer *layer, const struct shape *in, size_t n,
                 struct shape *out, size_t *out_count, struct err *err)
{
    char text[SHAPE_TEXT_SIZE];
    char other[SHAPE_TEXT_SIZE];

    if (n == 0) {
        return layer_expect_inputs(layer, n, 2, err);
    }
    out[0] = in[0];
    for (size_t i = 1; i < n; i++) {
        if (!merge_shapes(&out[0], &in[i], &out[0])) {
            return err_set(err, ERR_INVALID,
                           "inputs of the shapes %s and %s do not fit together",
                           shape_text(&out[0], text),
                           shape_text(&in[i], other));
        }
    }
    *out_count = 1;
    return 0;
}

static int infer_two(const struct layer *layer, const struct shape *in,
                     size_t n, struct shape *out, size_t *out_count,
                     struct err *err)
{
    int rc = layer_expect_inputs(layer, n, 2, err);

    return rc != 0 ? rc : infer(layer, in, n, out, out_count, err);
}

const struct layer_class layer_add = {.name = "Add", .infer = infer};
const struct layer_class layer_average = {.name = "Average", .infer = infer};
const struct layer_class layer_maximum = {.name = "Maximum", .infer = infer};
const struct layer_class layer_minimum = {.name = "Minimum", .infer = infer};
const struct layer_class layer_multiply = {.name = "Multiply", .infer = infer};
const struct layer_class layer_subtract = {.name = "Subtract",
                                           .infer = infer_two};
