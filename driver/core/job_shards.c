/* SPDX-License-Identifier: MIT
 *
 * job_shards: see job_shards.h.
 */
#include "driver/core/job_shards.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/narrow.h"
#include "common/model/round.h"
#include "driver/core/job_read.h"
#include "driver/core/job_training.h"

#include <string.h>

#define ELEMENTS_MAX ((int64_t)MODEL_MAX_PARAMETERS)
/* A queue may be so many times as long as a silence. */
#define QUEUE 24

static int read_range(const json_t *object, uint64_t *begin, uint64_t *end,
                      struct err *err)
{
    int64_t first = 0;
    int64_t last = 0;
    int rc = job_read_int(object, "begin", 0, 0, ELEMENTS_MAX, &first, err);

    if (rc == 0) {
        rc = job_read_int(object, "end", 0, 0, ELEMENTS_MAX, &last, err);
    }
    if (rc == 0 && last <= first) {
        rc = err_set(err, ERR_INVALID, "begin and end: %lld to %lld is no part",
                     (long long)first, (long long)last);
    }
    *begin = (uint64_t)first;
    *end = (uint64_t)last;
    return rc;
}

/* ---- the training -------------------------------------------------------- */

static int read_one(const json_t *object, struct job_shard *shard,
                    struct err *err)
{
    static const char *const keys[] = {"server", "job", "token",
                                       "begin",  "end", NULL};
    int rc;

    if (!json_is_object(object)) {
        return err_set(err, ERR_INVALID, "an object is wanted, not %s",
                       jget_type_name(object));
    }
    if ((rc = job_check_keys(object, keys, err)) != 0 ||
        (rc = job_read_text(object, "server", &shard->server, err)) != 0 ||
        (rc = job_read_text(object, "job", &shard->job, err)) != 0 ||
        (rc = job_read_text(object, "token", &shard->token, err)) != 0 ||
        (rc = read_range(object, &shard->begin, &shard->end, err)) != 0) {
        return rc;
    }
    if (shard->server == NULL || shard->job == NULL || shard->token == NULL) {
        return err_set(err, ERR_INVALID, "server, job and token are wanted");
    }
    return 0;
}

static int read_list(const json_t *list, struct job_spec *spec, struct err *err)
{
    size_t n = json_array_size(list);
    int rc = 0;

    if (n == 0 || n >= JOB_SHARDS_MAX) {
        return err_set(err, ERR_INVALID,
                       "1 to %d servers beside this one are possible, not %zu",
                       JOB_SHARDS_MAX - 1, n);
    }
    spec->shards = mem_zarray(n, sizeof(*spec->shards));
    if (spec->shards == NULL) {
        return err_nomem(err);
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct job_shard *shard = &spec->shards[spec->shard_count++];

        rc = read_one(json_array_get(list, i), shard, err);
        if (rc == 0 && i != 0 && shard->begin != shard[-1].end) {
            rc = err_set(err, ERR_INVALID,
                         "a part begins with %llu, the one before it ends "
                         "with %llu",
                         (unsigned long long)shard->begin,
                         (unsigned long long)shard[-1].end);
        }
    }
    if (rc == 0) {
        spec->end = spec->shards[0].begin;
        rc = spec->end != 0
                 ? 0
                 : err_set(err, ERR_INVALID, "no part is left for this server");
    }
    return rc;
}

/* What is of all parameters, or not known to all servers, when it is wanted. */
static int check_together(const struct job_spec *spec, struct err *err)
{
    const char *rounds =
        json_string_value(json_object_get(spec->engine_options, "rounds"));
    const struct {
        bool wrong;
        const char *what;
        const char *why;
    } rules[] = {
        {spec->http_port >= 0 || spec->socket_port >= 0,
         "http_port and socket_port",
         "no server has all weights to show to Elephas clients"},
        {spec->workers == 0, "workers that the data decides",
         "all servers must know their number"},
        {rounds != NULL && strcmp(rounds, "stage") == 0, "rounds stage",
         "workers must stay until all servers are through"},
    };

    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (rules[i].wrong) {
            return err_set(err, ERR_UNSUPPORTED,
                           "%s: not possible over several servers: %s",
                           rules[i].what, rules[i].why);
        }
    }
    return 0;
}

int job_shards_read(const json_t *request, struct job_spec *spec,
                    struct err *err)
{
    const json_t *list;
    int rc;

    if (jget_member(request, "shards") == NULL) {
        return 0;
    }
    if (spec->kind != JOB_TRAIN) {
        return err_set(err, ERR_INVALID,
                       "shards: is for training only, this job is to %s",
                       job_kind_name(spec->kind));
    }
    rc = jget_array(request, "shards", &list, err);
    if (rc == 0 && (rc = read_list(list, spec, err)) != 0) {
        (void)err_wrap(err, "shards");
    }
    return rc == 0 ? check_together(spec, err) : rc;
}

void job_shards_deinit(struct job_spec *spec)
{
    for (size_t i = 0; i < spec->shard_count; i++) {
        mem_free(spec->shards[i].server);
        mem_free(spec->shards[i].job);
        mem_free(spec->shards[i].token);
    }
    mem_free(spec->shards);
    spec->shards = NULL;
    spec->shard_count = 0;
}

int job_shards_put(json_t *request, const struct job_spec *spec)
{
    json_t *list;

    if (spec->shard_count == 0) {
        return 0;
    }
    list = json_array();
    for (size_t i = 0; i < spec->shard_count; i++) {
        const struct job_shard *s = &spec->shards[i];

        if (json_array_append_new(
                list, json_pack("{s:s, s:s, s:s, s:I, s:I}", "server",
                                s->server, "job", s->job, "token", s->token,
                                "begin", (json_int_t)s->begin, "end",
                                (json_int_t)s->end)) != 0) {
            json_decref(list);
            return -1;
        }
    }
    return list != NULL ? json_object_set_new(request, "shards", list) : -1;
}

/* ---- a part of it -------------------------------------------------------- */

/* Parts of one training are to be the work of one program. */
static int check_version(const char *version, struct err *err)
{
    if (strcmp(version, ELEPHAS_VERSION) != 0) {
        return err_set(err, ERR_UNSUPPORTED,
                       "version: this elephasd is %s, the other side is %.32s: "
                       "the servers of a training must be of one version",
                       ELEPHAS_VERSION, version);
    }
    return 0;
}

int job_shard_read(const json_t *request, struct job_spec *spec,
                   struct err *err)
{
    static const char *const keys[] = {"begin", "end", "version", "validation",
                                       NULL};
    const char *version = ELEPHAS_VERSION;
    const json_t *shard;
    int rc = jget_object(request, "shard", &shard, err);

    if (rc == 0 &&
        ((rc = job_check_keys(shard, keys, err)) != 0 ||
         (rc = jget_string_or(shard, "version", version, &version, err)) != 0 ||
         (rc = check_version(version, err)) != 0 ||
         (rc = jget_bool_or(shard, "validation", false, &spec->shard_validates,
                            err)) != 0 ||
         (rc = read_range(shard, &spec->begin, &spec->end, err)) != 0)) {
        (void)err_wrap(err, "shard");
    }
    if (rc == 0) {
        rc = job_copy_text("engine", "none", &spec->engine, err);
    }
    if (rc == 0) {
        rc = job_training_read(request, spec, err);
    }
    if (rc == 0 && !spec->has_seed) {
        rc = err_set(err, ERR_INVALID,
                     "training: seed: missing: that of the whole is wanted");
    }
    return rc == 0 ? check_together(spec, err) : rc;
}

int64_t job_shard_patience(int64_t timeout, bool joined)
{
    return joined ? timeout : timeout * QUEUE;
}

int job_shard_put(json_t *request, const struct job_spec *spec)
{
    json_t *shard =
        json_pack("{s:I, s:I, s:b}", "begin", (json_int_t)spec->begin, "end",
                  (json_int_t)spec->end, "validation", spec->shard_validates);

    return shard != NULL ? json_object_set_new(request, "shard", shard) : -1;
}

/* ---- the model ----------------------------------------------------------- */

/* In rounds of batches the model's optimizer runs on the servers. */
static int check_rounds(const struct model *model, struct err *err)
{
    struct round_layout layout;
    int rc = narrow_check_elementwise(model, model->optimizer, err);

    if (rc != 0) {
        return rc;
    }
    rc = round_layout_init(model, &layout, err);
    if (rc == 0 && layout.table_count != 0) {
        rc = err_set(err, ERR_UNSUPPORTED,
                     "optimizer %s: what it reads of an Embedding's gradient "
                     "is of the whole table",
                     optimizer_class_name(model->optimizer));
    }
    round_layout_deinit(&layout);
    return rc;
}

int job_shards_check_model(const struct job_spec *spec,
                           const struct model *model, struct err *err)
{
    const struct training_options *t = &spec->training;
    bool gradients = t->mode == TRAINING_SYNCHRONOUS &&
                     t->frequency == TRAINING_BATCH && t->period <= 1;
    int rc = narrow_check(model, spec->begin, spec->end, err);

    if (rc == 0 && spec->shard_count != 0 &&
        spec->shards[spec->shard_count - 1].end != model->parameters) {
        rc =
            err_set(err, ERR_INVALID,
                    "the parts end with %llu, the model has %zu parameters",
                    (unsigned long long)spec->shards[spec->shard_count - 1].end,
                    model->parameters);
    }
    if (rc != 0) {
        (void)err_wrap(err, "shards");
        return rc;
    }
    if (gradients) {
        rc = check_rounds(model, err);
    } else if (t->server != NULL) {
        rc = narrow_check_elementwise(model, t->server, err);
    }
    if (rc != 0) {
        (void)err_wrap(err, "over several servers");
    }
    return rc;
}
