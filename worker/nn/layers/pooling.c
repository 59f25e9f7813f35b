/* SPDX-License-Identifier: MIT
 *
 * pooling: Keras' MaxPooling and AveragePooling. All loops are over channels,
 * which lie side by side. For the greatest value the cell it came from is kept
 * for the way back, as a number of the window's cells in a float (there are at
 * most 2^24); of equal ones it is the first, as in TensorFlow. A mean is one
 * over the cells that are not padding.
 */
#include "common/model/layers/pooling.h"
#include "common/mem.h"
#include "worker/nn/op.h"
#include "worker/nn/vector.h"

#include <string.h>

struct state {
    struct window window;
    size_t channels;
    bool average;
};

/* The cells of one window that are not padding. */
struct cells {
    size_t y0, y1, x0, x1;
    size_t at; /* element of the image where the first of them lies */
};

static int create(struct op *op, struct err *err)
{
    const struct pooling_options *o = op->layer->options;
    struct state *s = mem_zalloc(sizeof(*s));

    if (s == NULL) {
        return err_nomem(err);
    }
    op->state = s;
    s->channels = op_input_width(op, 0);
    s->average = o->average;
    return window_fit(&o->window, op_input_shape(op, 0), 1, &s->window, NULL,
                      err);
}

static void plan(struct op *op, bool training)
{
    const struct state *s = op->state;

    op->saved_size = training && !s->average ? op_output_size(op, 0) : 0;
}

static struct cells cells_of(const struct state *s, size_t i)
{
    const struct window_axis *ay = &s->window.axis[0];
    const struct window_axis *ax = &s->window.axis[1];
    size_t y = i / ax->out;
    size_t x = i % ax->out;
    struct cells c;

    window_cells(ay, y, &c.y0, &c.y1);
    window_cells(ax, x, &c.x0, &c.x1);
    c.at = (window_at(ay, y, c.y0) * ax->in + window_at(ax, x, c.x0)) *
           s->channels;
    return c;
}

static void add_to(float *restrict to, const float *restrict from, float scale,
                   size_t n)
{
    for (size_t j = 0; j < n; j++) {
        to[j] += scale * from[j];
    }
}

/* best becomes the greater one of both, place the number of its cell. */
static void keep_greater(float *restrict best, float *restrict place,
                         const float *restrict from, float cell, size_t n)
{
    for (size_t j = 0; j < n; j++) {
        bool more = from[j] > best[j];

        best[j] = vector_select(more, from[j], best[j]);
        place[j] = vector_select(more, cell, place[j]);
    }
}

static void keep_greatest(float *restrict best, const float *restrict from,
                          size_t n)
{
    for (size_t j = 0; j < n; j++) {
        best[j] = vector_select(from[j] > best[j], from[j], best[j]);
    }
}

/* The gradient goes to the cell that was the greatest. */
static void add_where(float *restrict to, const float *restrict from,
                      const float *restrict place, float cell, size_t n)
{
    for (size_t j = 0; j < n; j++) {
        to[j] += vector_select(place[j] == cell, from[j], 0.0f);
    }
}

static void fill(float *to, float value, size_t n)
{
    for (size_t j = 0; j < n; j++) {
        to[j] = value;
    }
}

/* y of window i; place is NULL or where the cells' numbers go. */
static void pool(const struct state *s, size_t i, const float *x, float *y,
                 float *place)
{
    struct cells c = cells_of(s, i);
    size_t width = s->window.axis[1].size;
    size_t n = s->channels;
    float share = 1.0f / (float)((c.y1 - c.y0) * (c.x1 - c.x0));

    if (s->average) {
        fill(y, 0.0f, n);
    } else {
        memcpy(y, x + c.at, n * sizeof(float));
        if (place != NULL) {
            fill(place, (float)(c.y0 * width + c.x0), n);
        }
    }
    for (size_t cy = c.y0; cy < c.y1; cy++) {
        const float *line = x + c.at + (cy - c.y0) * s->window.axis[1].in * n;

        for (size_t cx = c.x0; cx < c.x1; cx++, line += n) {
            if (s->average) {
                add_to(y, line, 1.0f, n);
            } else if (place != NULL) {
                keep_greater(y, place, line, (float)(cy * width + cx), n);
            } else {
                keep_greatest(y, line, n);
            }
        }
    }
    for (size_t j = 0; s->average && j < n; j++) {
        y[j] *= share;
    }
}

static int forward(struct op *op, struct err *err)
{
    const struct state *s = op->state;
    size_t count = window_count(&s->window);
    size_t size = op_input_size(op, 0);
    float *place = op->training && !s->average ? op->saved : NULL;

    (void)err;
    for (size_t k = 0; k < op->rows * count; k++) {
        pool(s, k % count, op->x[0] + k / count * size,
             op->y[0] + k * s->channels,
             place != NULL ? place + k * s->channels : NULL);
    }
    return 0;
}

static void pool_back(const struct state *s, size_t i, const float *dy,
                      const float *place, float *dx)
{
    struct cells c = cells_of(s, i);
    size_t width = s->window.axis[1].size;
    size_t n = s->channels;
    float share = 1.0f / (float)((c.y1 - c.y0) * (c.x1 - c.x0));

    for (size_t cy = c.y0; cy < c.y1; cy++) {
        float *line = dx + c.at + (cy - c.y0) * s->window.axis[1].in * n;

        for (size_t cx = c.x0; cx < c.x1; cx++, line += n) {
            if (s->average) {
                add_to(line, dy, share, n);
            } else {
                add_where(line, dy, place, (float)(cy * width + cx), n);
            }
        }
    }
}

static void backward(struct op *op)
{
    const struct state *s = op->state;
    size_t count = window_count(&s->window);
    size_t size = op_input_size(op, 0);

    if (op->dx[0] == NULL) {
        return;
    }
    memset(op->dx[0], 0, op->rows * size * sizeof(float));
    for (size_t k = 0; k < op->rows * count; k++) {
        pool_back(s, k % count, op->dy[0] + k * s->channels,
                  s->average ? NULL : op->saved + k * s->channels,
                  op->dx[0] + k / count * size);
    }
}

#define CLASS(symbol)                                                          \
    const struct nn_class nn_##symbol = {                                      \
        .create = create,                                                      \
        .plan = plan,                                                          \
        .forward = forward,                                                    \
        .backward = backward,                                                  \
    };

CLASS(max_pooling1d)
CLASS(max_pooling2d)
CLASS(average_pooling1d)
CLASS(average_pooling2d)
