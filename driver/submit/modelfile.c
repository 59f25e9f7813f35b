/* SPDX-License-Identifier: MIT
 *
 * modelfile: see modelfile.h.
 */
#include "driver/submit/modelfile.h"

#include "common/file.h"
#include "common/keras/keras.h"
#include "common/mem.h"
#include "common/model/bind.h"
#include "common/model/loss.h"
#include "driver/submit/jobs.h"
#include "driver/submit/request.h"
#include "driver/submit/width.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define DOWNLOAD_TIMEOUT_MS 60000L

/* A file that may not be read or written is refused input, not a lack of
 * permission to use elephasd. */
static int as_refusal(int rc, struct err *err)
{
    if (rc != ERR_DENIED && rc != ERR_NOT_FOUND && rc != ERR_IO) {
        return rc;
    }
    if (err != NULL) {
        err->code = ERR_INVALID;
    }
    return ERR_INVALID;
}

static int load(const struct options *o, struct model **model,
                struct model_state *state, struct err *err)
{
    int rc = o->weights != NULL
                 ? keras_load_parts(o->model, o->weights, model, state, err)
                 : keras_load(o->model, model, state, err);

    return as_refusal(rc, err);
}

/* What --nb-classes makes of a label must be what the loss wants. */
static int check_classes(const struct options *o, const struct model *model,
                         struct err *err)
{
    for (size_t i = 0; i < model->output_count; i++) {
        const struct output_training *t = &model->training[i];
        const struct shape *shape = model_output_shape(model, i);
        int64_t width = shape->rank > 0 ? shape->dim[shape->rank - 1] : 1;
        bool sparse;

        if (t->loss == NULL) {
            continue;
        }
        sparse = loss_is_sparse(t->loss);
        if (sparse ? o->nb_classes > width : o->nb_classes != width) {
            return err_set(
                err, ERR_INVALID,
                "--nb-classes %lld: output %s of %s has %lld value%s",
                (long long)o->nb_classes, t->name, o->model, (long long)width,
                width == 1 ? "" : "s");
        }
    }
    return 0;
}

/* A weight of a class that no row can have is a mistake. */
static int check_class_weight(const struct options *o,
                              const struct model *model, struct err *err)
{
    uint32_t classes = o->nb_classes != 0         ? (uint32_t)o->nb_classes
                       : model->output_count == 1 ? model_class_count(model, 0)
                                                  : 0;
    json_t *weights = NULL;
    const char *class;
    json_t *value;
    int rc = request_class_weight(o->class_weight, &weights, err);

    json_object_foreach(weights, class, value)
    {
        (void)value;
        if (rc == 0 && classes != 0 && strtoul(class, NULL, 10) >= classes) {
            rc = err_set(err, ERR_INVALID,
                         "--class-weight %s: there is no class %s, classes "
                         "are numbers from 0 to %u",
                         o->class_weight, class, classes - 1);
        }
    }
    json_decref(weights);
    return rc;
}

static int check_training(const struct options *o, enum request_kind kind,
                          const struct model *model, struct err *err)
{
    bool has_loss = false;
    int rc = 0;

    for (size_t i = 0; model->training != NULL && i < model->output_count;
         i++) {
        has_loss = has_loss || model->training[i].loss != NULL;
    }
    if (kind == REQUEST_TRAIN && !model_is_compiled(model)) {
        return err_set(err, ERR_INVALID,
                       "%s: the model is not compiled: call compile() in Keras "
                       "before saving it, or give --loss and --optimizer",
                       o->model);
    }
    if (!has_loss) {
        return err_set(err, ERR_INVALID,
                       "%s: the model has no loss: call compile() in Keras "
                       "before saving it, or give --loss",
                       o->model);
    }
    if (o->nb_classes != 0) {
        rc = check_classes(o, model, err);
    }
    if (rc == 0 && o->class_weight != NULL) {
        rc = check_class_weight(o, model, err);
    }
    return rc;
}

/* Weights that the file does not have: drawn for training, refused else. */
static int give_weights(const struct command *c, enum request_kind kind,
                        const struct model *model, struct model_state *state,
                        struct err *err)
{
    uint64_t seed = (uint64_t)c->opt.seed;

    if (state->has_weights) {
        return 0;
    }
    if (kind != REQUEST_TRAIN && kind != REQUEST_SERVE) {
        return err_set(err, ERR_INVALID,
                       "%s: has no weights; give --weights FILE.h5",
                       c->opt.model);
    }
    if (c->opt.seed < 0 &&
        getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed)) {
        return err_set(err, ERR_IO, "no random numbers; give --seed");
    }
    model_initialize(model, seed, state->values);
    state->has_weights = true;
    return 0;
}

/* Overriding the optimizer changes the size of the state: what belongs to the
 * old one is dropped, the weights stay. */
static int resize_state(const struct model *model, struct model_state *state,
                        bool keep_optimizer, struct err *err)
{
    struct model_state fresh;
    int rc;

    if (keep_optimizer) {
        return 0;
    }
    rc = model_state_init(model, &fresh, err);
    if (rc != 0) {
        return rc;
    }
    if (state->has_weights) {
        memcpy(fresh.values, state->values,
               model->parameters * sizeof(*fresh.values));
    }
    fresh.has_weights = state->has_weights;
    model_state_deinit(state);
    *state = fresh;
    return 0;
}

static int prepare(const struct command *c, enum request_kind kind,
                   struct model *model, struct model_state *state,
                   struct err *err)
{
    const struct options *o = &c->opt;
    bool was_compiled = model->optimizer != NULL;
    int rc = 0;

    if (o->optimizer != NULL || o->loss != NULL || o->metrics != NULL) {
        rc = keras_override_training(model, o->optimizer, o->loss, o->metrics,
                                     err);
        if (rc == 0) {
            rc = resize_state(model, state,
                              was_compiled && o->optimizer == NULL, err);
        }
    }
    if (rc == 0 && kind != REQUEST_PREDICT && kind != REQUEST_SERVE) {
        rc = check_training(o, kind, model, err);
    }
    return rc != 0 ? rc : give_weights(c, kind, model, state, err);
}

/* An axis without a size gets that which the data gives it. */
static int bind(const struct options *o, struct model **model, struct err *err)
{
    size_t features;
    int rc;

    if (model_is_bound(*model)) {
        return 0;
    }
    rc = width_features(o, &features, err);
    if (rc == 0) {
        rc = model_bind_features(model, features, err);
    }
    if (rc != 0 && rc != ERR_NOMEM) {
        (void)err_wrap(err, "%s: an input has an axis without a size",
                       o->model);
    }
    return rc;
}

int modelfile_encode(const struct command *c, enum request_kind kind,
                     struct buf *out, struct err *err)
{
    struct model *model = NULL;
    struct model_state state = {0};
    int rc = load(&c->opt, &model, &state, err);

    if (rc != 0) {
        return rc;
    }
    rc = prepare(c, kind, model, &state, err);
    if (rc == 0) {
        rc = bind(&c->opt, &model, err);
    }
    if (rc == 0) {
        rc = model_encode(model, &state, out, err);
    }
    model_state_deinit(&state);
    model_destroy(&model);
    return rc;
}

/* Keras opens a file by the end of its name. */
static bool is_keras_name(const char *path)
{
    static const char ending[] = ".keras";
    size_t len = strlen(path);
    size_t n = sizeof(ending) - 1;

    return len > n && strcmp(path + len - n, ending) == 0;
}

int modelfile_check_output(const char *path, bool model, struct err *err)
{
    int rc = as_refusal(file_check_writable(path, err), err);

    if (rc == 0 && model && !is_keras_name(path)) {
        rc = err_set(err, ERR_INVALID,
                     "%s: the name must end in .keras, or Keras will not open "
                     "the file",
                     path);
    }
    if (rc != 0 && rc != ERR_NOMEM) {
        (void)err_wrap(err, "--output");
    }
    return rc;
}

struct download {
    const struct command *command;
    struct buf *out;
};

static int append(void *context, struct view piece, struct err *err)
{
    const struct download *d = context;

    return buf_append(d->out, piece.data, piece.len, err);
}

static bool wants_out(void *context)
{
    const struct download *d = context;

    return command_interrupted(d->command);
}

static int download(const struct command *c, struct session *s,
                    const char *path, struct buf *out, struct err *err)
{
    struct download d = {c, out};
    /* a stream: a large model may take long, silence may not */
    struct http_request request = {.method = "GET",
                                   .path = path,
                                   .timeout_ms = DOWNLOAD_TIMEOUT_MS,
                                   .on_data = append,
                                   .interrupted = wants_out,
                                   .context = &d,
                                   .stream = true};
    struct http_response response;
    int rc = http_client_send(s->http, &request, &response, err);

    http_response_deinit(&response);
    return rc;
}

int modelfile_fetch(const struct command *c, struct session *s, const char *id,
                    const char *path, struct err *err)
{
    struct model *model = NULL;
    struct model_state state = {0};
    struct buf message;
    char *url = NULL;
    int rc;

    buf_init(&message, MODEL_WIRE_MAX);
    rc = jobs_path(id, "/model", &url, err);
    if (rc == 0) {
        rc = download(c, s, url, &message, err);
    }
    if (rc == 0) {
        rc = model_decode(buf_view(&message), &model, &state, err);
        if (rc != 0) {
            (void)err_wrap(err, "the model of job %s", id);
        }
    }
    if (rc == 0) {
        buf_deinit(&message); /* the file is written from the decoded form */
        rc = keras_save(path, model, &state, err);
    }
    model_state_deinit(&state);
    model_destroy(&model);
    buf_deinit(&message);
    mem_free(url);
    return rc;
}
