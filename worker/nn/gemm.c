/* SPDX-License-Identifier: MIT
 *
 * gemm: matrix products by BLAS or by plain loops; see gemm.h. The plain
 * loops walk b and c along rows, so that the compiler vectorises them.
 */
#include "worker/nn/gemm.h"

#ifdef BLAS_NONE

#include "worker/nn/vector.h"

#include <string.h>

/* Independent sums, so that a dot product is not one chain of additions. */
#define LANES 8

void gemm_setup(void)
{
}

const char *gemm_name(void)
{
    return "none";
}

static void clear(size_t m, size_t n, float *c, size_t ldc)
{
    for (size_t i = 0; i < m; i++) {
        memset(c + i * ldc, 0, n * sizeof(float));
    }
}

static void axpy(size_t n, float alpha, const float *x, float *y)
{
    VECTOR_LOOP
    for (size_t j = 0; j < n; j++) {
        y[j] += alpha * x[j];
    }
}

static float dot(size_t n, const float *x, const float *y)
{
    float lanes[LANES] = {0};
    float sum = 0;
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        for (size_t l = 0; l < LANES; l++) {
            lanes[l] += x[i + l] * y[i + l];
        }
    }
    for (; i < n; i++) {
        sum += x[i] * y[i];
    }
    for (size_t l = 0; l < LANES; l++) {
        sum += lanes[l];
    }
    return sum;
}

void gemm(bool ta, bool tb, size_t m, size_t n, size_t k, const float *a,
          size_t lda, const float *b, size_t ldb, float beta, float *c,
          size_t ldc)
{
    size_t down = ta ? 1 : lda;
    size_t along = ta ? lda : 1;

    if (beta == 0.0f) {
        clear(m, n, c, ldc);
    }
    if (!tb) {
        for (size_t i = 0; i < m; i++) {
            for (size_t l = 0; l < k; l++) {
                axpy(n, a[i * down + l * along], b + l * ldb, c + i * ldc);
            }
        }
        return;
    }
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < n; j++) {
            float sum = 0;

            if (!ta) {
                sum = dot(k, a + i * lda, b + j * ldb);
            } else {
                for (size_t l = 0; l < k; l++) {
                    sum += a[l * lda + i] * b[j * ldb + l];
                }
            }
            c[i * ldc + j] += sum;
        }
    }
}

#else

#include <cblas.h>

#include <stdint.h>

/* BLAS counts in int; longer runs of rows go in pieces. */
#define PIECE ((size_t)1 << 30)

void gemm_setup(void)
{
    openblas_set_num_threads(1);
}

const char *gemm_name(void)
{
    return openblas_get_config();
}

void gemm(bool ta, bool tb, size_t m, size_t n, size_t k, const float *a,
          size_t lda, const float *b, size_t ldb, float beta, float *c,
          size_t ldc)
{
    for (size_t i = 0; i < m; i += PIECE) {
        size_t rows = m - i < PIECE ? m - i : PIECE;
        float scale = beta;
        size_t l = 0;

        do { /* also once for k = 0, which only scales c */
            size_t depth = k - l < PIECE ? k - l : PIECE;

            cblas_sgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans,
                        tb ? CblasTrans : CblasNoTrans, (int)rows, (int)n,
                        (int)depth, 1.0f, a + (ta ? l * lda + i : i * lda + l),
                        (int)lda, b + (tb ? l : l * ldb), (int)ldb, scale,
                        c + i * ldc, (int)ldc);
            scale = 1.0f;
            l += depth;
        } while (l < k);
    }
}

#endif
