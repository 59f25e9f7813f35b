/* SPDX-License-Identifier: MIT
 *
 * session: see session.h. What the first line says about identity wins over
 * options; what options say about rows wins over the job.
 */
#include "worker/session.h"

#include "common/file.h"
#include "common/keras/keras.h"
#include "common/mem.h"
#include "common/model/bind.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_MEMORY ((uint64_t)512 << 20)
#define DEFAULT_BATCH 32
#define TOKEN_MAX 4096

/* Row options with what they own: the class weights. */
struct plan {
    struct row_options rows;
    uint32_t *classes;
    double *weights;
};

static void plan_deinit(struct plan *p)
{
    mem_free(p->classes);
    mem_free(p->weights);
}

static const char *given(const char *text)
{
    return text != NULL && text[0] != '\0' ? text : NULL;
}

/* The token of a file, without blanks and line breaks around it; *token is
 * owned by the caller, NULL if no file is named. */
static int read_token(const struct worker_options *o, char **token,
                      struct err *err)
{
    const char *path = given(o->token_file);
    struct buf text;
    size_t first;
    size_t last;
    int rc;

    *token = NULL;
    if (path == NULL) {
        path = given(getenv("ELEPHAS_TOKEN_FILE"));
    }
    if (path == NULL) {
        return 0;
    }
    buf_init(&text, TOKEN_MAX);
    rc = file_read(path, &text, err);
    if (rc != 0) {
        (void)err_wrap(err, "token file");
        goto out;
    }
    first = strspn(buf_str(&text), " \t\r\n");
    for (last = text.len; last > first; last--) {
        if (strchr(" \t\r\n", buf_str(&text)[last - 1]) == NULL) {
            break;
        }
    }
    *token = mem_strndup(buf_str(&text) + first, last - first);
    if (*token == NULL) {
        rc = err_nomem(err);
    }
out:
    buf_deinit(&text);
    return rc;
}

static int connect_to_job(struct session *s, const struct worker_options *o,
                          struct err *err)
{
    const struct stream_identity *id = rows_identity(s->rows);
    struct client_options options = {
        .server = id->server != NULL ? id->server : given(o->server),
        .job = id->job != NULL ? id->job : given(o->job),
        .token = id->token,
        .partition = id->has_partition ? id->partition : (uint32_t)o->partition,
        .attempt = id->attempt,
        .stage = id->stage};
    char *token = NULL;
    int rc = 0;

    if (options.server == NULL || options.job == NULL) {
        return err_set(err, ERR_INVALID,
                       o->verb == WORKER_TRAIN || o->verb == WORKER_PACK
                           ? "give --server and --job"
                           : "give --model, or --server and --job");
    }
    if (options.token == NULL) {
        rc = read_token(o, &token, err);
        options.token = token;
    }
    if (rc == 0) {
        rc = client_create(&options, &s->client, err);
    }
    mem_free(token);
    return rc;
}

static int task_row_options(const Elephas__V1__Task *task, struct plan *p,
                            struct err *err)
{
    const Elephas__V1__DataSpec *d = task->data;

    if (d == NULL) {
        return 0;
    }
    p->rows.format = given(d->format);
    p->rows.header =
        d->header == ELEPHAS__V1__DATA_SPEC__HEADER__HEADER_PRESENT
            ? ROW_HEADER_PRESENT
        : d->header == ELEPHAS__V1__DATA_SPEC__HEADER__HEADER_ABSENT
            ? ROW_HEADER_ABSENT
            : ROW_HEADER_GUESS;
    p->rows.labels = (const char *const *)d->labels;
    p->rows.label_count = d->n_labels;
    p->rows.features = (const char *const *)d->features;
    p->rows.feature_count = d->n_features;
    p->rows.sample_weight = given(d->sample_weight);
    p->rows.scale = d->scale;
    p->rows.label.nb_classes = d->nb_classes;
    p->rows.label.class_weight_count = d->n_class_weight;
    p->classes = mem_array(d->n_class_weight + 1, sizeof(*p->classes));
    p->weights = mem_array(d->n_class_weight + 1, sizeof(*p->weights));
    if (p->classes == NULL || p->weights == NULL) {
        return err_nomem(err);
    }
    for (size_t i = 0; i < d->n_class_weight; i++) {
        p->classes[i] = d->class_weight[i]->key;
        p->weights[i] = d->class_weight[i]->value;
    }
    return 0;
}

static int own_row_options(const struct worker_options *o, struct plan *p,
                           struct err *err)
{
    int rc = 0;

    if (o->format != NULL) {
        p->rows.format = o->format;
    }
    if (o->header || o->no_header) {
        p->rows.header = o->header ? ROW_HEADER_PRESENT : ROW_HEADER_ABSENT;
    }
    if (o->labels.count != 0) {
        p->rows.labels = o->labels.items;
        p->rows.label_count = o->labels.count;
        p->rows.maybe_unlabelled = false;
    }
    if (o->features.count != 0) {
        p->rows.features = o->features.items;
        p->rows.feature_count = o->features.count;
    }
    if (o->sample_weight != NULL) {
        p->rows.sample_weight = o->sample_weight;
    }
    if (o->scale != 0) {
        p->rows.scale = o->scale;
    }
    if (o->nb_classes != 0) {
        p->rows.label.nb_classes = (uint32_t)o->nb_classes;
    }
    if (o->class_weight != NULL) {
        mem_free(p->classes);
        mem_free(p->weights);
        p->classes = NULL;
        p->weights = NULL;
        rc = options_class_weight(o->class_weight, &p->classes, &p->weights,
                                  &p->rows.label.class_weight_count, err);
    }
    p->rows.label.classes = p->classes;
    p->rows.label.class_weights = p->weights;
    return rc;
}

static int configure_rows(struct session *s, const struct worker_options *o,
                          struct err *err)
{
    static const enum rows_purpose purposes[] = {ROWS_TRAIN, ROWS_EVALUATE,
                                                 ROWS_PREDICT, ROWS_TRAIN};
    struct plan plan = {0};
    int rc = 0;

    if (s->task != NULL) {
        rc = task_row_options(s->task, &plan, err);
        plan.rows.maybe_unlabelled = o->verb == WORKER_PREDICT;
    }
    if (rc == 0) {
        rc = own_row_options(o, &plan, err);
    }
    if (rc == 0) {
        rc = rows_configure(s->rows, &plan.rows, s->model, purposes[o->verb],
                            err);
    }
    plan_deinit(&plan);
    return rc;
}

/* Takes the parameters out of the state, which is released. */
static int take_values(struct session *s, struct model_state *state,
                       const char *name, struct err *err)
{
    int rc = 0;

    if (!state->has_weights) {
        rc = err_set(err, ERR_INVALID,
                     "%s: holds an architecture without weights", name);
    } else {
        s->values = state->values;
        state->values = NULL; /* the session owns them now */
        state->optimizer.slots = NULL;
    }
    model_state_deinit(state);
    return rc;
}

static int load_file(struct session *s, const char *path, struct err *err)
{
    struct model_state state = {0};
    int rc = keras_load(path, &s->model, &state, err);

    if (rc == 0 && (rc = model_check_bound(s->model, err)) != 0) {
        (void)err_wrap(err, "%s", path);
        model_state_deinit(&state);
    }
    return rc != 0 ? rc : take_values(s, &state, path, err);
}

/* A job that has ended still has its model; how rows are read is then for the
 * options to say. */
static int load_ended_job(struct session *s, struct err *err)
{
    struct model_state state = {0};
    int rc = client_job_model(s->client, &s->model, &state, err);

    return rc != 0 ? rc : take_values(s, &state, client_job(s->client), err);
}

static int pull_values(struct session *s, struct err *err)
{
    struct client_parameters parameters;
    int rc = client_pull(s->client, s->model->parameters, &parameters, err);

    if (rc != 0) {
        return rc;
    }
    s->values = mem_floats(s->model->parameters);
    if (s->values == NULL) {
        rc = err_nomem(err);
    } else if (parameters.values.len != 0) {
        memcpy(s->values, parameters.values.data, parameters.values.len);
    }
    client_parameters_deinit(&parameters);
    return rc;
}

static int check_kind(struct session *s, const struct worker_options *o,
                      struct err *err)
{
    static const Elephas__V1__TaskKind kinds[] = {
        ELEPHAS__V1__TASK_KIND__TASK_KIND_TRAIN,
        ELEPHAS__V1__TASK_KIND__TASK_KIND_EVALUATE,
        ELEPHAS__V1__TASK_KIND__TASK_KIND_PREDICT,
        ELEPHAS__V1__TASK_KIND__TASK_KIND_TRAIN};

    s->reports = s->task->kind == kinds[o->verb];
    if ((o->verb == WORKER_TRAIN || o->verb == WORKER_PACK) && !s->reports) {
        return err_set(err, ERR_INVALID, "job %s is not a training job",
                       client_job(s->client));
    }
    return 0;
}

static bool loads_values(enum worker_verb verb)
{
    return verb == WORKER_EVALUATE || verb == WORKER_PREDICT;
}

static int load_job(struct session *s, const struct worker_options *o,
                    struct err *err)
{
    int rc = connect_to_job(s, o, err);

    if (rc == 0) {
        rc = client_task(s->client, &s->task, err);
    }
    if (rc == 0 && s->task == NULL) {
        return loads_values(o->verb) ? load_ended_job(s, err) : 0;
    }
    if (rc == 0) {
        rc = check_kind(s, o, err);
    }
    if (rc == 0) {
        rc = client_model(s->client, s->task->model, &s->model, err);
    }
    if (rc == 0 && loads_values(o->verb)) {
        rc = pull_values(s, err);
    }
    return rc;
}

static void settle_limits(struct session *s, const struct worker_options *o)
{
    const Elephas__V1__Task *task = s->task;

    s->memory = o->memory != 0                            ? (uint64_t)o->memory
                : task != NULL && task->memory_limit != 0 ? task->memory_limit
                                                          : DEFAULT_MEMORY;
    s->batch_size = task != NULL && task->batch_size != 0 ? task->batch_size
                                                          : DEFAULT_BATCH;
    if (o->batch_size != 0) {
        s->batch_size = (size_t)o->batch_size;
    }
}

int session_open(const struct worker_options *options, int fd,
                 struct session *out, struct err *err)
{
    struct session s = {0};
    int rc = rows_create(fd, &s.rows, err);

    if (rc == 0) {
        rc = options->model != NULL ? load_file(&s, options->model, err)
                                    : load_job(&s, options, err);
    }
    if (rc == 0 && s.model == NULL) {
        *out = s; /* nothing is left to do with rows */
        return 0;
    }
    if (rc == 0 && options->verb != WORKER_PREDICT &&
        !model_is_compiled(s.model)) {
        rc = err_set(err, ERR_INVALID,
                     "the model is not compiled: it has no loss to %s with",
                     options_verb_name(options->verb));
    }
    if (rc == 0) {
        settle_limits(&s, options);
        rc = configure_rows(&s, options, err);
    }
    if (rc != 0) {
        session_close(&s);
        return rc;
    }
    *out = s;
    return 0;
}

void session_close(struct session *s)
{
    rows_destroy(&s->rows);
    client_free_task(&s->task);
    client_destroy(&s->client);
    model_destroy(&s->model);
    mem_free_aligned(s->values);
    memset(s, 0, sizeof(*s));
}
