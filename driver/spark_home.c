/* SPDX-License-Identifier: MIT
 *
 * spark_home: see spark_home.h. The version is in the name of a jar, which is
 * there in every way of packaging Spark.
 */
#include "driver/spark_home.h"

#include "common/mem.h"

#include <dirent.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOW_TO_GET                                                             \
    "install Spark 3.5 or 4 (spark.apache.org/downloads, or the Python "       \
    "package pyspark) and give --spark-home, or set SPARK_HOME for elephasd"
#define OLDEST_MAJOR 3
#define OLDEST_MINOR 5

void spark_home_deinit(struct spark_home *home)
{
    mem_free(home->submit);
    mem_free(home->version);
    memset(home, 0, sizeof(*home));
}

/* "spark-core_2.13-4.0.0.jar" -> "4.0.0" */
static char *jar_version(const char *name, bool *failed)
{
    static const char prefix[] = "spark-core_";
    const char *from = NULL;
    size_t len = strlen(name);
    char *version;

    if (strncmp(name, prefix, sizeof(prefix) - 1) == 0 && len > 4 &&
        strcmp(name + len - 4, ".jar") == 0) {
        from = strchr(name, '-');
        from = from != NULL ? strchr(from + 1, '-') : NULL;
    }
    if (from == NULL) {
        return NULL;
    }
    version = mem_strndup(from + 1, len - 4 - (size_t)(from + 1 - name));
    *failed = version == NULL;
    return version;
}

static int find_version(const char *home, char **out, struct err *err)
{
    char *path = mem_printf("%s/jars", home);
    bool failed = path == NULL;
    DIR *dir = NULL;
    struct dirent *entry;

    *out = NULL;
    if (!failed) {
        dir = opendir(path);
    }
    while (!failed && dir != NULL && *out == NULL &&
           (entry = readdir(dir)) != NULL) {
        *out = jar_version(entry->d_name, &failed);
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    mem_free(path);
    return failed ? err_nomem(err) : 0;
}

static int check_version(const char *home, const char *version, struct err *err)
{
    int major = 0;
    int minor = 0;

    if (version == NULL || sscanf(version, "%d.%d", &major, &minor) != 2) {
        return 0; /* the bridge will see */
    }
    if (major < OLDEST_MAJOR ||
        (major == OLDEST_MAJOR && minor < OLDEST_MINOR)) {
        return err_set(err, ERR_INVALID,
                       "Spark %s in %s is too old: 3.5 or 4 is wanted", version,
                       home);
    }
    return 0;
}

static int use_home(const char *home, const char *who, struct spark_home *out,
                    struct err *err)
{
    int rc = 0;

    out->submit = mem_printf("%s/bin/spark-submit", home);
    if (out->submit == NULL) {
        return err_nomem(err);
    }
    if (access(out->submit, X_OK) != 0) {
        return err_set(err, ERR_INVALID,
                       "%s %s is no Spark installation: there is no "
                       "bin/spark-submit in it",
                       who, home);
    }
    rc = find_version(home, &out->version, err);
    return rc != 0 ? rc : check_version(home, out->version, err);
}

/* The installation that a spark-submit belongs to: the script may be a link,
 * and pip's has none beside it. */
static int use_submit(const char *submit, struct spark_home *out,
                      struct err *err)
{
    char real[PATH_MAX];
    char *slash;
    int rc = 0;

    if (realpath(submit, real) == NULL) {
        (void)snprintf(real, sizeof(real), "%s", submit);
    }
    out->submit = mem_strdup(real);
    if (out->submit == NULL) {
        return err_nomem(err);
    }
    for (int i = 0; i < 2; i++) {
        slash = strrchr(real, '/');
        if (slash == NULL) {
            return 0;
        }
        *slash = '\0';
    }
    rc = find_version(real, &out->version, err);
    return rc != 0 ? rc : check_version(real, out->version, err);
}

static int search_path(const char *path, struct spark_home *out,
                       struct err *err)
{
    const char *p = path != NULL ? path : "";

    for (;;) {
        size_t len = strcspn(p, ":");
        char *candidate = mem_printf("%.*s/spark-submit", (int)len, p);
        bool found =
            candidate != NULL && len != 0 && access(candidate, X_OK) == 0;
        int rc = candidate == NULL ? err_nomem(err)
                 : found           ? use_submit(candidate, out, err)
                                   : 0;

        mem_free(candidate);
        if (rc != 0 || found) {
            return rc;
        }
        if (p[len] == '\0') {
            return err_set(err, ERR_INVALID, "there is no Spark: " HOW_TO_GET);
        }
        p += len + 1;
    }
}

int spark_home_find(const char *asked, const char *configured,
                    const char *environment, const char *path,
                    struct spark_home *out, struct err *err)
{
    int rc;

    memset(out, 0, sizeof(*out));
    if (asked != NULL) {
        rc = use_home(asked, "--spark-home", out, err);
    } else if (configured != NULL) {
        rc = use_home(configured, "elephasd's spark-home", out, err);
    } else if (environment != NULL && environment[0] != '\0') {
        rc = use_home(environment, "elephasd's SPARK_HOME", out, err);
    } else {
        rc = search_path(path, out, err);
    }
    if (rc != 0) {
        spark_home_deinit(out);
    }
    return rc;
}
