/* SPDX-License-Identifier: MIT
 *
 * h5_write: writing HDF5 into memory; see h5.h. No times are stored, so that
 * the same model gives the same bytes. The layout is the plain one that h5py
 * writes: contiguous datasets, little-endian float32 and int64.
 */
#include "common/keras/h5.h"

#include "common/keras/h5_file.h"
#include "common/mem.h"

#include <stdio.h>
#include <string.h>

#define GROW_BYTES ((size_t)1 << 20)

struct h5_writer {
    hid_t file;
    hid_t parents; /* creates the groups on the way */
    hid_t plain;   /* datasets without times */
};

int h5_writer_create(struct h5_writer **out, struct err *err)
{
    struct h5_writer *w = mem_zalloc(sizeof(*w));
    hid_t access = H5I_INVALID_HID;
    char name[64];
    int rc = 0;

    if (w == NULL) {
        return err_nomem(err);
    }
    h5_quiet();
    (void)snprintf(name, sizeof(name), "/dev/null/%p", (void *)w);
    w->file = w->parents = w->plain = H5I_INVALID_HID;
    w->parents = H5Pcreate(H5P_LINK_CREATE);
    w->plain = H5Pcreate(H5P_DATASET_CREATE);
    access = H5Pcreate(H5P_FILE_ACCESS);
    if (w->parents >= 0 && w->plain >= 0 && access >= 0 &&
        H5Pset_create_intermediate_group(w->parents, 1) >= 0 &&
        H5Pset_obj_track_times(w->plain, 0) >= 0 &&
        H5Pset_fapl_core(access, GROW_BYTES, 0) >= 0 &&
        H5Pset_fclose_degree(access, H5F_CLOSE_STRONG) >= 0) {
        w->file = H5Fcreate(name, H5F_ACC_TRUNC, H5P_DEFAULT, access);
    }
    if (w->file < 0) {
        rc = h5_fail(err, ERR_INVALID, "cannot make an HDF5 file in memory");
    }
    if (access >= 0) {
        (void)H5Pclose(access);
    }
    if (rc != 0) {
        h5_writer_destroy(&w);
        return rc;
    }
    *out = w;
    return 0;
}

void h5_writer_destroy(struct h5_writer **writer)
{
    struct h5_writer *w = *writer;

    if (w == NULL) {
        return;
    }
    if (w->file >= 0) {
        (void)H5Fclose(w->file);
    }
    if (w->parents >= 0) {
        (void)H5Pclose(w->parents);
    }
    if (w->plain >= 0) {
        (void)H5Pclose(w->plain);
    }
    (void)H5Eclear2(H5E_DEFAULT);
    mem_free(w);
    *writer = NULL;
}

int h5_write_group(struct h5_writer *writer, const char *path, struct err *err)
{
    hid_t group = H5Gcreate2(writer->file, path, writer->parents, H5P_DEFAULT,
                             H5P_DEFAULT);

    if (group < 0) {
        int rc = h5_fail(err, ERR_INVALID, "cannot be written");

        err_wrap(err, "%s", path);
        return rc;
    }
    (void)H5Gclose(group);
    return 0;
}

static int write_numbers(struct h5_writer *w, const char *path,
                         const struct shape *shape, hid_t stored, hid_t native,
                         const void *values, struct err *err)
{
    hsize_t dims[SHAPE_MAX_RANK];
    hid_t space;
    hid_t set = H5I_INVALID_HID;
    int rc = 0;

    for (int i = 0; i < shape->rank; i++) {
        dims[i] = (hsize_t)shape->dim[i];
    }
    space = shape->rank == 0 ? H5Screate(H5S_SCALAR)
                             : H5Screate_simple(shape->rank, dims, NULL);
    if (space >= 0) {
        set = H5Dcreate2(w->file, path, stored, space, w->parents, w->plain,
                         H5P_DEFAULT);
    }
    if (set < 0 ||
        H5Dwrite(set, native, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0) {
        rc = h5_fail(err, ERR_INVALID, "cannot be written");
        err_wrap(err, "%s", path);
    }
    if (set >= 0) {
        (void)H5Dclose(set);
    }
    if (space >= 0) {
        (void)H5Sclose(space);
    }
    return rc;
}

int h5_write_floats(struct h5_writer *writer, const char *path,
                    const struct shape *shape, const float *values,
                    struct err *err)
{
    return write_numbers(writer, path, shape, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT,
                         values, err);
}

int h5_write_int(struct h5_writer *writer, const char *path, int64_t value,
                 struct err *err)
{
    const struct shape scalar = {.rank = 0};

    return write_numbers(writer, path, &scalar, H5T_STD_I64LE, H5T_NATIVE_INT64,
                         &value, err);
}

int h5_write_text(struct h5_writer *writer, const char *path, const char *name,
                  const char *text, struct err *err)
{
    hid_t object = H5Oopen(writer->file, path, H5P_DEFAULT);
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t type = H5Tcopy(H5T_C_S1);
    hid_t attribute = H5I_INVALID_HID;
    int rc = 0;

    if (object >= 0 && space >= 0 && type >= 0 &&
        H5Tset_size(type, H5T_VARIABLE) >= 0 &&
        H5Tset_cset(type, H5T_CSET_UTF8) >= 0) {
        attribute =
            H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    }
    if (attribute < 0 || H5Awrite(attribute, type, &text) < 0) {
        rc = h5_fail(err, ERR_INVALID, "cannot be written");
        err_wrap(err, "attribute %s of %s", name, path);
    }
    if (attribute >= 0) {
        (void)H5Aclose(attribute);
    }
    if (type >= 0) {
        (void)H5Tclose(type);
    }
    if (space >= 0) {
        (void)H5Sclose(space);
    }
    if (object >= 0) {
        (void)H5Oclose(object);
    }
    return rc;
}

int h5_writer_finish(struct h5_writer *writer, struct buf *out, struct err *err)
{
    ssize_t size = -1;
    int rc;

    if (H5Fflush(writer->file, H5F_SCOPE_GLOBAL) >= 0) {
        size = H5Fget_file_image(writer->file, NULL, 0);
    }
    if (size <= 0) {
        return h5_fail(err, ERR_INVALID, "the HDF5 file cannot be finished");
    }
    rc = buf_reserve(out, (size_t)size, err);
    if (rc != 0) {
        return rc;
    }
    if (H5Fget_file_image(writer->file, out->data + out->len, (size_t)size) !=
        size) {
        return h5_fail(err, ERR_INVALID, "the HDF5 file cannot be finished");
    }
    out->len += (size_t)size;
    out->data[out->len] = '\0';
    return 0;
}
