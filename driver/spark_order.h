/* SPDX-License-Identifier: MIT
 *
 * spark_order: what the daemon hands to Spark for one run of a job: the order
 * for the bridge (docs/PROTOCOL.md section 7.2) and the command line of
 * spark-submit. Secrets are in the order only, which is a file that nobody
 * else can read.
 */
#ifndef DRIVER_SPARK_ORDER_H
#define DRIVER_SPARK_ORDER_H

#include "common/err.h"
#include "driver/engine.h"

#include <stdbool.h>
#include <stddef.h>

/* Where the daemon has what Spark needs. */
struct spark_files {
    char *jar;     /* the bridge */
    char *bundle;  /* elephas-worker with its libraries, or NULL */
    char *plugins; /* the daemon's plug-ins, "PATH,PATH", or NULL */
    char *classes; /* of a Spark of this version, as a JVM maps them; or NULL:
                      it starts without */
};

/* Looks in ../share/elephas beside the workers' directory. ERR_IO says what
 * is missing and how it is made; `bundle`: that is needed too; version: of the
 * installation, or NULL. */
int spark_files_find(const char *workers_dir, bool bundle, const char *version,
                     struct spark_files *out, struct err *err) ERR_CHECKED;
/* Adds the plug-ins that executors need: those of the daemon, unless all is
 * done on this machine. */
int spark_files_add_plugins(const struct engine_order *order,
                            struct spark_files *out,
                            struct err *err) ERR_CHECKED;
void spark_files_deinit(struct spark_files *files);

/* Whether the job's workers are shipped to the executors. */
bool spark_order_ships(const struct engine_order *order);

/* Whether the driver runs on this machine. */
bool spark_order_is_client(const struct engine_order *order);

/* Writes the order to this file (mode 0600). */
int spark_order_write(const struct engine_order *order, const char *path,
                      struct err *err) ERR_CHECKED;

/* An argument list: argv[count] is NULL. */
struct spark_argv {
    char **items; /* owned */
    size_t count;
    size_t room;
};

/* The command line; `order_path` is the file written before. */
int spark_argv_make(const struct engine_order *order, const char *submit,
                    const struct spark_files *files, const char *order_path,
                    struct spark_argv *out, struct err *err) ERR_CHECKED;
void spark_argv_deinit(struct spark_argv *argv);

/* What spark-submit finds in its environment, so that its JVMs start sooner and
 * leave their temporary files in `room`:
 * NAME=VALUE lines for process_spec.env. Options that are there already
 * (theirs: SPARK_SUBMIT_OPTS, launcher: SPARK_LAUNCHER_OPTS of the daemon, or
 * NULL) are kept and win. */
int spark_env_make(const struct spark_files *files, const char *room,
                   const char *theirs, const char *launcher,
                   struct spark_argv *out, struct err *err) ERR_CHECKED;

#endif
