/* SPDX-License-Identifier: MIT
 *
 * check_im2col: the three products against plain sums over windows, for
 * batches of one block, of many, and of none, and what is too large.
 */
#include "tests/unit/nn/graph.h"

#include "worker/nn/gemm.h"
#include "worker/nn/im2col.h"

#include <math.h>

#define SIZES(in_, out_, size_, stride_, dilation_, before_)                   \
    {                                                                          \
        .in = in_, .out = out_, .size = size_, .stride = stride_,              \
        .dilation = dilation_, .before = before_                               \
    }

struct product {
    size_t rows;
    struct im2col c;
};

static const struct product products[] = {
    {3, {{{SIZES(5, 3, 3, 1, 1, 0), SIZES(6, 6, 2, 1, 1, 0)}}, 2, 4, 1, 0, 0}},
    {2, {{{SIZES(5, 3, 3, 2, 1, 1), SIZES(6, 6, 4, 1, 1, 1)}}, 4, 6, 2, 0, 0}},
    {2, {{{SIZES(1, 1, 1, 1, 1, 0), SIZES(9, 9, 3, 1, 4, 8)}}, 3, 2, 1, 0, 0}},
    {2, {{{SIZES(4, 4, 1, 1, 1, 0), SIZES(3, 3, 1, 1, 1, 0)}}, 6, 9, 3, 0, 0}},
    /* windows that are all padding; and gaps between windows */
    {1, {{{SIZES(2, 3, 2, 3, 1, 3), SIZES(7, 2, 2, 5, 1, 0)}}, 2, 2, 1, 0, 0}},
    /* more than a block: 576 floats a position */
    {3,
     {{{SIZES(17, 17, 3, 1, 1, 1), SIZES(13, 13, 3, 1, 1, 1)}},
      64,
      5,
      1,
      0,
      0}},
    {0, {{{SIZES(5, 3, 3, 1, 1, 0), SIZES(6, 6, 2, 1, 1, 0)}}, 2, 4, 1, 0, 0}},
};

struct arrays {
    size_t nx, ny, nk;
    float *x, *y, *k, *scratch;
    double *dx, *dy, *dk; /* as plain sums give them */
};

/* Walks over every product of an input element, a kernel element and an output
 * element, and adds up all three sums in double. */
static void plain_sums(const struct product *p, const struct arrays *a)
{
    const struct im2col *c = &p->c;
    const struct window_axis *w = c->window.axis;
    size_t in = c->channels / c->groups;
    size_t out = c->filters / c->groups;

    for (size_t k = 0; k < a->nk; k++) {
        size_t f = k % c->filters;
        size_t channel = f / out * in + k / c->filters % in;
        size_t kx = k / c->filters / in % w[1].size;
        size_t ky = k / c->filters / in / w[1].size;

        for (size_t o = 0; o < p->rows * w[0].out * w[1].out; o++) {
            size_t row = o / (w[0].out * w[1].out);
            long y = (long)(o / w[1].out % w[0].out * w[0].stride +
                            ky * w[0].dilation) -
                     (long)w[0].before;
            long x = (long)(o % w[1].out * w[1].stride + kx * w[1].dilation) -
                     (long)w[1].before;
            size_t ix;
            size_t iy = o * c->filters + f;

            if (y < 0 || y >= (long)w[0].in || x < 0 || x >= (long)w[1].in) {
                continue;
            }
            ix = ((row * w[0].in + (size_t)y) * w[1].in + (size_t)x) *
                     c->channels +
                 channel;
            a->dy[iy] += (double)a->x[ix] * (double)a->k[k];
            a->dx[ix] += (double)a->y[iy] * (double)a->k[k];
            a->dk[k] += (double)a->x[ix] * (double)a->y[iy];
        }
    }
}

static void compare(const char *what, const float *got, const double *want,
                    double times, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double w = times * want[i];

        ck_assert_msg(fabs((double)got[i] - w) <= 1e-4 * (1.0 + fabs(w)),
                      "%s %zu: %g, want %g", what, i, (double)got[i], w);
    }
}

static double *zeros(size_t n)
{
    double *values = calloc(n + 1, sizeof(double));

    ck_assert_ptr_nonnull(values);
    return values;
}

START_TEST(products_are_plain_sums)
{
    struct product p = products[_i];
    struct im2col *c = &p.c;
    struct arrays a = {0};
    float *result;

    gemm_setup();
    ck_assert(im2col_init(c));
    a.nx = p.rows * window_elements(&c->window) * c->channels;
    a.ny = p.rows * window_count(&c->window) * c->filters;
    a.nk = c->depth * c->filters;
    a.x = graph_normal(a.nx + 1, 1);
    a.y = graph_normal(a.ny + 1, 2);
    a.k = graph_normal(a.nk, 3);
    a.scratch = mem_floats(im2col_scratch(c) + 1);
    a.dx = zeros(a.nx);
    a.dy = zeros(a.ny);
    a.dk = zeros(a.nk);
    result = mem_floats(a.nx + a.ny + a.nk + 1);
    ck_assert_ptr_nonnull(a.scratch);
    ck_assert_ptr_nonnull(result);
    plain_sums(&p, &a);
    a.scratch[im2col_scratch(c)] = 42.0f;

    result[a.ny] = 43.0f;
    im2col_forward(c, p.rows, a.x, a.k, result, a.scratch);
    compare("y", result, a.dy, 1.0, a.ny);
    ck_assert_float_eq(result[a.ny], 43.0f);
    result[a.nx] = 43.0f;
    im2col_input(c, p.rows, a.y, a.k, result, a.scratch);
    compare("dx", result, a.dx, 1.0, a.nx);
    ck_assert_float_eq(result[a.nx], 43.0f);
    result[a.nk] = 43.0f;
    im2col_kernel(c, p.rows, a.x, a.y, false, result, a.scratch);
    compare("dk", result, a.dk, 1.0, a.nk);
    im2col_kernel(c, p.rows, a.x, a.y, true, result, a.scratch);
    compare("2 dk", result, a.dk, 2.0, a.nk);
    ck_assert_float_eq(result[a.nk], 43.0f);
    ck_assert_float_eq(a.scratch[im2col_scratch(c)], 42.0f);

    mem_free_aligned(result);
    mem_free_aligned(a.x);
    mem_free_aligned(a.y);
    mem_free_aligned(a.k);
    mem_free_aligned(a.scratch);
    free(a.dx);
    free(a.dy);
    free(a.dk);
}
END_TEST

START_TEST(blocks_are_bounded)
{
    struct im2col c = products[0].c;

    c.channels = 1 << 12;
    ck_assert(im2col_init(&c));
    ck_assert_uint_le(im2col_scratch(&c), 1 << 17);
    c.channels = 1 << 20; /* one window is more than a block */
    ck_assert(im2col_init(&c));
    ck_assert_uint_eq(c.block, 1);
    ck_assert_uint_eq(im2col_scratch(&c), c.depth);
    c.window.axis[0].size = (size_t)1 << 24;
    ck_assert(!im2col_init(&c));
    c.window.axis[1].size = (size_t)1 << 24;
    ck_assert(!im2col_init(&c));
    c = products[0].c;
    c.filters = GEMM_MAX + 1;
    ck_assert(!im2col_init(&c));
}
END_TEST

static TCase *basic(void)
{
    TCase *tc = tcase_create("im2col");

    tcase_add_loop_test(tc, products_are_plain_sums, 0,
                        (int)(sizeof(products) / sizeof(products[0])));
    tcase_add_test(tc, blocks_are_bounded);
    return tc;
}

UNIT_MAIN("im2col", basic)
