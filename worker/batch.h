/* SPDX-License-Identifier: MIT
 *
 * batch: packed rows gathered into the arrays that a net takes: one for each
 * model input and output, and the weights.
 */
#ifndef WORKER_BATCH_H
#define WORKER_BATCH_H

#include "common/err.h"
#include "common/model/model.h"
#include "worker/nn/net.h"
#include "worker/rows.h"

#include <stddef.h>

struct batch;

/* Room for `rows` rows of this layout (labels and weight may be absent). */
int batch_create(const struct model *model, const struct row_layout *layout,
                 size_t rows, struct batch **out, struct err *err) ERR_CHECKED;
/* Accepts NULL. */
void batch_destroy(struct batch **batch);

void batch_clear(struct batch *batch);
/* Copies a packed row; there must be room. */
void batch_add(struct batch *batch, const float *row);
size_t batch_rows(const struct batch *batch);
size_t batch_room(const struct batch *batch);
/* The batch as the net takes it; valid until the next change. */
const struct net_batch *batch_net(struct batch *batch);

#endif
