/* SPDX-License-Identifier: MIT
 *
 * spark: see spark.h.
 */
#include "driver/submit/spark.h"

#include "common/mem.h"
#include "driver/submit/source.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool is_spark(const struct options *o)
{
    return strcmp(o->engine, "spark") == 0;
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text);
    size_t n = strlen(end);

    return len >= n && strcmp(text + len - n, end) == 0;
}

static const char *output_format(const struct options *o)
{
    return o->output_format != NULL        ? o->output_format
           : ends_with(o->output, ".csv")  ? "csv"
           : ends_with(o->output, ".json") ? "json"
                                           : "parquet";
}

bool spark_writes(const struct options *o)
{
    return is_spark(o) && o->output != NULL && strcmp(o->output, "-") != 0 &&
           (o->output_format != NULL || strstr(o->output, "://") != NULL ||
            ends_with(o->output, ".parquet") || ends_with(o->output, ".json") ||
            ends_with(o->output, "/"));
}

int spark_check(const struct options *o, bool predict, struct err *err)
{
    const struct {
        const char *name;
        bool given;
    } ours[] = {
        {"master", o->master != NULL},
        {"conf", o->conf.count != 0},
        {"spark-home", o->spark_home != NULL},
        {"deploy-mode", o->deploy_mode != NULL},
        {"spark-worker", o->spark_worker != NULL},
        {"rounds", o->rounds != NULL},
        {"table", o->table != NULL},
        {"sql", o->sql != NULL},
        {"fill-null", !isnan(o->fill_null)},
        {"output-format", o->output_format != NULL},
        {"overwrite", o->overwrite},
    };

    for (size_t i = 0; !is_spark(o) && i < sizeof(ours) / sizeof(ours[0]);
         i++) {
        if (ours[i].given) {
            return err_set(err, ERR_INVALID, "--%s: belongs to --engine spark",
                           ours[i].name);
        }
    }
    if ((o->table != NULL) + (o->sql != NULL) + (o->data.count != 0) > 1) {
        return err_set(err, ERR_INVALID,
                       "--data, --table and --sql: give one of them");
    }
    if (predict && o->overwrite && !spark_writes(o)) {
        return err_set(err, ERR_INVALID,
                       "--overwrite: is for a data set that Spark writes; see "
                       "--output-format");
    }
    return 0;
}

static int put(json_t *object, const char *key, json_t *value, struct err *err)
{
    return value != NULL && json_object_set_new(object, key, value) == 0
               ? 0
               : err_nomem(err);
}

static int put_text(json_t *object, const char *key, const char *option,
                    const char *text, struct err *err)
{
    unsigned long refused = mem_refused();
    json_t *value;

    if (text == NULL) {
        return 0;
    }
    value = json_string(text);
    if (value == NULL && mem_refused() == refused) {
        return err_set(err, ERR_INVALID, "--%s %s: not UTF-8 text", option,
                       text);
    }
    return put(object, key, value, err);
}

static int put_conf(const struct options *o, json_t *engine, struct err *err)
{
    json_t *conf = json_object();
    int rc = put(engine, "conf", conf, err);

    for (size_t i = 0; rc == 0 && i < o->conf.count; i++) {
        const char *item = o->conf.items[i];
        const char *equals = strchr(item, '=');
        char *key;

        if (equals == NULL || equals == item) {
            return err_set(err, ERR_INVALID,
                           "--conf %s: must be like KEY=VALUE", item);
        }
        key = mem_strndup(item, (size_t)(equals - item));
        rc = key == NULL ? err_nomem(err)
                         : put_text(conf, key, "conf", equals + 1, err);
        mem_free(key);
    }
    return rc;
}

static int put_output(const struct options *o, bool local, json_t *engine,
                      struct err *err)
{
    json_t *output = json_object();
    char *path = NULL;
    int rc = put(engine, "output", output, err);

    if (rc == 0) {
        rc = source_output(o->output, local, &path, err);
    }
    if (rc == 0) {
        rc = put_text(output, "path", "output", path, err);
    }
    if (rc == 0) {
        rc = put_text(output, "format", "output-format", output_format(o), err);
    }
    if (rc == 0 && o->overwrite) {
        rc = put(output, "overwrite", json_true(), err);
    }
    if (rc == 0 && o->predict_class) {
        rc = put(output, "predict_class", json_true(), err);
    }
    mem_free(path);
    return rc;
}

int spark_put(const struct options *o, bool predict, bool local, json_t *engine,
              struct err *err)
{
    const char *home = o->spark_home;
    int rc = 0;

    if (home == NULL && local) {
        home = getenv("SPARK_HOME"); /* elsewhere it means nothing */
    }
    if (home != NULL && *home == '\0') {
        home = NULL;
    }
    if ((rc = put_text(engine, "master", "master", o->master, err)) != 0 ||
        (rc = put_text(engine, "deploy_mode", "deploy-mode", o->deploy_mode,
                       err)) != 0 ||
        (rc = o->conf.count != 0 ? put_conf(o, engine, err) : 0) != 0 ||
        (rc = put_text(engine, "spark_home", "spark-home", home, err)) != 0 ||
        (rc = put_text(engine, "worker", "spark-worker", o->spark_worker,
                       err)) != 0 ||
        (rc = put_text(engine, "rounds", "rounds", o->rounds, err)) != 0 ||
        (rc = put_text(engine, "table", "table", o->table, err)) != 0 ||
        (rc = put_text(engine, "sql", "sql", o->sql, err)) != 0) {
        return rc;
    }
    if (!isnan(o->fill_null)) {
        rc = put(engine, "fill_null", json_real(o->fill_null), err);
    }
    return rc == 0 && predict && spark_writes(o)
               ? put_output(o, local, engine, err)
               : rc;
}
