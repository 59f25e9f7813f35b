/* SPDX-License-Identifier: MIT
 *
 * compress: how the updates of a partition are encoded, and what becomes of
 * that which an encoding loses (docs/PARAMETER_SERVER.md, "Less on the wire").
 * It knows nothing of how they are sent.
 *
 *   synchronous      nothing is remembered: rounding is by chance, right on
 *                    average and named by seed, partition, step and part, so
 *                    that whoever computes a step sends the same bits
 *   asynchronous     what was not sent is added to the next update (error
 *                    feedback), from the moment the daemon has counted this
 *                    one; topk sends everything with the last step of an epoch
 *                    of several, and before this worker ends
 *   easgd            a worker moves by what it has sent, so the rest is still
 *                    between it and the centre, and comes again by itself
 *
 * Of several servers each has its part of an update encoded by itself, and what
 * it did not get remembered by itself: it counts an update whatever the others
 * do, so the sum of what it was sent and what is remembered for it is that of
 * the updates it has counted.
 *
 * An update that cannot be encoded, because it is not finite or too large, is
 * sent as it is: what is wrong with it is for the daemon to name.
 */
#ifndef WORKER_COMPRESS_H
#define WORKER_COMPRESS_H

#include "common/model/model.h"
#include "elephas/v1/task.pb-c.h"
#include "worker/client.h"

#include <stdbool.h>

struct compress;

/* For updates of this task to one server, which has the elements from `begin`
 * on; model is the part that it has (narrow.h), and is borrowed. *out is NULL
 * if updates are sent as they are; then the functions below do nothing.
 * ERR_PROTO: an encoding that is not known. */
int compress_create(const struct model *model, const Elephas__V1__Task *task,
                    uint32_t partition, size_t begin, struct compress **out,
                    struct err *err) ERR_CHECKED;
/* Accepts NULL. */
void compress_destroy(struct compress **compress);

/* Makes update->encoding and ->encoded, which stay valid until the next call,
 * of the update->count values, or leaves them to be sent as they are. values
 * are those of the update and are changed: with easgd to what the daemon will
 * decode; else they must stay as they are until the update has been sent and,
 * perhaps, compress_counted() called. whole: send all that there is. */
int compress_update(struct compress *compress, float *values, bool whole,
                    struct client_update *update, struct err *err) ERR_CHECKED;
/* The daemon has counted the update: what it did not get is remembered. */
void compress_counted(struct compress *compress, const float *values);

#endif
