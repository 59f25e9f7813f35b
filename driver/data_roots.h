/* SPDX-License-Identifier: MIT
 *
 * data_roots: which files a job may read. Without roots: any that the daemon's
 * user may read. With roots: only what lies under one of them once links are
 * followed, looked at again when the job starts.
 */
#ifndef DRIVER_DATA_ROOTS_H
#define DRIVER_DATA_ROOTS_H

#include "common/err.h"
#include "common/opt.h"
#include "driver/core/job.h"

#include <stdbool.h>

/* Whether each source (file, glob, directory) is there and, if roots are
 * given, lies under one of them with all it stands for. `deep`: directories
 * stand for what is in directories of theirs, too. ERR_INVALID names the
 * source. */
int data_roots_check(const struct opt_list *roots,
                     const struct job_strings *sources, bool deep,
                     struct err *err) ERR_CHECKED;
/* Whether this one file or directory lies under a root. */
int data_roots_check_path(const struct opt_list *roots, const char *path,
                          struct err *err) ERR_CHECKED;

#endif
