/* SPDX-License-Identifier: MIT
 *
 * merge: Keras' Add, Subtract, Multiply, Average, Maximum and Minimum, after
 * keras.layers.Merge. An input that is smaller than the output is read through
 * a table that says which of its elements belongs to each of the output's.
 *
 * Masks: the output's is that of any of the inputs', if all have one. Maximum
 * and Minimum choose among the inputs that count, and take the first if none
 * does; in a product an input that does not count is a 1, and the product is 0
 * where all inputs have masks and none counts. Sums take no notice of masks.
 * Of equal values the first is the greatest, as TensorFlow's gradient has it.
 */
#include "common/mem.h"
#include "common/model/layers/merge.h"
#include "worker/nn/broadcast.h"
#include "worker/nn/op.h"
#include "worker/nn/vector.h"

#include <string.h>

/* Per input: element of it for each element of the output; NULL: the same. */
struct state {
    size_t **maps;
    size_t count;
};

static void destroy(struct op *op)
{
    struct state *s = op->state;

    for (size_t i = 0; s != NULL && s->maps != NULL && i < s->count; i++) {
        mem_free(s->maps[i]);
    }
    if (s != NULL) {
        mem_free(s->maps);
        mem_free(s);
    }
}

/* Masks are steps of tensors of one shape. */
static int check_masks(const struct op *op, struct err *err)
{
    const struct shape *out = &op->call->outputs[0];
    struct shape steps = *out;

    steps.rank--;
    for (size_t i = 0; i < op->call->input_count; i++) {
        if (op->mask_shapes[i] == NULL) {
            continue;
        }
        for (size_t k = 0; k < op->call->input_count; k++) {
            if (!shape_equal(op_input_shape(op, k), out) ||
                !shape_equal(op->mask_shapes[i], &steps)) {
                return err_set(err, ERR_UNSUPPORTED,
                               "layer %s: inputs of different shapes are not "
                               "supported where they have masks",
                               op->layer->name);
            }
        }
    }
    return 0;
}

static int create(struct op *op, struct err *err)
{
    const struct shape *out = &op->call->outputs[0];
    struct state *s = mem_zalloc(sizeof(*s));

    if (s == NULL) {
        return err_nomem(err);
    }
    op->state = s;
    s->count = op->call->input_count;
    s->maps = mem_zarray(s->count, sizeof(*s->maps));
    if (s->maps == NULL) {
        return err_nomem(err);
    }
    for (size_t i = 0; i < s->count; i++) {
        const struct shape *in = op_input_shape(op, i);

        if (shape_size(in) == shape_size(out)) {
            continue; /* axes of 1 at most */
        }
        s->maps[i] = broadcast_map(in, out);
        if (s->maps[i] == NULL) {
            return err_nomem(err);
        }
    }
    return check_masks(op, err);
}

static size_t mask(const struct op *op, size_t i, struct shape *shape)
{
    (void)i;
    for (size_t k = 0; k < op->call->input_count; k++) {
        if (op->mask_shapes[k] == NULL) {
            return OP_MASK_NONE;
        }
    }
    *shape = *op->mask_shapes[0];
    return op->call->input_count == 1 ? 0 : OP_MASK_OWN;
}

static void write_mask(const struct op *op)
{
    size_t n = op->rows * (op->y_mask[0] != NULL ? op_mask_size(op, 0) : 0);

    for (size_t j = 0; j < n; j++) {
        bool on = false;

        for (size_t i = 0; i < op->call->input_count; i++) {
            on = on || op->x_mask[i][j] != 0.0f;
        }
        op->y_mask[0][j] = on ? 1.0f : 0.0f;
    }
}

/* An element of the output while it is computed. */
struct at {
    const struct op *op;
    size_t row;
    size_t j;    /* in its row */
    size_t step; /* of the batch, for masks */
};

static size_t place(const struct at *at, size_t i)
{
    const struct state *s = at->op->state;

    return at->row * op_input_size(at->op, i) +
           (s->maps[i] != NULL ? s->maps[i][at->j] : at->j);
}

static bool counts(const struct at *at, size_t i)
{
    return at->op->x_mask[i] == NULL || at->op->x_mask[i][at->step] != 0.0f;
}

/* ---- sums ---------------------------------------------------------------- */

static float sum_factor(const struct op *op, size_t i, bool negative, bool mean)
{
    float n = (float)op->call->input_count;

    return (negative && i > 0 ? -1.0f : 1.0f) / (mean ? n : 1.0f);
}

/* y += sign x, or y = x for the first input */
static void add_input(const struct op *op, size_t i, float sign)
{
    const struct state *s = op->state;
    const size_t *map = s->maps[i];
    size_t n = op_output_size(op, 0);
    size_t m = op_input_size(op, i);

    for (size_t r = 0; r < op->rows; r++) {
        const float *x = op->x[i] + r * m;
        float *y = op->y[0] + r * n;

        if (i == 0) {
            memset(y, 0, n * sizeof(*y));
        }
        if (map == NULL) {
            VECTOR_LOOP
            for (size_t j = 0; j < n; j++) {
                y[j] += sign * x[j];
            }
        } else {
            VECTOR_LOOP
            for (size_t j = 0; j < n; j++) {
                y[j] += sign * x[map[j]];
            }
        }
    }
}

static void sum(struct op *op, bool negative, bool mean)
{
    size_t n = op->rows * op_output_size(op, 0);

    write_mask(op);
    for (size_t i = 0; i < op->call->input_count; i++) {
        add_input(op, i, sum_factor(op, i, negative, false));
    }
    for (size_t j = 0; mean && j < n; j++) {
        op->y[0][j] /= (float)op->call->input_count;
    }
}

/* dx, m floats, gets the n of dy that were made of it. */
static void give_back(const size_t *map, float factor, size_t n,
                      const float *dy, size_t m, float *dx)
{
    if (map == NULL) {
        VECTOR_LOOP
        for (size_t j = 0; j < n; j++) {
            dx[j] = factor * dy[j];
        }
        return;
    }
    memset(dx, 0, m * sizeof(*dx));
    for (size_t j = 0; j < n; j++) {
        dx[map[j]] += factor * dy[j];
    }
}

static void sum_back(struct op *op, bool negative, bool mean)
{
    const struct state *s = op->state;
    size_t n = op_output_size(op, 0);

    for (size_t i = 0; i < op->call->input_count; i++) {
        float factor = sum_factor(op, i, negative, mean);
        size_t m = op_input_size(op, i);

        for (size_t r = 0; op->dx[i] != NULL && r < op->rows; r++) {
            give_back(s->maps[i], factor, n, op->dy[0] + r * n, m,
                      op->dx[i] + r * m);
        }
    }
}

static int forward_add(struct op *op, struct err *err)
{
    (void)err;
    sum(op, false, false);
    return 0;
}

static void backward_add(struct op *op)
{
    sum_back(op, false, false);
}

static int forward_subtract(struct op *op, struct err *err)
{
    (void)err;
    sum(op, true, false);
    return 0;
}

static void backward_subtract(struct op *op)
{
    sum_back(op, true, false);
}

static int forward_average(struct op *op, struct err *err)
{
    (void)err;
    sum(op, false, true);
    return 0;
}

static void backward_average(struct op *op)
{
    sum_back(op, false, true);
}

/* ---- products and choices ------------------------------------------------ */

/* Calls one(at, y, dy) for every element of the output. */
typedef void (*element_fn)(const struct at *at, float *y, float dy);

static void each(struct op *op, const float *dy, element_fn one)
{
    size_t n = op_output_size(op, 0);
    size_t width = op_output_width(op, 0);

    for (size_t r = 0, k = 0; r < op->rows; r++) {
        for (size_t j = 0; j < n; j++, k++) {
            struct at at = {op, r, j, k / width};

            one(&at, op->y[0] + k, dy != NULL ? dy[k] : 0.0f);
        }
    }
}

static void clear_inputs(struct op *op)
{
    for (size_t i = 0; i < op->call->input_count; i++) {
        if (op->dx[i] != NULL) {
            memset(op->dx[i], 0,
                   op->rows * op_input_size(op, i) * sizeof(float));
        }
    }
}

/* The product of all inputs but number `but`. */
static float product(const struct at *at, size_t but)
{
    float p = 1.0f;

    for (size_t i = 0; i < at->op->call->input_count; i++) {
        if (i != but && counts(at, i)) {
            p *= at->op->x[i][place(at, i)];
        }
    }
    return p;
}

static void multiply(const struct at *at, float *y, float dy)
{
    const float *mask = at->op->y_mask[0];

    (void)dy;
    *y = mask != NULL && mask[at->step] == 0.0f ? 0.0f : product(at, SIZE_MAX);
}

static void multiply_back(const struct at *at, float *y, float dy)
{
    (void)y;
    for (size_t i = 0; i < at->op->call->input_count; i++) {
        if (at->op->dx[i] != NULL && counts(at, i)) {
            at->op->dx[i][place(at, i)] += dy * product(at, i);
        }
    }
}

/* The input whose value is the greatest times `sign`. */
static size_t winner(const struct at *at, float sign)
{
    size_t best = 0;
    bool valid = counts(at, 0);

    for (size_t i = 1; i < at->op->call->input_count; i++) {
        float a = at->op->x[best][place(at, best)];
        float b = at->op->x[i][place(at, i)];

        if (counts(at, i) && (!valid || sign * b > sign * a)) {
            best = i;
            valid = true;
        }
    }
    return best;
}

static void choose(const struct at *at, float sign, float *y, float dy)
{
    size_t best = winner(at, sign);
    size_t from = place(at, best);

    if (y != NULL) {
        *y = at->op->x[best][from];
    } else if (at->op->dx[best] != NULL) {
        at->op->dx[best][from] += dy;
    }
}

static void maximum(const struct at *at, float *y, float dy)
{
    choose(at, 1.0f, y, dy);
}

static void maximum_back(const struct at *at, float *y, float dy)
{
    (void)y;
    choose(at, 1.0f, NULL, dy);
}

static void minimum(const struct at *at, float *y, float dy)
{
    choose(at, -1.0f, y, dy);
}

static void minimum_back(const struct at *at, float *y, float dy)
{
    (void)y;
    choose(at, -1.0f, NULL, dy);
}

static int forward_multiply(struct op *op, struct err *err)
{
    (void)err;
    write_mask(op);
    each(op, NULL, multiply);
    return 0;
}

static void backward_multiply(struct op *op)
{
    clear_inputs(op);
    each(op, op->dy[0], multiply_back);
}

static int forward_maximum(struct op *op, struct err *err)
{
    (void)err;
    write_mask(op);
    each(op, NULL, maximum);
    return 0;
}

static void backward_maximum(struct op *op)
{
    clear_inputs(op);
    each(op, op->dy[0], maximum_back);
}

static int forward_minimum(struct op *op, struct err *err)
{
    (void)err;
    write_mask(op);
    each(op, NULL, minimum);
    return 0;
}

static void backward_minimum(struct op *op)
{
    clear_inputs(op);
    each(op, op->dy[0], minimum_back);
}

/* ---- classes ------------------------------------------------------------- */

#define MERGE(symbol)                                                          \
    const struct nn_class nn_##symbol = {                                      \
        .create = create,                                                      \
        .destroy = destroy,                                                    \
        .mask = mask,                                                          \
        .forward = forward_##symbol,                                           \
        .backward = backward_##symbol,                                         \
    };

MERGE(add)
MERGE(average)
MERGE(maximum)
MERGE(minimum)
MERGE(multiply)
MERGE(subtract)
