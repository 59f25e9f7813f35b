/* SPDX-License-Identifier: MIT
 *
 * api_jobs: jobs as JSON documents: made, shown, cancelled; their results.
 */
#include "driver/api.h"

#include "common/jget.h"
#include "common/mem.h"
#include "driver/core/job_spark.h"
#include "driver/daemon.h"
#include "driver/http.h"
#include "driver/jobs.h"
#include "driver/row_files.h"
#include "driver/store.h"
#include "driver/work.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* The hash of a model that holds what the source job knows now. */
static int freeze_job(struct daemon *d, const char *name,
                      char hash[MODEL_HASH_SIZE], struct err *err)
{
    struct job *source;
    struct buf message;
    bool added;
    int rc = jobs_find(d->jobs, name, &source, err);

    if (rc != 0) {
        (void)err_wrap(err, "source_job");
        return rc;
    }
    if (source->work == NULL || source->class->current == NULL) {
        memcpy(hash, source->output[0] != '\0' ? source->output : source->model,
               MODEL_HASH_SIZE);
        return 0;
    }
    buf_init(&message, MODEL_WIRE_MAX);
    rc = source->class->current(source, &message, err);
    if (rc == 0) {
        rc = model_hash(buf_view(&message), hash, err);
    }
    if (rc == 0) {
        rc = store_put_model(d->store, hash, buf_view(&message), &added, err);
    }
    buf_deinit(&message);
    return rc;
}

/* Whether the request fits the model. */
static int check_model(struct daemon *d, const struct job_spec *spec,
                       const char *hash, struct err *err)
{
    struct model *model = NULL;
    struct model_state state = {0}; /* but for its values */
    int rc = job_load_architecture(d, hash, &model, &state, err);

    if (rc == 0) {
        rc = job_spec_check_model(spec, model, err);
    }
    if (rc == 0 && !job_spec_trains(spec) && spec->kind != JOB_SERVE &&
        !state.has_weights) {
        rc = err_set(err, ERR_INVALID,
                     "the model holds no weights: train it first");
    }
    model_destroy(&model);
    return rc;
}

/* What a directory or a pattern holds is told by the names of its files. */
static int look_at_files(struct job_spec *spec, struct err *err)
{
    struct row_files files = {0};
    struct stat st;
    const char *source;
    int rc = 0;

    if (job_spark_is(spec) || !spec->format_guessed) {
        return 0;
    }
    source = spec->sources.items[0];
    if (stat(source, &st) == 0 && !S_ISDIR(st.st_mode)) {
        return 0;
    }
    /* that there are none is found, and told, when the job reads them */
    if (row_files_add(&files, source, NULL) == 0 && files.count != 0) {
        rc = job_spec_guess_format(spec, files.paths[0], err);
        if (rc != 0) {
            (void)err_wrap(err, "data");
        }
    }
    row_files_deinit(&files);
    return rc;
}

static int make_job(struct daemon *d, struct view text, struct job **job,
                    struct err *err)
{
    json_t *request = NULL;
    struct job_spec *spec = NULL;
    char hash[MODEL_HASH_SIZE] = "";
    int rc = jget_parse((const char *)text.data, text.len, &request, err);

    if (rc == 0) {
        rc = job_spec_parse(request, &spec, err);
    }
    json_decref(request);
    if (rc == 0 && spec->source_job != NULL) {
        rc = freeze_job(d, spec->source_job, hash, err);
    } else if (rc == 0) {
        memcpy(hash, spec->model, sizeof(hash));
    }
    if (rc == 0) {
        rc = job_check_data(d, spec, err);
    }
    if (rc == 0) {
        rc = look_at_files(spec, err);
    }
    if (rc == 0) {
        rc = check_model(d, spec, hash, err);
    }
    if (rc == 0) {
        rc = jobs_add(d->jobs, &spec, hash, job, err);
    }
    job_spec_destroy(&spec);
    return rc;
}

/* Whoever makes a part of a training tells the workers of the whole how to talk
 * to it: the one time that a token is shown, to one who may do everything. */
static json_t *made_json(const struct job *job)
{
    json_t *document = job_json(job);

    if (document != NULL && job->spec->kind == JOB_SHARD &&
        json_object_set_new(document, "token", json_string(job->token)) != 0) {
        json_decref(document);
        return NULL;
    }
    return document;
}

void api_job_post(struct daemon *d, struct http_exchange *x, struct job *job)
{
    char location[64];
    struct err err = {0};

    if (make_job(d, http_body(x), &job, &err) != 0) {
        http_reply_error(x, &err);
        return;
    }
    (void)snprintf(location, sizeof(location), "/v1/jobs/%s", job->id);
    http_reply_header(x, "Location", location);
    http_reply_json(x, 201, made_json(job));
}

void api_job_list(struct daemon *d, struct http_exchange *x, struct job *job)
{
    (void)job;
    http_reply_json(x, 200, jobs_json(d->jobs));
}

void api_job_get(struct daemon *d, struct http_exchange *x, struct job *job)
{
    (void)d;
    http_reply_json(x, 200, job_json(job));
}

void api_job_delete(struct daemon *d, struct http_exchange *x, struct job *job)
{
    struct err err = {0};

    (void)d;
    if (job_cancel(job, &err) != 0) {
        http_reply_error(x, &err);
        return;
    }
    http_reply_json(x, 202, job_json(job));
}

void api_job_stop(struct daemon *d, struct http_exchange *x, struct job *job)
{
    struct err err = {0};

    (void)d;
    if (job_stop(job, &err) != 0) {
        http_reply_error(x, &err);
        return;
    }
    http_reply_json(x, 202, job_json(job));
}

void api_job_history(struct daemon *d, struct http_exchange *x, struct job *job)
{
    json_t *document;
    json_t *history;

    (void)d;
    if (job->spec->kind != JOB_TRAIN) {
        http_reply_problem(x, 409, "state",
                           "only a training job has a history");
        return;
    }
    document = job_json(job);
    history = json_object_get(document, "history");
    history = history != NULL ? json_incref(history) : json_object();
    json_decref(document);
    http_reply_json(x, 200, json_pack("{s:o}", "history", history));
}

void api_job_predictions(struct daemon *d, struct http_exchange *x,
                         struct job *job)
{
    char *path;
    struct err err = {0};
    int fd;

    (void)d;
    if (job->spec->kind != JOB_PREDICT || job->state != JOB_DONE) {
        (void)err_set(&err, ERR_STATE, "job %s %s", job->id,
                      job->spec->kind != JOB_PREDICT
                          ? "is no prediction"
                          : "has no predictions: it is not done");
        http_reply_error(x, &err);
        return;
    }
    path = job_path(job, "predictions.csv");
    fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) {
        (void)err_errno(&err, ERR_IO, errno, "%s", path != NULL ? path : "");
        http_reply_error(x, &err);
    } else {
        http_reply_file(x, 200, "text/csv; charset=utf-8", fd);
    }
    mem_free(path);
}
