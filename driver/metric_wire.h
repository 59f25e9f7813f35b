/* SPDX-License-Identifier: MIT
 *
 * metric_wire: MetricState messages into totals. Input is untrusted: names
 * and sizes must be those of the model; whether the numbers make sense is
 * for driver/core to say.
 */
#ifndef DRIVER_METRIC_WIRE_H
#define DRIVER_METRIC_WIRE_H

#include "common/err.h"
#include "common/model/metric.h"
#include "elephas/v1/parameters.pb-c.h"

/* *out is owned by the caller; NULL if there are no states. ERR_INVALID names
 * the metric. */
int metric_wire_totals(const struct model *model, size_t n,
                       Elephas__V1__MetricState *const *states,
                       struct totals **out, struct err *err) ERR_CHECKED;

#endif
