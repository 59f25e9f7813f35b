/* SPDX-License-Identifier: MIT
 *
 * job_training: the object "training" of a job request, read, checked, and
 * written out again; see docs/PROTOCOL.md section 3 and, for what the options
 * do, docs/PARAMETER_SERVER.md. Options that make no sense together are
 * refused here, both by name.
 */
#include "driver/core/job_training.h"

#include "common/buf.h"
#include "common/jget.h"
#include "common/model/optimizer.h"
#include "driver/core/job_read.h"
#include "driver/core/job_serve.h"

#include <string.h>

#define COUNT_MAX INT32_MAX
#define MEMORY_MAX INT64_C(1000000000000000) /* bytes */
#define DELTA_SCALE_MAX 1e3

/* The index of a member's text among the choices; the first is the default. */
static int read_choice(const json_t *object, const char *key,
                       const char *const *choices, int *out, struct err *err)
{
    const char *text = choices[0];
    struct buf list;
    int rc = jget_string_or(object, key, text, &text, err);

    if (rc != 0) {
        return rc;
    }
    for (*out = 0; choices[*out] != NULL; (*out)++) {
        if (strcmp(text, choices[*out]) == 0) {
            return 0;
        }
    }
    buf_init(&list, 1024);
    rc = 0;
    for (int i = 0; rc == 0 && choices[i] != NULL; i++) {
        const char *between = choices[i + 1] != NULL ? ", " : " or ";

        rc = buf_printf(&list, err, "%s%s", i == 0 ? "" : between, choices[i]);
    }
    if (rc == 0) {
        rc = err_set(err, ERR_INVALID, "%s: %.64s is not possible, %s is", key,
                     text, buf_str(&list));
    }
    buf_deinit(&list);
    return rc;
}

static const char *const modes[] = {"synchronous", "asynchronous", "hogwild",
                                    "easgd", NULL};

/* "epoch", "batch", or a number of batches. */
static int read_frequency(const json_t *training, struct training_options *t,
                          struct err *err)
{
    static const char *const frequencies[] = {"epoch", "batch",
                                              "a number of batches", NULL};
    int64_t period = 1;
    int choice = 0;
    int rc;

    if (json_is_integer(jget_member(training, "frequency"))) {
        rc = job_read_int(training, "frequency", 1, 1, COUNT_MAX, &period, err);
        t->frequency = TRAINING_BATCH;
    } else {
        rc = read_choice(training, "frequency", frequencies, &choice, err);
        if (rc == 0 && choice == 2) {
            rc = err_set(err, ERR_INVALID, "frequency: give the number itself");
        }
        t->frequency = choice == 1 ? TRAINING_BATCH : TRAINING_EPOCH;
    }
    t->period = period > 1 ? (uint32_t)period : 0;
    return rc;
}

static int read_choices(const json_t *training, struct job_spec *spec,
                        struct err *err)
{
    static const char *const averages[] = {"weighted", "uniform", NULL};
    int mode = 0;
    int average = 0;
    int rc = read_choice(training, "mode", modes, &mode, err);

    if (rc == 0) {
        rc = read_frequency(training, &spec->training, err);
    }
    if (rc == 0) {
        rc = read_choice(training, "average", averages, &average, err);
    }
    spec->training.mode = (enum training_mode)mode;
    spec->training.uniform = average == 1;
    return rc;
}

/* A number above 0 that need not be there. */
static int read_factor(const json_t *training, const char *key, double max,
                       double *out, struct err *err)
{
    int rc = jget_double_or(training, key, 0, out, err);

    if (rc == 0 && jget_member(training, key) != NULL &&
        !(*out > 0 && *out <= max)) {
        rc = err_set(err, ERR_INVALID,
                     "%s: %g is out of range, a number above 0 up to %g is "
                     "possible",
                     key, *out, max);
    }
    return rc;
}

/* Presets for optimizers that see deltas, whose size is that of a change and
 * not of a gradient: Keras' own rates are not made for them. Asynchrony is a
 * momentum of its own (Mitliagkas and others: Asynchrony begets Momentum,
 * 2016), so less is added there. */
#define PRESET_ADAM                                                            \
    "{\"learning_rate\": 0.01, \"beta_1\": 0.9, \"beta_2\": 0.99, "            \
    "\"epsilon\": 0.001}"
static const struct {
    const char *name;
    const char *class_name;
    const char *synchronous;
    const char *asynchronous;
} presets[] = {
    {"sgd-momentum", "SGD", "{\"learning_rate\": 1.0, \"momentum\": 0.5}",
     "{\"learning_rate\": 1.0, \"momentum\": 0.25}"},
    {"adam", "Adam", PRESET_ADAM, PRESET_ADAM},
};

static int make_server(const char *class_name, const json_t *config,
                       bool synchronous, struct optimizer **out,
                       struct err *err)
{
    json_t *preset = NULL;
    int rc;

    for (size_t i = 0; config == NULL && i < sizeof(presets) / sizeof(*presets);
         i++) {
        if (strcmp(class_name, presets[i].name) == 0) {
            class_name = presets[i].class_name;
            preset = json_loads(synchronous ? presets[i].synchronous
                                            : presets[i].asynchronous,
                                0, NULL);
            if (preset == NULL) {
                return err_nomem(err);
            }
        }
    }
    rc = optimizer_create(class_name, preset != NULL ? preset : config, out,
                          err);
    json_decref(preset);
    return rc;
}

/* A name, or Keras' object of class_name and config. */
static int read_server(const json_t *training, struct job_spec *spec,
                       struct err *err)
{
    const json_t *value = jget_member(training, "server_optimizer");
    const json_t *config = NULL;
    const char *name = json_string_value(value);
    int rc = 0;

    if (value == NULL) {
        return 0;
    }
    if (json_is_object(value)) {
        rc = jget_string(value, "class_name", &name, err);
        if (rc == 0) {
            rc = job_read_object(value, "config", &config, err);
        }
    } else if (name == NULL) {
        rc = err_set(err, ERR_INVALID, "a name or an object is wanted, not %s",
                     jget_type_name(value));
    }
    if (rc == 0) {
        rc = make_server(name, config,
                         spec->training.mode == TRAINING_SYNCHRONOUS,
                         &spec->server, err);
    }
    if (rc != 0) {
        (void)err_wrap(err, "server_optimizer");
        return rc;
    }
    spec->training.server = spec->server;
    spec->server_optimizer = json_deep_copy(value);
    return spec->server_optimizer != NULL ? 0 : err_nomem(err);
}

/* Options that would be silently ignored together are refused. */
static int check_together(const struct job_spec *spec, struct err *err)
{
    const struct training_options *t = &spec->training;
    bool synchronous = t->mode == TRAINING_SYNCHRONOUS;
    bool easgd = t->mode == TRAINING_EASGD;
    bool gradients =
        synchronous && t->frequency == TRAINING_BATCH && t->period <= 1;
    const char *rounds =
        json_string_value(json_object_get(spec->engine_options, "rounds"));
    const struct {
        bool wrong;
        const char *both;
        const char *why;
    } rules[] = {
        {t->delta_scale != 0 && synchronous, "delta_scale and mode synchronous",
         "a round applies the mean of its deltas"},
        {t->delta_scale != 0 && easgd, "delta_scale and mode easgd",
         "the elastic difference has elastic_alpha"},
        {t->staleness_scale && synchronous,
         "staleness_scale and mode synchronous", "nothing is stale in a round"},
        {t->staleness_scale && easgd, "staleness_scale and mode easgd",
         "the elastic difference has elastic_alpha"},
        {t->bounded && synchronous, "staleness and mode synchronous",
         "nothing is stale in a round"},
        {spec->elastic_alpha != 0 && !easgd,
         "elastic_alpha and another mode than easgd",
         "only elastic averaging has it"},
        {t->uniform && easgd, "average uniform and mode easgd",
         "all partitions pull alike at the centre"},
        {t->server != NULL && easgd, "server_optimizer and mode easgd",
         "the centre is moved by the elastic differences"},
        {t->server != NULL && gradients,
         "server_optimizer, mode synchronous and frequency batch",
         "the model's own optimizer runs on the server then"},
        {spec->compress.kind == CODEC_TOPK && synchronous,
         "compress topk and mode synchronous",
         "what it holds back would be lost with a worker that is started "
         "again, and the same bits with it"},
        {easgd && rounds != NULL && strcmp(rounds, "stage") == 0,
         "mode easgd and rounds stage",
         "weights of their own live in workers that stay"},
    };

    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (rules[i].wrong) {
            return err_set(err, ERR_INVALID, "%s do not go together: %s",
                           rules[i].both, rules[i].why);
        }
    }
    return 0;
}

static int read_compress(const json_t *training, struct codec *out,
                         struct err *err)
{
    const char *text = "none";
    int rc = jget_string_or(training, "compress", text, &text, err);

    if (rc == 0 && (rc = codec_parse(text, out, err)) != 0) {
        (void)err_wrap(err, "compress");
    }
    return rc;
}

static int read_averaging(const json_t *training, struct job_spec *spec,
                          struct err *err)
{
    struct training_options *t = &spec->training;
    int64_t staleness = 0;
    int rc;

    if ((rc = read_factor(training, "delta_scale", DELTA_SCALE_MAX,
                          &t->delta_scale, err)) != 0 ||
        (rc = read_factor(training, "elastic_alpha", 1, &spec->elastic_alpha,
                          err)) != 0 ||
        (rc = jget_bool_or(training, "staleness_scale", false,
                           &t->staleness_scale, err)) != 0 ||
        (rc = job_read_int(training, "staleness", 0, 0, COUNT_MAX, &staleness,
                           err)) != 0 ||
        (rc = read_server(training, spec, err)) != 0 ||
        (rc = read_compress(training, &spec->compress, err)) != 0) {
        return rc;
    }
    t->bounded = jget_member(training, "staleness") != NULL;
    t->staleness = (uint64_t)staleness;
    return check_together(spec, err);
}

int job_training_read(const json_t *request, struct job_spec *spec,
                      struct err *err)
{
    static const char *const keys[] = {"epochs",
                                       "batch_size",
                                       "mode",
                                       "frequency",
                                       "average",
                                       "seed",
                                       "shuffle",
                                       "memory",
                                       "delta_scale",
                                       "staleness",
                                       "staleness_scale",
                                       "elastic_alpha",
                                       "server_optimizer",
                                       "compress",
                                       "http_port",
                                       "socket_port",
                                       NULL};
    const json_t *training;
    int64_t epochs = 1;
    int64_t batch = spec->batch_size;
    int64_t seed = 0;
    int64_t memory = 0;
    int rc = job_read_object(request, "training", &training, err);

    if (rc != 0) {
        return rc;
    }
    if (training != NULL && !job_spec_trains(spec)) {
        return err_set(err, ERR_INVALID,
                       "training: is for training only, this job is to %s",
                       job_kind_name(spec->kind));
    }
    if ((rc = job_check_keys(training, keys, err)) != 0 ||
        (rc = job_read_int(training, "epochs", 1, 1, COUNT_MAX, &epochs,
                           err)) != 0 ||
        (rc = job_read_int(training, "batch_size", batch, 1, COUNT_MAX, &batch,
                           err)) != 0 ||
        (rc = job_read_int(training, "seed", 0, 0, INT64_MAX, &seed, err)) !=
            0 ||
        (rc = job_read_int(training, "memory", 0, 0, MEMORY_MAX, &memory,
                           err)) != 0 ||
        (rc = jget_bool_or(training, "shuffle", true, &spec->shuffle, err)) !=
            0 ||
        (rc = read_choices(training, spec, err)) != 0 ||
        (rc = read_averaging(training, spec, err)) != 0 ||
        (rc = job_serve_ports(training, -1, spec, err)) != 0) {
        (void)err_wrap(err, "training");
        return rc;
    }
    spec->has_seed = jget_member(training, "seed") != NULL;
    spec->seed = (uint64_t)seed;
    spec->memory = (uint64_t)memory;
    spec->batch_size = (uint32_t)batch;
    spec->training.epochs = (uint32_t)epochs;
    spec->training.batch_size = spec->batch_size;
    spec->training.partitions = spec->workers;
    spec->training.validation = job_spec_has_validation(spec);
    return 0;
}

/* ---- and back ---- */

/* json_object_set_new() that also fails for a NULL value. Returns -1. */
static int put(json_t *object, const char *key, json_t *value)
{
    return value == NULL ? -1 : json_object_set_new(object, key, value);
}

static int put_text(json_t *object, const char *key, const char *text)
{
    return put(object, key, json_string(text));
}

/* The options that are there only if they were given. */
static int put_averaging(json_t *training, const struct job_spec *spec)
{
    const struct training_options *t = &spec->training;
    char text[CODEC_TEXT_SIZE];

    if ((spec->compress.kind != CODEC_FLOAT32 &&
         put_text(training, "compress", codec_text(&spec->compress, text)) !=
             0) ||
        (t->delta_scale != 0 &&
         put(training, "delta_scale", json_real(t->delta_scale)) != 0) ||
        (spec->elastic_alpha != 0 &&
         put(training, "elastic_alpha", json_real(spec->elastic_alpha)) != 0) ||
        (t->staleness_scale &&
         put(training, "staleness_scale", json_true()) != 0) ||
        (t->bounded && put(training, "staleness",
                           json_integer((json_int_t)t->staleness)) != 0)) {
        return -1;
    }
    return spec->server_optimizer != NULL
               ? put(training, "server_optimizer",
                     json_deep_copy(spec->server_optimizer))
               : 0;
}

static json_t *frequency_json(const struct training_options *t)
{
    if (t->frequency == TRAINING_BATCH && t->period > 1) {
        return json_integer(t->period);
    }
    return json_string(t->frequency == TRAINING_BATCH ? "batch" : "epoch");
}

int job_training_put(json_t *root, const struct job_spec *spec)
{
    const struct training_options *t = &spec->training;
    json_t *training;

    if (!job_spec_trains(spec)) {
        return put(root, "batch_size", json_integer(spec->batch_size));
    }
    training = json_object();
    if (put(root, "training", training) != 0 ||
        put(training, "epochs", json_integer(t->epochs)) != 0 ||
        put(training, "batch_size", json_integer(spec->batch_size)) != 0 ||
        put_text(training, "mode", modes[t->mode]) != 0 ||
        put(training, "frequency", frequency_json(t)) != 0 ||
        put_text(training, "average", t->uniform ? "uniform" : "weighted") !=
            0 ||
        put(training, "shuffle", json_boolean(spec->shuffle)) != 0) {
        return -1;
    }
    if (put_averaging(training, spec) != 0) {
        return -1;
    }
    if (spec->http_port >= 0 &&
        put(training, "http_port", json_integer(spec->http_port)) != 0) {
        return -1;
    }
    if (spec->socket_port >= 0 &&
        put(training, "socket_port", json_integer(spec->socket_port)) != 0) {
        return -1;
    }
    if (spec->memory != 0 &&
        put(training, "memory", json_integer((json_int_t)spec->memory)) != 0) {
        return -1;
    }
    return spec->has_seed
               ? put(training, "seed", json_integer((json_int_t)spec->seed))
               : 0;
}
