/* SPDX-License-Identifier: MIT
 *
 * jobs: see jobs.h.
 */
#include "driver/submit/jobs.h"

#include "common/jget.h"
#include "common/mem.h"
#include "common/model/model_wire.h"

#include <string.h>

/* A model is sent in one request: what a slow line needs for a large one. */
#define UPLOAD_TIMEOUT_MS (3600 * 1000L)
#define MAX_DOCUMENT ((size_t)256 << 20)

int jobs_path(const char *id, const char *tail, char **out, struct err *err)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "abcdefghijklmnopqrstuvwxyz0123456789-._~";
    struct buf b;
    int rc;

    if (*id == '\0' || strcmp(id, ".") == 0 || strcmp(id, "..") == 0) {
        return err_set(err, ERR_INVALID, "'%s': not the id of a job", id);
    }
    buf_init(&b, (size_t)1 << 16);
    rc = buf_puts(&b, "/v1/jobs/", err);
    for (const char *p = id; rc == 0 && *p != '\0'; p++) {
        rc = strchr(plain, *p) != NULL
                 ? buf_append(&b, p, 1, err)
                 : buf_printf(&b, err, "%%%02X", (unsigned)(unsigned char)*p);
    }
    if (rc == 0) {
        rc = buf_puts(&b, tail, err);
    }
    if (rc == 0) {
        *out = buf_take(&b, NULL);
        rc = *out != NULL ? 0 : err_nomem(err);
    }
    buf_deinit(&b);
    return rc;
}

/* Sends the request and reads a JSON object. */
static int exchange(struct session *s, const struct http_request *request,
                    json_t **out, struct err *err)
{
    struct http_response response;
    json_t *value = NULL;
    int rc = http_client_send(s->http, request, &response, err);

    if (rc == 0) {
        rc =
            jget_parse(buf_str(&response.body), response.body.len, &value, err);
        if (rc == 0 && !json_is_object(value)) {
            rc = err_set(err, ERR_PROTO, "not a JSON object");
        }
        if (rc != 0) {
            (void)err_wrap(err, "%s %s%s: the answer", request->method,
                           http_client_url(s->http), request->path);
            rc = rc == ERR_NOMEM ? ERR_NOMEM : ERR_PROTO;
        }
    }
    http_response_deinit(&response);
    if (rc != 0) {
        json_decref(value);
        return rc;
    }
    *out = value;
    return 0;
}

int jobs_get(struct session *s, const char *path, json_t **out, struct err *err)
{
    struct http_request request = {
        .method = "GET", .path = path, .max_response = MAX_DOCUMENT};

    return exchange(s, &request, out, err);
}

/* Asks for something to be done to a job. */
static int act(struct session *s, const char *method, const char *id,
               const char *tail, json_t **out, struct err *err)
{
    struct http_request request = {.method = method,
                                   .max_response = MAX_DOCUMENT};
    char *path = NULL;
    int rc = jobs_path(id, tail, &path, err);

    if (rc == 0) {
        request.path = path;
        rc = exchange(s, &request, out, err);
    }
    mem_free(path);
    return rc;
}

int jobs_cancel(struct session *s, const char *id, json_t **out,
                struct err *err)
{
    return act(s, "DELETE", id, "", out, err);
}

int jobs_stop(struct session *s, const char *id, json_t **out, struct err *err)
{
    return act(s, "POST", id, "/stop", out, err);
}

/* Copies a string member of an answer. */
static int copy_member(const json_t *answer, const char *key, size_t size,
                       char *out, struct err *err)
{
    const char *text;
    int rc = jget_string(answer, key, &text, err);

    if (rc == 0 && strlen(text) >= size) {
        rc = err_set(err, ERR_PROTO, "%s: too long", key);
    }
    if (rc != 0) {
        (void)err_wrap(err, "the answer of elephasd");
        return ERR_PROTO;
    }
    memcpy(out, text, strlen(text) + 1);
    return 0;
}

int jobs_upload_model(struct command *c, struct session *s, struct view message,
                      char *hash, struct err *err)
{
    struct http_request request = {.method = "POST",
                                   .path = "/v1/models",
                                   .content_type = "application/x-protobuf",
                                   .body = {message},
                                   .timeout_ms = UPLOAD_TIMEOUT_MS,
                                   .interrupted = command_http_interrupted,
                                   .context = c};
    json_t *answer = NULL;
    int rc = exchange(s, &request, &answer, err);

    if (rc == 0) {
        rc = copy_member(answer, "model", MODEL_HASH_SIZE, hash, err);
    }
    json_decref(answer);
    return rc;
}

/* POST of a job; its document. */
static int post_job(struct session *s, const json_t *request_json,
                    json_t **answer, struct err *err)
{
    struct http_request request = {.method = "POST",
                                   .path = "/v1/jobs",
                                   .content_type = "application/json",
                                   .max_response = MAX_DOCUMENT};
    char *text = jget_dump(request_json);
    int rc;

    if (text == NULL) {
        return err_nomem(err);
    }
    request.body[0] = (struct view){(const uint8_t *)text, strlen(text)};
    rc = exchange(s, &request, answer, err);
    mem_free(text);
    return rc;
}

int jobs_submit(struct session *s, const json_t *request, char id[JOBS_ID_MAX],
                struct err *err)
{
    json_t *answer = NULL;
    int rc = post_job(s, request, &answer, err);

    if (rc == 0) {
        rc = copy_member(answer, "id", JOBS_ID_MAX, id, err);
    }
    json_decref(answer);
    return rc;
}

int jobs_submit_shard(struct session *s, const json_t *request,
                      char id[JOBS_ID_MAX], char token[JOBS_TOKEN_MAX],
                      struct err *err)
{
    json_t *answer = NULL;
    int rc = post_job(s, request, &answer, err);

    if (rc == 0) {
        rc = copy_member(answer, "id", JOBS_ID_MAX, id, err);
    }
    if (rc == 0) {
        rc = copy_member(answer, "token", JOBS_TOKEN_MAX, token, err);
    }
    json_decref(answer);
    return rc;
}

/* What the daemon refused as a fault of the input stays one; any other failure
 * of a job is a job that failed. */
static enum err_code failure_code(const char *name)
{
    enum err_code code = err_of_word(name);

    if (err_exit_status((int)code) == err_exit_status(ERR_INVALID)) {
        return code;
    }
    return ERR_STATE;
}

int jobs_result(const char *id, const json_t *ended, struct err *err)
{
    const char *state = json_string_value(json_object_get(ended, "event"));
    const char *why = json_string_value(json_object_get(ended, "error"));
    const char *code = json_string_value(json_object_get(ended, "code"));

    if (state == NULL) {
        state = json_string_value(json_object_get(ended, "state"));
    }
    if (state != NULL && strcmp(state, "done") == 0) {
        return 0;
    }
    if (state != NULL && strcmp(state, "cancelled") == 0) {
        return err_set(err, ERR_CANCELLED, "job %s was cancelled", id);
    }
    if (state != NULL && strcmp(state, "failed") == 0) {
        return err_set(err, failure_code(code), "job %s failed: %s", id,
                       why != NULL ? why : "no reason is known");
    }
    return err_set(err, ERR_PROTO, "job %s: ended in an unknown way", id);
}
