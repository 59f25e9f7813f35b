/* SPDX-License-Identifier: MIT
 *
 * window: where the windows of convolutions and poolings lie. A window of
 * `size` cells, `dilation` apart, is moved by `stride` over an axis that is
 * imagined with cells of padding around it. Sizes and paddings are those that
 * Keras 3 computes on TensorFlow (keras.ops.conv, keras.ops.max_pool, the
 * transposed ones): with "same", what is to be added is shared between both
 * ends, the odd one behind.
 *
 * There are always two axes, rows and columns: with one spatial axis that is
 * the columns, and there is one row of them.
 */
#ifndef COMMON_MODEL_WINDOW_H
#define COMMON_MODEL_WINDOW_H

#include "common/err.h"
#include "common/model/shape.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct layer;

#define WINDOW_AXES 2
/* Largest size, stride, dilation, padding in a model. */
#define WINDOW_MAX (INT64_C(1) << 24)

enum window_padding { WINDOW_VALID, WINDOW_SAME, WINDOW_CAUSAL };

/* As in a layer's config. Numbers are for rows and columns. */
struct window_options {
    int rank; /* spatial axes: 1 or 2 */
    enum window_padding padding;
    int64_t size[WINDOW_AXES];
    int64_t stride[WINDOW_AXES];
    int64_t dilation[WINDOW_AXES];
    bool has_output_padding; /* of a transposed convolution */
    int64_t output_padding[WINDOW_AXES];
};

/* One axis: window i (of `out`) has its cell k (of `size`) at element
 * i * stride + k * dilation - before of the `in` elements; cells outside of
 * them are padding. */
struct window_axis {
    size_t in;
    size_t out;
    size_t size;
    size_t stride;
    size_t dilation;
    size_t before;
};

struct window {
    struct window_axis axis[WINDOW_AXES];
};

/* A number or a list of `rank` numbers, `least` or more, for rows and columns
 * (with one axis, that of the rows becomes `rows`). A missing or null member
 * is an error, unless `missing` is not 0. */
int window_read_numbers(const json_t *config, const char *key, int rank,
                        int64_t least, int64_t rows, int64_t missing,
                        int64_t out[WINDOW_AXES], struct err *err) ERR_CHECKED;
/* The padding by name; causal only where it is allowed. */
int window_read_padding(const json_t *config, bool causal,
                        enum window_padding *out, struct err *err) ERR_CHECKED;
/* Refuses anything but channels_last. */
int window_check_format(const json_t *config, struct err *err) ERR_CHECKED;
/* One input, of `rank` axes and channels; `known`: of known sizes. */
int window_expect_axes(const struct layer *layer, const struct shape *in,
                       size_t n, int rank, bool known,
                       struct err *err) ERR_CHECKED;
/* Whether all that the layer class can do with these numbers can be done: no
 * strides together with dilation. */
int window_check_strides(const struct window_options *options,
                         struct err *err) ERR_CHECKED;

/* The windows over a tensor of that shape (rank axes and the channels), and
 * *out_shape, how many there are and `channels`. Refuses inputs of another
 * rank, and smaller than a window. Any of the results may be NULL. */
int window_fit(const struct window_options *options, const struct shape *in,
               int64_t channels, struct window *out, struct shape *out_shape,
               struct err *err) ERR_CHECKED;
/* The same for a transposed convolution: `in` is what comes out of the windows
 * of *out, and *out_shape what they lie over. */
int window_fit_transposed(const struct window_options *options,
                          const struct shape *in, int64_t channels,
                          struct window *out, struct shape *out_shape,
                          struct err *err) ERR_CHECKED;

/* The cells [*first, *end) of window i that are not padding. */
static inline void window_cells(const struct window_axis *a, size_t i,
                                size_t *first, size_t *end)
{
    size_t at = i * a->stride;
    size_t d = a->dilation;

    if (at >= a->before &&
        at + (a->size - 1) * d < a->in + a->before) { /* no division */
        *first = 0;
        *end = a->size;
        return;
    }
    *first = at < a->before ? (a->before - at + d - 1) / d : 0;
    *end = a->in + a->before > at ? (a->in + a->before - at - 1) / d + 1 : 0;
    *first = *first < a->size ? *first : a->size;
    *end = *end < a->size ? *end : a->size;
    *end = *end > *first ? *end : *first;
}

/* The element where cell k of window i lies; it must not be padding. */
static inline size_t window_at(const struct window_axis *a, size_t i, size_t k)
{
    return i * a->stride + k * a->dilation - a->before;
}

/* Windows of a row of the batch. */
static inline size_t window_count(const struct window *w)
{
    return w->axis[0].out * w->axis[1].out;
}

/* Elements they lie over, of one channel. */
static inline size_t window_elements(const struct window *w)
{
    return w->axis[0].in * w->axis[1].in;
}

#endif
