/* SPDX-License-Identifier: MIT
 *
 * im2col: convolutions as matrix products. The windows of a block of positions
 * are laid out as the rows of a matrix (positions x window cells x channels),
 * which is multiplied with the kernel; and back, where what belongs to an
 * element is added up. Blocks are as long as a bounded scratch memory allows
 * and go on over the rows of a batch, so that small images make no small
 * products. A window of one cell needs no copy at all.
 *
 * Images are rows x columns x channels (one axis: one row of columns), kernels
 * window rows x window columns x channels of a group x filters; the filters of
 * a group stand together, as do its channels.
 */
#ifndef WORKER_NN_IM2COL_H
#define WORKER_NN_IM2COL_H

#include "common/model/window.h"

#include <stdbool.h>
#include <stddef.h>

struct im2col {
    struct window window;
    size_t channels; /* of the images the windows lie over */
    size_t filters;  /* of what comes out of the windows */
    size_t groups;   /* divides both */
    size_t depth;    /* window cells x channels of a group */
    size_t block;    /* positions that are laid out together */
};

/* Sets depth and block; false if the sizes are more than gemm() takes. */
bool im2col_init(struct im2col *c);
/* Floats of scratch memory that the other functions need. */
size_t im2col_scratch(const struct im2col *c);

/* y = the convolution of x. */
void im2col_forward(const struct im2col *c, size_t rows, const float *x,
                    const float *kernel, float *y, float *scratch);
/* dx = what dy means for the input; also the transposed convolution of dy. */
void im2col_input(const struct im2col *c, size_t rows, const float *dy,
                  const float *kernel, float *dx, float *scratch);
/* dkernel = (add: +=) what dy means for the kernel. */
void im2col_kernel(const struct im2col *c, size_t rows, const float *x,
                   const float *dy, bool add, float *dkernel, float *scratch);

#endif
