/* SPDX-License-Identifier: MIT
 *
 * noise: the dropout and noise layers beside Dropout (dropout.c, which has a
 * faster way for its usual case and comes here with a noise_shape). In
 * training y = x f + s, where f and s belong to the numbers drawn for the
 * element, which several elements may share; f is kept for backward. Numbers
 * come from the stream (seed; dropout or noise, partition, step, call).
 *
 * AlphaDropout is after Klambauer, Unterthiner, Mayr, Hochreiter (2017): what
 * is dropped becomes the value that SELU tends to, -1.7581, and then
 * a x + b restores mean 0 and variance 1.
 */
#include "common/mem.h"
#include "common/model/layers/dropout.h"
#include "common/rng.h"
#include "worker/nn/broadcast.h"
#include "worker/nn/layers/noise.h"

#include <math.h>

#define SATURATED (-1.6732632423543772 * 1.0507009873554805)

struct noise {
    size_t *map;  /* element of a row -> its number */
    size_t count; /* numbers per row */
};

static const struct dropout_options *options_of(const struct op *op)
{
    return op->layer->options;
}

int noise_create(struct op *op, struct err *err)
{
    struct noise *noise = mem_zalloc(sizeof(*noise));
    struct shape shape = {0};

    op->state = noise;
    if (noise == NULL) {
        return err_nomem(err);
    }
    if (!dropout_noise_shape(options_of(op), op_input_shape(op, 0), &shape)) {
        return err_set(err, ERR_INVALID,
                       "layer %s: noise_shape does not suit its input",
                       op->layer->name);
    }
    noise->map = broadcast_map(&shape, op_input_shape(op, 0));
    noise->count = shape_size(&shape);
    return noise->map != NULL ? 0 : err_nomem(err);
}

void noise_destroy(struct op *op)
{
    struct noise *noise = op->state;

    if (noise != NULL) {
        mem_free(noise->map);
        mem_free(noise);
    }
}

static enum op_view view(const struct op *op, bool training)
{
    return training && options_of(op)->rate > 0.0 ? OP_OWN : OP_SAME;
}

void noise_plan(struct op *op, bool training)
{
    const struct noise *noise = op->state;

    op->saved_size = training ? noise->count : 0;
    op->scratch_size = training ? noise->count : 0;
}

/* Factor and summand of one number drawn. */
static void draw(const struct dropout_options *o, struct rng *rng,
                 float *factor, float *summand)
{
    double r = o->rate;
    bool kept;
    double a;

    *summand = 0.0f;
    switch (o->kind) {
    case DROPOUT_NOISE:
        *factor = 1.0f;
        *summand = (float)r * rng_normal(rng);
        break;
    case DROPOUT_GAUSSIAN:
        *factor = 1.0f + (float)sqrt(r / (1.0 - r)) * rng_normal(rng);
        break;
    case DROPOUT_ALPHA:
        kept = (double)rng_uniform(rng) >= r;
        a = 1.0 / sqrt((1.0 - r) * (1.0 + r * SATURATED * SATURATED));
        *factor = kept ? (float)a : 0.0f;
        *summand = (float)(a * (kept ? 0.0 : SATURATED) - a * SATURATED * r);
        break;
    case DROPOUT_ZERO:
    default:
        kept = (double)rng_uniform(rng) >= r;
        *factor = kept ? (float)(1.0 / (1.0 - r)) : 0.0f;
        break;
    }
}

int noise_forward(struct op *op, struct err *err)
{
    const struct dropout_options *o = options_of(op);
    const struct noise *noise = op->state;
    size_t n = op_input_size(op, 0);
    bool normal = o->kind == DROPOUT_GAUSSIAN || o->kind == DROPOUT_NOISE;
    struct rng rng;

    (void)err;
    rng_init(&rng, op->draws->seed, normal ? RNG_NOISE : RNG_DROPOUT,
             op->draws->partition, op->draws->step, op->index);
    for (size_t r = 0; r < op->rows; r++) {
        float *factor = op->saved + r * noise->count;
        float *summand = op->scratch + r * noise->count;

        for (size_t k = 0; k < noise->count; k++) {
            if (r > 0 && o->all_rows) {
                factor[k] = op->saved[k];
                summand[k] = op->scratch[k];
            } else {
                draw(o, &rng, &factor[k], &summand[k]);
            }
        }
        for (size_t j = 0; j < n; j++) {
            op->y[0][r * n + j] = op->x[0][r * n + j] * factor[noise->map[j]] +
                                  summand[noise->map[j]];
        }
    }
    return 0;
}

void noise_backward(struct op *op)
{
    const struct noise *noise = op->state;
    size_t n = op_input_size(op, 0);

    for (size_t r = 0; op->dx[0] != NULL && r < op->rows; r++) {
        const float *factor = op->saved + r * noise->count;

        for (size_t j = 0; j < n; j++) {
            op->dx[0][r * n + j] = op->dy[0][r * n + j] * factor[noise->map[j]];
        }
    }
}

#define NOISE(symbol)                                                          \
    const struct nn_class nn_##symbol = {                                      \
        .create = noise_create,                                                \
        .destroy = noise_destroy,                                              \
        .view = view,                                                          \
        .plan = noise_plan,                                                    \
        .mask = op_mask_pass,                                                  \
        .forward = noise_forward,                                              \
        .backward = noise_backward,                                            \
    };

NOISE(spatial_dropout1d)
NOISE(spatial_dropout2d)
NOISE(alpha_dropout)
NOISE(gaussian_dropout)
NOISE(gaussian_noise)
