/* SPDX-License-Identifier: MIT
 *
 * row_files: see row_files.h. A source that exists is taken as it is, even if
 * its name has the characters of a glob.
 */
#include "driver/row_files.h"

#include "common/mem.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int refuse(const char *path, int number, struct err *err)
{
    enum err_code code = number == ENOENT || number == ENOTDIR ? ERR_NOT_FOUND
                         : number == EACCES || number == EPERM ? ERR_DENIED
                                                               : ERR_IO;

    return err_errno(err, code, number, "%s", path);
}

/* Takes ownership of path. */
static int append(struct row_files *files, char *path, struct err *err)
{
    char **bigger;

    if (path == NULL) {
        return err_nomem(err);
    }
    bigger = mem_resize_array(files->paths, files->count + 1, sizeof(*bigger));
    if (bigger == NULL) {
        mem_free(path);
        return err_nomem(err);
    }
    files->paths = bigger;
    files->paths[files->count++] = path;
    return 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The regular files of a directory; folders in it are passed over. */
static int add_directory(struct row_files *files, const char *path,
                         struct err *err)
{
    DIR *dir = opendir(path);
    size_t first = files->count;
    struct dirent *entry;
    int rc = 0;

    if (dir == NULL) {
        return refuse(path, errno, err);
    }
    while (rc == 0 && (errno = 0, entry = readdir(dir)) != NULL) {
        struct stat st;
        char *name;

        if (entry->d_name[0] == '.' || entry->d_name[0] == '_') {
            continue;
        }
        name = mem_printf("%s/%s", path, entry->d_name);
        if (name != NULL && stat(name, &st) == 0 && S_ISDIR(st.st_mode)) {
            mem_free(name);
            continue;
        }
        rc = append(files, name, err);
    }
    if (rc == 0 && errno != 0) {
        rc = refuse(path, errno, err);
    }
    (void)closedir(dir);
    if (rc == 0 && files->count == first) {
        rc = err_set(err, ERR_INVALID, "%s: the directory has no files", path);
    }
    if (files->count - first > 1) {
        qsort(files->paths + first, files->count - first, sizeof(char *),
              compare);
    }
    return rc;
}

/* A path that exists. */
static int add_path(struct row_files *files, const char *path,
                    const struct stat *st, struct err *err)
{
    if (S_ISDIR(st->st_mode)) {
        return add_directory(files, path, err);
    }
    if (!S_ISREG(st->st_mode)) {
        return err_set(err, ERR_INVALID,
                       "%s: neither a regular file nor a directory", path);
    }
    return append(files, mem_strdup(path), err);
}

static int add_glob(struct row_files *files, const char *pattern,
                    struct err *err)
{
    glob_t found;
    int status = glob(pattern, GLOB_ERR, NULL, &found);
    int rc = 0;

    if (status == GLOB_NOMATCH) {
        return err_set(err, ERR_NOT_FOUND, "%s: no such file, and no match",
                       pattern);
    }
    if (status != 0) {
        globfree(&found);
        return status == GLOB_NOSPACE ? err_nomem(err)
                                      : refuse(pattern, errno, err);
    }
    for (size_t i = 0; rc == 0 && i < found.gl_pathc; i++) {
        struct stat st;

        rc = stat(found.gl_pathv[i], &st) == 0
                 ? add_path(files, found.gl_pathv[i], &st, err)
                 : refuse(found.gl_pathv[i], errno, err);
    }
    globfree(&found);
    return rc;
}

int row_files_add(struct row_files *files, const char *source, struct err *err)
{
    struct stat st;

    if (stat(source, &st) == 0) {
        return add_path(files, source, &st, err);
    }
    if (errno == ENOENT && strpbrk(source, "*?[") != NULL) {
        return add_glob(files, source, err);
    }
    return refuse(source, errno, err);
}

void row_files_deinit(struct row_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        mem_free(files->paths[i]);
    }
    mem_free(files->paths);
    *files = (struct row_files){0};
}
