/* SPDX-License-Identifier: MIT
 *
 * h5_file: an HDF5 file in memory, read with the HDF5 library in this process.
 * Believes nothing that can be checked: links that are not hard links, data
 * outside of the file, virtual and oversized datasets are refused, and shapes
 * are compared before memory is taken. But the library itself crashes on some
 * damaged files, so everybody else goes through h5.h, which runs this in a
 * process of its own. The contracts of the functions are those of their
 * namesakes there.
 */
#ifndef COMMON_KERAS_H5_FILE_H
#define COMMON_KERAS_H5_FILE_H

#include "common/buf.h"
#include "common/err.h"
#include "common/keras/h5.h"
#include "common/model/shape.h"

#include <hdf5.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct h5_file;

/* The bytes are borrowed until h5_file_close() and never copied. */
int h5_file_open(struct view image, struct h5_file **out,
                 struct err *err) ERR_CHECKED;
void h5_file_close(struct h5_file **h5);

bool h5_file_has_group(const struct h5_file *h5, const char *path);
bool h5_file_has_dataset(const struct h5_file *h5, const char *path);
size_t h5_file_member_count(const struct h5_file *h5, const char *path);
int h5_file_check(const struct h5_file *h5, const char *path,
                  const struct shape *want, struct err *err) ERR_CHECKED;
int h5_file_read_floats(const struct h5_file *h5, const char *path,
                        const struct shape *want, float *out,
                        struct err *err) ERR_CHECKED;
int h5_file_read_int(const struct h5_file *h5, const char *path, int64_t *out,
                     struct err *err) ERR_CHECKED;
int h5_file_text(const struct h5_file *h5, const char *path, const char *name,
                 char **out, struct err *err) ERR_CHECKED;
int h5_file_names(const struct h5_file *h5, const char *path, const char *name,
                  struct h5_names *out, struct err *err) ERR_CHECKED;

/* A group or dataset reached through hard links only, to be closed by
 * H5Oclose(); negative if there is none. */
hid_t h5_file_object(const struct h5_file *h5, const char *path);

/* Sets the error to `what` and HDF5's own description of the last failure;
 * returns code, or ERR_NOMEM if that was the cause. */
int h5_fail(struct err *err, enum err_code code, const char *what);
/* From here on HDF5 prints nothing and loads no filter plugins. */
void h5_quiet(void);

#endif
