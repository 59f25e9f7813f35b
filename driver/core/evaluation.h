/* SPDX-License-Identifier: MIT
 *
 * evaluation: the sums of an evaluation (or the row counts of a prediction)
 * over its partitions. Each partition counts once, whichever attempt reports
 * first; sums are merged in partition order, so the result does not depend on
 * who was faster. Pure logic.
 */
#ifndef DRIVER_CORE_EVALUATION_H
#define DRIVER_CORE_EVALUATION_H

#include "common/err.h"
#include "common/model/metric.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct evaluation;

int evaluation_create(const struct model *model, uint32_t partitions,
                      struct evaluation **out, struct err *err) ERR_CHECKED;
void evaluation_destroy(struct evaluation **evaluation);
/* metrics is NULL for a prediction. *duplicate: it was counted before. */
int evaluation_add(struct evaluation *evaluation, uint32_t partition,
                   uint64_t samples, const struct totals *metrics,
                   bool *duplicate, struct err *err) ERR_CHECKED;
bool evaluation_complete(const struct evaluation *evaluation);
uint64_t evaluation_samples(const struct evaluation *evaluation);
/* {"loss":..,"acc":..} in Keras' order; a new reference; ERR_INVALID if there
 * was not a single row, or a sum is not finite. */
int evaluation_result(const struct evaluation *evaluation, json_t **out,
                      struct err *err) ERR_CHECKED;

#endif
