/* SPDX-License-Identifier: MIT
 *
 * ops_arithmetic: y = f(a, b), element by element; a or b may be a number, and
 * axes of 1 are repeated. Of equal values Maximum and Minimum take the first,
 * as TensorFlow's gradient has it.
 */
#include "common/mem.h"
#include "common/model/layers/ops.h"
#include "worker/nn/broadcast.h"
#include "worker/nn/op.h"

#include <math.h>
#include <string.h>

/* f, and its derivatives by a and b. */
struct result {
    float y;
    float da;
    float db;
};
typedef struct result (*function)(float a, float b);

/* One side. */
struct side {
    bool is_number;
    float number;
    size_t input; /* number of the input, if it is none */
    size_t *map;  /* of its elements for those of the output; NULL: the same */
};

struct state {
    struct side sides[2];
};

static void destroy(struct op *op)
{
    struct state *s = op->state;

    if (s != NULL) {
        mem_free(s->sides[0].map);
        mem_free(s->sides[1].map);
        mem_free(s);
    }
}

static int create(struct op *op, struct err *err)
{
    const struct shape *out = &op->call->outputs[0];
    struct state *s = mem_zalloc(sizeof(*s));
    size_t input = 0;

    if (s == NULL) {
        return err_nomem(err);
    }
    op->state = s;
    for (size_t i = 0; i < 2; i++) {
        const json_t *number = ops_number(op->call, i);
        struct side *side = &s->sides[i];

        side->is_number = number != NULL;
        side->number = (float)json_number_value(number);
        if (number != NULL) {
            continue;
        }
        side->input = input++;
        if (shape_size(op_input_shape(op, side->input)) != shape_size(out)) {
            side->map = broadcast_map(op_input_shape(op, side->input), out);
            if (side->map == NULL) {
                return err_nomem(err);
            }
        }
    }
    return 0;
}

static size_t place(const struct op *op, const struct side *side, size_t row,
                    size_t j)
{
    return row * op_input_size(op, side->input) +
           (side->map != NULL ? side->map[j] : j);
}

static float value(const struct op *op, const struct side *side, size_t row,
                   size_t j)
{
    return side->is_number ? side->number
                           : op->x[side->input][place(op, side, row, j)];
}

static int forward_with(struct op *op, function f)
{
    const struct state *s = op->state;
    size_t n = op_output_size(op, 0);

    for (size_t r = 0; r < op->rows; r++) {
        for (size_t j = 0; j < n; j++) {
            op->y[0][r * n + j] =
                f(value(op, &s->sides[0], r, j), value(op, &s->sides[1], r, j))
                    .y;
        }
    }
    return 0;
}

static void give(const struct op *op, const struct side *side, size_t row,
                 size_t j, float d)
{
    if (!side->is_number && op->dx[side->input] != NULL) {
        op->dx[side->input][place(op, side, row, j)] += d;
    }
}

static void backward_with(struct op *op, function f)
{
    const struct state *s = op->state;
    size_t n = op_output_size(op, 0);

    for (size_t i = 0; i < op->call->input_count; i++) {
        if (op->dx[i] != NULL) {
            memset(op->dx[i], 0,
                   op->rows * op_input_size(op, i) * sizeof(float));
        }
    }
    for (size_t r = 0; r < op->rows; r++) {
        for (size_t j = 0; j < n; j++) {
            float dy = op->dy[0][r * n + j];
            struct result d =
                f(value(op, &s->sides[0], r, j), value(op, &s->sides[1], r, j));

            give(op, &s->sides[0], r, j, dy * d.da);
            give(op, &s->sides[1], r, j, dy * d.db);
        }
    }
}

#define ARITHMETIC(symbol, result_y, result_da, result_db)                     \
    static struct result symbol##_of(float a, float b)                         \
    {                                                                          \
        return (struct result){(result_y), (result_da), (result_db)};          \
    }                                                                          \
                                                                               \
    static int forward_##symbol(struct op *op, struct err *err)                \
    {                                                                          \
        (void)err;                                                             \
        return forward_with(op, symbol##_of);                                  \
    }                                                                          \
                                                                               \
    static void backward_##symbol(struct op *op)                               \
    {                                                                          \
        backward_with(op, symbol##_of);                                        \
    }                                                                          \
                                                                               \
    const struct nn_class nn_op_##symbol = {.create = create,                  \
                                            .destroy = destroy,                \
                                            .forward = forward_##symbol,       \
                                            .backward = backward_##symbol};

ARITHMETIC(add, a + b, 1.0f, 1.0f)
ARITHMETIC(divide, a / b, 1.0f / b, -a / (b * b))
ARITHMETIC(maximum, a >= b ? a : b, a >= b ? 1.0f : 0.0f, a >= b ? 0.0f : 1.0f)
ARITHMETIC(minimum, a <= b ? a : b, a <= b ? 1.0f : 0.0f, a <= b ? 0.0f : 1.0f)
ARITHMETIC(multiply, a *b, b, a)
ARITHMETIC(power, powf(a, b), b == 0.0f ? 0.0f : b * powf(a, b - 1.0f),
           a > 0.0f ? powf(a, b) * logf(a) : 0.0f)
ARITHMETIC(subtract, a - b, 1.0f, -1.0f)
ARITHMETIC(true_divide, a / b, 1.0f / b, -a / (b * b))
