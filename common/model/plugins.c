/* SPDX-License-Identifier: MIT
 *
 * plugins: see plugins.h.
 */
#include "common/model/plugins.h"

#include "common/buf.h"
#include "common/mem.h"

#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYMBOL_MAX 256

/* Whether only root and this user can change what is there. */
static int check_owner(const char *path, const char *what, struct err *err)
{
    struct stat st;

    if (stat(path, &st) != 0) {
        return err_errno(err, ERR_NOT_FOUND, errno, "%s", path);
    }
    if ((st.st_uid != 0 && st.st_uid != geteuid()) ||
        (st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return err_set(err, ERR_DENIED,
                       "%s %s: others can write it; it must belong to root or "
                       "you, with mode 0755",
                       what, path);
    }
    return 0;
}

/* The library is where its directory says, not behind a link to elsewhere. */
static int check_place(const char *dir, const char *path, struct err *err)
{
    char *real_dir = realpath(dir, NULL);
    char *real = realpath(path, NULL);
    size_t n = real_dir != NULL ? strlen(real_dir) : 0;
    int rc = 0;

    if (real_dir == NULL || real == NULL) {
        rc = err_errno(err, ERR_NOT_FOUND, errno, "%s", path);
    } else if (strncmp(real, real_dir, n) != 0 || real[n] != '/') {
        rc =
            err_set(err, ERR_DENIED, "%s: is a link that leaves %s", path, dir);
    } else if ((rc = check_owner(real_dir, "directory", err)) == 0) {
        rc = check_owner(real, "library", err);
    }
    free(real_dir);
    free(real);
    return rc;
}

/* Where the library is; *path is the caller's. */
static int find_one(const char *name, const struct opt_list *dirs, char **out,
                    struct err *err)
{
    char *path = NULL;
    size_t i = 0;
    int rc = 0;

    *out = NULL;
    if (name[0] == '\0' || strchr(name, '/') != NULL) {
        return err_set(err, ERR_INVALID,
                       "--custom-objects %s: give the file name alone; it is "
                       "looked for in --plugin-dirs",
                       name);
    }
    for (; i < dirs->count; i++) {
        mem_free(path);
        path = mem_printf("%s/%s", dirs->items[i], name);
        if (path == NULL) {
            return err_nomem(err);
        }
        if (access(path, F_OK) == 0) {
            break;
        }
    }
    if (i == dirs->count) {
        rc = err_set(err, ERR_NOT_FOUND,
                     "--custom-objects %s: it is in none of the %zu "
                     "directories of --plugin-dirs",
                     name, dirs->count);
    } else if (dirs->items[i][0] != '/') {
        rc = err_set(err, ERR_INVALID, "--plugin-dirs %s: give the whole path",
                     dirs->items[i]);
    } else {
        rc = check_place(dirs->items[i], path, err);
    }
    if (rc == 0) {
        *out = path;
    } else {
        mem_free(path);
    }
    return rc;
}

static int open_library(const char *name, const char *path, struct err *err)
{
    if (dlopen(path, RTLD_NOW | RTLD_GLOBAL) == NULL) {
        return err_set(err, ERR_INVALID, "--custom-objects %s: %s", name,
                       dlerror());
    }
    return 0;
}

static int load_one(const char *name, const struct opt_list *dirs,
                    struct err *err)
{
    char *path;
    int rc = find_one(name, dirs, &path, err);

    if (rc == 0) {
        rc = open_library(name, path, err);
        mem_free(path);
    }
    return rc;
}

static int load_shipped(const char *name, struct err *err)
{
    char *path;
    int rc;

    if (strchr(name, '/') != NULL) {
        return err_set(err, ERR_INVALID,
                       PLUGINS_SHIPPED_ENV ": %s: give the file name alone",
                       name);
    }
    path = mem_printf("./%s", name);
    rc = path != NULL ? open_library(name, path, err) : err_nomem(err);
    mem_free(path);
    return rc;
}

/* A list from the environment, cut up in *text, which the caller frees. */
static int from_environment(const char *variable, struct opt_list *out,
                            char **text, struct err *err)
{
    const char *value = getenv(variable);
    char *rest = NULL;

    if (value == NULL) {
        return 0;
    }
    *text = mem_strdup(value);
    if (*text == NULL) {
        return err_nomem(err);
    }
    for (char *item = strtok_r(*text, ":", &rest);
         item != NULL && out->count < OPT_LIST_MAX;
         item = strtok_r(NULL, ":", &rest)) {
        out->items[out->count++] = item;
    }
    return 0;
}

int plugins_load(const struct opt_list *dirs, const struct opt_list *names,
                 struct err *err)
{
    struct opt_list env_dirs = {0};
    struct opt_list env_names = {0};
    struct opt_list shipped = {0};
    char *dirs_text = NULL;
    char *names_text = NULL;
    char *shipped_text = NULL;
    int rc =
        from_environment(PLUGINS_SHIPPED_ENV, &shipped, &shipped_text, err);

    if (rc == 0 && dirs->count == 0) {
        rc = from_environment(PLUGINS_DIRS_ENV, &env_dirs, &dirs_text, err);
        dirs = &env_dirs;
    }
    if (rc == 0 && names->count == 0) {
        rc = from_environment(PLUGINS_NAMES_ENV, &env_names, &names_text, err);
        names = &env_names;
    }
    for (size_t i = 0; rc == 0 && i < names->count; i++) {
        rc = load_one(names->items[i], dirs, err);
    }
    for (size_t i = 0; rc == 0 && i < shipped.count; i++) {
        rc = load_shipped(shipped.items[i], err);
    }
    mem_free(dirs_text);
    mem_free(names_text);
    mem_free(shipped_text);
    return rc;
}

static int export_list(const char *variable, const struct opt_list *list,
                       struct err *err)
{
    struct buf text;
    int rc = 0;

    buf_init(&text, 1 << 20);
    for (size_t i = 0; rc == 0 && i < list->count; i++) {
        rc = buf_printf(&text, err, "%s%s", i > 0 ? ":" : "", list->items[i]);
    }
    if (rc == 0 && list->count > 0 &&
        setenv(variable, (const char *)text.data, 1) != 0) {
        rc = err_nomem(err);
    }
    buf_deinit(&text);
    return rc;
}

int plugins_export(const struct opt_list *dirs, const struct opt_list *names,
                   struct err *err)
{
    int rc = export_list(PLUGINS_DIRS_ENV, dirs, err);

    return rc != 0 ? rc : export_list(PLUGINS_NAMES_ENV, names, err);
}

int plugins_paths(const struct opt_list *dirs, const struct opt_list *names,
                  char between, char **out, struct err *err)
{
    struct buf text;
    int rc = 0;

    buf_init(&text, 1 << 20);
    for (size_t i = 0; rc == 0 && i < names->count; i++) {
        char *path;

        rc = find_one(names->items[i], dirs, &path, err);
        if (rc == 0 && i > 0) {
            rc = buf_append(&text, &between, 1, err);
        }
        if (rc == 0) {
            rc = buf_append(&text, path, strlen(path), err);
        }
        mem_free(path);
    }
    if (rc == 0) {
        rc = buf_append(&text, "", 1, err);
    }
    *out = rc == 0 ? mem_strdup((const char *)text.data) : NULL;
    buf_deinit(&text);
    return rc == 0 && *out == NULL ? err_nomem(err) : rc;
}

/* ---- what is loaded ------------------------------------------------------ */

/* How the structs of all kinds begin. */
struct head {
    uint32_t abi;
    const char *name;
};

#define CHECK_HEAD(type)                                                       \
    _Static_assert(offsetof(struct type, abi) == offsetof(struct head, abi) && \
                       offsetof(struct type, name) ==                          \
                           offsetof(struct head, name),                        \
                   #type " begins otherwise")

CHECK_HEAD(elephas_layer);
CHECK_HEAD(elephas_activation);
CHECK_HEAD(elephas_loss);
CHECK_HEAD(elephas_metric);

static const void *find(const char *kind, const char *name)
{
    char symbol[SYMBOL_MAX];
    const struct head *head;
    size_t at;

    if (strlen(kind) + strlen(name) + sizeof("elephas__") > sizeof(symbol)) {
        return NULL;
    }
    at = (size_t)snprintf(symbol, sizeof(symbol), "elephas_%s_", kind);
    for (const char *p = name; *p != '\0'; p++) {
        symbol[at++] = isalnum((unsigned char)*p) ? *p : '_';
    }
    symbol[at] = '\0';
    head = dlsym(RTLD_DEFAULT, symbol);
    return head != NULL && head->abi == ELEPHAS_PLUGIN_ABI &&
                   strcmp(head->name, name) == 0
               ? head
               : NULL;
}

const struct elephas_layer *plugins_layer(const char *registered_name)
{
    return find("layer", registered_name);
}

const struct elephas_activation *plugins_activation(const char *name)
{
    return find("activation", name);
}

const struct elephas_loss *plugins_loss(const char *registered_name)
{
    return find("loss", registered_name);
}

const struct elephas_metric *plugins_metric(const char *registered_name)
{
    return find("metric", registered_name);
}

bool plugins_is_custom(const char *name)
{
    return strchr(name, '>') != NULL;
}

const char *plugins_bare_name(const char *name)
{
    const char *at = strrchr(name, '>');

    return at != NULL ? at + 1 : name;
}

int plugins_missing(const char *what, const char *name, struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED,
                   "the custom %s %.100s is not one of Keras: it needs a "
                   "plug-in of that name, see --custom-objects",
                   what, name);
}
