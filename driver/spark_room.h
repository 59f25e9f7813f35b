/* SPDX-License-Identifier: MIT
 *
 * spark_room: the directory that one run of Spark lives in. Spark and Hive
 * leave artifacts/, spark-warehouse/ and metastore_db/ in their working
 * directory, and a killed driver its shuffle files and unpacked libraries in
 * the one for temporary files: both are the room, and gone with it.
 */
#ifndef DRIVER_SPARK_ROOM_H
#define DRIVER_SPARK_ROOM_H

#include "common/err.h"

/* Makes JOB_DIR/spark anew, empty. *out: its path, for spark_room_remove(). */
int spark_room_make(const char *job_dir, char **out,
                    struct err *err) ERR_CHECKED;
/* Removes what a run of this job left whose daemon was killed. */
void spark_room_sweep(const char *job_dir);
/* Removes the directory with all that is in it; accepts NULL. */
void spark_room_remove(char **room);

#endif
