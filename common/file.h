/* SPDX-License-Identifier: MIT
 *
 * file: whole files in and out. Reading has a ceiling. Writing is atomic: the
 * bytes go to a temporary file in the same directory, are synced, and take
 * the name only then, so a full disk, a crash or a second writer never leaves
 * half a file and the old one stays until the new one is complete.
 */
#ifndef COMMON_FILE_H
#define COMMON_FILE_H

#include "common/buf.h"

#include <stdbool.h>
#include <stdio.h>

/* Appends the file's bytes to out (ceiling: out->max). ERR_NOT_FOUND,
 * ERR_DENIED, ERR_LIMIT, ERR_IO; a directory is ERR_INVALID. */
int file_read(const char *path, struct buf *out, struct err *err) ERR_CHECKED;

/* Writes a whole file atomically with the given mode (0600, 0644). */
int file_write(const char *path, struct view data, unsigned mode,
               struct err *err) ERR_CHECKED;

/* A file in the making. */
struct file_stage;

/* Opens the temporary file beside path. Fails at once (ERR_DENIED, ERR_IO,
 * ERR_NOT_FOUND) if the directory is missing or not writable. */
int file_stage_create(const char *path, unsigned mode, struct file_stage **out,
                      struct err *err) ERR_CHECKED;
/* The stream to write to; stays owned by the stage. */
FILE *file_stage_stream(struct file_stage *stage);
/* The temporary file's path, for writers that want a name. */
const char *file_stage_path(const struct file_stage *stage);
/* Flushes, syncs, renames, syncs the directory and destroys the stage, also
 * on failure, when the temporary file is removed and the old file intact. */
int file_stage_commit(struct file_stage **stage, struct err *err) ERR_CHECKED;
/* Removes the temporary file; accepts NULL. */
void file_stage_destroy(struct file_stage **stage);

/* Whether file_stage_create() would work, leaving nothing behind. */
int file_check_writable(const char *path, struct err *err) ERR_CHECKED;

/* Creates a directory and its parents (mode for the last one). */
int file_make_dirs(const char *path, unsigned mode,
                   struct err *err) ERR_CHECKED;

/* Removes a directory tree; missing is no error. Does not follow links. */
int file_remove_tree(const char *path, struct err *err) ERR_CHECKED;

#endif
