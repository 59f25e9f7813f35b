/* SPDX-License-Identifier: MIT
 *
 * source: see source.h.
 */
#include "driver/submit/source.h"

#include "common/mem.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

static bool is_pattern(const char *path)
{
    return strpbrk(path, "*?[") != NULL;
}

static int check_pattern(const char *path, struct err *err)
{
    glob_t found;
    int rc = glob(path, GLOB_NOSORT, NULL, &found);

    globfree(&found);
    if (rc == GLOB_NOSPACE) {
        return err_nomem(err);
    }
    if (rc != 0) {
        return err_set(err, ERR_INVALID, "%s: no file matches", path);
    }
    return 0;
}

/* The path as the daemon will see it; it need not exist. Owned. */
static int make_absolute(const char *path, char **out, struct err *err)
{
    char here[PATH_MAX];

    if (path[0] == '/') {
        *out = mem_strdup(path);
        return *out != NULL ? 0 : err_nomem(err);
    }
    if (getcwd(here, sizeof(here)) == NULL) {
        return err_errno(err, ERR_IO, errno, "the current directory");
    }
    *out = mem_printf("%s/%s", strcmp(here, "/") == 0 ? "" : here, path);
    return *out != NULL ? 0 : err_nomem(err);
}

static int check_local(const char *path, struct err *err)
{
    if (access(path, R_OK) == 0) {
        return 0;
    }
    if (errno == ENOENT && is_pattern(path)) {
        return check_pattern(path, err);
    }
    return err_errno(err, ERR_INVALID, errno, "%s", path);
}

static int source_path(const char *source, bool local, char **out,
                       struct err *err)
{
    int rc;

    if (*source == '\0') {
        return err_set(err, ERR_INVALID, "an empty path");
    }
    if (strstr(source, "://") != NULL) {
        *out = mem_strdup(source);
        return *out != NULL ? 0 : err_nomem(err);
    }
    if (!local && source[0] != '/') {
        return err_set(err, ERR_INVALID,
                       "%s: elephasd is on another machine; give the path "
                       "there, beginning with /",
                       source);
    }
    rc = make_absolute(source, out, err);
    if (rc == 0 && local) {
        rc = check_local(*out, err);
        if (rc != 0) {
            mem_free(*out);
            *out = NULL;
        }
    }
    return rc;
}

/* JSON text is UTF-8; a path need not be. */
static int append_text(json_t *list, const char *text, struct err *err)
{
    unsigned long refused = mem_refused();

    if (json_array_append_new(list, json_string(text)) == 0) {
        return 0;
    }
    return mem_refused() != refused
               ? err_nomem(err)
               : err_set(err, ERR_INVALID, "%s: the path is not UTF-8", text);
}

int source_list(const struct opt_list *sources, const char *option, bool local,
                json_t **out, struct err *err)
{
    json_t *list = json_array();
    int rc = list != NULL ? 0 : err_nomem(err);

    for (size_t i = 0; rc == 0 && i < sources->count; i++) {
        char *path = NULL;

        rc = source_path(sources->items[i], local, &path, err);
        if (rc == 0) {
            rc = append_text(list, path, err);
        }
        mem_free(path);
    }
    if (rc != 0) {
        if (rc != ERR_NOMEM) {
            (void)err_wrap(err, "%s", option);
        }
        json_decref(list);
        return rc;
    }
    *out = list;
    return 0;
}

int source_output(const char *path, bool local, char **out, struct err *err)
{
    if (strstr(path, "://") == NULL && path[0] != '/') {
        if (local) {
            return make_absolute(path, out, err);
        }
        return err_set(err, ERR_INVALID,
                       "--output %s: elephasd is on another machine; give the "
                       "path there, beginning with /",
                       path);
    }
    *out = mem_strdup(path);
    return *out != NULL ? 0 : err_nomem(err);
}
