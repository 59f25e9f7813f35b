/* SPDX-License-Identifier: MIT
 *
 * job_training: the object "training" of a job request, read, checked, and
 * written out again; see docs/PROTOCOL.md section 3 and, for what the options
 * do, docs/PARAMETER_SERVER.md. Options that make no sense together are
 * refused here, both by name.
 */
#include "driver/core/job_training.h"

#include "common/jget.h"
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
    int rc = jget_string_or(object, key, text, &text, err);

    if (rc != 0) {
        return rc;
    }
    for (*out = 0; choices[*out] != NULL; (*out)++) {
        if (strcmp(text, choices[*out]) == 0) {
            return 0;
        }
    }
    return err_set(err, ERR_INVALID, "%s: %.64s is not possible, %s or %s is",
                   key, text, choices[0], choices[1]);
}

static int read_choices(const json_t *training, struct job_spec *spec,
                        struct err *err)
{
    static const char *const modes[] = {"synchronous", "asynchronous",
                                        "hogwild", NULL};
    static const char *const frequencies[] = {"epoch", "batch", NULL};
    static const char *const averages[] = {"weighted", "uniform", NULL};
    int mode = 0;
    int frequency = 0;
    int average = 0;
    int rc = read_choice(training, "mode", modes, &mode, err);

    if (rc == 0) {
        rc = read_choice(training, "frequency", frequencies, &frequency, err);
    }
    if (rc == 0) {
        rc = read_choice(training, "average", averages, &average, err);
    }
    spec->training.mode = (enum training_mode)mode;
    spec->training.frequency = (enum training_frequency)frequency;
    spec->training.uniform = average == 1;
    return rc;
}

/* An option that this mode would silently ignore is refused. */
static int check_mode(const struct training_options *t, struct err *err)
{
    if (t->delta_scale != 0 && t->mode == TRAINING_SYNCHRONOUS) {
        return err_set(err, ERR_INVALID,
                       "delta_scale and mode synchronous: a round applies the "
                       "mean of its deltas; leave delta_scale out, or choose "
                       "another mode");
    }
    return 0;
}

static int read_averaging(const json_t *training, struct training_options *t,
                          struct err *err)
{
    int rc = jget_double_or(training, "delta_scale", 0, &t->delta_scale, err);

    if (rc == 0 && jget_member(training, "delta_scale") != NULL &&
        !(t->delta_scale > 0 && t->delta_scale <= DELTA_SCALE_MAX)) {
        rc = err_set(err, ERR_INVALID,
                     "delta_scale: %g is out of range, a number above 0 up to "
                     "%g is possible",
                     t->delta_scale, DELTA_SCALE_MAX);
    }
    return rc == 0 ? check_mode(t, err) : rc;
}

int job_training_read(const json_t *request, struct job_spec *spec,
                      struct err *err)
{
    static const char *const keys[] = {
        "epochs",      "batch_size", "mode",        "frequency",
        "average",     "seed",       "shuffle",     "memory",
        "delta_scale", "http_port",  "socket_port", NULL};
    const json_t *training;
    int64_t epochs = 1;
    int64_t batch = spec->batch_size;
    int64_t seed = 0;
    int64_t memory = 0;
    int rc = job_read_object(request, "training", &training, err);

    if (rc != 0) {
        return rc;
    }
    if (training != NULL && spec->kind != JOB_TRAIN) {
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
        (rc = read_averaging(training, &spec->training, err)) != 0 ||
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

static const char *mode_name(enum training_mode mode)
{
    switch (mode) {
    case TRAINING_ASYNCHRONOUS:
        return "asynchronous";
    case TRAINING_HOGWILD:
        return "hogwild";
    default:
        return "synchronous";
    }
}

int job_training_put(json_t *root, const struct job_spec *spec)
{
    const struct training_options *t = &spec->training;
    json_t *training;

    if (spec->kind != JOB_TRAIN) {
        return put(root, "batch_size", json_integer(spec->batch_size));
    }
    training = json_object();
    if (put(root, "training", training) != 0 ||
        put(training, "epochs", json_integer(t->epochs)) != 0 ||
        put(training, "batch_size", json_integer(spec->batch_size)) != 0 ||
        put_text(training, "mode", mode_name(t->mode)) != 0 ||
        put_text(training, "frequency",
                 t->frequency == TRAINING_BATCH ? "batch" : "epoch") != 0 ||
        put_text(training, "average", t->uniform ? "uniform" : "weighted") !=
            0 ||
        put(training, "shuffle", json_boolean(spec->shuffle)) != 0) {
        return -1;
    }
    if (t->delta_scale != 0 &&
        put(training, "delta_scale", json_real(t->delta_scale)) != 0) {
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
