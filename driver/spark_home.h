/* SPDX-License-Identifier: MIT
 *
 * spark_home: finds the Spark installation that a job uses, and refuses one
 * that is too old before a JVM is started for nothing.
 */
#ifndef DRIVER_SPARK_HOME_H
#define DRIVER_SPARK_HOME_H

#include "common/err.h"

struct spark_home {
    char *submit;  /* path of spark-submit; owned */
    char *version; /* "4.0.0", or NULL if the installation does not tell */
};

/* The first of these that is given is used, and must be a Spark: `asked` (the
 * job's), `configured` (elephasd's), `environment` (SPARK_HOME); else
 * spark-submit on `path` (PATH). All may be NULL. ERR_INVALID says how to get
 * one. */
int spark_home_find(const char *asked, const char *configured,
                    const char *environment, const char *path,
                    struct spark_home *out, struct err *err) ERR_CHECKED;
void spark_home_deinit(struct spark_home *home);

#endif
