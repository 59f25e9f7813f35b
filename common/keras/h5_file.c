/* SPDX-License-Identifier: MIT
 *
 * h5_file: reading with the HDF5 library itself; see h5_file.h. The image is
 * given to the library's core driver through callbacks that hand over the
 * caller's bytes where the driver would copy them.
 */
#include "common/keras/h5_file.h"

#include "common/mem.h"

#include <stdio.h>
#include <string.h>

#define PATH_MAX_LEN 4096
/* A dataset that claims more than this many times the bytes that the file
 * stores for it is refused; Keras writes neither chunks nor filters. */
#define EXPANSION_MAX 1000
#define EXPANSION_FLOOR (UINT64_C(1) << 20)
#define CHUNK_MAX (UINT64_C(64) << 20)

struct h5_file {
    hid_t file;
    void *image; /* borrowed; HDF5's interface wants it writable */
    size_t size;
};

/* ---- errors ------------------------------------------------------------- */

struct cause {
    char text[160];
    bool memory;
};

static herr_t first_cause(unsigned n, const H5E_error2_t *entry, void *data)
{
    struct cause *cause = data;

    (void)n;
    (void)snprintf(cause->text, sizeof(cause->text), "%s",
                   entry->desc != NULL ? entry->desc : "unknown fault");
    cause->memory = entry->min_num == H5E_NOSPACE;
    return 1; /* the innermost is enough */
}

int h5_fail(struct err *err, enum err_code code, const char *what)
{
    struct cause cause = {"unknown fault", false};

    (void)H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, first_cause, &cause);
    (void)H5Eclear2(H5E_DEFAULT);
    return err_set(err, cause.memory ? ERR_NOMEM : code, "%s (HDF5: %s)", what,
                   cause.text);
}

void h5_quiet(void)
{
    (void)H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    (void)H5PLset_loading_state(0);
}

/* ---- the image ---------------------------------------------------------- */

static void *image_malloc(size_t size, H5FD_file_image_op_t op, void *udata)
{
    struct h5_file *h5 = udata;

    (void)op;
    return size == h5->size ? h5->image : NULL;
}

static void *image_memcpy(void *to, const void *from, size_t size,
                          H5FD_file_image_op_t op, void *udata)
{
    (void)size;
    (void)op;
    (void)udata;
    return to == from ? to : NULL;
}

static void *image_realloc(void *p, size_t size, H5FD_file_image_op_t op,
                           void *udata)
{
    (void)p;
    (void)size;
    (void)op;
    (void)udata;
    return NULL; /* it never grows */
}

static herr_t image_free(void *p, H5FD_file_image_op_t op, void *udata)
{
    (void)p;
    (void)op;
    (void)udata;
    return 0; /* the caller's bytes */
}

static void *udata_copy(void *udata)
{
    return udata;
}

static herr_t udata_free(void *udata)
{
    (void)udata;
    return 0;
}

static int open_image(struct h5_file *h5, struct err *err)
{
    H5FD_file_image_callbacks_t calls = {image_malloc,
                                         image_memcpy,
                                         image_realloc,
                                         image_free,
                                         udata_copy,
                                         udata_free,
                                         h5};
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    char name[64];
    int rc = 0;

    /* the core driver wants a name that is no file, and takes two open files
     * of one name for the same */
    (void)snprintf(name, sizeof(name), "/dev/null/%p", (void *)h5);
    if (access >= 0 && H5Pset_fapl_core(access, 65536, 0) >= 0 &&
        H5Pset_file_image_callbacks(access, &calls) >= 0 &&
        H5Pset_file_image(access, h5->image, h5->size) >= 0 &&
        H5Pset_fclose_degree(access, H5F_CLOSE_STRONG) >= 0) {
        h5->file = H5Fopen(name, H5F_ACC_RDONLY, access);
    }
    if (h5->file < 0) {
        rc = h5_fail(err, ERR_INVALID,
                     "is not a complete HDF5 file: truncated or damaged");
    }
    if (access >= 0) {
        (void)H5Pclose(access);
    }
    return rc;
}

int h5_file_open(struct view image, struct h5_file **out, struct err *err)
{
    struct h5_file *h5;
    int rc;

    if (image.len == 0) {
        return err_set(err, ERR_INVALID, "is empty, not an HDF5 file");
    }
    h5_quiet();
    h5 = mem_zalloc(sizeof(*h5));
    if (h5 == NULL) {
        return err_nomem(err);
    }
    memcpy(&h5->image, &image.data, sizeof(h5->image));
    h5->size = image.len;
    h5->file = H5I_INVALID_HID;
    rc = open_image(h5, err);
    if (rc != 0) {
        mem_free(h5);
        return rc;
    }
    *out = h5;
    return 0;
}

void h5_file_close(struct h5_file **h5)
{
    if (*h5 == NULL) {
        return;
    }
    (void)H5Fclose((*h5)->file);
    (void)H5Eclear2(H5E_DEFAULT);
    mem_free(*h5);
    *h5 = NULL;
}

/* ---- finding ------------------------------------------------------------ */

/* Whether every link on the way is a hard one: only these stay inside. */
static bool path_is_plain(const struct h5_file *h5, const char *path)
{
    char part[PATH_MAX_LEN];
    size_t len = strlen(path);

    if (len == 0 || len >= sizeof(part)) {
        return false;
    }
    for (size_t i = 1; i <= len; i++) {
        H5L_info_t info;

        if ((path[i] != '/' && path[i] != '\0') || path[i - 1] == '/') {
            continue;
        }
        memcpy(part, path, i);
        part[i] = '\0';
        if (H5Lexists(h5->file, part, H5P_DEFAULT) <= 0 ||
            H5Lget_info(h5->file, part, &info, H5P_DEFAULT) < 0 ||
            info.type != H5L_TYPE_HARD) {
            return false;
        }
    }
    return true;
}

static hid_t open_object(const struct h5_file *h5, const char *path,
                         H5I_type_t type)
{
    hid_t id = H5I_INVALID_HID;

    if (path[0] == '\0') {
        id = H5Gopen2(h5->file, "/", H5P_DEFAULT);
    } else if (path_is_plain(h5, path)) {
        id = H5Oopen(h5->file, path, H5P_DEFAULT);
    }
    if (id >= 0 && type != H5I_BADID && H5Iget_type(id) != type) {
        (void)H5Oclose(id);
        id = H5I_INVALID_HID;
    }
    (void)H5Eclear2(H5E_DEFAULT);
    return id;
}

hid_t h5_file_object(const struct h5_file *h5, const char *path)
{
    return open_object(h5, path, H5I_BADID);
}

static bool has_object(const struct h5_file *h5, const char *path,
                       H5I_type_t type)
{
    hid_t id = open_object(h5, path, type);

    if (id < 0) {
        return false;
    }
    (void)H5Oclose(id);
    return true;
}

bool h5_file_has_group(const struct h5_file *h5, const char *path)
{
    return has_object(h5, path, H5I_GROUP);
}

bool h5_file_has_dataset(const struct h5_file *h5, const char *path)
{
    return has_object(h5, path, H5I_DATASET);
}

size_t h5_file_member_count(const struct h5_file *h5, const char *path)
{
    hid_t id = open_object(h5, path, H5I_GROUP);
    H5G_info_t info = {0};

    if (id < 0) {
        return 0;
    }
    if (H5Gget_info(id, &info) < 0) {
        info.nlinks = 0;
    }
    (void)H5Oclose(id);
    (void)H5Eclear2(H5E_DEFAULT);
    return (size_t)info.nlinks;
}

/* ---- datasets ----------------------------------------------------------- */

static int read_shape(hid_t set, const char *path, struct shape *out,
                      struct err *err)
{
    hid_t space = H5Dget_space(set);
    hsize_t dims[H5S_MAX_RANK];
    H5S_class_t class = H5S_NO_CLASS;
    int rank = -1;

    if (space >= 0) {
        class = H5Sget_simple_extent_type(space);
        rank = H5Sget_simple_extent_dims(space, dims, NULL);
        (void)H5Sclose(space);
    }
    if (rank < 0 || (class != H5S_SIMPLE && class != H5S_SCALAR)) {
        return err_set(err, ERR_INVALID, "%s has no readable shape", path);
    }
    if (rank > SHAPE_MAX_RANK) {
        return err_set(err, ERR_LIMIT, "%s has %d axes; at most %d are read",
                       path, rank, SHAPE_MAX_RANK);
    }
    out->rank = rank;
    for (int i = 0; i < rank; i++) {
        if (dims[i] > (hsize_t)SHAPE_MAX_ELEMENTS) {
            return err_set(err, ERR_LIMIT, "%s has an axis of %llu", path,
                           (unsigned long long)dims[i]);
        }
        out->dim[i] = (int64_t)dims[i];
    }
    return 0;
}

static int check_type(hid_t set, const char *path, size_t *size,
                      struct err *err)
{
    hid_t type = H5Dget_type(set);
    H5T_class_t class = H5T_NO_CLASS;

    if (type >= 0) {
        class = H5Tget_class(type);
        *size = H5Tget_size(type);
        (void)H5Tclose(type);
    }
    if (class != H5T_FLOAT && class != H5T_INTEGER) {
        return err_set(err, ERR_INVALID, "%s does not hold numbers", path);
    }
    if (H5Aexists(set, "dtype") > 0) {
        return err_set(err, ERR_UNSUPPORTED,
                       "%s is of a special type (bfloat16 or float8); only "
                       "ordinary numbers are read",
                       path);
    }
    return 0;
}

/* How the numbers are stored: inside of this file, and really there. */
static int check_storage(hid_t set, const char *path, uint64_t bytes,
                         struct err *err)
{
    hid_t plist = H5Dget_create_plist(set);
    hsize_t dims[H5S_MAX_RANK];
    uint64_t chunk = 1;
    uint64_t stored = H5Dget_storage_size(set);
    H5D_layout_t layout = H5D_LAYOUT_ERROR;
    int external = 0;
    int rank = 0;

    if (plist >= 0) {
        layout = H5Pget_layout(plist);
        if (layout == H5D_CONTIGUOUS) {
            external = H5Pget_external_count(plist);
        } else if (layout == H5D_CHUNKED) {
            rank = H5Pget_chunk(plist, H5S_MAX_RANK, dims);
        }
        (void)H5Pclose(plist);
    }
    for (int i = 0; i < rank; i++) {
        chunk = dims[i] < CHUNK_MAX ? chunk * dims[i] : CHUNK_MAX + 1;
        if (chunk > CHUNK_MAX) {
            return err_set(err, ERR_LIMIT, "%s is stored in oversized chunks",
                           path);
        }
    }
    if (external != 0 || (layout != H5D_CONTIGUOUS && layout != H5D_COMPACT &&
                          layout != H5D_CHUNKED)) {
        return err_set(err, ERR_INVALID,
                       "%s keeps its numbers outside of this file", path);
    }
    if (layout == H5D_CHUNKED && bytes > EXPANSION_FLOOR &&
        bytes / EXPANSION_MAX > stored) {
        return err_set(err, ERR_LIMIT,
                       "%s claims to expand from %llu to %llu bytes, which no "
                       "weights do",
                       path, (unsigned long long)stored,
                       (unsigned long long)bytes);
    }
    if (layout != H5D_CHUNKED && stored < bytes) {
        return err_set(err, ERR_INVALID, "%s holds no data", path);
    }
    return 0;
}

static int check_dataset(hid_t set, const char *path, const struct shape *want,
                         struct err *err)
{
    struct shape got;
    size_t size = 0;
    int rc = read_shape(set, path, &got, err);

    if (rc == 0 && !shape_equal(&got, want)) {
        char g[SHAPE_TEXT_SIZE];
        char w[SHAPE_TEXT_SIZE];

        rc = err_set(err, ERR_INVALID,
                     "%s is %s in the file, but the configuration wants %s",
                     path, shape_text(&got, g), shape_text(want, w));
    }
    if (rc == 0) {
        rc = check_type(set, path, &size, err);
    }
    if (rc == 0) {
        rc = check_storage(set, path, (uint64_t)shape_size(want) * size, err);
    }
    return rc;
}

static int open_dataset(const struct h5_file *h5, const char *path, hid_t *out,
                        struct err *err)
{
    *out = open_object(h5, path, H5I_DATASET);
    if (*out < 0) {
        return err_set(err, ERR_INVALID, "%s is not in the file", path);
    }
    return 0;
}

int h5_file_check(const struct h5_file *h5, const char *path,
                  const struct shape *want, struct err *err)
{
    hid_t set;
    int rc = open_dataset(h5, path, &set, err);

    if (rc != 0) {
        return rc;
    }
    rc = check_dataset(set, path, want, err);
    (void)H5Dclose(set);
    (void)H5Eclear2(H5E_DEFAULT);
    return rc;
}

static int read_numbers(const struct h5_file *h5, const char *path,
                        const struct shape *want, hid_t type, void *out,
                        struct err *err)
{
    hid_t set;
    int rc = open_dataset(h5, path, &set, err);

    if (rc != 0) {
        return rc;
    }
    rc = check_dataset(set, path, want, err);
    if (rc == 0 && H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out) < 0) {
        rc = h5_fail(err, ERR_INVALID, "cannot be read");
        err_wrap(err, "%s", path);
    }
    (void)H5Dclose(set);
    (void)H5Eclear2(H5E_DEFAULT);
    return rc;
}

int h5_file_read_floats(const struct h5_file *h5, const char *path,
                        const struct shape *want, float *out, struct err *err)
{
    return read_numbers(h5, path, want, H5T_NATIVE_FLOAT, out, err);
}

int h5_file_read_int(const struct h5_file *h5, const char *path, int64_t *out,
                     struct err *err)
{
    const struct shape scalar = {.rank = 0};

    return read_numbers(h5, path, &scalar, H5T_NATIVE_INT64, out, err);
}
