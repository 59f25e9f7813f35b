/* SPDX-License-Identifier: MIT
 *
 * ops_shape: operations of keras.ops that reduce axes or multiply matrices, and
 * those that only see values in another shape; see ops.h. Transpose and
 * Swapaxes are in permute.c.
 */
#include "common/mem.h"
#include "common/model/layer.h"
#include "common/model/layers/ops.h"
#include "common/model/slices.h"
#include "worker/nn/gemm.h"
#include "worker/nn/op.h"

/* ---- Mean, Sum, Max, Min ---------------------------------------------------
 */

static int create(struct op *op, struct err *err)
{
    struct slices *s = mem_zalloc(sizeof(*s));
    unsigned axes = 0;
    int rc;

    op->state = s;
    if (s == NULL) {
        return err_nomem(err);
    }
    rc = ops_reduced(op->layer, op_input_shape(op, 0), &axes, err);
    slices_init(s, op_input_shape(op, 0), axes);
    return rc;
}

static void plan(struct op *op, bool training)
{
    const struct slices *s = op->state;

    (void)training;
    op->scratch_extra = s->width;
}

static float sum_of(const float *v, size_t n)
{
    double sum = 0.0;

    for (size_t j = 0; j < n; j++) {
        sum += (double)v[j];
    }
    return (float)sum;
}

static float mean_of(const float *v, size_t n)
{
    return sum_of(v, n) / (float)n;
}

static float max_of(const float *v, size_t n)
{
    float most = v[0];

    for (size_t j = 1; j < n; j++) {
        most = v[j] > most || v[j] != v[j] ? v[j] : most;
    }
    return most;
}

static float min_of(const float *v, size_t n)
{
    float least = v[0];

    for (size_t j = 1; j < n; j++) {
        least = v[j] < least || v[j] != v[j] ? v[j] : least;
    }
    return least;
}

static int reduce(struct op *op, float (*f)(const float *v, size_t n))
{
    const struct slices *s = op->state;
    size_t n = op_input_size(op, 0);

    for (size_t k = 0; k < op->rows * s->count; k++) {
        slices_gather(s, k % s->count, op->x[0] + k / s->count * n,
                      op->scratch);
        op->y[0][k] = f(op->scratch, s->width);
    }
    return 0;
}

/* Each element of a slice gets `share` of its dy. */
static void spread(struct op *op, float share)
{
    const struct slices *s = op->state;
    size_t n = op_input_size(op, 0);
    float *v = op->scratch;

    for (size_t k = 0; op->dx[0] != NULL && k < op->rows * s->count; k++) {
        for (size_t j = 0; j < s->width; j++) {
            v[j] = op->dy[0][k] * share;
        }
        slices_scatter(s, k % s->count, v, op->dx[0] + k / s->count * n);
    }
}

/* Those that are the greatest or least share dy. */
static void spread_found(struct op *op)
{
    const struct slices *s = op->state;
    size_t n = op_input_size(op, 0);
    float *v = op->scratch;

    for (size_t k = 0; op->dx[0] != NULL && k < op->rows * s->count; k++) {
        float y = op->y[0][k];
        float found = 0.0f;

        slices_gather(s, k % s->count, op->x[0] + k / s->count * n, v);
        for (size_t j = 0; j < s->width; j++) {
            found += v[j] == y ? 1.0f : 0.0f;
        }
        for (size_t j = 0; j < s->width; j++) {
            v[j] = v[j] == y ? op->dy[0][k] / found : 0.0f;
        }
        slices_scatter(s, k % s->count, v, op->dx[0] + k / s->count * n);
    }
}

static void back_sum(struct op *op)
{
    spread(op, 1.0f);
}

static void back_mean(struct op *op)
{
    spread(op, 1.0f / (float)((const struct slices *)op->state)->width);
}

#define REDUCTION(symbol, back)                                                \
    static int reduce_##symbol(struct op *op, struct err *err)                 \
    {                                                                          \
        (void)err;                                                             \
        return reduce(op, symbol##_of);                                        \
    }                                                                          \
                                                                               \
    const struct nn_class nn_op_##symbol = {.create = create,                  \
                                            .plan = plan,                      \
                                            .forward = reduce_##symbol,        \
                                            .backward = (back)};

REDUCTION(max, spread_found)
REDUCTION(mean, back_mean)
REDUCTION(min, spread_found)
REDUCTION(sum, back_sum)

/* ---- Matmul
 * ------------------------------------------------------------------ */

/* Rows, columns and inner size of the matrices, and how many there are. */
struct matrices {
    size_t m, n, k, count;
};

static struct matrices matrices(const struct op *op)
{
    const struct shape *a = op_input_shape(op, 0);
    const struct shape *b = op_input_shape(op, 1);
    struct matrices s = {.m = (size_t)a->dim[a->rank - 2],
                         .n = (size_t)b->dim[b->rank - 1],
                         .k = (size_t)a->dim[a->rank - 1]};

    s.count = op->rows * (op_input_size(op, 0) / (s.m * s.k));
    return s;
}

static int matmul(struct op *op, struct err *err)
{
    struct matrices s = matrices(op);

    (void)err;
    for (size_t i = 0; i < s.count; i++) {
        gemm(false, false, s.m, s.n, s.k, op->x[0] + i * s.m * s.k, s.k,
             op->x[1] + i * s.k * s.n, s.n, 0.0f, op->y[0] + i * s.m * s.n,
             s.n);
    }
    return 0;
}

static void matmul_back(struct op *op)
{
    struct matrices s = matrices(op);

    for (size_t i = 0; i < s.count; i++) {
        const float *dy = op->dy[0] + i * s.m * s.n;

        if (op->dx[0] != NULL) {
            gemm(false, true, s.m, s.k, s.n, dy, s.n, op->x[1] + i * s.k * s.n,
                 s.n, 0.0f, op->dx[0] + i * s.m * s.k, s.k);
        }
        if (op->dx[1] != NULL) {
            gemm(true, false, s.k, s.n, s.m, op->x[0] + i * s.m * s.k, s.k, dy,
                 s.n, 0.0f, op->dx[1] + i * s.k * s.n, s.n);
        }
    }
}

/* ---- the same values
 * --------------------------------------------------------- */

static enum op_view view(const struct op *op, bool training)
{
    (void)op;
    (void)training;
    return OP_RESHAPE;
}

const struct nn_class nn_op_matmul = {.forward = matmul,
                                      .backward = matmul_back};
const struct nn_class nn_op_reshape = {.view = view};
const struct nn_class nn_op_squeeze = {.view = view};
