/* SPDX-License-Identifier: MIT
 *
 * row_files: which files a data source means: a file by its name, all files
 * of a directory, or what a glob matches, sorted by name. Names that begin
 * with "." or "_" in a directory are passed over, as Spark does: they are
 * marks like _SUCCESS, not data.
 */
#ifndef DRIVER_ROW_FILES_H
#define DRIVER_ROW_FILES_H

#include "common/err.h"

#include <stddef.h>

struct row_files {
    char **paths; /* owned */
    size_t count;
};

/* Appends the files that source means to files, which is to be released with
 * row_files_deinit() also on failure. ERR_NOT_FOUND, ERR_DENIED, ERR_INVALID
 * name the source; a file that is no regular one is refused by name. */
int row_files_add(struct row_files *files, const char *source,
                  struct err *err) ERR_CHECKED;
void row_files_deinit(struct row_files *files);

#endif
