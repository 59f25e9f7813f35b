/* SPDX-License-Identifier: MIT
 *
 * spark: what the command line says about Spark, as the engine object of a job
 * request (docs/PROTOCOL.md section 7).
 */
#ifndef DRIVER_SUBMIT_SPARK_H
#define DRIVER_SUBMIT_SPARK_H

#include "common/err.h"
#include "driver/submit/options.h"

#include <jansson.h>
#include <stdbool.h>

/* Whether Spark writes the predictions: a URL, a name that ends like a data
 * set (.parquet, .json, /), or --output-format. Else they come through the
 * daemon as one csv file. */
bool spark_writes(const struct options *o);
/* Options that need Spark are only taken with it, and fit each other. */
int spark_check(const struct options *o, bool predict,
                struct err *err) ERR_CHECKED;
/* Fills the engine object. local: the daemon is on this machine. */
int spark_put(const struct options *o, bool predict, bool local, json_t *engine,
              struct err *err) ERR_CHECKED;

#endif
