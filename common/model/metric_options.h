/* SPDX-License-Identifier: MIT
 *
 * metric_options: the options of a metric <-> its Keras config; for metric.c.
 */
#ifndef COMMON_MODEL_METRIC_OPTIONS_H
#define COMMON_MODEL_METRIC_OPTIONS_H

#include "common/err.h"
#include "common/model/metric_class.h"

#include <jansson.h>

/* Reads dtype and the options of the class (config NULL: defaults). Keys that
 * it does not have are ERR_UNSUPPORTED, but for metrics that are the mean of a
 * loss, whose options metric_options_loss() reads. */
int metric_options_read(struct metric *metric, const json_t *config,
                        struct err *err) ERR_CHECKED;

/* Makes metric->loss: that function, with the options of the config. */
int metric_options_loss(struct metric *metric, const char *function,
                        const json_t *config, struct err *err) ERR_CHECKED;

/* The full config; a new reference, NULL without memory. */
json_t *metric_options_config(const struct metric *metric);

#endif
