/* SPDX-License-Identifier: MIT
 *
 * archive: the zip around a `.keras` file. Members are read whole into
 * memory, after their sizes were checked and with their CRC-32 verified;
 * nothing is ever extracted to a path. Writing stores the members as they
 * are, as Keras does, with a fixed date, so that the same model gives the
 * same bytes.
 */
#ifndef COMMON_KERAS_ARCHIVE_H
#define COMMON_KERAS_ARCHIVE_H

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stdio.h>

#define ARCHIVE_MAX_MEMBERS 4096

struct archive;

/* Opens a zip file, or one in memory (borrowed until archive_close()).
 * ERR_INVALID if it is not a zip, is truncated, or has a member whose name
 * leaves its directory. */
int archive_open(const char *path, struct archive **out,
                 struct err *err) ERR_CHECKED;
int archive_open_memory(struct view bytes, struct archive **out,
                        struct err *err) ERR_CHECKED;
/* Accepts NULL. */
void archive_close(struct archive **archive);

bool archive_has(const struct archive *archive, const char *name);
/* Reads the member into out, replacing what it held; out->max is the limit.
 * ERR_LIMIT (also for what expands suspiciously), ERR_INVALID (not there,
 * CRC). On failure out is as it was. */
int archive_read(struct archive *archive, const char *name, struct buf *out,
                 struct err *err) ERR_CHECKED;

struct archive_member {
    const char *name;
    struct view data;
};

/* Writes a complete zip to an empty, seekable stream. */
int archive_write(FILE *stream, const struct archive_member *members, size_t n,
                  struct err *err) ERR_CHECKED;

#endif
