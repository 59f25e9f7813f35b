/* SPDX-License-Identifier: MIT
 *
 * training_gate: who may go on, and who has to wait for others.
 */
#include "driver/core/training_parts.h"

enum training_gate training_gate_step(const struct training *training,
                                      uint32_t partition, uint64_t step)
{
    const struct training *t = training;
    const struct partition *p;

    if (t->broken.code != ERR_OK || partition >= t->options.partitions) {
        return TRAINING_CLOSED;
    }
    p = &t->partitions[partition];
    if (!p->joined) {
        return TRAINING_WAIT;
    }
    if (step >= p->steps * t->options.epochs) {
        return TRAINING_CLOSED;
    }
    /* a step that is past needs no version any more: the update will be told
     * that it is a duplicate */
    return !training_is_synchronous(t) || training_is_due(t, p, step)
               ? TRAINING_READY
               : TRAINING_WAIT;
}

enum training_gate training_gate_epoch(const struct training *training,
                                       uint64_t epochs)
{
    const struct training *t = training;

    if (t->broken.code != ERR_OK || epochs > t->options.epochs) {
        return TRAINING_CLOSED;
    }
    return t->epoch >= epochs ? TRAINING_READY : TRAINING_WAIT;
}
