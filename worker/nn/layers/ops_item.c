/* SPDX-License-Identifier: MIT
 *
 * ops_item: x[key]: a table says which element of a row of x each element of
 * a row of y is. No element is taken twice.
 */
#include "common/mem.h"
#include "common/model/layers/ops.h"
#include "worker/nn/op.h"

#include <string.h>

/* Axes picked by a number have one part, those of None none: the elements of
 * y in their order are those of all parts in theirs. */
static int create(struct op *op, struct err *err)
{
    const struct shape *in = op_input_shape(op, 0);
    size_t n = op_output_size(op, 0);
    struct ops_part parts[SHAPE_MAX_RANK + 1];
    struct shape out;
    size_t *table;
    int rc = ops_item_key(op->call, in, parts, &out, err);

    if (rc != 0) {
        return rc;
    }
    table = mem_zarray(n, sizeof(*table));
    op->state = table;
    if (table == NULL) {
        return err_nomem(err);
    }
    for (size_t i = 0; i < n; i++) {
        size_t left = i;
        size_t stride = 1;

        for (int k = in->rank - 1; k >= 0; k--) {
            size_t count = (size_t)parts[k].count;
            int64_t at =
                parts[k].first + (int64_t)(left % count) * parts[k].step;

            left /= count;
            table[i] += (size_t)at * stride;
            stride *= (size_t)in->dim[k];
        }
    }
    return 0;
}

static int forward(struct op *op, struct err *err)
{
    const size_t *table = op->state;
    size_t n = op_output_size(op, 0);
    size_t from = op_input_size(op, 0);

    (void)err;
    for (size_t r = 0; r < op->rows; r++) {
        for (size_t i = 0; i < n; i++) {
            op->y[0][r * n + i] = op->x[0][r * from + table[i]];
        }
    }
    return 0;
}

static void backward(struct op *op)
{
    const size_t *table = op->state;
    size_t n = op_output_size(op, 0);
    size_t to = op_input_size(op, 0);

    if (op->dx[0] == NULL) {
        return;
    }
    memset(op->dx[0], 0, op->rows * to * sizeof(float));
    for (size_t r = 0; r < op->rows; r++) {
        for (size_t i = 0; i < n; i++) {
            op->dx[0][r * to + table[i]] = op->dy[0][r * n + i];
        }
    }
}

const struct nn_class nn_op_get_item = {
    .create = create, .forward = forward, .backward = backward};
