/* SPDX-License-Identifier: MIT
 *
 * dataset: see dataset.h. One run of rows that grows by half its size, first
 * in memory, then as a shared mapping of the file.
 */
#include "worker/dataset.h"

#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FIRST_BYTES ((size_t)1 << 20)

struct dataset {
    size_t width;
    size_t row_bytes;
    size_t limit; /* bytes in memory */
    const char *directory;
    float *data; /* mem_alloc() or, if fd >= 0, a mapping */
    size_t rows;
    size_t room; /* in rows */
    int fd;
};

int dataset_create(size_t width, size_t memory, const char *directory,
                   struct dataset **out, struct err *err)
{
    struct dataset *d = mem_zalloc(sizeof(*d));

    *out = NULL;
    if (d == NULL) {
        return err_nomem(err);
    }
    if (directory == NULL) {
        directory = getenv("TMPDIR");
    }
    d->directory =
        directory != NULL && directory[0] != '\0' ? directory : "/tmp";
    d->width = width;
    d->row_bytes = width * sizeof(float);
    d->limit = memory;
    d->fd = -1;
    *out = d;
    return 0;
}

static size_t room_bytes(const struct dataset *d)
{
    return d->room * d->row_bytes;
}

void dataset_destroy(struct dataset **dataset)
{
    struct dataset *d = *dataset;

    if (d == NULL) {
        return;
    }
    if (d->fd < 0) {
        mem_free(d->data);
    } else {
        if (d->data != NULL) {
            (void)munmap(d->data, room_bytes(d));
        }
        (void)close(d->fd);
    }
    mem_free(d);
    *dataset = NULL;
}

static int open_file(struct dataset *d, struct err *err)
{
    char *path;
    int fd = open(d->directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0) { /* file systems without O_TMPFILE */
        path = mem_printf("%s/elephas-rows-XXXXXX", d->directory);
        if (path == NULL) {
            return err_nomem(err);
        }
        fd = mkostemp(path, O_CLOEXEC);
        if (fd >= 0) {
            (void)unlink(path);
        }
        mem_free(path);
    }
    if (fd < 0) {
        return err_errno(err, ERR_IO, errno,
                         "rows do not fit --memory and no temporary file can "
                         "be made in %s (see TMPDIR)",
                         d->directory);
    }
    d->fd = fd;
    return 0;
}

/* Makes the file `bytes` long, with its blocks. */
static int reserve_file(const struct dataset *d, size_t bytes, struct err *err)
{
    int number;

    do {
        number = posix_fallocate(d->fd, 0, (off_t)bytes);
    } while (number == EINTR);
    if (number != 0) {
        return err_errno(err, ERR_IO, number,
                         "%zu bytes of rows do not fit into %s (see TMPDIR and "
                         "--memory)",
                         bytes, d->directory);
    }
    return 0;
}

static int grow_file(struct dataset *d, size_t room, struct err *err)
{
    size_t bytes = room * d->row_bytes;
    void *data;
    int rc = reserve_file(d, bytes, err);

    if (rc != 0) {
        return rc;
    }
    data = d->data == NULL
               ? mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, d->fd, 0)
               : mremap(d->data, room_bytes(d), bytes, MREMAP_MAYMOVE);
    if (data == MAP_FAILED) {
        return err_errno(err, ERR_NOMEM, errno,
                         "%zu bytes of rows cannot be mapped", bytes);
    }
    d->data = data;
    d->room = room;
    return 0;
}

/* Moves the rows from memory to the file. */
static int spill(struct dataset *d, size_t room, struct err *err)
{
    float *old = d->data;
    size_t old_room = d->room;
    int rc = open_file(d, err);

    if (rc != 0) {
        return rc;
    }
    d->data = NULL;
    rc = grow_file(d, room, err);
    if (rc != 0) {
        (void)close(d->fd);
        d->fd = -1;
        d->data = old;
        d->room = old_room;
        return rc;
    }
    if (old != NULL) {
        memcpy(d->data, old, d->rows * d->row_bytes);
        mem_free(old);
    }
    return 0;
}

static int grow(struct dataset *d, struct err *err)
{
    size_t least = FIRST_BYTES / d->row_bytes + 1;
    size_t most = d->limit / d->row_bytes;
    size_t room = d->room + d->room / 2;
    float *data;

    if (room < least) {
        room = least;
    }
    if (room > SIZE_MAX / 2 / d->row_bytes) {
        return err_set(err, ERR_LIMIT, "too many rows");
    }
    if (d->fd >= 0) {
        return grow_file(d, room, err);
    }
    if (room > most) {
        if (d->rows >= most) {
            return spill(d, room, err);
        }
        room = most;
    }
    data = mem_resize_array(d->data, room, d->row_bytes);
    if (data == NULL) {
        return err_nomem(err);
    }
    d->data = data;
    d->room = room;
    return 0;
}

int dataset_append(struct dataset *d, float **row, struct err *err)
{
    if (d->rows == d->room) {
        int rc = grow(d, err);

        if (rc != 0) {
            return rc;
        }
    }
    *row = d->data + d->rows * d->width;
    d->rows++;
    return 0;
}

size_t dataset_rows(const struct dataset *d)
{
    return d->rows;
}

const float *dataset_row(const struct dataset *d, size_t index)
{
    return d->data + index * d->width;
}

size_t dataset_memory(const struct dataset *d)
{
    return d->fd < 0 ? room_bytes(d) : 0;
}

bool dataset_is_spilled(const struct dataset *d)
{
    return d->fd >= 0;
}
