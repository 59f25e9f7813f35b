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

#define PLUGINS_DIRS_ENV "ELEPHAS_PLUGIN_DIRS"     /* DIR:DIR:... */
#define PLUGINS_NAMES_ENV "ELEPHAS_CUSTOM_OBJECTS" /* NAME:NAME:... */

/* Loads each library of `names` (file names without a directory) from the
 * first of `dirs` that has it. Where a list is empty, the environment variable
 * is read instead, which is how elephasd tells its workers. Call it before
 * threads start. ERR_DENIED, ERR_NOT_FOUND, ERR_INVALID name the library. */
int plugins_load(const struct opt_list *dirs, const struct opt_list *names,
                 struct err *err) ERR_CHECKED;
/* Sets both variables for the processes that this one starts. */
int plugins_export(const struct opt_list *dirs, const struct opt_list *names,
                   struct err *err) ERR_CHECKED;

/* The loaded layer that is registered under this name; NULL if there is none,
 * or one for another version of the interface. */
const struct elephas_layer *plugins_layer(const char *registered_name);

#endif
