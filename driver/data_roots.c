/* SPDX-License-Identifier: MIT
 *
 * data_roots: see data_roots.h.
 */
#include "driver/data_roots.h"

#include "common/mem.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Whether `path`, already free of links, is root or below it. */
static bool lies_under(const char *path, const char *root)
{
    char *real = realpath(root, NULL);
    size_t len = real != NULL ? strlen(real) : 0;
    bool under = len != 0 && strncmp(path, real, len) == 0 &&
                 (path[len] == '/' || path[len] == '\0' || len == 1);

    free(real);
    return under;
}

int data_roots_check_path(const struct opt_list *roots, const char *path,
                          struct err *err)
{
    char *real;
    bool allowed = false;

    if (roots->count == 0) {
        return 0;
    }
    real = realpath(path, NULL);
    for (size_t i = 0; real != NULL && i < roots->count && !allowed; i++) {
        allowed = lies_under(real, roots->items[i]);
    }
    free(real);
    if (!allowed) {
        return err_set(err, ERR_INVALID,
                       "data: source: %s: is not under a directory that "
                       "elephasd may read (--data-roots)",
                       path);
    }
    return 0;
}

/* Not a link to one, which could lead in a circle. */
static bool is_directory(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Files of a directory may be links to elsewhere. */
static int check_entries(const struct opt_list *roots, const char *path,
                         bool deep, struct err *err)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;
    int rc = 0;

    if (dir == NULL) {
        return err_errno(err, ERR_INVALID, errno, "data: source: %s", path);
    }
    while (rc == 0 && (entry = readdir(dir)) != NULL) {
        char *file;

        if (entry->d_name[0] == '.') {
            continue; /* not read as data either */
        }
        file = mem_printf("%s/%s", path, entry->d_name);
        rc = file != NULL ? data_roots_check_path(roots, file, err)
                          : err_nomem(err);
        if (rc == 0 && deep && is_directory(file)) {
            rc = check_entries(roots, file, deep, err);
        }
        mem_free(file);
    }
    (void)closedir(dir);
    return rc;
}

static int check_match(const struct opt_list *roots, const char *path,
                       bool deep, struct err *err)
{
    struct stat st;
    int rc;

    if (stat(path, &st) != 0) {
        return err_errno(err, ERR_INVALID, errno, "data: source: %s", path);
    }
    rc = data_roots_check_path(roots, path, err);
    if (rc == 0 && S_ISDIR(st.st_mode) && roots->count != 0) {
        rc = check_entries(roots, path, deep, err);
    } else if (rc == 0 && !S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode) &&
               roots->count != 0) {
        rc = err_set(err, ERR_INVALID,
                     "data: source: %s: is neither a file nor a directory",
                     path);
    }
    return rc;
}

static int check_source(const struct opt_list *roots, const char *source,
                        bool deep, struct err *err)
{
    glob_t found;
    int rc;

    if (strpbrk(source, "*?[") == NULL) {
        return check_match(roots, source, deep, err);
    }
    rc = glob(source, GLOB_NOSORT, NULL, &found);
    if (rc == GLOB_NOSPACE) {
        return err_nomem(err);
    }
    if (rc != 0) {
        return err_set(err, ERR_INVALID, "data: source: %s: no such file",
                       source);
    }
    for (size_t i = 0; rc == 0 && i < found.gl_pathc; i++) {
        rc = check_match(roots, found.gl_pathv[i], deep, err);
    }
    globfree(&found);
    return rc;
}

int data_roots_check(const struct opt_list *roots,
                     const struct job_strings *sources, bool deep,
                     struct err *err)
{
    for (size_t i = 0; i < sources->count; i++) {
        int rc = check_source(roots, sources->items[i], deep, err);

        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}
