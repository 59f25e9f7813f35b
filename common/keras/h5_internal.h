/* SPDX-License-Identifier: MIT
 *
 * h5_internal: what the files of h5 share with each other.
 */
#ifndef COMMON_KERAS_H5_INTERNAL_H
#define COMMON_KERAS_H5_INTERNAL_H

#include "common/err.h"
#include "common/keras/h5.h"

#include <hdf5.h>

/* Sets the error to `what` and HDF5's own description of the last failure;
 * returns code, or ERR_NOMEM if that was the cause. */
int h5_fail(struct err *err, enum err_code code, const char *what);
/* From here on HDF5 prints nothing and loads no filter plugins. */
void h5_quiet(void);
/* A group or dataset reached through hard links only, to be closed by
 * H5Oclose(); negative if there is none. */
hid_t h5_open_any(const struct h5 *h5, const char *path);

#endif
