/* SPDX-License-Identifier: MIT
 *
 * job_spark: see job_spark.h.
 */
#include "driver/core/job_spark.h"

#include "common/jget.h"
#include "driver/core/job_read.h"

#include <string.h>

static int check_choice(const json_t *object, const char *key,
                        const char *const *choices, struct err *err)
{
    const char *text = NULL;
    int rc = jget_string_or(object, key, NULL, &text, err);

    if (rc != 0 || text == NULL) {
        return rc;
    }
    for (size_t i = 0; choices[i] != NULL; i++) {
        if (strcmp(text, choices[i]) == 0) {
            return 0;
        }
    }
    return err_set(err, ERR_INVALID, "%s: %.64s is not possible, %s or %s is",
                   key, text, choices[0], choices[1]);
}

/* A text of one line; spark-submit takes it as an argument. */
static int check_text(const json_t *object, const char *key, struct err *err)
{
    const char *text = NULL;
    int rc = jget_string_or(object, key, NULL, &text, err);

    if (rc == 0 && text != NULL) {
        if (text[0] == '\0') {
            return err_set(err, ERR_INVALID, "%s: is empty", key);
        }
        for (const char *p = text; *p != '\0'; p++) {
            if ((unsigned char)*p < 0x20 && *p != '\n' && *p != '\t') {
                return err_set(err, ERR_INVALID,
                               "%s: control characters are not allowed", key);
            }
        }
    }
    return rc;
}

/* Spark refuses keys of others with a warning that nobody sees. */
static int check_conf(const json_t *engine, struct err *err)
{
    const json_t *conf;
    const char *key;
    json_t *value;
    int rc = job_read_object(engine, "conf", &conf, err);

    if (rc != 0 || conf == NULL) {
        return rc;
    }
    json_object_foreach((json_t *)conf, key, value)
    {
        if (!json_is_string(value)) {
            return err_set(err, ERR_INVALID, "conf: %.64s: a text is wanted",
                           key);
        }
        if (strncmp(key, "spark.", 6) != 0) {
            return err_set(err, ERR_INVALID,
                           "conf: %.64s: settings of Spark begin with spark.",
                           key);
        }
    }
    return 0;
}

static int check_output(const json_t *engine, enum job_kind kind,
                        struct err *err)
{
    static const char *const keys[] = {"path", "format", "overwrite",
                                       "predict_class", NULL};
    static const char *const formats[] = {"parquet", "csv", "json", NULL};
    const json_t *output;
    const char *path;
    bool flag;
    int rc = job_read_object(engine, "output", &output, err);

    if (rc != 0 || output == NULL) {
        return rc;
    }
    if (kind != JOB_PREDICT) {
        return err_set(err, ERR_INVALID, "output: is for prediction only");
    }
    if ((rc = job_check_keys(output, keys, err)) != 0 ||
        (rc = jget_string(output, "path", &path, err)) != 0 ||
        (rc = check_text(output, "path", err)) != 0 ||
        (rc = check_choice(output, "format", formats, err)) != 0 ||
        (rc = jget_bool_or(output, "overwrite", false, &flag, err)) != 0 ||
        (rc = jget_bool_or(output, "predict_class", false, &flag, err)) != 0) {
        (void)err_wrap(err, "output");
    }
    return rc;
}

int job_spark_check(const json_t *engine, enum job_kind kind, struct err *err)
{
    static const char *const keys[] = {
        "name",   "master",     "deploy_mode", "conf", "spark_home",
        "rounds", "worker",     "table",       "sql",  "fill_null",
        "output", "partitions", NULL};
    static const char *const texts[] = {"master", "spark_home", "worker",
                                        "table", "sql"};
    static const char *const modes[] = {"client", "cluster", NULL};
    static const char *const rounds[] = {"auto", "resident", "stage", NULL};
    static const char *const partitions[] = {"data", "dealt", NULL};
    double number;
    int rc = job_check_keys(engine, keys, err);

    for (size_t i = 0; rc == 0 && i < sizeof(texts) / sizeof(texts[0]); i++) {
        rc = check_text(engine, texts[i], err);
    }
    if (rc != 0 ||
        (rc = check_choice(engine, "deploy_mode", modes, err)) != 0 ||
        (rc = check_choice(engine, "rounds", rounds, err)) != 0 ||
        (rc = check_choice(engine, "partitions", partitions, err)) != 0 ||
        (rc = check_conf(engine, err)) != 0 ||
        (rc = jget_double_or(engine, "fill_null", 0, &number, err)) != 0) {
        return rc;
    }
    if (jget_member(engine, "table") != NULL &&
        jget_member(engine, "sql") != NULL) {
        return err_set(err, ERR_INVALID, "give either table or sql, not both");
    }
    return check_output(engine, kind, err);
}

bool job_spark_has_table(const json_t *engine)
{
    return jget_member(engine, "table") != NULL ||
           jget_member(engine, "sql") != NULL;
}

bool job_spark_has_output(const json_t *engine)
{
    return jget_member(engine, "output") != NULL;
}

bool job_spark_keeps_partitions(const struct job_spec *spec)
{
    const char *how =
        json_string_value(json_object_get(spec->engine_options, "partitions"));

    return job_spark_is(spec) && how != NULL && strcmp(how, "data") == 0;
}

bool job_spark_is(const struct job_spec *spec)
{
    return strcmp(spec->engine, "spark") == 0;
}
