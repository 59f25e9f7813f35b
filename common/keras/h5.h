/* SPDX-License-Identifier: MIT
 *
 * h5: HDF5 files in memory, the part of them that Keras uses: groups, datasets
 * of numbers, attributes of text. Numbers of other types (float16, float64,
 * integers) become float32 as Keras converts them.
 *
 * Files come from strangers, and the HDF5 library can be made to crash, to
 * loop or to ask for all memory by a file that is damaged in the right place.
 * So a file is read in a process of its own, which has limits on time and
 * memory and answers questions over a socket; its end, however it comes, is an
 * error like any other here. What it answers is believed no more than the
 * file. Writing happens in this process: its data are our own.
 *
 * One thread at a time for each file; the writers together.
 */
#ifndef COMMON_KERAS_H5_H
#define COMMON_KERAS_H5_H

#include "common/buf.h"
#include "common/err.h"
#include "common/model/shape.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define H5_MAX_TEXT ((size_t)64 << 20) /* one attribute: a model's config */
#define H5_MAX_NAMES 65536             /* strings in one attribute */
#define H5_MAX_PATH 4096

/* ---- reading ------------------------------------------------------------ */

struct h5;

/* Opens an image of a whole file; the bytes are borrowed until h5_close() and
 * never copied. ERR_INVALID if it is not HDF5, truncated or damaged, ERR_IO if
 * no process can be made. */
int h5_open(struct view image, struct h5 **out, struct err *err) ERR_CHECKED;
/* Accepts NULL. */
void h5_close(struct h5 **h5);
/* An error if the reading process has died: to be asked once everything was
 * read, as the questions below that only say yes or no then said no. */
int h5_health(const struct h5 *h5, struct err *err) ERR_CHECKED;

/* Whether there is a group (dataset) of that path. "" is the root group. What
 * is reached by a soft or external link does not count. */
bool h5_has_group(const struct h5 *h5, const char *path);
bool h5_has_dataset(const struct h5 *h5, const char *path);
/* Members of a group; 0 if there is none. */
size_t h5_member_count(const struct h5 *h5, const char *path);

/* Checks that the dataset is there and holds numbers of exactly this shape
 * (all axes). ERR_INVALID names the path and both shapes. */
int h5_check(const struct h5 *h5, const char *path, const struct shape *want,
             struct err *err) ERR_CHECKED;
/* h5_check() and then shape_size(want) values. */
int h5_read_floats(const struct h5 *h5, const char *path,
                   const struct shape *want, float *out,
                   struct err *err) ERR_CHECKED;
int h5_read_int(const struct h5 *h5, const char *path, int64_t *out,
                struct err *err) ERR_CHECKED;

/* Text attribute of a group or dataset: *out is owned by the caller (mem_free)
 * and NULL if there is no such attribute. */
int h5_text(const struct h5 *h5, const char *path, const char *name, char **out,
            struct err *err) ERR_CHECKED;

struct h5_names {
    char **name; /* owned */
    size_t count;
};
/* An attribute that is a list of strings, or several "name0", "name1" ... that
 * Keras cuts long lists into. A missing one is ERR_INVALID. */
int h5_names(const struct h5 *h5, const char *path, const char *name,
             struct h5_names *out, struct err *err) ERR_CHECKED;
void h5_names_deinit(struct h5_names *names);

/* ---- writing ------------------------------------------------------------ */

struct h5_writer;

int h5_writer_create(struct h5_writer **out, struct err *err) ERR_CHECKED;
/* Accepts NULL. */
void h5_writer_destroy(struct h5_writer **writer);

/* Makes the group and those above it. */
int h5_write_group(struct h5_writer *writer, const char *path,
                   struct err *err) ERR_CHECKED;
/* A dataset in an existing group. */
int h5_write_floats(struct h5_writer *writer, const char *path,
                    const struct shape *shape, const float *values,
                    struct err *err) ERR_CHECKED;
int h5_write_int(struct h5_writer *writer, const char *path, int64_t value,
                 struct err *err) ERR_CHECKED;
int h5_write_text(struct h5_writer *writer, const char *path, const char *name,
                  const char *text, struct err *err) ERR_CHECKED;
/* Appends the finished file. Nothing can be written afterwards. */
int h5_writer_finish(struct h5_writer *writer, struct buf *out,
                     struct err *err) ERR_CHECKED;

#endif
