/* SPDX-License-Identifier: MIT
 *
 * spark_roots: what a job on Spark may read and write, where --data-roots says
 * so. Paths and file: URLs are looked at as on the local engine; another URL
 * lies under a root that is a URL itself (hdfs://nn:8020/data); an output is
 * under a root once it is made. A query may name any file, so that there is
 * none with roots, and of tables those of the catalog only.
 *
 * This is about names: who may bring settings of Spark (--conf) or programs
 * (--spark-home, --spark-worker) can have any code run as the daemon's user.
 */
#ifndef DRIVER_SPARK_ROOTS_H
#define DRIVER_SPARK_ROOTS_H

#include "common/err.h"
#include "common/opt.h"
#include "driver/core/job.h"

/* ERR_INVALID names what is not allowed. Without roots everything is. */
int spark_roots_check(const struct opt_list *roots, const struct job_spec *spec,
                      struct err *err) ERR_CHECKED;

#endif
