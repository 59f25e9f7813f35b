/* SPDX-License-Identifier: MIT
 *
 * batch_normalization: Keras' BatchNormalization (Ioffe and Szegedy, 2015).
 * Forward is y = a x + b with a and b for each channel; in training from the
 * batch's own mean and biased variance, which also move the statistics:
 * moving = momentum moving + (1 - momentum) batch. Steps that a mask leaves
 * out do not count for the statistics, but are normalized as well; as in
 * Keras, sums are then divided by their number plus 1e-7.
 *
 * Within TimeDistributed each step is a batch of its own (keras.layers.
 * TimeDistributed calls its layer once for each): the rows r, r + repeat,
 * r + 2 repeat ... are those of step r, and steps move the statistics in order.
 *
 * Kept for backward, for each such batch: the mean, 1 / sqrt(variance +
 * epsilon) and the number of elements of each channel.
 */
#include "common/model/layers/batch_normalization.h"
#include "worker/nn/op.h"
#include "worker/nn/vector.h"

#include <string.h>

#define MASK_EPSILON 1e-7

/* Element (o, c, i) of a row is number (o * count + c) * inner + i; the batch
 * is rows `first`, first + every, ... */
struct channels {
    size_t rows;
    size_t first;
    size_t every;
    size_t outer;
    size_t count;
    size_t inner;
    size_t width;      /* of the last axis: elements per step */
    const float *mask; /* one per step, or NULL */
};

enum { MEAN, INVERSE, COUNT, KEPT };

static const struct batch_normalization_options *options_of(const struct op *op)
{
    return op->layer->options;
}

/* Whether this pass uses the batch's own statistics. */
static bool uses_batch(const struct op *op, bool training)
{
    return training && op->layer->trainable;
}

static struct channels channels_of(const struct op *op)
{
    const struct batch_normalization_options *o = options_of(op);
    const struct shape *in = op_input_shape(op, 0);
    struct channels c = {.rows = op->rows,
                         .every = 1,
                         .outer = 1,
                         .count = (size_t)o->channels,
                         .inner = 1,
                         .width = op_input_width(op, 0),
                         .mask = op->x_mask[0]};

    for (int i = 0; i < in->rank; i++) {
        if (i < o->at) {
            c.outer *= (size_t)in->dim[i];
        } else if (i > o->at) {
            c.inner *= (size_t)in->dim[i];
        }
    }
    return c;
}

static int create(struct op *op, struct err *err)
{
    const struct shape *in = op_input_shape(op, 0);
    struct shape steps = *in;
    char text[SHAPE_TEXT_SIZE];

    steps.rank--;
    if (op->mask_shapes[0] != NULL &&
        !shape_equal(op->mask_shapes[0], &steps)) {
        return err_set(err, ERR_UNSUPPORTED,
                       "layer %s: a mask of shape %s does not suit its input",
                       op->layer->name, shape_text(op->mask_shapes[0], text));
    }
    return 0;
}

static void plan(struct op *op, bool training)
{
    size_t n = (size_t)options_of(op)->channels;

    op->saved_extra = training ? KEPT * n * op->repeat : 0;
    op->scratch_extra = 2 * n + 4 * n + (training ? 0 : KEPT * n);
}

/* The rows of step number `step` alone. */
static void take_step(const struct op *op, size_t step, struct channels *c)
{
    c->first = step;
    c->every = op->repeat;
}

static float *kept_of(const struct op *op, const struct channels *c)
{
    return op->saved + c->first * KEPT * c->count;
}

static size_t row_size(const struct channels *c)
{
    return c->outer * c->count * c->inner;
}

static void sum_row(const struct channels *c, const float *x, size_t at,
                    const float *mean, int power, double *sums)
{
    for (size_t o = 0; o < c->outer; o++) {
        for (size_t k = 0; k < c->count; k++) {
            double m = power == 2 ? (double)mean[k] : 0.0;
            double sum = 0.0;

            for (size_t i = 0; i < c->inner; i++, at++) {
                double v = power == 0 ? 1.0 : (double)x[at] - m;

                if (c->mask == NULL || c->mask[at / c->width] != 0.0f) {
                    sum += power == 2 ? v * v : v;
                }
            }
            sums[k] += sum;
        }
    }
}

/* sums[c] = the sum over the channel of what `power` says: 0: elements, 1: x,
 * 2: (x - mean)^2. */
static void sum_channels(const struct channels *c, const float *x,
                         const float *mean, int power, double *sums)
{
    memset(sums, 0, c->count * sizeof(*sums));
    for (size_t r = c->first; r < c->rows; r += c->every) {
        sum_row(c, x, r * row_size(c), mean, power, sums);
    }
}

/* moving = momentum moving + (1 - momentum) batch, as what is taken away from
 * it: other calls of the layer may have moved it in this pass. */
static void move_statistic(const struct op *op, size_t variable, float batch,
                           size_t k)
{
    const float *value = op_param(op, variable);
    float *moved = op->gradient + (value - op->params);
    double momentum = options_of(op)->momentum;

    moved[k] += (float)((1.0 - momentum) *
                        ((double)value[k] - (double)moved[k] - (double)batch));
}

static void take_batch(struct op *op, const struct channels *c, double *sums,
                       float *kept)
{
    const struct batch_normalization_options *o = options_of(op);
    size_t first = (size_t)o->affine.scale + (size_t)o->affine.center;
    float *mean = kept + MEAN * c->count;
    float *inverse = kept + INVERSE * c->count;
    float *count = kept + COUNT * c->count;
    double extra = c->mask != NULL ? MASK_EPSILON : 0.0;

    sum_channels(c, op->x[0], NULL, 0, sums);
    for (size_t k = 0; k < c->count; k++) {
        count[k] = (float)(sums[k] + extra);
    }
    sum_channels(c, op->x[0], NULL, 1, sums);
    for (size_t k = 0; k < c->count; k++) {
        mean[k] = (float)(sums[k] / (double)count[k]);
        move_statistic(op, first, mean[k], k);
    }
    sum_channels(c, op->x[0], mean, 2, sums);
    for (size_t k = 0; k < c->count; k++) {
        float variance = (float)(sums[k] / (double)count[k]);

        inverse[k] = 1.0f / sqrtf(variance + o->affine.epsilon);
        move_statistic(op, first + 1, variance, k);
    }
}

static void take_moving(const struct op *op, const struct channels *c,
                        float *kept)
{
    const struct batch_normalization_options *o = options_of(op);
    size_t first = (size_t)o->affine.scale + (size_t)o->affine.center;
    const float *variance = op_param(op, first + 1);

    memcpy(kept + MEAN * c->count, op_param(op, first),
           c->count * sizeof(float));
    for (size_t k = 0; k < c->count; k++) {
        kept[INVERSE * c->count + k] =
            1.0f / sqrtf(variance[k] + o->affine.epsilon);
    }
}

/* y = a x + b of one row; b may be NULL. */
static void scale_row(const struct channels *c, const float *a, const float *b,
                      const float *x, float *y)
{
    for (size_t o = 0; o < c->outer; o++) {
        for (size_t k = 0; k < c->count && c->inner > 1; k++) {
            float shift = b != NULL ? b[k] : 0.0f;

            VECTOR_LOOP
            for (size_t i = 0; i < c->inner; i++) {
                y[k * c->inner + i] = x[k * c->inner + i] * a[k] + shift;
            }
        }
        if (c->inner == 1 && b != NULL) {
            VECTOR_LOOP
            for (size_t k = 0; k < c->count; k++) {
                y[k] = x[k] * a[k] + b[k];
            }
        } else if (c->inner == 1) {
            VECTOR_LOOP
            for (size_t k = 0; k < c->count; k++) {
                y[k] = x[k] * a[k];
            }
        }
        x += c->count * c->inner;
        y += c->count * c->inner;
    }
}

static void scale(const struct channels *c, const float *a, const float *b,
                  const float *x, float *y)
{
    for (size_t r = c->first; r < c->rows; r += c->every) {
        scale_row(c, a, b, x + r * row_size(c), y + r * row_size(c));
    }
}

/* a and b of y = a x + b. */
static void make_line(const struct op *op, const struct channels *c,
                      const float *kept, float *a, float *b)
{
    const struct batch_normalization_options *o = options_of(op);

    for (size_t k = 0; k < c->count; k++) {
        a[k] = kept[INVERSE * c->count + k];
        a[k] *= o->affine.scale ? op_param(op, 0)[k] : 1.0f;
        b[k] = o->affine.center ? op_param(op, o->affine.scale)[k] : 0.0f;
        b[k] -= kept[MEAN * c->count + k] * a[k];
    }
}

static int forward(struct op *op, struct err *err)
{
    struct channels c = channels_of(op);
    double *sums = (double *)(void *)op->scratch;
    float *a = op->scratch + 4 * c.count;
    float *b = a + c.count;
    size_t steps = op->training ? op->repeat : 1;

    (void)err;
    for (size_t t = 0; t < steps; t++) {
        float *kept = b + c.count;

        if (op->training) {
            take_step(op, t, &c);
            kept = kept_of(op, &c);
        }
        if (uses_batch(op, op->training)) {
            take_batch(op, &c, sums, kept);
        } else {
            take_moving(op, &c, kept);
        }
        make_line(op, &c, kept, a, b);
        scale(&c, a, b, op->x[0], op->y[0]);
    }
    return 0;
}

/* along[c] = the sum of dy times the normalized input, plain[c] that of dy. */
static void sum_gradients(const struct op *op, const struct channels *c,
                          double *along, double *plain)
{
    const float *mean = kept_of(op, c) + MEAN * c->count;
    const float *inverse = kept_of(op, c) + INVERSE * c->count;
    const float *x = op->x[0];
    const float *dy = op->dy[0];

    memset(along, 0, c->count * sizeof(*along));
    memset(plain, 0, c->count * sizeof(*plain));
    for (size_t r = c->first; r < c->rows; r += c->every) {
        size_t at = r * row_size(c);

        for (size_t n = 0; n < c->outer * c->count; n++) {
            size_t k = n % c->count;
            double products = 0.0;
            double sum = 0.0;

            for (size_t i = 0; i < c->inner; i++, at++) {
                products += (double)(dy[at] * (x[at] - mean[k]));
                sum += (double)dy[at];
            }
            along[k] += products * (double)inverse[k];
            plain[k] += sum;
        }
    }
}

static void give(float *to, bool add, const double *sums, size_t n)
{
    for (size_t k = 0; to != NULL && k < n; k++) {
        to[k] = (add ? to[k] : 0.0f) + (float)sums[k];
    }
}

/* dx = a (dy - (plain + x^ along) / n), where x counts for the statistics. */
static void through_statistics(const struct op *op, const struct channels *c,
                               const float *a, const double *along,
                               const double *plain)
{
    const float *mean = kept_of(op, c) + MEAN * c->count;
    const float *inverse = kept_of(op, c) + INVERSE * c->count;
    const float *count = kept_of(op, c) + COUNT * c->count;
    const float *x = op->x[0];
    const float *dy = op->dy[0];
    float *dx = op->dx[0];

    for (size_t r = c->first; r < c->rows; r += c->every) {
        size_t at = r * row_size(c);

        for (size_t n = 0; n < c->outer * c->count; n++) {
            size_t k = n % c->count;
            float shift = (float)(plain[k] / (double)count[k]);
            float slope = inverse[k] * (float)(along[k] / (double)count[k]);

            for (size_t i = 0; i < c->inner; i++, at++) {
                float back = shift + (x[at] - mean[k]) * slope;

                if (c->mask != NULL && c->mask[at / c->width] == 0.0f) {
                    back = 0.0f;
                }
                dx[at] = a[k] * (dy[at] - back);
            }
        }
    }
}

/* add: gradients of variables are added to. */
static void backward_step(const struct op *op, const struct channels *c,
                          bool add)
{
    const struct batch_normalization_options *o = options_of(op);
    double *along = (double *)(void *)op->scratch;
    double *plain = along + c->count;
    float *a = op->scratch + 4 * c->count;

    sum_gradients(op, c, along, plain);
    if (o->affine.scale) {
        give(op_gradient(op, 0), add, along, c->count);
    }
    if (o->affine.center) {
        give(op_gradient(op, o->affine.scale), add, plain, c->count);
    }
    if (op->dx[0] == NULL) {
        return;
    }
    for (size_t k = 0; k < c->count; k++) {
        a[k] = kept_of(op, c)[INVERSE * c->count + k];
        a[k] *= o->affine.scale ? op_param(op, 0)[k] : 1.0f;
    }
    if (uses_batch(op, true)) {
        through_statistics(op, c, a, along, plain);
    } else {
        scale(c, a, NULL, op->dy[0], op->dx[0]);
    }
}

static void backward(struct op *op)
{
    struct channels c = channels_of(op);

    for (size_t t = 0; t < op->repeat; t++) {
        take_step(op, t, &c);
        backward_step(op, &c, op->gradient_add || t > 0);
    }
}

const struct nn_class nn_batch_normalization = {
    .create = create,
    .mask = op_mask_pass,
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
