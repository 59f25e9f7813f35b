/* SPDX-License-Identifier: MIT
 *
 * api_jobs: jobs as JSON documents: made, shown, cancelled; their results.
 */
#include "driver/api.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/model_wire.h"
#include "driver/core/job_spark.h"
#include "driver/daemon.h"
#include "driver/http.h"
#include "driver/jobs.h"
#include "driver/later.h"
#include "driver/row_files.h"
#include "driver/store.h"
#include "driver/work.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

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

static int parse(struct view text, struct job_spec **spec, struct err *err)
{
    json_t *request = NULL;
    int rc = jget_parse((const char *)text.data, text.len, &request, err);

    if (rc == 0) {
        rc = job_spec_parse(request, spec, err);
    }
    json_decref(request);
    return rc;
}

static int make_job(struct daemon *d, struct job_spec **spec, const char *hash,
                    struct job **job, struct err *err)
{
    int rc = job_check_data(d, *spec, err);

    if (rc == 0) {
        rc = look_at_files(*spec, err);
    }
    if (rc == 0) {
        rc = check_model(d, *spec, hash, err);
    }
    return rc == 0 ? jobs_add(d->jobs, spec, hash, job, err) : rc;
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

/* The spec moves in. */
static void answer_post(struct daemon *d, struct http_exchange *x,
                        struct job_spec *spec, const char *hash)
{
    struct job *job = NULL;
    char location[64];
    struct err err = {0};

    if (make_job(d, &spec, hash, &job, &err) != 0) {
        http_reply_error(x, &err);
    } else {
        (void)snprintf(location, sizeof(location), "/v1/jobs/%s", job->id);
        http_reply_header(x, "Location", location);
        http_reply_json(x, 201, made_json(job));
    }
    job_spec_destroy(&spec);
}

/* What another job knows now becomes a stored model, off the loop if it is
 * large; then the request is read again. */
struct freeze {
    struct later later;
    struct work_model model;
    char hash[MODEL_HASH_SIZE];
    int rc;
    struct err err;
};

static void work_freeze(struct later *later)
{
    struct freeze *f = (struct freeze *)later;
    const struct view pieces[] = {buf_view(&f->model.head), f->model.values};
    bool added;

    f->rc = model_hash_pieces(pieces, 2, f->hash, &f->err);
    if (f->rc == 0) {
        f->rc = store_put_pieces(later->daemon->store, f->hash, pieces, 2,
                                 &added, &f->err);
    }
}

static void end_freeze(struct later *later)
{
    struct freeze *f = (struct freeze *)later;
    struct http_exchange *x = later->x;
    struct job_spec *spec = NULL;

    if (x == NULL) {
        return;
    }
    if (f->rc == 0) {
        f->rc = parse(http_body(x), &spec, &f->err);
    }
    if (f->rc == 0) {
        answer_post(later->daemon, x, spec, f->hash);
    } else {
        http_reply_error(x, &f->err);
    }
}

static void release_freeze(struct later *later)
{
    struct freeze *f = (struct freeze *)later;

    work_model_deinit(&f->model);
    mem_free(f);
}

static void freeze(struct daemon *d, struct http_exchange *x,
                   struct work_model *m, const struct err *err)
{
    static const struct later_class class = {
        .work = work_freeze, .done = end_freeze, .release = release_freeze};
    struct freeze *f = m != NULL ? mem_zalloc(sizeof(*f)) : NULL;
    struct err why = {0};

    if (m == NULL) {
        http_reply_error(x, err);
        return;
    }
    if (f == NULL) {
        work_model_deinit(m);
        http_reply_problem(x, 503, "nomem", "out of memory");
        return;
    }
    f->model = *m;
    if (m->values.len <= LATER_ABOVE) {
        f->later = (struct later){&class, d, x};
        work_freeze(&f->later);
        end_freeze(&f->later);
        release_freeze(&f->later);
    } else if (later_begin(&f->later, &class, d, x, &why) != 0) {
        release_freeze(&f->later);
        http_reply_error(x, &why);
    }
}

/* A job with a model of its own, or with what another one has. */
void api_job_post(struct daemon *d, struct http_exchange *x, struct job *source)
{
    struct job_spec *spec = NULL;
    struct err err = {0};
    int rc = parse(http_body(x), &spec, &err);

    source = NULL;
    if (rc == 0 && spec->source_job != NULL) {
        rc = jobs_find(d->jobs, spec->source_job, &source, &err);
        if (rc != 0) {
            (void)err_wrap(&err, "source_job");
        }
    }
    if (rc != 0) {
        http_reply_error(x, &err);
    } else if (source == NULL) {
        answer_post(d, x, spec, spec->model);
        return;
    } else if (!job_park(source, x, api_job_post)) {
        if (source->work == NULL || source->class->current == NULL) {
            answer_post(d, x, spec,
                        source->output[0] != '\0' ? source->output
                                                  : source->model);
            return;
        }
        source->class->current(source, x, freeze, api_job_post);
    }
    job_spec_destroy(&spec);
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
