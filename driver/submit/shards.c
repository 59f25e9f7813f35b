/* SPDX-License-Identifier: MIT
 *
 * shards: see shards.h.
 */
#include "driver/submit/shards.h"

#include "common/mem.h"
#include "common/model/model_wire.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct server {
    char *url; /* owned */
    struct session session;
    char job[JOBS_ID_MAX]; /* or "" */
    char token[JOBS_TOKEN_MAX];
    uint64_t begin, end;
};

struct shards {
    struct server *list; /* without the training's own */
    size_t count;
};

void shards_destroy(struct shards **shards)
{
    struct shards *s = *shards;

    if (s == NULL) {
        return;
    }
    for (size_t i = 0; i < s->count; i++) {
        session_close(&s->list[i].session);
        mem_free(s->list[i].url);
    }
    mem_free(s->list);
    mem_free(s);
    *shards = NULL;
}

void shards_cancel(struct shards *s)
{
    for (size_t i = 0; s != NULL && i < s->count; i++) {
        struct server *server = &s->list[i];
        json_t *document = NULL;

        if (server->job[0] != '\0' &&
            jobs_cancel(&server->session, server->job, &document, NULL) == 0) {
            json_decref(document);
        }
    }
}

/* ---- which servers ---- */

static int check_twice(const struct command *c, const struct shards *s,
                       const char *url, struct err *err)
{
    bool twice =
        !c->opt.embedded && session_same_address(url, session_url(&c->opt));

    for (size_t i = 0; i < s->count; i++) {
        twice = twice || session_same_address(url, s->list[i].url);
    }
    return twice ? err_set(err, ERR_INVALID,
                           "--shard-servers: %s has a part of the parameters "
                           "already",
                           url)
                 : 0;
}

static int add_server(struct command *c, struct shards *s, const char *url,
                      size_t len, struct err *err)
{
    struct server *server = &s->list[s->count];
    int rc;

    server->url = mem_strndup(url, len);
    if (server->url == NULL) {
        return err_nomem(err);
    }
    rc = check_twice(c, s, server->url, err);
    if (rc == 0) {
        rc = session_connect(&c->opt, server->url, &server->session, err);
        if (rc != 0) {
            (void)err_wrap(err, "--shard-servers");
        }
    }
    if (rc != 0) {
        mem_free(server->url);
        server->url = NULL;
        return rc;
    }
    s->count++;
    return 0;
}

static int find_servers(struct command *c, struct shards *s, struct err *err)
{
    size_t want = (size_t)c->opt.shards - 1;
    const char *at = c->opt.shard_servers;
    int rc = 0;

    if (at == NULL) {
        at = getenv("ELEPHAS_SHARD_SERVERS");
    }
    at = at != NULL ? at : "";
    s->list = mem_zarray(want, sizeof(*s->list));
    if (s->list == NULL) {
        return err_nomem(err);
    }
    while (rc == 0 && s->count < want) {
        size_t len;

        at += strspn(at, ", \t");
        len = strcspn(at, ", \t");
        if (len == 0) {
            return err_set(err, ERR_INVALID,
                           "--shards %zu wants %zu servers beside that of "
                           "--server, --shard-servers names %zu",
                           want + 1, want, s->count);
        }
        rc = add_server(c, s, at, len, err);
        at += len;
    }
    return rc;
}

/* Equal parts, the first for the training's own server. */
static int cut(struct shards *s, struct view message, struct err *err)
{
    struct model *model = NULL;
    uint64_t n;
    int rc = model_decode(message, &model, NULL, err);

    if (rc != 0) {
        return rc;
    }
    n = model->parameters;
    model_destroy(&model);
    if (n < s->count + 1) {
        return err_set(err, ERR_INVALID,
                       "--shards: %llu parameters cannot be spread over %zu "
                       "servers",
                       (unsigned long long)n, s->count + 1);
    }
    for (size_t i = 0; i < s->count; i++) {
        s->list[i].begin = n * (i + 1) / (s->count + 1);
        s->list[i].end = n * (i + 2) / (s->count + 1);
    }
    return 0;
}

/* ---- their jobs ---- */

/* Weights and dropout must be those of one seed everywhere. */
static int settle_seed(json_t *request, struct err *err)
{
    json_t *training = json_object_get(request, "training");
    uint32_t seed;

    if (json_object_get(training, "seed") != NULL) {
        return 0;
    }
    if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed)) {
        return err_set(err, ERR_IO, "no random numbers; give --seed");
    }
    return json_object_set_new(training, "seed",
                               json_integer(seed & 0x7fffffff)) == 0
               ? 0
               : err_nomem(err);
}

static json_t *part_of(const json_t *request, const struct server *server)
{
    static const char *const same[] = {"name", "model", "training", "workers"};
    json_t *part =
        json_pack("{s:s, s:{s:I, s:I, s:s, s:b}}", "kind", "shard", "shard",
                  "begin", (json_int_t)server->begin, "end",
                  (json_int_t)server->end, "version", ELEPHAS_VERSION,
                  "validation", json_object_get(request, "validation") != NULL);

    for (size_t i = 0; part != NULL && i < sizeof(same) / sizeof(*same); i++) {
        json_t *value = json_object_get(request, same[i]);

        if (value != NULL && json_object_set(part, same[i], value) != 0) {
            json_decref(part);
            return NULL;
        }
    }
    return part;
}

static int make_job(struct command *c, struct server *server,
                    const json_t *request, struct view model, struct err *err)
{
    char hash[MODEL_HASH_SIZE];
    json_t *part = part_of(request, server);
    int rc = part != NULL ? 0 : err_nomem(err);

    if (rc == 0) {
        rc = jobs_upload_model(c, &server->session, model, hash, err);
    }
    if (rc == 0) {
        rc = jobs_submit_shard(&server->session, part, server->job,
                               server->token, err);
    }
    json_decref(part);
    if (rc != 0) {
        (void)err_wrap(err, "server %s", server->url);
    }
    return rc;
}

static int put_list(const struct shards *s, json_t *request, struct err *err)
{
    json_t *list = json_array();

    for (size_t i = 0; list != NULL && i < s->count; i++) {
        const struct server *server = &s->list[i];

        if (json_array_append_new(
                list,
                json_pack("{s:s, s:s, s:s, s:I, s:I}", "server", server->url,
                          "job", server->job, "token", server->token, "begin",
                          (json_int_t)server->begin, "end",
                          (json_int_t)server->end)) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return list != NULL && json_object_set_new(request, "shards", list) == 0
               ? 0
               : err_nomem(err);
}

int shards_make(struct command *c, json_t *request, struct view model,
                struct shards **out, struct err *err)
{
    struct shards *s = mem_zalloc(sizeof(*s));
    int rc;

    *out = NULL;
    if (s == NULL) {
        return err_nomem(err);
    }
    rc = find_servers(c, s, err);
    if (rc == 0) {
        rc = cut(s, model, err);
    }
    if (rc == 0) {
        rc = settle_seed(request, err);
    }
    for (size_t i = 0; rc == 0 && i < s->count; i++) {
        rc = make_job(c, &s->list[i], request, model, err);
    }
    if (rc == 0) {
        rc = put_list(s, request, err);
    }
    if (rc != 0) {
        shards_cancel(s);
        shards_destroy(&s);
        return rc;
    }
    *out = s;
    return 0;
}
