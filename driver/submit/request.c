/* SPDX-License-Identifier: MIT
 *
 * request: see request.h. The put functions take the reference they are given
 * also on failure; a NULL value means that memory ran out.
 */
#include "driver/submit/request.h"

#include "common/jget.h"
#include "common/mem.h"
#include "driver/submit/source.h"
#include "driver/submit/spark.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int put(json_t *object, const char *key, json_t *value, struct err *err)
{
    if (value == NULL || json_object_set_new(object, key, value) != 0) {
        return err_nomem(err);
    }
    return 0;
}

/* A text of the command line. JSON is UTF-8; what is not is refused by the
 * name of its option. */
static int put_text(json_t *object, const char *key, const char *option,
                    const char *text, struct err *err)
{
    unsigned long refused = mem_refused();
    json_t *value;

    if (text == NULL) {
        return 0;
    }
    if (*text == '\0') {
        return err_set(err, ERR_INVALID, "--%s: is empty", option);
    }
    value = json_string(text);
    if (value == NULL && mem_refused() == refused) {
        return err_set(err, ERR_INVALID, "--%s %s: not UTF-8 text", option,
                       text);
    }
    return put(object, key, value, err);
}

int request_columns(const char *text, json_t **out, struct err *err)
{
    unsigned long refused = mem_refused();
    json_t *list = json_array();
    const char *p = text;
    int rc = list != NULL ? 0 : err_nomem(err);

    while (rc == 0) {
        size_t len;
        size_t skip;

        p += strspn(p, " \t");
        len = strcspn(p, ",");
        skip = len;
        while (len > 0 && (p[len - 1] == ' ' || p[len - 1] == '\t')) {
            len--;
        }
        if (len == 0) {
            rc = err_set(err, ERR_INVALID, "'%s': an empty column name", text);
        } else if (json_array_append_new(list, json_stringn(p, len)) != 0) {
            rc = mem_refused() != refused
                     ? err_nomem(err)
                     : err_set(err, ERR_INVALID, "'%s': not UTF-8 text", text);
        }
        if (p[skip] == '\0') {
            break;
        }
        p += skip + 1;
    }
    if (rc != 0) {
        json_decref(list);
        return rc;
    }
    *out = list;
    return 0;
}

static int put_columns(json_t *object, const char *key, const char *option,
                       const char *text, struct err *err)
{
    json_t *list = NULL;
    int rc;

    if (text == NULL) {
        return 0;
    }
    rc = request_columns(text, &list, err);
    if (rc != 0) {
        (void)err_wrap(err, "--%s", option);
        return rc;
    }
    return put(object, key, list, err);
}

/* One C:W at *at; moves behind it. */
static int class_weight_pair(const char *text, const char **at, json_t *weights,
                             struct err *err)
{
    char key[16];
    char *end = NULL;
    size_t digits = strspn(*at, "0123456789");
    double weight;

    if (digits == 0 || digits >= sizeof(key) || (*at)[digits] != ':') {
        return err_set(err, ERR_INVALID,
                       "--class-weight %s: must be like 0:1,1:2.5", text);
    }
    while (digits > 1 && **at == '0') {
        (*at)++;
        digits--;
    }
    memcpy(key, *at, digits);
    key[digits] = '\0';
    *at += digits + 1;
    errno = 0;
    weight = strtod(*at, &end);
    if (end == *at || (*end != '\0' && *end != ',') || errno != 0 ||
        !isfinite(weight) || weight < 0) {
        return err_set(err, ERR_INVALID,
                       "--class-weight %s: the weight of class %s must be a "
                       "number from 0",
                       text, key);
    }
    if (json_object_get(weights, key) != NULL) {
        return err_set(err, ERR_INVALID, "--class-weight %s: class %s twice",
                       text, key);
    }
    *at = end;
    return put(weights, key, json_real(weight), err);
}

int request_class_weight(const char *text, json_t **out, struct err *err)
{
    json_t *weights = json_object();
    const char *at = text;
    int rc = weights != NULL ? 0 : err_nomem(err);

    while (rc == 0) {
        rc = class_weight_pair(text, &at, weights, err);
        if (rc != 0 || *at == '\0') {
            break;
        }
        at++; /* the comma */
    }
    if (rc != 0) {
        json_decref(weights);
        return rc;
    }
    *out = weights;
    return 0;
}

static int put_sources(json_t *object, const struct opt_list *sources,
                       const char *option, bool local, struct err *err)
{
    json_t *list = NULL;
    int rc = source_list(sources, option, local, &list, err);

    return rc != 0 ? rc : put(object, "source", list, err);
}

static int put_labels(json_t *data, const struct options *o, struct err *err)
{
    json_t *weights = NULL;
    int rc =
        put_text(data, "sample_weight", "sample-weight", o->sample_weight, err);

    if (rc == 0 && o->nb_classes != 0) {
        rc = put(data, "nb_classes", json_integer(o->nb_classes), err);
    }
    if (rc != 0 || o->class_weight == NULL) {
        return rc;
    }
    rc = request_class_weight(o->class_weight, &weights, err);
    return rc != 0 ? rc : put(data, "class_weight", weights, err);
}

static int put_data(json_t *request, const struct options *o, bool local,
                    struct err *err)
{
    json_t *data = json_object();
    int rc = put(request, "data", data, err);

    if (rc == 0 && o->data.count != 0) {
        rc = put_sources(data, &o->data, "--data", local, err);
    }
    if (rc == 0) {
        rc = put_text(data, "format", "format", o->format, err);
    }
    if (rc == 0 && (o->header || o->no_header)) {
        rc = put(data, "header", json_boolean(o->header), err);
    }
    if (rc == 0) {
        rc = put_columns(data, "label", "label", o->label, err);
    }
    if (rc == 0) {
        rc = put_columns(data, "features", "features", o->features, err);
    }
    if (rc == 0 && o->scale != 1) {
        rc = put(data, "scale", json_real(o->scale), err);
    }
    return rc != 0 ? rc : put_labels(data, o, err);
}

static int put_validation(json_t *request, const struct options *o, bool local,
                          struct err *err)
{
    json_t *validation;
    int rc;

    if (o->validation_split == 0 && o->validation_data.count == 0) {
        return 0;
    }
    validation = json_object();
    rc = put(request, "validation", validation, err);
    if (rc != 0) {
        return rc;
    }
    if (o->validation_data.count != 0) {
        return put_sources(validation, &o->validation_data, "--validation-data",
                           local, err);
    }
    return put(validation, "split", json_real(o->validation_split), err);
}

/* Ports of the Elephas protocol, where they were given. */
static int put_ports(json_t *object, const struct options *o, struct err *err)
{
    int rc = 0;

    if (o->http_port >= 0) {
        rc = put(object, "http_port", json_integer(o->http_port), err);
    }
    if (rc == 0 && o->socket_port >= 0) {
        rc = put(object, "socket_port", json_integer(o->socket_port), err);
    }
    return rc;
}

/* A word, or a number of batches. */
static int put_frequency(json_t *training, const char *text, struct err *err)
{
    char *end = NULL;
    long long batches;

    if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0') {
        return put_text(training, "frequency", "frequency", text, err);
    }
    errno = 0;
    batches = strtoll(text, &end, 10);
    if (errno != 0 || batches < 1 || batches > INT32_MAX) {
        return err_set(err, ERR_INVALID,
                       "--frequency %s: must be epoch, batch or 1 to %d "
                       "batches",
                       text, INT32_MAX);
    }
    return put(training, "frequency", json_integer(batches), err);
}

/* A name as it is; JSON as an object. */
static int put_server_optimizer(json_t *training, const char *text,
                                struct err *err)
{
    json_t *object = NULL;
    int rc;

    if (text[strspn(text, " \t\r\n")] != '{') {
        return put_text(training, "server_optimizer", "server-optimizer", text,
                        err);
    }
    rc = jget_parse(text, strlen(text), &object, err);
    if (rc != 0) {
        (void)err_wrap(err, "--server-optimizer");
        return rc;
    }
    return put(training, "server_optimizer", object, err);
}

static int put_averaging(json_t *training, const struct options *o,
                         struct err *err)
{
    int rc = 0;

    if (o->delta_scale != 0) {
        rc = put(training, "delta_scale", json_real(o->delta_scale), err);
    }
    if (rc == 0 && o->staleness >= 0) {
        rc = put(training, "staleness", json_integer(o->staleness), err);
    }
    if (rc == 0 && o->staleness_scale) {
        rc = put(training, "staleness_scale", json_true(), err);
    }
    if (rc == 0 && o->elastic_alpha != 0) {
        rc = put(training, "elastic_alpha", json_real(o->elastic_alpha), err);
    }
    if (rc == 0 && o->server_optimizer != NULL) {
        rc = put_server_optimizer(training, o->server_optimizer, err);
    }
    if (rc == 0 && o->compress != NULL) {
        rc = put_text(training, "compress", "compress", o->compress, err);
    }
    return rc;
}

static int put_training(json_t *request, const struct options *o,
                        struct err *err)
{
    json_t *training = json_object();
    int rc = put(request, "training", training, err);

    if (rc == 0) {
        rc = put(training, "epochs", json_integer(o->epochs), err);
    }
    if (rc == 0) {
        rc = put(training, "batch_size", json_integer(o->batch_size), err);
    }
    if (rc == 0) {
        rc = put_text(training, "mode", "mode", o->mode, err);
    }
    if (rc == 0) {
        rc = put_frequency(training, o->frequency, err);
    }
    if (rc == 0) {
        rc = put_text(training, "average", "average", o->average, err);
    }
    if (rc == 0) {
        rc = put_averaging(training, o, err);
    }
    if (rc == 0 && o->memory != 0) {
        rc = put(training, "memory", json_integer(o->memory), err);
    }
    if (rc == 0 && o->seed >= 0) {
        rc = put(training, "seed", json_integer(o->seed), err);
    }
    if (rc == 0) {
        rc = put(training, "shuffle", json_boolean(!o->no_shuffle), err);
    }
    if (rc == 0) {
        rc = put_ports(training, o, err);
    }
    return rc;
}

static int put_engine(json_t *request, const struct options *o,
                      enum request_kind kind, bool local, struct err *err)
{
    json_t *engine = json_object();
    int rc = put(request, "engine", engine, err);

    if (rc == 0) {
        rc = put_text(engine, "name", "engine", o->engine, err);
    }
    if (rc != 0 || strcmp(o->engine, "spark") != 0) {
        return rc;
    }
    return spark_put(o, kind == REQUEST_PREDICT, local, engine, err);
}

static int put_serve(json_t *request, const struct options *o, struct err *err)
{
    bool synchronous = strcmp(o->mode, "synchronous") == 0; /* the default */

    json_t *serve = json_object();
    int rc = put(request, "serve", serve, err);

    if (rc == 0) {
        rc = put_text(serve, "mode", "mode",
                      synchronous ? "asynchronous" : o->mode, err);
    }
    return rc == 0 ? put_ports(serve, o, err) : rc;
}

static int fill(json_t *request, const struct options *o,
                enum request_kind kind, bool local, struct err *err)
{
    static const char *const names[] = {"train", "evaluate", "predict",
                                        "serve"};
    int rc = put(request, "kind", json_string(names[kind]), err);

    if (rc == 0) {
        rc = put_text(request, "name", "name", o->name, err);
    }
    if (rc == 0 && kind == REQUEST_SERVE) {
        return put_serve(request, o, err);
    }
    if (rc == 0 && kind != REQUEST_TRAIN) {
        rc = put_text(request, "source_job", "job", o->job, err);
    }
    if (rc == 0) {
        rc = put_data(request, o, local, err);
    }
    if (rc == 0 && kind == REQUEST_TRAIN) {
        rc = put_validation(request, o, local, err);
    }
    if (rc == 0) {
        rc = kind == REQUEST_TRAIN
                 ? put_training(request, o, err)
                 : put(request, "batch_size", json_integer(o->batch_size), err);
    }
    if (rc == 0 && o->workers != 0) {
        rc = put(request, "workers", json_integer(o->workers), err);
    }
    return rc != 0 ? rc : put_engine(request, o, kind, local, err);
}

int request_build(const struct options *o, enum request_kind kind, bool local,
                  json_t **out, struct err *err)
{
    json_t *request = json_object();
    int rc =
        request != NULL ? fill(request, o, kind, local, err) : err_nomem(err);

    if (rc != 0) {
        json_decref(request);
        return rc;
    }
    *out = request;
    return 0;
}

int request_set_model(json_t *request, const char *hash, struct err *err)
{
    return put(request, "model", json_string(hash), err);
}
