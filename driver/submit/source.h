/* SPDX-License-Identifier: MIT
 *
 * source: what --data and --validation-data name. The daemon opens the data,
 * so a relative path is made absolute here, and, when the daemon is on this
 * machine, what is not there is refused before a job exists. Patterns are
 * passed on; URLs (hdfs://...) are Spark's.
 */
#ifndef DRIVER_SUBMIT_SOURCE_H
#define DRIVER_SUBMIT_SOURCE_H

#include "common/opt.h"

#include <jansson.h>

/* A JSON array of the sources as the request wants them. option is the name
 * for messages ("--data"). ERR_INVALID for missing files, patterns without a
 * match, and relative paths if the daemon is elsewhere. */
int source_list(const struct opt_list *sources, const char *option, bool local,
                json_t **out, struct err *err) ERR_CHECKED;

/* Where Spark writes: a URL as it is, else the path as the daemon's machine
 * sees it; owned. */
int source_output(const char *path, bool local, char **out,
                  struct err *err) ERR_CHECKED;

#endif
