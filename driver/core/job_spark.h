/* SPDX-License-Identifier: MIT
 *
 * job_spark: the engine object of a request for Spark (docs/PROTOCOL.md
 * section 7), checked: every key known and of its type. What only Spark can
 * tell (the master, the columns) is found by Spark.
 */
#ifndef DRIVER_CORE_JOB_SPARK_H
#define DRIVER_CORE_JOB_SPARK_H

#include "common/err.h"
#include "driver/core/job.h"

#include <jansson.h>
#include <stdbool.h>

/* ERR_INVALID names the key. */
int job_spark_check(const json_t *engine, enum job_kind kind,
                    struct err *err) ERR_CHECKED;
/* Whether the rows come from a table or a query, and no source is needed. */
bool job_spark_has_table(const json_t *engine);
/* Whether Spark writes the predictions, so that the daemon has none. */
bool job_spark_has_output(const json_t *engine);
/* Whether the partitions are those in which Spark reads the data. */
bool job_spark_keeps_partitions(const struct job_spec *spec);
/* Whether the job is one for Spark. */
bool job_spark_is(const struct job_spec *spec);

#endif
