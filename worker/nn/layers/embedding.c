/* SPDX-License-Identifier: MIT
 *
 * embedding: Keras' Embedding layer: rows of a table by number. The numbers
 * arrive as float32 and are cut off to whole ones, as Keras casts them; one
 * below 0 counts from the end of the table (keras.ops.take).
 */
#include "common/model/layers/embedding.h"
#include "worker/nn/op.h"
#include "worker/nn/vector.h"

#include <string.h>

static const struct embedding_options *options_of(const struct op *op)
{
    return op->layer->options;
}

static size_t mask(const struct op *op, size_t i, struct shape *shape)
{
    (void)i;
    *shape = *op_input_shape(op, 0);
    return options_of(op)->mask_zero ? OP_MASK_OWN : OP_MASK_NONE;
}

/* Whether x names a row; *row becomes it. */
static bool row_of(float x, size_t rows, size_t *row)
{
    float n = (float)rows;

    if (!(x > -1.0f - n && x < n)) {
        return false;
    }
    x = truncf(x);
    x = x < 0.0f ? x + n : x;
    *row = (size_t)x;
    return x >= 0.0f;
}

/* In training the rows that were taken are kept. */
static void plan(struct op *op, bool training)
{
    op->saved_size = training ? op_input_size(op, 0) : 0;
}

static int forward(struct op *op, struct err *err)
{
    const struct embedding_options *o = options_of(op);
    size_t width = (size_t)o->output_dim;
    size_t size = op_input_size(op, 0);
    const float *table = op_param(op, 0);
    const float *x = op->x[0];

    for (size_t i = 0; i < op->rows * size; i++) {
        size_t row;

        if (!row_of(x[i], (size_t)o->input_dim, &row)) {
            return err_set(err, ERR_INVALID,
                           "layer %s: row %zu: %g is not one of the numbers 0 "
                           "to %lld",
                           op->layer->name, i / size, (double)x[i],
                           (long long)o->input_dim - 1);
        }
        if (op->training) {
            op->saved[i] = (float)row; /* exact: see the model's limit */
        }
        memcpy(op->y[0] + i * width, table + row * width,
               width * sizeof(float));
        if (op->y_mask[0] != NULL) {
            op->y_mask[0][i] = x[i] != 0.0f ? 1.0f : 0.0f;
        }
    }
    return 0;
}

static void backward(struct op *op)
{
    const struct embedding_options *o = options_of(op);
    size_t width = (size_t)o->output_dim;
    size_t n = op->rows * op_input_size(op, 0);
    float *to = op_gradient(op, 0);
    const float *dy = op->dy[0];

    if (op->dx[0] != NULL) { /* numbers of rows have no gradient */
        memset(op->dx[0], 0, n * sizeof(float));
    }
    if (to == NULL) {
        return;
    }
    if (!op->gradient_add) {
        memset(to, 0, (size_t)o->input_dim * width * sizeof(float));
    }
    for (size_t i = 0; i < n; i++, dy += width) {
        float *sum = to + (size_t)op->saved[i] * width;

        VECTOR_LOOP
        for (size_t j = 0; j < width; j++) {
            sum[j] += dy[j];
        }
    }
}

static void pieces(const struct op *op, struct gradient_piece *out)
{
    *out = (struct gradient_piece){
        .variable = op->layer->first_variable,
        .count = op->rows * op_input_size(op, 0),
        .width = (size_t)options_of(op)->output_dim,
        .rows = op->saved,
        .values = op->dy[0],
    };
}

const struct nn_class nn_embedding = {
    .mask = mask,
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .pieces = pieces,
};
