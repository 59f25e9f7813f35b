/* SPDX-License-Identifier: MIT
 *
 * up_sampling: Keras' UpSampling1D and UpSampling2D. Bilinear interpolation is
 * that of TensorFlow's resize with the centres of the cells half a cell from
 * their edges: an output cell lies between two cells of each axis.
 */
#include "common/model/layers/up_sampling.h"
#include "worker/nn/op.h"
#include "worker/nn/vector.h"

#include <string.h>

struct sizes {
    size_t rows; /* of the image */
    size_t columns;
    size_t channels;
    size_t down; /* times */
    size_t right;
};

/* Where an output cell lies along an axis: between two cells. */
struct place {
    size_t low;
    size_t high;
    float share; /* of the higher one */
};

static struct sizes sizes_of(const struct op *op)
{
    const struct up_sampling_options *o = op->layer->options;
    const struct shape *in = op_input_shape(op, 0);

    return (struct sizes){.rows = o->rank == 2 ? (size_t)in->dim[0] : 1,
                          .columns = (size_t)in->dim[o->rank - 1],
                          .channels = op_input_width(op, 0),
                          .down = (size_t)o->size[0],
                          .right = (size_t)o->size[1]};
}

static struct place place_of(size_t i, size_t n, size_t times)
{
    /* in float32 and in this order, as TensorFlow computes it */
    float scale = (float)n / (float)(n * times);
    float at = ((float)i + 0.5f) * scale - 0.5f;
    float low = floorf(at);
    struct place p;

    p.low = low < 0.0f ? 0 : (size_t)low;
    p.high = (size_t)ceilf(at < 0.0f ? 0.0f : at);
    p.high = p.high < n ? p.high : n - 1;
    p.share = at - low;
    return p;
}

static void add_to(float *restrict to, const float *restrict from, float scale,
                   size_t n)
{
    for (size_t j = 0; j < n; j++) {
        to[j] += scale * from[j];
    }
}

static void blend(const float *x, const struct sizes *s, struct place v,
                  struct place h, float *restrict y)
{
    size_t n = s->channels;
    const float *restrict a = x + (v.low * s->columns + h.low) * n;
    const float *restrict b = x + (v.low * s->columns + h.high) * n;
    const float *restrict c = x + (v.high * s->columns + h.low) * n;
    const float *restrict d = x + (v.high * s->columns + h.high) * n;

    for (size_t j = 0; j < n; j++) {
        float top = a[j] + (b[j] - a[j]) * h.share;
        float bottom = c[j] + (d[j] - c[j]) * h.share;

        y[j] = top + (bottom - top) * v.share;
    }
}

static void blend_back(const float *dy, const struct sizes *s, struct place v,
                       struct place h, float *dx)
{
    size_t n = s->channels;
    float *low = dx + v.low * s->columns * n;
    float *high = dx + v.high * s->columns * n;

    add_to(low + h.low * n, dy, (1.0f - v.share) * (1.0f - h.share), n);
    add_to(low + h.high * n, dy, (1.0f - v.share) * h.share, n);
    add_to(high + h.low * n, dy, v.share * (1.0f - h.share), n);
    add_to(high + h.high * n, dy, v.share * h.share, n);
}

static bool is_bilinear(const struct op *op)
{
    const struct up_sampling_options *o = op->layer->options;

    return o->bilinear;
}

static int forward(struct op *op, struct err *err)
{
    struct sizes s = sizes_of(op);
    size_t n = s.channels;
    float *y = op->y[0];

    (void)err;
    for (size_t r = 0; r < op->rows; r++) {
        const float *x = op->x[0] + r * s.rows * s.columns * n;

        for (size_t i = 0; i < s.rows * s.down; i++) {
            struct place v = place_of(i, s.rows, s.down);
            const float *line = x + i / s.down * s.columns * n;

            for (size_t k = 0; k < s.columns * s.right; k++, y += n) {
                if (is_bilinear(op)) {
                    blend(x, &s, v, place_of(k, s.columns, s.right), y);
                } else {
                    memcpy(y, line + k / s.right * n, n * sizeof(float));
                }
            }
        }
    }
    return 0;
}

static void backward(struct op *op)
{
    struct sizes s = sizes_of(op);
    size_t n = s.channels;
    const float *dy = op->dy[0];

    if (op->dx[0] == NULL) {
        return;
    }
    memset(op->dx[0], 0, op->rows * s.rows * s.columns * n * sizeof(float));
    for (size_t r = 0; r < op->rows; r++) {
        float *dx = op->dx[0] + r * s.rows * s.columns * n;

        for (size_t i = 0; i < s.rows * s.down; i++) {
            struct place v = place_of(i, s.rows, s.down);
            float *line = dx + i / s.down * s.columns * n;

            for (size_t k = 0; k < s.columns * s.right; k++, dy += n) {
                if (is_bilinear(op)) {
                    blend_back(dy, &s, v, place_of(k, s.columns, s.right), dx);
                } else {
                    add_to(line + k / s.right * n, dy, 1.0f, n);
                }
            }
        }
    }
}

#define CLASS(symbol)                                                          \
    const struct nn_class nn_##symbol = {                                      \
        .forward = forward,                                                    \
        .backward = backward,                                                  \
    };

CLASS(up_sampling1d)
CLASS(up_sampling2d)
