/* SPDX-License-Identifier: MIT
 *
 * plugins: finds and loads the shared libraries of plugin.h. A library runs
 * with all rights of the process, so it is taken only from directories that
 * were allowed, and only if nobody but root and the user of the process can
 * have written it. What is loaded stays until the process ends; the dynamic
 * linker keeps the list.
 */
#ifndef COMMON_MODEL_PLUGINS_H
#define COMMON_MODEL_PLUGINS_H

#include "common/err.h"
#include "common/model/plugin.h"
#include "common/opt.h"

#include <stdbool.h>

#define PLUGINS_DIRS_ENV "ELEPHAS_PLUGIN_DIRS"     /* DIR:DIR:... */
#define PLUGINS_NAMES_ENV "ELEPHAS_CUSTOM_OBJECTS" /* NAME:NAME:... */
/* Libraries that came along with the worker, as Spark's files do: they lie in
 * the working directory and are trusted as the worker itself. NAME:NAME:... */
#define PLUGINS_SHIPPED_ENV "ELEPHAS_SHIPPED_PLUGINS"

/* Loads each library of `names` (file names without a directory) from the
 * first of `dirs` that has it, and those that were shipped. Where a list is
 * empty, the environment variable is read instead, which is how elephasd tells
 * its workers. Call it before threads start. ERR_DENIED, ERR_NOT_FOUND,
 * ERR_INVALID name the library. */
int plugins_load(const struct opt_list *dirs, const struct opt_list *names,
                 struct err *err) ERR_CHECKED;
/* Sets both variables for the processes that this one starts. */
int plugins_export(const struct opt_list *dirs, const struct opt_list *names,
                   struct err *err) ERR_CHECKED;

/* Where the libraries are, as a list with `between` after each but the last;
 * empty if there are none. *out is the caller's, mem_free(). */
int plugins_paths(const struct opt_list *dirs, const struct opt_list *names,
                  char between, char **out, struct err *err) ERR_CHECKED;

/* What is loaded under this registered name; NULL if there is nothing, or for
 * another version of the interface. */
const struct elephas_layer *plugins_layer(const char *registered_name);
const struct elephas_activation *plugins_activation(const char *name);
const struct elephas_loss *plugins_loss(const char *registered_name);
const struct elephas_metric *plugins_metric(const char *registered_name);
/* Whether it is the name of an object of someone's own: "package>name". */
bool plugins_is_custom(const char *name);
/* ERR_UNSUPPORTED: `what` ("loss") of that name needs a plug-in. */
int plugins_missing(const char *what, const char *name, struct err *err);
/* The name that a function has in Python: without its package. */
const char *plugins_bare_name(const char *name);

#endif
