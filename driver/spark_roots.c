/* SPDX-License-Identifier: MIT
 *
 * spark_roots: see spark_roots.h.
 */
#include "driver/spark_roots.h"

#include "common/mem.h"
#include "driver/data_roots.h"

#include <jansson.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

static int refuse(const char *what, const char *name, struct err *err)
{
    return err_set(err, ERR_INVALID,
                   "%s: %s: is not under a directory that elephasd may use "
                   "(--data-roots)",
                   what, name);
}

/* The path of a local name: what is behind "file:" and its slashes; NULL if it
 * is another kind of URL or on another host. */
static const char *local_path(const char *name)
{
    if (strncmp(name, "file:", 5) == 0) {
        name += 5;
        if (strncmp(name, "//", 2) == 0) {
            name += 2;
        }
    }
    return name[0] == '/' ? name : NULL;
}

static bool climbs(const char *name)
{
    for (const char *p = strstr(name, ".."); p != NULL;
         p = strstr(p + 2, "..")) {
        if ((p == name || p[-1] == '/') && (p[2] == '/' || p[2] == '\0')) {
            return true;
        }
    }
    return false;
}

static bool url_lies_under(const char *url, const char *root)
{
    size_t len = strlen(root);

    while (len > 1 && root[len - 1] == '/') {
        len--;
    }
    return strstr(root, "://") != NULL && strncmp(url, root, len) == 0 &&
           (url[len] == '/' || url[len] == '\0');
}

static int check_url(const struct opt_list *roots, const char *what,
                     const char *url, struct err *err)
{
    /* braces and backslashes are Hadoop's: they could spell ".." */
    if (!climbs(url) && strpbrk(url, "{}\\") == NULL) {
        for (size_t i = 0; i < roots->count; i++) {
            if (url_lies_under(url, roots->items[i])) {
                return 0;
            }
        }
    }
    return refuse(what, url, err);
}

static int check_local(const struct opt_list *roots, const char *path,
                       struct err *err)
{
    char *copy = mem_strdup(path);
    const struct job_strings one = {&copy, 1};
    int rc = copy != NULL ? data_roots_check(roots, &one, true, err)
                          : err_nomem(err);

    mem_free(copy);
    return rc;
}

static int check_sources(const struct opt_list *roots,
                         const struct job_strings *sources, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < sources->count; i++) {
        const char *path = local_path(sources->items[i]);

        rc = path != NULL
                 ? check_local(roots, path, err)
                 : check_url(roots, "data: source", sources->items[i], err);
    }
    return rc;
}

/* What is there of the way to an output must be under a root already. */
static int check_output(const struct opt_list *roots, const char *name,
                        struct err *err)
{
    const char *path = local_path(name);
    struct err why = {0};
    char *part;
    int rc;

    if (path == NULL) {
        return check_url(roots, "output", name, err);
    }
    if (climbs(path)) {
        return refuse("output", name, err);
    }
    part = mem_strdup(path);
    if (part == NULL) {
        return err_nomem(err);
    }
    while (part[1] != '\0' && access(part, F_OK) != 0) {
        char *slash = strrchr(part, '/');

        slash[slash == part] = '\0';
    }
    rc = data_roots_check_path(roots, part, &why);
    mem_free(part);
    return rc == 0 ? 0 : refuse("output", name, err);
}

static bool is_plain_name(const char *table)
{
    return table[strspn(table, "abcdefghijklmnopqrstuvwxyz"
                               "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.")] ==
           '\0';
}

static int check_queries(const json_t *options, struct err *err)
{
    const char *table = json_string_value(json_object_get(options, "table"));

    if (json_object_get(options, "sql") != NULL) {
        return err_set(err, ERR_INVALID,
                       "sql: a query may read anything: elephasd allows none, "
                       "as it has --data-roots");
    }
    if (table != NULL && !is_plain_name(table)) {
        return err_set(err, ERR_INVALID,
                       "table: %s: elephasd allows tables of the catalog only, "
                       "as it has --data-roots",
                       table);
    }
    return 0;
}

int spark_roots_check(const struct opt_list *roots, const struct job_spec *spec,
                      struct err *err)
{
    const json_t *options = spec->engine_options;
    const char *output = json_string_value(
        json_object_get(json_object_get(options, "output"), "path"));
    int rc;

    if (roots->count == 0) {
        return 0;
    }
    rc = check_sources(roots, &spec->sources, err);
    if (rc == 0) {
        rc = check_sources(roots, &spec->validation_sources, err);
    }
    if (rc == 0) {
        rc = check_queries(options, err);
    }
    return rc == 0 && output != NULL ? check_output(roots, output, err) : rc;
}
