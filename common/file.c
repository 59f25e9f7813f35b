/* SPDX-License-Identifier: MIT
 *
 * file: reading with a ceiling, writing by temporary file and rename; see
 * file.h.
 */
#include "common/file.h"

#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_CHUNK 65536

struct file_stage {
    char *path;      /* the final name */
    char *temporary; /* beside it */
    FILE *stream;
};

static int code_of(int number)
{
    switch (number) {
    case ENOENT:
    case ENOTDIR:
        return ERR_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS:
        return ERR_DENIED;
    case EISDIR:
        return ERR_INVALID;
    default:
        return ERR_IO;
    }
}

static int fail(struct err *err, const char *path)
{
    int number = errno;

    return err_errno(err, (enum err_code)code_of(number), number, "%s", path);
}

int file_read(const char *path, struct buf *out, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc = 0;
    ssize_t n = 1;

    if (fd < 0) {
        return fail(err, path);
    }
    while (n > 0 && rc == 0) {
        uint8_t chunk[READ_CHUNK];

        n = read(fd, chunk, sizeof(chunk));
        if (n > 0) {
            rc = buf_append(out, chunk, (size_t)n, err);
            if (rc != 0) {
                err_wrap(err, "%s", path);
            }
        }
    }
    if (n < 0 && rc == 0) {
        rc = fail(err, path);
    }
    (void)close(fd);
    return rc;
}

static void remove_temporary(struct file_stage *s)
{
    if (s->stream != NULL) {
        (void)fclose(s->stream);
        s->stream = NULL;
    }
    if (s->temporary != NULL) {
        (void)unlink(s->temporary);
    }
}

void file_stage_destroy(struct file_stage **stage)
{
    struct file_stage *s = *stage;

    if (s == NULL) {
        return;
    }
    remove_temporary(s);
    mem_free(s->path);
    mem_free(s->temporary);
    mem_free(s);
    *stage = NULL;
}

int file_stage_create(const char *path, unsigned mode, struct file_stage **out,
                      struct err *err)
{
    struct file_stage *s = mem_zalloc(sizeof(*s));
    struct stat st;
    int fd = -1;
    int rc = 0;

    if (s == NULL || (s->path = mem_strdup(path)) == NULL) {
        rc = err_nomem(err);
        goto out;
    }
    /* a device or a pipe would be replaced by the rename, not written to */
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        rc = err_set(err, ERR_INVALID, "%s: is %s", path,
                     S_ISDIR(st.st_mode) ? "a directory" : "no regular file");
        goto out;
    }
    s->temporary = mem_printf("%s.XXXXXX", path);
    if (s->temporary == NULL) {
        rc = err_nomem(err);
        goto out;
    }
    fd = mkostemp(s->temporary, O_CLOEXEC);
    if (fd < 0) {
        rc = fail(err, path);
        mem_free(s->temporary);
        s->temporary = NULL;
        goto out;
    }
    if (fchmod(fd, (mode_t)mode) != 0 ||
        (s->stream = fdopen(fd, "w+b")) == NULL) {
        rc = fail(err, path);
        goto out;
    }
    fd = -1; /* the stream owns it */
    *out = s;
    s = NULL;
out:
    if (fd >= 0) {
        (void)close(fd);
    }
    file_stage_destroy(&s);
    return rc;
}

FILE *file_stage_stream(struct file_stage *stage)
{
    return stage->stream;
}

const char *file_stage_path(const struct file_stage *stage)
{
    return stage->temporary;
}

/* Makes a rename in the file's directory last; the path is cut off. */
static int sync_directory(char *path)
{
    int fd = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = -1;

    if (fd >= 0) {
        rc = fsync(fd);
        (void)close(fd);
    }
    return rc;
}

int file_stage_commit(struct file_stage **stage, struct err *err)
{
    struct file_stage *s = *stage;
    FILE *stream = s->stream;
    int rc = 0;
    int closed;

    s->stream = NULL;
    if (fflush(stream) != 0 || ferror(stream) || fsync(fileno(stream)) != 0) {
        rc = fail(err, s->path);
    }
    closed = fclose(stream);
    if (rc == 0 && closed != 0) {
        rc = fail(err, s->path);
    }
    if (rc == 0 && rename(s->temporary, s->path) != 0) {
        rc = fail(err, s->path);
    }
    if (rc == 0) {
        /* the temporary file has the final name now; its old one still tells
         * the directory, and needs no memory */
        if (sync_directory(s->temporary) != 0) {
            rc = fail(err, s->path);
        }
        mem_free(s->temporary);
        s->temporary = NULL;
    }
    file_stage_destroy(stage);
    return rc;
}

int file_write(const char *path, struct view data, unsigned mode,
               struct err *err)
{
    struct file_stage *stage = NULL;
    int rc = file_stage_create(path, mode, &stage, err);

    if (rc != 0) {
        return rc;
    }
    if (data.len != 0 &&
        fwrite(data.data, 1, data.len, stage->stream) != data.len) {
        rc = fail(err, path);
        file_stage_destroy(&stage);
        return rc;
    }
    return file_stage_commit(&stage, err);
}

int file_check_writable(const char *path, struct err *err)
{
    struct file_stage *stage = NULL;
    int rc = file_stage_create(path, 0600, &stage, err);

    file_stage_destroy(&stage);
    return rc;
}

int file_make_dirs(const char *path, unsigned mode, struct err *err)
{
    char *copy = mem_strdup(path);
    int rc = 0;

    if (copy == NULL) {
        return err_nomem(err);
    }
    for (char *p = copy + 1; rc == 0 && *p != '\0'; p++) {
        if (*p != '/') {
            continue;
        }
        *p = '\0';
        if (mkdir(copy, 0755) != 0 && errno != EEXIST) {
            rc = fail(err, copy);
        }
        *p = '/';
    }
    if (rc == 0 && mkdir(path, (mode_t)mode) != 0) {
        struct stat st;

        if (errno != EEXIST) {
            rc = fail(err, path);
        } else if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
            rc = err_set(err, ERR_INVALID, "%s: is not a directory", path);
        }
    }
    mem_free(copy);
    return rc;
}

static int remove_entry(const char *path, const struct stat *st, int type,
                        struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

int file_remove_tree(const char *path, struct err *err)
{
    if (nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0 &&
        errno != ENOENT) {
        return fail(err, path);
    }
    return 0;
}
