/* SPDX-License-Identifier: MIT
 *
 * im2col: convolutions as matrix products; see im2col.h.
 */
#include "worker/nn/im2col.h"

#include "worker/nn/gemm.h"
#include "worker/nn/vector.h"

#include <stdint.h>
#include <string.h>

/* Floats of a block: they stay in the second-level cache. */
#define BLOCK_FLOATS ((size_t)1 << 17)

/* The next positions of a batch, counted over all its rows. */
struct cursor {
    size_t row; /* of the batch */
    size_t y;   /* window row and column */
    size_t x;
};

bool im2col_init(struct im2col *c)
{
    const struct window_axis *axis = c->window.axis;
    size_t channels = c->channels / c->groups;
    size_t all;

    if (axis[0].size > GEMM_MAX / axis[1].size ||
        axis[0].size * axis[1].size > GEMM_MAX / channels ||
        c->channels > GEMM_MAX || c->filters > GEMM_MAX) {
        return false;
    }
    c->depth = axis[0].size * axis[1].size * channels;
    all = BLOCK_FLOATS / c->depth;
    c->block = all > 0 ? all : 1;
    return true;
}

/* Whether the matrix of windows is the image itself. */
static bool is_plain(const struct im2col *c)
{
    for (int i = 0; i < WINDOW_AXES; i++) {
        const struct window_axis *a = &c->window.axis[i];

        if (a->size != 1 || a->stride != 1) {
            return false;
        }
    }
    return true;
}

size_t im2col_scratch(const struct im2col *c)
{
    return is_plain(c) ? 0 : c->block * c->depth;
}

static void advance(const struct im2col *c, struct cursor *at)
{
    const struct window_axis *axis = c->window.axis;

    if (++at->x == axis[1].out) {
        at->x = 0;
        if (++at->y == axis[0].out) {
            at->y = 0;
            at->row++;
        }
    }
}

/* memcpy() for runs that are mostly short: calls would be most of the work. */
static inline void copy(float *restrict to, const float *restrict from,
                        size_t n)
{
    if (n > 32) {
        memcpy(to, from, n * sizeof(float));
        return;
    }
    for (; n >= 4; n -= 4, to += 4, from += 4) {
        memcpy(to, from, 4 * sizeof(float));
    }
    if (n >= 2) {
        memcpy(to, from, 2 * sizeof(float));
        to[n - 1] = from[n - 1]; /* the same one twice, or the third */
    } else if (n == 1) {
        to[0] = from[0];
    }
}

static inline void clear(float *to, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        to[i] = 0.0f;
    }
}

static void add_to(float *restrict to, const float *restrict from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        to[i] += from[i];
    }
}

/* The window at a position: n channels of its cells from the image into `to`,
 * or, with `back`, added from there to the image. Cells side by side whose
 * channels all belong to it are one run. */
static inline void window_move(const struct im2col *c, const struct cursor *at,
                               size_t n, float *image, float *to, bool back)
{
    const struct window_axis *ay = &c->window.axis[0];
    const struct window_axis *ax = &c->window.axis[1];
    bool runs = n == c->channels && ax->dilation == 1;
    size_t y0;
    size_t y1;
    size_t x0;
    size_t x1;

    window_cells(ay, at->y, &y0, &y1);
    window_cells(ax, at->x, &x0, &x1);
    if (runs && !back && y1 - y0 == ay->size && x1 - x0 == ax->size) {
        size_t step = ay->dilation * ax->in * n;
        size_t run = ax->size * n;

        image +=
            (window_at(ay, at->y, 0) * ax->in + window_at(ax, at->x, 0)) * n;
        for (size_t k = 0; k < ay->size; k++, to += run, image += step) {
            copy(to, image, run);
        }
        return;
    }
    for (size_t k = 0; k < ay->size; k++, to += ax->size * n) {
        float *line;
        size_t step = runs ? (x1 - x0) * n : n;

        if (k < y0 || k >= y1 || x0 == x1) {
            if (!back) {
                clear(to, ax->size * n);
            }
            continue;
        }
        line = image +
               (window_at(ay, at->y, k) * ax->in + window_at(ax, at->x, x0)) *
                   c->channels;
        if (!back) {
            clear(to, x0 * n);
            clear(to + x1 * n, (ax->size - x1) * n);
        }
        for (size_t j = x0; j < x1; j += runs ? x1 - x0 : 1) {
            if (back) {
                add_to(line, to + j * n, step);
            } else {
                copy(to + j * n, line, step);
            }
            line += ax->dilation * c->channels;
        }
    }
}

/* Lays out n positions from *at, which moves on: channels from `first` of a
 * group. */
static void lay_out(const struct im2col *c, struct cursor *at, size_t n,
                    const float *x, size_t first, float *to)
{
    size_t size = window_elements(&c->window) * c->channels;

    for (size_t i = 0; i < n; i++, to += c->depth) {
        /* only read there */
        float *image = (float *)(uintptr_t)(x + at->row * size + first);

        window_move(c, at, c->channels / c->groups, image, to, false);
        advance(c, at);
    }
}

/* The opposite: adds n positions to the images. */
static void add_up(const struct im2col *c, struct cursor *at, size_t n,
                   float *from, float *dx, size_t first)
{
    size_t size = window_elements(&c->window) * c->channels;

    for (size_t i = 0; i < n; i++, from += c->depth) {
        window_move(c, at, c->channels / c->groups, dx + at->row * size + first,
                    from, true);
        advance(c, at);
    }
}

/* Positions of the block that starts at `from` of `all`. */
static size_t block_at(const struct im2col *c, size_t from, size_t all)
{
    size_t left = all - from;

    if (is_plain(c)) {
        return left;
    }
    return left < c->block ? left : c->block;
}

void im2col_forward(const struct im2col *c, size_t rows, const float *x,
                    const float *kernel, float *y, float *scratch)
{
    size_t all = rows * window_count(&c->window);
    size_t in = c->channels / c->groups;
    size_t out = c->filters / c->groups;

    for (size_t g = 0; g < c->groups; g++) {
        struct cursor at = {0};
        size_t n;

        for (size_t i = 0; i < all; i += n) {
            const float *a = x + g * in;
            size_t lda = c->channels;

            n = block_at(c, i, all);
            if (!is_plain(c)) {
                lay_out(c, &at, n, x, g * in, scratch);
                a = scratch;
                lda = c->depth;
            }
            gemm(false, false, n, out, c->depth, a, lda, kernel + g * out,
                 c->filters, 0.0f, y + i * c->filters + g * out, c->filters);
        }
    }
}

void im2col_input(const struct im2col *c, size_t rows, const float *dy,
                  const float *kernel, float *dx, float *scratch)
{
    size_t all = rows * window_count(&c->window);
    size_t in = c->channels / c->groups;
    size_t out = c->filters / c->groups;
    bool plain = is_plain(c);

    if (!plain) {
        memset(dx, 0,
               rows * window_elements(&c->window) * c->channels *
                   sizeof(float));
    }
    for (size_t g = 0; g < c->groups; g++) {
        struct cursor at = {0};
        size_t n;

        for (size_t i = 0; i < all; i += n) {
            n = block_at(c, i, all);
            gemm(false, true, n, c->depth, out, dy + i * c->filters + g * out,
                 c->filters, kernel + g * out, c->filters, 0.0f,
                 plain ? dx + g * in : scratch, plain ? c->channels : c->depth);
            if (!plain) {
                add_up(c, &at, n, scratch, dx, g * in);
            }
        }
    }
}

void im2col_kernel(const struct im2col *c, size_t rows, const float *x,
                   const float *dy, bool add, float *dkernel, float *scratch)
{
    size_t all = rows * window_count(&c->window);
    size_t in = c->channels / c->groups;
    size_t out = c->filters / c->groups;

    if (all == 0 && !add) {
        memset(dkernel, 0, c->depth * c->filters * sizeof(float));
    }
    for (size_t g = 0; g < c->groups; g++) {
        struct cursor at = {0};
        size_t n;

        for (size_t i = 0; i < all; i += n) {
            const float *a = x + g * in;
            size_t lda = c->channels;

            n = block_at(c, i, all);
            if (!is_plain(c)) {
                lay_out(c, &at, n, x, g * in, scratch);
                a = scratch;
                lda = c->depth;
            }
            gemm(true, false, c->depth, out, n, a, lda,
                 dy + i * c->filters + g * out, c->filters,
                 add || i > 0 ? 1.0f : 0.0f, dkernel + g * out, c->filters);
        }
    }
}
