/* SPDX-License-Identifier: MIT
 *
 * noise: the steps of a kernel that draws numbers which elements may share;
 * see noise.c. For Dropout with a noise_shape.
 */
#ifndef WORKER_NN_LAYERS_NOISE_H
#define WORKER_NN_LAYERS_NOISE_H

#include "worker/nn/op.h"

int noise_create(struct op *op, struct err *err) ERR_CHECKED;
void noise_destroy(struct op *op);
void noise_plan(struct op *op, bool training);
int noise_forward(struct op *op, struct err *err) ERR_CHECKED;
void noise_backward(struct op *op);

#endif
