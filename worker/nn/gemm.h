/* SPDX-License-Identifier: MIT
 *
 * gemm: the one matrix product of this room, and the only file that knows of
 * BLAS. Compiled with BLAS_NONE it is plain loops, which serve as reference
 * and where no BLAS is wanted. One thread always: a worker is one thread, and
 * results must not depend on the number of cores.
 */
#ifndef WORKER_NN_GEMM_H
#define WORKER_NN_GEMM_H

#include <stdbool.h>
#include <stddef.h>

/* Largest n or leading dimension that gemm() takes. */
#define GEMM_MAX ((size_t)1 << 30)

/* To be called before gemm(), once or more often, from any thread. */
void gemm_setup(void);

/* c (m x n) = op(a) (m x k) op(b) (k x n) + beta c, where op transposes if
 * ta/tb is set; row-major, ld* is the distance between rows as stored. beta is
 * 0 or 1; with 0, c is not read. c overlaps neither a nor b. */
void gemm(bool ta, bool tb, size_t m, size_t n, size_t k, const float *a,
          size_t lda, const float *b, size_t ldb, float beta, float *c,
          size_t ldc);

/* Name and version of the library: "OpenBLAS 0.3.21 ..." or "none". */
const char *gemm_name(void);

#endif
