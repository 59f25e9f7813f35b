/* SPDX-License-Identifier: MIT
 *
 * vector: element-wise loops of the kernels; see common/model/vector.h, which
 * the losses share.
 */
#ifndef WORKER_NN_VECTOR_H
#define WORKER_NN_VECTOR_H

#include "common/model/vector.h"

#endif
