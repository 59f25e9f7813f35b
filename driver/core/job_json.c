/* SPDX-License-Identifier: MIT
 *
 * job_json: a job_spec as a full request again, with all defaults written
 * out: what the store keeps and what a restarted daemon parses. A member that
 * the kind of job does not have is left out, because the parser refuses it.
 */
#include "driver/core/job_serve.h"
#include "driver/core/job_shards.h"

#include "common/mem.h"
#include "driver/core/job_training.h"

#include <stdio.h>

/* json_object_set_new() that also fails for a NULL value. Returns -1. */
static int put(json_t *object, const char *key, json_t *value)
{
    return value == NULL ? -1 : json_object_set_new(object, key, value);
}

static int put_text(json_t *object, const char *key, const char *text)
{
    return text == NULL ? 0 : put(object, key, json_string(text));
}

static int put_strings(json_t *object, const char *key,
                       const struct job_strings *strings)
{
    json_t *list;

    if (strings->count == 0) {
        return 0;
    }
    list = json_array();
    for (size_t i = 0; list != NULL && i < strings->count; i++) {
        if (json_array_append_new(list, json_string(strings->items[i])) != 0) {
            json_decref(list);
            return -1;
        }
    }
    return put(object, key, list);
}

static int put_class_weight(json_t *data, const struct job_spec *spec)
{
    json_t *weights;

    if (spec->class_weight_count == 0) {
        return 0;
    }
    weights = json_object();
    for (size_t i = 0; weights != NULL && i < spec->class_weight_count; i++) {
        char key[16];

        (void)snprintf(key, sizeof(key), "%u", spec->class_weight_class[i]);
        if (put(weights, key, json_real(spec->class_weight_value[i])) != 0) {
            json_decref(weights);
            return -1;
        }
    }
    return put(data, "class_weight", weights);
}

static int put_data(json_t *root, const struct job_spec *spec)
{
    json_t *data = json_object();

    if (put(root, "data", data) != 0 ||
        put_strings(data, "source", &spec->sources) != 0 ||
        put_text(data, "format", spec->format) != 0 ||
        (spec->header >= 0 &&
         put(data, "header", json_boolean(spec->header == 1)) != 0) ||
        put_strings(data, "label", &spec->labels) != 0 ||
        put_strings(data, "features", &spec->features) != 0 ||
        put_text(data, "sample_weight", spec->sample_weight) != 0 ||
        put(data, "scale", json_real(spec->scale)) != 0 ||
        put(data, "nb_classes", json_integer(spec->nb_classes)) != 0) {
        return -1;
    }
    return put_class_weight(data, spec);
}

static int put_validation(json_t *root, const struct job_spec *spec)
{
    json_t *validation;

    if (!job_spec_has_validation(spec)) {
        return 0;
    }
    validation = json_object();
    if (put(root, "validation", validation) != 0) {
        return -1;
    }
    if (spec->validation_sources.count != 0) {
        return put_strings(validation, "source", &spec->validation_sources);
    }
    return put(validation, "split", json_real(spec->validation_split));
}

static int put_engine(json_t *root, const struct job_spec *spec)
{
    json_t *engine = spec->engine_options != NULL
                         ? json_deep_copy(spec->engine_options)
                         : json_object();

    if (put(root, "engine", engine) != 0) {
        return -1;
    }
    return put_text(engine, "name", spec->engine);
}

/* What a job with rows has. */
static int put_rows(json_t *root, const struct job_spec *spec)
{
    if (put_data(root, spec) != 0 || put_validation(root, spec) != 0 ||
        job_training_put(root, spec) != 0 ||
        put(root, "workers", json_integer(spec->workers)) != 0 ||
        job_shards_put(root, spec) != 0) {
        return -1;
    }
    return put_engine(root, spec);
}

/* What a part of a training has. */
static int put_shard(json_t *root, const struct job_spec *spec)
{
    if (job_training_put(root, spec) != 0 ||
        put(root, "workers", json_integer(spec->workers)) != 0) {
        return -1;
    }
    return job_shard_put(root, spec);
}

json_t *job_spec_json(const struct job_spec *spec)
{
    json_t *root = json_object();

    if (root == NULL) {
        return NULL;
    }
    if (put_text(root, "kind", job_kind_name(spec->kind)) != 0 ||
        put_text(root, "name", spec->name) != 0 ||
        put_text(root, "model", spec->model) != 0 ||
        put_text(root, "source_job", spec->source_job) != 0 ||
        (spec->kind == JOB_SERVE   ? job_serve_put(root, spec)
         : spec->kind == JOB_SHARD ? put_shard(root, spec)
                                   : put_rows(root, spec)) != 0) {
        json_decref(root);
        return NULL;
    }
    return root;
}
