/* SPDX-License-Identifier: MIT
 *
 * training_gate: who may go on, and who has to wait for others.
 */
#include "driver/core/training_parts.h"

bool training_is_within_bound(const struct training *t,
                              const struct partition *p, uint64_t step)
{
    for (uint32_t i = 0; t->options.bounded && i < t->options.partitions; i++) {
        const struct partition *q = &t->partitions[i];
        /* one that is through, or has no rows, holds nobody */
        bool works = !q->joined || q->next_step < q->steps * t->options.epochs;

        if (q != p && works && step > q->next_step &&
            step - q->next_step > t->options.staleness) {
            return false;
        }
    }
    return true;
}

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
    return (training_is_synchronous(t) ? training_is_due(t, p, step)
                                       : training_is_within_bound(t, p, step))
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
