/* SPDX-License-Identifier: MIT
 *
 * affine: Keras' Rescaling and Normalization layers: y = x scale + offset and
 * y = (x - mean) / max(sqrt(variance), 1e-7), or x times that plus mean.
 */
#include "common/model/layers/affine.h"
#include "common/mem.h"
#include "worker/nn/broadcast.h"
#include "worker/nn/op.h"

#include <math.h>

#define EPSILON 1e-7f /* keras.backend.epsilon() */

/* Which number each element of a row has. */
struct maps {
    size_t *first;
    size_t *second;
};

static const struct affine_options *options_of(const struct op *op)
{
    return op->layer->options;
}

static int create(struct op *op, struct err *err)
{
    const struct affine_options *o = options_of(op);
    const struct shape *in = op_input_shape(op, 0);
    struct maps *maps = mem_zalloc(sizeof(*maps));

    op->state = maps;
    if (maps == NULL) {
        return err_nomem(err);
    }
    maps->first =
        broadcast_map(o->is_normalization ? &o->shape : &o->first.shape, in);
    maps->second =
        broadcast_map(o->is_normalization ? &o->shape : &o->second.shape, in);
    return maps->first != NULL && maps->second != NULL ? 0 : err_nomem(err);
}

static void destroy(struct op *op)
{
    struct maps *maps = op->state;

    if (maps != NULL) {
        mem_free(maps->first);
        mem_free(maps->second);
        mem_free(maps);
    }
}

static float deviation(const float *variance, size_t i)
{
    float root = sqrtf(variance[i]);

    return root > EPSILON ? root : EPSILON;
}

/* What element j is multiplied with, and the numbers before and after that. */
struct line {
    float before;
    float factor;
    float divisor;
    float after;
};

static struct line line_at(const struct op *op, size_t j)
{
    const struct affine_options *o = options_of(op);
    const struct maps *maps = op->state;
    const float *first = o->adapted ? op_param(op, 0) : o->first.values;
    const float *second = o->adapted ? op_param(op, 1) : o->second.values;
    struct line line = {.factor = 1.0f, .divisor = 1.0f};

    if (!o->is_normalization) {
        line.factor = first[maps->first[j]];
        line.after = second != NULL ? second[maps->second[j]] : 0.0f;
    } else if (o->invert) {
        line.factor = deviation(second, maps->second[j]);
        line.after = first[maps->first[j]];
    } else {
        line.before = first[maps->first[j]];
        line.divisor = deviation(second, maps->second[j]);
    }
    return line;
}

static int forward(struct op *op, struct err *err)
{
    size_t n = op_input_size(op, 0);

    (void)err;
    for (size_t j = 0; j < n; j++) {
        struct line line = line_at(op, j);

        for (size_t r = 0; r < op->rows; r++) {
            op->y[0][r * n + j] = (op->x[0][r * n + j] - line.before) *
                                      line.factor / line.divisor +
                                  line.after;
        }
    }
    return 0;
}

static void backward(struct op *op)
{
    size_t n = op_input_size(op, 0);

    for (size_t j = 0; op->dx[0] != NULL && j < n; j++) {
        struct line line = line_at(op, j);

        for (size_t r = 0; r < op->rows; r++) {
            op->dx[0][r * n + j] =
                op->dy[0][r * n + j] * line.factor / line.divisor;
        }
    }
}

#define AFFINE(symbol)                                                         \
    const struct nn_class nn_##symbol = {                                      \
        .create = create,                                                      \
        .destroy = destroy,                                                    \
        .mask = op_mask_pass,                                                  \
        .forward = forward,                                                    \
        .backward = backward,                                                  \
    };

AFFINE(rescaling)
AFFINE(normalization)
