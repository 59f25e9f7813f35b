/* SPDX-License-Identifier: MIT
 *
 * loss: values and gradients of the losses over a batch; see loss.h.
 *
 * A loss gives one value per unit (common/model/units.h), usually a position.
 * Keras weighs these and reduces them. Both come down to one factor per unit,
 * which is known before anything is computed, so value and gradient take one
 * pass over the units.
 */
#include "worker/nn/loss.h"

#include "common/mem.h"
#include "common/model/loss_class.h"

#include <string.h>

static bool ignored(const struct loss *loss, float y)
{
    return loss->has_ignore_class && y == (float)loss->ignore_class;
}

/* Whether unit i counts. Units that are no positions have no mask. */
static bool counts(const struct loss_batch *b, size_t i)
{
    return (b->mask == NULL || b->mask[i] != 0.0f) &&
           !(b->loss->has_ignore_class && ignored(b->loss, b->y[i]));
}

static int check_labels(const struct loss_batch *b, size_t positions,
                        size_t width, struct err *err)
{
    size_t n = b->rows * positions;

    for (size_t i = 0; i < n; i++) {
        float y = b->y[i];

        if (ignored(b->loss, y) || !counts(b, i)) {
            continue;
        }
        if (!(y >= 0.0f && y < (float)width)) {
            return err_set(err, ERR_INVALID,
                           "row %zu: label %g is not one of the %zu classes "
                           "0 to %zu",
                           i / positions, (double)y, width, width - 1);
        }
    }
    return 0;
}

static int check_batch(const struct loss_batch *b, const struct units *units,
                       struct err *err)
{
    const struct loss *loss = b->loss;

    if (loss->reduction == LOSS_NONE) {
        return err_set(err, ERR_UNSUPPORTED,
                       "loss %s: reduction none gives no single loss to train",
                       loss->name);
    }
    if (b->mask != NULL && !units->whole &&
        !axes_are_last(&loss->axes, b->output)) {
        return err_set(err, ERR_UNSUPPORTED,
                       "loss %s: axis %d: a masked output needs the last axis",
                       loss->name, loss->axes.axis[0]);
    }
    if (units->whole && units->count != 1 && b->weights != NULL) {
        return err_set(err, ERR_UNSUPPORTED,
                       "loss %s: its axis leaves no rows that sample weights "
                       "could weigh",
                       loss->name);
    }
    return 0;
}

/* What a mean divides by. Positions that do not count add nothing; a mean over
 * the batch is then one over the others (keras.losses.Loss, apply_mask). */
static double mean_divisor(const struct loss_batch *b, size_t positions)
{
    size_t n = b->rows * positions;
    bool all = b->mask == NULL && !b->loss->has_ignore_class;
    bool by_weight = b->loss->reduction == LOSS_MEAN && b->weights != NULL;
    double sum = 0.0;

    if (all && !by_weight) {
        return (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        if (all || counts(b, i)) {
            sum += by_weight ? (double)b->weights[i / positions] : 1.0;
        }
    }
    return sum;
}

/* What each weighted value is multiplied with for the reduction. Nothing to
 * divide by gives 0. */
static double reduction_factor(const struct loss_batch *b, size_t positions)
{
    double divisor;

    if (b->divisor == NULL && b->loss->reduction == LOSS_SUM) {
        return 1.0;
    }
    divisor = mean_divisor(b, positions);
    if (b->divisor != NULL) {
        *b->divisor = divisor / (double)b->rows;
        return 1.0 / (double)b->rows;
    }
    return divisor != 0.0 ? 1.0 / divisor : 0.0;
}

/* The factor of the values of a loss that reaches over the rows. One value for
 * all is not reduced; with weights, Keras weighs it once for each row, and with
 * a mask once for each position that it leaves: a mean of that is the value. */
static double whole_factor(const struct loss_batch *b,
                           const struct units *units)
{
    size_t width = (size_t)b->output->dim[b->output->rank - 1];
    size_t positions = b->mask != NULL ? shape_size(b->output) / width : 1;
    size_t left = 0;
    double sum = 0.0;

    if (units->count != 1) {
        return b->loss->reduction == LOSS_SUM ? 1.0
                                              : 1.0 / (double)units->count;
    }
    if (b->weights == NULL && b->mask == NULL) {
        return 1.0;
    }
    for (size_t i = 0; i < b->rows * positions; i++) {
        double weight =
            b->weights != NULL ? (double)b->weights[i / positions] : 1.0;

        if (b->mask == NULL || b->mask[i] != 0.0f) {
            sum += weight;
            left++;
        }
    }
    switch (b->loss->reduction) {
    case LOSS_SUM:
        return sum;
    case LOSS_MEAN:
        return sum != 0.0 ? 1.0 : 0.0;
    default:
        return left != 0 ? sum / (double)left : 0.0;
    }
}

static bool are_binary(const float *y, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (y[i] != 0.0f && y[i] != 1.0f) {
            return false;
        }
    }
    return true;
}

/* Units that lie in one piece are used where they are, others by way of
 * `spare`, which has room for three of them. */
static double unit_value(const struct loss_batch *b, const struct units *units,
                         size_t i, const float *p, struct loss_unit *u,
                         float *gradient, float *spare)
{
    double value;

    if (units->pieces) {
        units_gather(units, i, b->y, spare);
        units_gather(units, i, p, spare + units->width);
        u->y = spare;
        u->p = spare + units->width;
        u->gradient = gradient != NULL ? spare + 2 * units->width : NULL;
    } else {
        u->y = b->loss->class->sparse ? NULL : b->y + i * units->width;
        u->label = b->loss->class->sparse ? (size_t)b->y[i] : 0;
        u->p = p + i * units->width;
        u->gradient = gradient != NULL ? gradient + i * units->width : NULL;
    }
    value = b->loss->class->value(u);
    if (units->pieces && gradient != NULL) {
        units_scatter(units, i, u->gradient, gradient);
    }
    return value;
}

static double sum_units(const struct loss_batch *b, const struct units *units,
                        float scale, float *gradient, float *spare)
{
    bool taken = b->logits != NULL && loss_takes_logits(b->loss);
    const float *p = taken ? b->logits : b->p;
    size_t n = units->whole ? units->count : b->rows * units->count;
    double reduction = units->whole ? whole_factor(b, units)
                                    : reduction_factor(b, units->count);
    struct loss_unit u = {
        .loss = b->loss,
        .width = units->width,
        .classes = (size_t)b->output->dim[b->output->rank - 1],
        .logits = taken || b->loss->from_logits,
        .binary_labels = b->loss->class->asks_binary &&
                         are_binary(b->y, b->rows * shape_size(b->output)),
    };
    double sum = 0.0;

    for (size_t i = 0; i < n; i++) {
        double weight = b->weights != NULL && !units->whole
                            ? (double)b->weights[i / units->count]
                            : 1.0;

        if (!units->whole && !counts(b, i)) {
            if (gradient != NULL) {
                memset(gradient + i * units->width, 0,
                       units->width * sizeof(float));
            }
            continue;
        }
        u.factor = (float)((double)scale * weight * reduction);
        sum += weight * unit_value(b, units, i, p, &u, gradient, spare);
    }
    return sum * reduction;
}

int loss_compute(const struct loss_batch *b, float scale, float *gradient,
                 double *value, struct err *err)
{
    float *spare = NULL;
    struct units units;
    int rc;

    units_init(&units, &b->loss->axes, b->output, b->rows);
    if ((rc = check_batch(b, &units, err)) != 0 ||
        (b->loss->class->sparse &&
         (rc = check_labels(b, units.count, units.width, err)) != 0)) {
        return rc;
    }
    if (units.pieces) {
        spare = mem_floats(3 * units.width);
        if (spare == NULL) {
            return err_nomem(err);
        }
    }
    *value = sum_units(b, &units, scale, gradient, spare);
    mem_free_aligned(spare);
    return 0;
}
