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
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYMBOL_PREFIX "elephas_layer_"
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

static int load_one(const char *name, const struct opt_list *dirs,
                    struct err *err)
{
    char *path = NULL;
    size_t i = 0;
    int rc = 0;

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
    } else if ((rc = check_place(dirs->items[i], path, err)) == 0 &&
               dlopen(path, RTLD_NOW | RTLD_GLOBAL) == NULL) {
        rc = err_set(err, ERR_INVALID, "--custom-objects %s: %s", name,
                     dlerror());
    }
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
    char *dirs_text = NULL;
    char *names_text = NULL;
    int rc = 0;

    if (dirs->count == 0) {
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
    mem_free(dirs_text);
    mem_free(names_text);
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

const struct elephas_layer *plugins_layer(const char *registered_name)
{
    char symbol[SYMBOL_MAX] = SYMBOL_PREFIX;
    size_t at = strlen(symbol);
    const struct elephas_layer *layer;

    if (at + strlen(registered_name) >= sizeof(symbol)) {
        return NULL;
    }
    for (const char *p = registered_name; *p != '\0'; p++) {
        symbol[at++] = isalnum((unsigned char)*p) ? *p : '_';
    }
    symbol[at] = '\0';
    layer = dlsym(RTLD_DEFAULT, symbol);
    return layer != NULL && layer->abi == ELEPHAS_PLUGIN_ABI &&
                   strcmp(layer->name, registered_name) == 0
               ? layer
               : NULL;
}
