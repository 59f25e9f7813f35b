/* SPDX-License-Identifier: MIT
 *
 * spark_fixture: an order for the Spark engine in a directory of its own: a
 * workers' directory with the files beside it that the engine looks for, and
 * a Spark installation whose spark-submit is a shell script of the test.
 */
#ifndef TESTS_UNIT_DRIVER_SPARK_FIXTURE_H
#define TESTS_UNIT_DRIVER_SPARK_FIXTURE_H

#include "tests/lib/unit.h"
#include "tests/unit/core/linear.h"

#include "common/jget.h"
#include "common/mem.h"
#include "driver/engine.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#define SPARK_HASH                                                             \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct spark_fixture {
    char *dir;
    char workers[600]; /* directories */
    char home[600];
    char job[600];
    struct job_spec *spec;
    struct model *model;
    struct engine_order order;
};

static inline void spark_put(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

    ck_assert_msg(fd >= 0, "%s", path);
    ck_assert_int_eq((int)write(fd, text, strlen(text)), (int)strlen(text));
    ck_assert_int_eq(close(fd), 0);
}

static inline void spark_dir(char *out, size_t size, const char *dir,
                             const char *name)
{
    int n = snprintf(out, size, "%s/%s", dir, name);

    ck_assert_int_lt(n, (int)size);
    ck_assert_int_eq(mkdir(out, 0700), 0);
}

/* The script that plays spark-submit; $0 is HOME/bin/spark-submit. */
static inline void spark_script(const struct spark_fixture *f,
                                const char *script)
{
    char path[700];

    (void)snprintf(path, sizeof(path), "%s/bin/spark-submit", f->home);
    (void)unlink(path);
    spark_put(path, "#!/bin/sh\n", 0700);
    {
        FILE *out = fopen(path, "a");

        ck_assert_ptr_nonnull(out);
        (void)fprintf(out, "%s\n", script);
        ck_assert_int_eq(fclose(out), 0);
    }
}

/* request: the job's JSON without kind and model, from "data" on. */
static inline int spark_spec(struct spark_fixture *f, const char *kind,
                             const char *request, struct err *err)
{
    char text[2048];
    json_t *json = NULL;
    int rc;

    job_spec_destroy(&f->spec);
    (void)snprintf(text, sizeof(text),
                   "{\"kind\":\"%s\",\"model\":\"" SPARK_HASH "\",%s}", kind,
                   request);
    rc = jget_parse(text, strlen(text), &json, err);
    if (rc == 0) {
        rc = job_spec_parse(json, &f->spec, err);
        json_decref(json);
    }
    f->order.spec = f->spec;
    return rc;
}

static inline void spark_setup(struct spark_fixture *f)
{
    struct utsname machine;
    struct err err = {0};
    char path[700];
    char name[700];

    memset(f, 0, sizeof(*f));
    f->dir = unit_make_dir();
    spark_dir(f->workers, sizeof(f->workers), f->dir, "bin");
    spark_dir(path, sizeof(path), f->dir, "share");
    spark_dir(path, sizeof(path), f->dir, "share/elephas");
    (void)snprintf(name, sizeof(name), "%s/share/elephas/elephas-spark.jar",
                   f->dir);
    spark_put(name, "", 0600);
    ck_assert_int_eq(uname(&machine), 0);
    (void)snprintf(name, sizeof(name),
                   "%s/share/elephas/elephas-worker-" ELEPHAS_VERSION
                   "-linux-%s.tar.gz",
                   f->dir, machine.machine);
    spark_put(name, "", 0600);
    spark_dir(f->home, sizeof(f->home), f->dir, "spark");
    spark_dir(path, sizeof(path), f->dir, "spark/bin");
    spark_dir(f->job, sizeof(f->job), f->dir, "job");
    spark_script(f, "exit 0");
    unit_ok(linear_model("SGD", "{}", &f->model, &err), &err);
    f->order = (struct engine_order){.job = "jx",
                                     .token = "sesame",
                                     .url = "http://far:1",
                                     .local_url = "http://near:1",
                                     .spark_home = f->home,
                                     .model = f->model,
                                     .workers_dir = f->workers,
                                     .job_dir = f->job,
                                     .attempt = 4};
}

static inline void spark_teardown(struct spark_fixture *f)
{
    job_spec_destroy(&f->spec);
    model_destroy(&f->model);
    unit_remove_dir(&f->dir);
}

#endif
