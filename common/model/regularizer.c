/* SPDX-License-Identifier: MIT
 *
 * regularizer: see regularizer.h. After keras.regularizers: L1, L2 and L1L2
 * are l1 * sum |x| + l2 * sum x^2; OrthogonalRegularizer is `factor` times the
 * mean over all pairs of rows (or columns) of a matrix of the absolute cosine
 * between them. The slope of |x| at 0 is 0, as in TensorFlow.
 */
#include "common/model/regularizer.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/named.h"

#include <math.h>
#include <string.h>

#define EPSILON 1e-7 /* keras.backend.epsilon() */

enum kind { L1, L2, L1L2, ORTHOGONAL };

struct regularizer {
    enum kind kind;
    double l1;
    double l2;
    double factor;
    bool columns; /* pairs of columns, not of rows */
};

static const struct named_kind kinds[] = {
    {"L1", L1},
    {"l1", L1},
    {"L2", L2},
    {"l2", L2},
    {"L1L2", L1L2},
    {"l1l2", L1L2},
    {"l1_l2", L1L2},
    {"OrthogonalRegularizer", ORTHOGONAL},
    {"orthogonal_regularizer", ORTHOGONAL},
    {NULL, 0}};

/* A factor: a finite number of 0 or more. */
static int read_factor(const json_t *config, const char *key, double missing,
                       double *out, struct err *err)
{
    int rc = jget_double_or(config, key, missing, out, err);

    if (rc == 0 && !(*out >= 0.0 && isfinite(*out))) {
        return err_set(err, ERR_INVALID, "%s: %g is not a number of 0 or more",
                       key, *out);
    }
    return rc;
}

static int read_orthogonal(struct regularizer *r, const json_t *config,
                           struct err *err)
{
    static const char *const keys[] = {"factor", "mode", NULL};
    const char *mode;
    int rc;

    if ((rc = named_keys(config, keys, err)) != 0 ||
        (rc = read_factor(config, "factor", 0.01, &r->factor, err)) != 0 ||
        (rc = jget_string_or(config, "mode", "rows", &mode, err)) != 0) {
        return rc;
    }
    r->columns = strcmp(mode, "columns") == 0;
    if (!r->columns && strcmp(mode, "rows") != 0) {
        return err_set(err, ERR_INVALID,
                       "mode: \"%.100s\" is neither \"rows\" nor \"columns\"",
                       mode);
    }
    return 0;
}

static int read_options(struct regularizer *r, const json_t *config,
                        struct err *err)
{
    static const char *const l1[] = {"l1", NULL};
    static const char *const l2[] = {"l2", NULL};
    static const char *const both[] = {"l1", "l2", NULL};
    int rc = 0;

    if (r->kind == ORTHOGONAL) {
        return read_orthogonal(r, config, err);
    }
    rc = named_keys(config,
                    r->kind == L1   ? l1
                    : r->kind == L2 ? l2
                                    : both,
                    err);
    if (rc == 0 && r->kind != L2) {
        rc = read_factor(config, "l1", r->kind == L1 ? 0.01 : 0.0, &r->l1, err);
    }
    if (rc == 0 && r->kind != L1) {
        rc = read_factor(config, "l2", r->kind == L2 ? 0.01 : 0.0, &r->l2, err);
    }
    return rc;
}

int regularizer_create(const json_t *value, struct regularizer **out,
                       struct err *err)
{
    struct regularizer *r;
    const json_t *config;
    int kind;
    int rc;

    *out = NULL;
    if (value == NULL || json_is_null(value)) {
        return 0;
    }
    rc = named_read(value, "regularizer", kinds, &kind, &config, err);
    if (rc != 0) {
        return rc;
    }
    r = mem_zalloc(sizeof(*r));
    if (r == NULL) {
        return err_nomem(err);
    }
    r->kind = (enum kind)kind;
    if ((rc = read_options(r, config, err)) != 0) {
        regularizer_destroy(&r);
        return rc;
    }
    *out = r;
    return 0;
}

void regularizer_destroy(struct regularizer **regularizer)
{
    mem_free(*regularizer);
    *regularizer = NULL;
}

int regularizer_check(const struct regularizer *regularizer,
                      const struct shape *shape, struct err *err)
{
    char text[SHAPE_TEXT_SIZE];
    int64_t n;

    if (regularizer->kind != ORTHOGONAL) {
        return 0;
    }
    if (shape->rank != 2) {
        return err_set(err, ERR_INVALID,
                       "OrthogonalRegularizer takes a matrix, not a tensor of "
                       "shape %s",
                       shape_text(shape, text));
    }
    n = shape->dim[regularizer->columns ? 1 : 0];
    if (n == SHAPE_UNKNOWN) {
        return err_set(err, ERR_UNSUPPORTED,
                       "OrthogonalRegularizer over the rows of a batch is not "
                       "supported");
    }
    if (n < 2) {
        return err_set(err, ERR_INVALID,
                       "OrthogonalRegularizer: shape %s has no pair of %s",
                       shape_text(shape, text),
                       regularizer->columns ? "columns" : "rows");
    }
    return 0;
}

static double sign(double x)
{
    return x > 0.0 ? 1.0 : (x < 0.0 ? -1.0 : 0.0);
}

static double apply_l1_l2(const struct regularizer *r, size_t n, const float *x,
                          double scale, float *gradient)
{
    double absolute = 0.0;
    double square = 0.0;

    for (size_t i = 0; i < n; i++) {
        absolute += fabs((double)x[i]);
        square += (double)x[i] * (double)x[i];
    }
    for (size_t i = 0; gradient != NULL && i < n; i++) {
        double v = (double)x[i];

        gradient[i] += (float)(scale * (r->l1 * sign(v) + 2.0 * r->l2 * v));
    }
    return r->l1 * absolute + r->l2 * square;
}

/* The vectors of a matrix whose pairs are judged. */
struct vectors {
    size_t count;
    size_t width;
    size_t step; /* between vectors */
    size_t next; /* between elements of one */
};

static double dot(size_t n, const double *a, const double *b)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

/* Unit vectors into unit[], and 1 / norm, limited as in keras.ops.normalize,
 * behind them. */
static void normalize(const struct vectors *v, const float *x, double *unit,
                      double *inverse)
{
    for (size_t i = 0; i < v->count; i++) {
        double *u = unit + i * v->width;
        double norm;

        for (size_t k = 0; k < v->width; k++) {
            u[k] = (double)x[i * v->step + k * v->next];
        }
        norm = sqrt(dot(v->width, u, u));
        inverse[i] = norm > EPSILON ? 1.0 / norm : 1.0 / EPSILON;
        for (size_t k = 0; k < v->width; k++) {
            u[k] *= inverse[i];
        }
    }
}

/* factor / pairs * sum over i < j of |u_i . u_j|; slope[i], the derivative by
 * u_i, is for each vector in turn. */
static double orthogonal(const struct vectors *v, double factor, double scale,
                         const double *unit, const double *inverse,
                         double *slope, float *gradient)
{
    double pairs = (double)v->count * ((double)v->count - 1.0) / 2.0;
    double sum = 0.0;

    for (size_t i = 0; i < v->count; i++) {
        const double *u = unit + i * v->width;
        double along;

        memset(slope, 0, v->width * sizeof(*slope));
        for (size_t j = 0; j < v->count; j++) {
            const double *other = unit + j * v->width;
            double product = i == j ? 0.0 : dot(v->width, u, other);

            sum += fabs(product);
            for (size_t k = 0; gradient != NULL && k < v->width; k++) {
                slope[k] += sign(product) * other[k];
            }
        }
        /* of a vector as short as the limit the norm is constant */
        along = inverse[i] < 1.0 / EPSILON ? dot(v->width, slope, u) : 0.0;
        for (size_t k = 0; gradient != NULL && k < v->width; k++) {
            gradient[i * v->step + k * v->next] +=
                (float)(scale * factor / pairs * inverse[i] *
                        (slope[k] - along * u[k]));
        }
    }
    return factor * 0.5 * sum / pairs;
}

static int apply_orthogonal(const struct regularizer *r,
                            const struct shape *shape, const float *x,
                            double scale, double *value, float *gradient,
                            struct err *err)
{
    size_t rows = (size_t)shape->dim[0];
    size_t columns = (size_t)shape->dim[1];
    struct vectors v = {rows, columns, columns, 1};
    double *memory;

    if (r->columns) {
        v = (struct vectors){columns, rows, 1, columns};
    }
    memory = mem_array(v.count * v.width + v.count + v.width, sizeof(*memory));
    if (memory == NULL) {
        return err_nomem(err);
    }
    normalize(&v, x, memory, memory + v.count * v.width);
    *value =
        orthogonal(&v, r->factor, scale, memory, memory + v.count * v.width,
                   memory + v.count * v.width + v.count, gradient);
    mem_free(memory);
    return 0;
}

int regularizer_apply(const struct regularizer *regularizer,
                      const struct shape *shape, const float *x, double scale,
                      double *value, float *gradient, struct err *err)
{
    if (regularizer->kind == ORTHOGONAL) {
        return apply_orthogonal(regularizer, shape, x, scale, value, gradient,
                                err);
    }
    *value = apply_l1_l2(regularizer, shape_size(shape), x, scale, gradient);
    return 0;
}
