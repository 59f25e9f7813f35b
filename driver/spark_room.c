/* SPDX-License-Identifier: MIT
 *
 * spark_room: see spark_room.h.
 */
#include "driver/spark_room.h"

#include "common/elog.h"
#include "common/file.h"
#include "common/mem.h"

#include <errno.h>
#include <stddef.h>
#include <sys/stat.h>

#define NAME "spark"

int spark_room_make(const char *job_dir, char **out, struct err *err)
{
    char *dir = mem_printf("%s/" NAME, job_dir);
    int rc;

    *out = NULL;
    if (dir == NULL) {
        return err_nomem(err);
    }
    rc = file_remove_tree(dir, err); /* of a daemon that was killed */
    if (rc == 0 && mkdir(dir, 0700) != 0) {
        rc = err_errno(err, ERR_IO, errno, "%s", dir);
    }
    if (rc != 0) {
        mem_free(dir);
        return rc;
    }
    *out = dir;
    return 0;
}

void spark_room_remove(char **room)
{
    struct err err = {0};

    if (*room != NULL && file_remove_tree(*room, &err) != 0) {
        elog(ELOG_WARN, "spark.leftover", E_STR("error", err.msg));
    }
    mem_free(*room);
    *room = NULL;
}

void spark_room_sweep(const char *job_dir)
{
    char *dir = mem_printf("%s/" NAME, job_dir);

    spark_room_remove(&dir);
}
