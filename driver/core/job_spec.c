/* SPDX-License-Identifier: MIT
 *
 * job_spec: a job request, from JSON into struct job_spec, checked; see job.h
 * and docs/PROTOCOL.md section 3. Each object of the request is read by one
 * function, which first refuses keys it does not know. What needs the model
 * is checked in job_check.c, what needs the data by feeder and workers.
 */
#include "driver/core/job.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/optimizer.h"
#include "driver/core/job_read.h"
#include "driver/core/job_serve.h"
#include "driver/core/job_shards.h"
#include "driver/core/job_spark.h"
#include "driver/core/job_training.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 200
#define WORKERS_MAX 4096
#define COUNT_MAX INT32_MAX
#define CLASSES_MAX (INT64_C(1) << 24)

/* Data lies on the daemon's machine, whose working directory nobody knows, or
 * where Spark finds it. */
static int read_sources(const json_t *object, const struct job_spec *spec,
                        struct job_strings *out, struct err *err)
{
    bool spark = job_spark_is(spec);
    int rc = job_read_strings(object, "source", out, err);

    if (rc == 0 && out->count == 0 && spark &&
        job_spark_has_table(spec->engine_options)) {
        return 0;
    }
    if (rc == 0 && out->count == 0) {
        rc = err_set(err, ERR_INVALID,
                     "source: missing: name at least one "
                     "file, glob or directory");
    }
    for (size_t i = 0; rc == 0 && i < out->count; i++) {
        if (out->items[i][0] != '/' &&
            !(spark && strstr(out->items[i], "://") != NULL)) {
            rc = err_set(err, ERR_INVALID,
                         "source: %s: an absolute path is wanted",
                         out->items[i]);
        }
    }
    return rc;
}

static bool ends_with(const char *text, size_t len, const char *end)
{
    size_t n = strlen(end);

    return len >= n && memcmp(text + len - n, end, n) == 0;
}

/* The format that a file's name tells, "csv" if it tells none. */
static const char *guess_format(const char *path)
{
    static const char *const endings[][2] = {
        {".libsvm", "libsvm"},   {".svm", "libsvm"},  {".json", "json"},
        {".jsonl", "json"},      {".ndjson", "json"}, {".b64", "b64"},
        {".parquet", "parquet"}, {".orc", "orc"},
    };
    size_t len = strlen(path);

    if (ends_with(path, len, ".gz")) {
        len -= 3;
    }
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        if (ends_with(path, len, endings[i][0])) {
            return endings[i][1];
        }
    }
    return "csv";
}

static int set_format(struct job_spec *spec, const char *format,
                      struct err *err)
{
    static const char *const built[] = {"csv", "libsvm", "json", "b64"};
    static const char *const elsewhere[] = {"parquet", "orc", "text", "table"};

    for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++) {
        if (strcmp(format, elsewhere[i]) == 0 && job_spark_is(spec)) {
            return job_copy_text("format", format, &spec->format, err);
        }
        if (strcmp(format, elsewhere[i]) == 0) {
            return err_set(err, ERR_UNSUPPORTED,
                           "format: %s cannot be read by the local engine; "
                           "it reads csv, libsvm, json and b64",
                           format);
        }
    }
    for (size_t i = 0; i < sizeof(built) / sizeof(built[0]); i++) {
        if (strcmp(format, built[i]) == 0) {
            return job_copy_text("format", format, &spec->format, err);
        }
    }
    return err_set(err, ERR_INVALID,
                   "format: %.64s is none of csv, libsvm, json, b64", format);
}

static int read_format(const json_t *data, struct job_spec *spec,
                       struct err *err)
{
    const char *format = spec->sources.count != 0
                             ? guess_format(spec->sources.items[0])
                             : "table";
    int rc = jget_string_or(data, "format", format, &format, err);

    if (rc != 0) {
        return rc;
    }
    spec->format_guessed = jget_member(data, "format") == NULL;
    return set_format(spec, format, err);
}

int job_spec_guess_format(struct job_spec *spec, const char *path,
                          struct err *err)
{
    char *was = spec->format;
    int rc;

    if (!spec->format_guessed) {
        return 0;
    }
    spec->format = NULL;
    rc = set_format(spec, guess_format(path), err);
    if (rc != 0) {
        spec->format = was;
        return rc;
    }
    mem_free(was);
    return 0;
}

static int read_class_weight(const json_t *data, struct job_spec *spec,
                             struct err *err)
{
    const json_t *weights;
    const char *key;
    json_t *value;
    size_t n;
    int rc = job_read_object(data, "class_weight", &weights, err);

    if (rc != 0 || weights == NULL || json_object_size(weights) == 0) {
        return rc;
    }
    n = json_object_size(weights);
    if (n > CLASSES_MAX) {
        return err_set(err, ERR_LIMIT, "class_weight: too many classes");
    }
    spec->class_weight_class = mem_array(n, sizeof(uint32_t));
    spec->class_weight_value = mem_array(n, sizeof(double));
    if (spec->class_weight_class == NULL || spec->class_weight_value == NULL) {
        return err_nomem(err);
    }
    json_object_foreach((json_t *)weights, key, value)
    {
        char *end = NULL;
        long class = key[0] >= '0' && key[0] <= '9' ? strtol(key, &end, 10) : 0;

        if (end == NULL || *end != '\0' || class >= CLASSES_MAX ||
            (key[0] == '0' && key[1] != '\0')) {
            return err_set(err, ERR_INVALID,
                           "class_weight: %.64s is not a class number", key);
        }
        if (!json_is_number(value) || !isfinite(json_number_value(value)) ||
            json_number_value(value) < 0) {
            return err_set(err, ERR_INVALID,
                           "class_weight: %.64s: a number from 0 is wanted",
                           key);
        }
        spec->class_weight_class[spec->class_weight_count] = (uint32_t) class;
        spec->class_weight_value[spec->class_weight_count++] =
            json_number_value(value);
    }
    return 0;
}

static int read_data(const json_t *request, struct job_spec *spec,
                     struct err *err)
{
    static const char *const keys[] = {
        "source", "format",     "header",       "label",         "features",
        "scale",  "nb_classes", "class_weight", "sample_weight", NULL};
    const json_t *data;
    bool header = false;
    int64_t classes = 0;
    int rc = jget_object(request, "data", &data, err);

    if (rc != 0) {
        return rc;
    }
    if ((rc = job_check_keys(data, keys, err)) != 0 ||
        (rc = read_sources(data, spec, &spec->sources, err)) != 0 ||
        (rc = read_format(data, spec, err)) != 0 ||
        (rc = jget_bool_or(data, "header", false, &header, err)) != 0 ||
        (rc = job_read_strings(data, "label", &spec->labels, err)) != 0 ||
        (rc = job_read_strings(data, "features", &spec->features, err)) != 0 ||
        (rc = job_read_text(data, "sample_weight", &spec->sample_weight,
                            err)) != 0 ||
        (rc = jget_double_or(data, "scale", 1.0, &spec->scale, err)) != 0 ||
        (rc = job_read_int(data, "nb_classes", 0, 0, CLASSES_MAX, &classes,
                           err)) != 0 ||
        (rc = read_class_weight(data, spec, err)) != 0) {
        goto out;
    }
    spec->header = jget_member(data, "header") == NULL ? -1 : (header ? 1 : 0);
    spec->nb_classes = (uint32_t)classes;
    if (!isfinite(spec->scale) || spec->scale == 0) {
        rc = err_set(err, ERR_INVALID, "scale: %g cannot be divided by",
                     spec->scale);
    } else if (spec->class_weight_count != 0 && spec->kind != JOB_TRAIN) {
        rc = err_set(err, ERR_INVALID,
                     "class_weight: is for training only, this job is to %s",
                     job_kind_name(spec->kind));
    }
out:
    if (rc != 0) {
        (void)err_wrap(err, "data");
    }
    return rc;
}

static int read_validation(const json_t *request, struct job_spec *spec,
                           struct err *err)
{
    static const char *const keys[] = {"split", "source", NULL};
    const json_t *validation;
    int rc = job_read_object(request, "validation", &validation, err);

    if (rc != 0 || validation == NULL) {
        return rc;
    }
    if (spec->kind != JOB_TRAIN) {
        return err_set(err, ERR_INVALID,
                       "validation: is for training only, this job is to %s",
                       job_kind_name(spec->kind));
    }
    if ((rc = job_check_keys(validation, keys, err)) != 0 ||
        (rc = jget_double_or(validation, "split", 0.0, &spec->validation_split,
                             err)) != 0) {
        goto out;
    }
    if (!(spec->validation_split >= 0 && spec->validation_split < 1)) {
        rc = err_set(err, ERR_INVALID,
                     "split: %g is out of range, it is a part from 0 to 1",
                     spec->validation_split);
        goto out;
    }
    if (jget_member(validation, "source") != NULL) {
        rc = spec->validation_split > 0
                 ? err_set(err, ERR_INVALID,
                           "give either split or source, not both")
                 : read_sources(validation, spec, &spec->validation_sources,
                                err);
    }
out:
    if (rc != 0) {
        (void)err_wrap(err, "validation");
    }
    return rc;
}

static int read_engine(const json_t *request, struct job_spec *spec,
                       struct err *err)
{
    static const char *const keys[] = {"name", NULL};
    const json_t *engine;
    const char *name = "local";
    int rc = job_read_object(request, "engine", &engine, err);

    if (rc == 0 && engine != NULL) {
        rc = jget_string_or(engine, "name", name, &name, err);
    }
    if (rc == 0 && strcmp(name, "spark") == 0) {
        rc = job_spark_check(engine, spec->kind, err);
    } else if (rc == 0 && strcmp(name, "local") != 0) {
        rc = err_set(err, ERR_INVALID,
                     "name: %.64s is no engine, local and spark are", name);
    } else if (rc == 0 && engine != NULL) {
        rc = job_check_keys(engine, keys, err);
    }
    if (rc == 0) {
        rc = job_copy_text("name", name, &spec->engine, err);
    }
    if (rc != 0) {
        (void)err_wrap(err, "engine");
        return rc;
    }
    if (engine != NULL) {
        spec->engine_options = json_deep_copy(engine);
        rc = spec->engine_options != NULL ? 0 : err_nomem(err);
    }
    return rc;
}

static int read_kind(const json_t *request, enum job_kind *out, struct err *err)
{
    const char *name;
    int rc = jget_string(request, "kind", &name, err);

    if (rc != 0) {
        return rc;
    }
    for (int kind = JOB_TRAIN; kind <= JOB_SHARD; kind++) {
        if (strcmp(name, job_kind_name((enum job_kind)kind)) == 0) {
            *out = (enum job_kind)kind;
            return 0;
        }
    }
    return err_set(err, ERR_INVALID,
                   "kind: %.64s is none of train, evaluate, predict, serve, "
                   "shard",
                   name);
}

/* Where the network comes from: exactly one of model and source_job. */
static int read_model(const json_t *request, struct job_spec *spec,
                      struct err *err)
{
    int rc = job_read_text(request, "model", &spec->model, err);

    if (rc == 0) {
        rc = job_read_text(request, "source_job", &spec->source_job, err);
    }
    if (rc != 0) {
        return rc;
    }
    if ((spec->model == NULL) == (spec->source_job == NULL)) {
        return err_set(err, ERR_INVALID,
                       "exactly one of model and source_job "
                       "is wanted");
    }
    if (spec->source_job != NULL && job_spec_trains(spec)) {
        return err_set(err, ERR_INVALID,
                       "source_job: is for evaluate and predict; train wants "
                       "a model");
    }
    if (spec->model != NULL &&
        (strlen(spec->model) != MODEL_HASH_SIZE - 1 ||
         strspn(spec->model, "0123456789abcdef") != MODEL_HASH_SIZE - 1)) {
        return err_set(err, ERR_INVALID,
                       "model: the 64 hex digits that POST /v1/models answered "
                       "are wanted");
    }
    return 0;
}

static int read_name(const json_t *request, struct job_spec *spec,
                     struct err *err)
{
    int rc = job_read_text(request, "name", &spec->name, err);

    if (rc == 0 && spec->name != NULL && strlen(spec->name) > NAME_MAX_BYTES) {
        rc = err_set(err, ERR_LIMIT, "name: longer than %d bytes",
                     NAME_MAX_BYTES);
    }
    return rc;
}

static int read_request(const json_t *request, struct job_spec *spec,
                        struct err *err)
{
    static const char *const keys[] = {"kind",       "name",       "model",
                                       "source_job", "data",       "validation",
                                       "training",   "batch_size", "workers",
                                       "engine",     "shards",     NULL};
    static const char *const serve_keys[] = {"kind",       "name",  "model",
                                             "source_job", "serve", NULL};
    static const char *const shard_keys[] = {
        "kind", "name", "model", "training", "workers", "shard", NULL};
    int64_t workers = 0;
    int64_t batch = 0;
    int rc;

    if (!json_is_object(request)) {
        return err_set(err, ERR_INVALID, "a job request is a JSON object");
    }
    if ((rc = read_kind(request, &spec->kind, err)) != 0 ||
        (rc = job_check_keys(request,
                             spec->kind == JOB_SERVE   ? serve_keys
                             : spec->kind == JOB_SHARD ? shard_keys
                                                       : keys,
                             err)) != 0 ||
        (rc = read_name(request, spec, err)) != 0 ||
        (rc = read_model(request, spec, err)) != 0) {
        return rc;
    }
    if (spec->kind == JOB_SERVE) {
        return job_serve_read(request, spec, err);
    }
    if ((rc = job_read_int(request, "workers", 0, 0, WORKERS_MAX, &workers,
                           err)) != 0 ||
        (rc = job_read_int(request, "batch_size", 32, 1, COUNT_MAX, &batch,
                           err)) != 0) {
        return rc;
    }
    spec->workers = (uint32_t)workers;
    spec->batch_size = (uint32_t)batch;
    if (spec->kind == JOB_SHARD) {
        return job_shard_read(request, spec, err);
    }
    /* what the data may be depends on the engine */
    if ((rc = read_engine(request, spec, err)) != 0 ||
        (rc = read_data(request, spec, err)) != 0 ||
        (rc = read_validation(request, spec, err)) != 0) {
        return rc;
    }
    rc = job_training_read(request, spec, err);
    return rc == 0 ? job_shards_read(request, spec, err) : rc;
}

int job_spec_parse(const json_t *request, struct job_spec **out,
                   struct err *err)
{
    struct job_spec *spec = mem_zalloc(sizeof(*spec));
    int rc = spec != NULL ? read_request(request, spec, err) : err_nomem(err);

    if (rc != 0) {
        job_spec_destroy(&spec);
        return rc;
    }
    *out = spec;
    return 0;
}

void job_spec_destroy(struct job_spec **spec)
{
    struct job_spec *s = *spec;

    if (s == NULL) {
        return;
    }
    mem_free(s->name);
    mem_free(s->model);
    mem_free(s->source_job);
    job_strings_deinit(&s->sources);
    mem_free(s->format);
    job_strings_deinit(&s->labels);
    job_strings_deinit(&s->features);
    mem_free(s->sample_weight);
    mem_free(s->class_weight_class);
    mem_free(s->class_weight_value);
    job_strings_deinit(&s->validation_sources);
    mem_free(s->engine);
    job_shards_deinit(s);
    json_decref(s->engine_options);
    json_decref(s->server_optimizer);
    optimizer_destroy(&s->server);
    mem_free(s);
    *spec = NULL;
}
