/* SPDX-License-Identifier: MIT
 *
 * training_diverge: a training whose loss explodes is ended and named. What is
 * not finite is refused where it comes in; this is for losses that are finite
 * and hopeless: a network that was thrown far away often ends with dead units
 * and a loss that looks harmless again.
 *
 * Measured is the mean loss of an epoch, in each partition. The measure is the
 * loss of the model as it was given, on the first batch of each partition that
 * began with it, and that of the first epochs, the greatest of all partitions.
 * The factors are far beyond what a training does that recovers: also one that
 * begins with a trained model, whose first losses are small.
 */
#include "driver/core/training_parts.h"

#include <math.h>

#define FIRST_EPOCH_FACTOR 1e4
#define LATER_EPOCH_FACTOR 1e2

void training_note_start(struct partition *p, const struct training_update *u)
{
    /* one that begins later begins with what others have made of it */
    if (u->step == 0 && u->base_version == 0 && isfinite(u->first_loss) &&
        u->first_loss > 0) {
        p->start_loss = u->first_loss;
    }
}

/* The greatest loss that is known from the beginning; 0: none is. */
static double measure(const struct training *t, uint64_t epoch)
{
    double greatest = 0;

    for (uint32_t i = 0; i < t->options.partitions; i++) {
        const struct partition *p = &t->partitions[i];
        double first = epoch == 0 ? 0 : p->first_loss;

        greatest = fmax(greatest, fmax(p->start_loss, first));
    }
    return greatest;
}

int training_check_loss(struct training *t, struct partition *p, uint64_t epoch,
                        struct err *err)
{
    double factor = epoch == 0 ? FIRST_EPOCH_FACTOR : LATER_EPOCH_FACTOR;
    double began = measure(t, epoch);
    double loss = 0;
    struct err why = {0};

    totals_result(p->epoch, 0, &loss);
    if (epoch == 0) {
        p->first_loss = loss > 0 ? loss : 0;
    }
    if (began == 0 || loss <= began * factor) {
        return 0;
    }
    (void)err_set(&why, ERR_DIVERGED,
                  "epoch %llu, partition %u: the loss is %.4g, it began with "
                  "%.4g: the training diverges; try a smaller learning rate%s",
                  (unsigned long long)epoch + 1, (unsigned)(p - t->partitions),
                  loss, began,
                  t->options.delta_scale != 0 ? " or delta_scale" : "");
    return training_break(t, &why, err);
}
