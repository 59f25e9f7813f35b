/* SPDX-License-Identifier: MIT
 *
 * client: requests, retries, and what is asked for: task, model, parameters.
 * See client.h.
 */
#include "worker/client.h"

#include "common/clock.h"
#include "common/mem.h"
#include "common/wire.h"
#include "elephas/v1/frames.pb-c.h"
#include "worker/client_internal.h"

#include <inttypes.h>
#include <string.h>

#define RETRY_MS 60000L
/* before the first answer of all */
#define FIRST_RETRY_MS 5000L
#define FIRST_PAUSE_MS 50L
#define LAST_PAUSE_MS 2000L
#define WAIT_SECONDS 30
#define REQUEST_MS 60000L
#define HEAD_MAX ((size_t)64 << 10)
#define TASK_MAX ((size_t)4 << 20)
/* elements of the smallest part that changes, and the bytes that name one */
#define SHARD_MIN 32
#define RANGE_MAX 20

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' ||
           c == '~';
}

/* "/v1/jobs/" and the id as one path segment. */
static char *job_path(const char *job)
{
    struct buf path;
    int rc;

    buf_init(&path, strlen(job) * 3 + 16);
    rc = buf_puts(&path, "/v1/jobs/", NULL);
    for (; rc == 0 && *job != '\0'; job++) {
        rc = is_unreserved(*job)
                 ? buf_append(&path, job, 1, NULL)
                 : buf_printf(&path, NULL, "%%%02X", (unsigned char)*job);
    }
    if (rc != 0) {
        buf_deinit(&path);
        return NULL;
    }
    return buf_take(&path, NULL);
}

int client_create(const struct client_options *options, struct client **out,
                  struct err *err)
{
    struct client *c = mem_zalloc(sizeof(*c));
    int rc;

    *out = NULL;
    if (c == NULL) {
        return err_nomem(err);
    }
    c->partition = options->partition;
    c->attempt = options->attempt;
    c->stage = options->stage;
    c->wait_s = WAIT_SECONDS;
    c->reached = options->known;
    c->retry_ms = options->retry_ms != 0 ? options->retry_ms : RETRY_MS;
    c->job = mem_strdup(options->job);
    c->path = job_path(options->job);
    if (c->job == NULL || c->path == NULL) {
        rc = err_nomem(err);
        goto out;
    }
    rc = http_client_create(options->server, options->token, &c->http, err);
    if (rc == 0) {
        rc = frame_client_create(c->http, options->token, c->path, &c->frames,
                                 err);
    }
    if (rc == 0) {
        *out = c;
        c = NULL;
    }
out:
    client_destroy(&c);
    return rc;
}

void client_destroy(struct client **client)
{
    struct client *c = *client;

    if (c != NULL) {
        frame_client_destroy(&c->frames);
        http_client_destroy(&c->http);
        mem_free(c->job);
        mem_free(c->path);
        mem_free(c);
        *client = NULL;
    }
}

const char *client_job(const struct client *client)
{
    return client->job;
}

uint64_t client_interruptions(const struct client *client)
{
    return client->interruptions;
}

uint32_t client_partition(const struct client *client)
{
    return client->partition;
}

void client_wait_for(struct client *client, unsigned seconds)
{
    client->wait_s = seconds;
}

static bool is_worth_retrying(int rc, int status)
{
    return rc == ERR_UNREACHABLE || rc == ERR_TIMEOUT || status >= 500;
}

/* In a frame if possible. Where the upgrade does not get through, everything
 * goes by HTTP from then on. */
static int send_once(struct client *c, const struct http_request *request,
                     const struct frame_request *frame,
                     struct http_response *response, struct err *err)
{
    if (frame != NULL && c->frames != NULL) {
        bool refused;
        int rc = frame_client_send(c->frames, frame, response, &refused, err);

        if (!refused) {
            return rc;
        }
        frame_client_destroy(&c->frames);
        http_response_deinit(response);
    }
    return http_client_send(c->http, request, response, err);
}

int client_call(struct client *c, const struct http_request *request,
                const struct frame_request *frame,
                struct http_response *response, struct err *err)
{
    long pause = FIRST_PAUSE_MS;
    long patience = c->reached || c->retry_ms < FIRST_RETRY_MS ? c->retry_ms
                                                               : FIRST_RETRY_MS;
    int64_t first_failure = 0;

    for (;;) {
        int64_t started = clock_ms();
        int rc = send_once(c, request, frame, response, err);

        if (!is_worth_retrying(rc, response->status)) {
            c->interruptions += c->reached && first_failure != 0;
            c->reached = true;
            return rc;
        }
        if (first_failure == 0) {
            first_failure = started;
        }
        if (clock_ms() + pause - first_failure > patience) {
            return rc;
        }
        http_response_deinit(response);
        clock_pause_ms(pause);
        pause = pause * 2 > LAST_PAUSE_MS ? LAST_PAUSE_MS : pause * 2;
    }
}

/* GET of a path; the response as of client_call(). */
static int get(struct client *c, const char *path, size_t max_response,
               long timeout_ms, struct http_response *response, struct err *err)
{
    const struct http_request request = {.method = "GET",
                                         .path = path,
                                         .timeout_ms = timeout_ms,
                                         .max_response = max_response};

    return client_call(c, &request, NULL, response, err);
}

void client_free_task(Elephas__V1__Task **task)
{
    wire_free((ProtobufCMessage **)task);
}

int client_task(struct client *c, Elephas__V1__Task **out, struct err *err)
{
    struct http_response response;
    ProtobufCMessage *message = NULL;
    char *path = mem_printf("%s/task", c->path);
    int rc;

    *out = NULL;
    if (path == NULL) {
        return err_nomem(err);
    }
    rc = get(c, path, TASK_MAX, REQUEST_MS, &response, err);
    if (response.status == 410) {
        rc = 0;
    } else if (rc == 0) {
        rc = wire_unpack(&elephas__v1__task__descriptor,
                         buf_view(&response.body), &message, err);
    }
    if (rc == 0) {
        *out = (Elephas__V1__Task *)message;
    } else {
        (void)err_wrap(err, "job %s", c->job);
    }
    http_response_deinit(&response);
    mem_free(path);
    return rc;
}

static int get_model(struct client *c, const char *path, struct model **out,
                     struct model_state *state, struct err *err)
{
    struct http_response response;
    int rc = get(c, path, MODEL_WIRE_MAX, REQUEST_MS, &response, err);

    if (rc == 0) {
        rc = model_decode(buf_view(&response.body), out, state, err);
    }
    if (rc != 0) {
        (void)err_wrap(err, "model of job %s", c->job);
    }
    http_response_deinit(&response);
    return rc;
}

int client_model(struct client *c, const char *hash, struct model **out,
                 struct err *err)
{
    char *path = NULL;
    int rc;

    *out = NULL;
    if (hash[strspn(hash, "0123456789abcdef")] != '\0' || hash[0] == '\0') {
        return err_set(err, ERR_PROTO, "job %s: has no model", c->job);
    }
    path = mem_printf("/v1/models/%s", hash);
    rc = path != NULL ? get_model(c, path, out, NULL, err) : err_nomem(err);
    mem_free(path);
    return rc;
}

int client_job_model(struct client *c, struct model **out,
                     struct model_state *state, struct err *err)
{
    char *path = mem_printf("%s/model", c->path);
    int rc;

    *out = NULL;
    rc = path != NULL ? get_model(c, path, out, state, err) : err_nomem(err);
    mem_free(path);
    return rc;
}

void client_parameters_take(const struct client_parameters *p, float *out,
                            size_t n)
{
    if (n != 0) {
        memcpy(out, p->values.data, n * sizeof(*out));
    }
}

void client_parameters_subtract(const struct client_parameters *p, float *out,
                                size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float before;

        memcpy(&before, p->values.data + i * sizeof(before), sizeof(before));
        out[i] = before - out[i];
    }
}

void client_parameters_patch(const struct client_parameters *p, float *values)
{
    const uint8_t *from = p->values.data;

    if (!p->head->partial) {
        client_parameters_take(p, values, p->values.len / sizeof(*values));
        return;
    }
    for (size_t i = 0; i + 1 < p->head->n_changed; i += 2) {
        size_t begin = (size_t)p->head->changed[i];
        size_t size =
            ((size_t)p->head->changed[i + 1] - begin) * sizeof(*values);

        memcpy(values + begin, from, size);
        from += size;
    }
}

void client_parameters_deinit(struct client_parameters *p)
{
    wire_free((ProtobufCMessage **)&p->head);
    buf_deinit(&p->body);
    p->values = (struct view){NULL, 0};
}

/* Whether the ranges rise within total, and are what the values are of. */
static int check_changes(const struct client_parameters *p, size_t total,
                         struct err *err)
{
    uint64_t at = 0;
    uint64_t count = 0;

    for (size_t i = 0; i < p->head->n_changed; i += 2) {
        uint64_t begin = p->head->changed[i];
        uint64_t end = i + 1 < p->head->n_changed ? p->head->changed[i + 1] : 0;

        if (begin < at || end <= begin || end > total) {
            return err_set(err, ERR_PROTO,
                           "changes of %llu to %llu do not follow one another "
                           "within %zu parameters",
                           (unsigned long long)begin, (unsigned long long)end,
                           total);
        }
        at = end;
        count += end - begin;
    }
    return p->values.len == count * sizeof(float)
               ? 0
               : err_set(err, ERR_PROTO,
                         "%zu values came for %llu that have changed",
                         p->values.len / sizeof(float),
                         (unsigned long long)count);
}

/* Takes a Parameters message apart; the body moves into *out. */
static int take_parameters(struct http_response *response, size_t total,
                           bool maybe_partial, struct client_parameters *out,
                           struct err *err)
{
    struct view head;
    ProtobufCMessage *message = NULL;
    int rc;

    out->body = response->body;
    buf_init(&response->body, 0); /* out owns the bytes now */
    rc = wire_split(buf_view(&out->body), &head, &out->values, err);
    if (rc == 0) {
        rc = wire_unpack(&elephas__v1__parameters__descriptor, head, &message,
                         err);
    }
    if (rc == 0) {
        const Elephas__V1__Parameters *p = out->head =
            (Elephas__V1__Parameters *)message;

        if (p->partial && maybe_partial) {
            rc = check_changes(out, total, err);
        } else if (p->partial || out->values.len != total * sizeof(float) ||
                   p->range == NULL || p->range->begin != 0 ||
                   p->range->end != total) {
            rc = err_set(err, ERR_PROTO,
                         "%zu parameters came instead of the %zu that the "
                         "model has",
                         out->values.len / sizeof(float), total);
        }
    }
    if (rc != 0) {
        client_parameters_deinit(out);
    }
    return rc;
}

/* GET parameters with this query, by HTTP or in a frame. */
static int get_parameters(struct client *c, const char *query, size_t max,
                          struct http_response *response, struct err *err)
{
    Elephas__V1__Pull pull = ELEPHAS__V1__PULL__INIT;
    struct http_request request = {.method = "GET",
                                   .timeout_ms = c->wait_s * 1000L + REQUEST_MS,
                                   .max_response = max};
    struct frame_request frame = {.kind = FRAME_PULL,
                                  .timeout_ms = request.timeout_ms,
                                  .max_response = max};
    struct buf body;
    char *path = mem_printf("%s/parameters%s%s", c->path,
                            query[0] != '\0' ? "?" : "", query);
    int rc;

    memset(response, 0, sizeof(*response));
    buf_init(&body, FRAME_PULL_MAX);
    pull.query = (char *)(uintptr_t)query;
    rc = path != NULL ? wire_pack(&pull.base, &body, err) : err_nomem(err);
    if (rc == 0) {
        request.path = path;
        frame.body[0] = buf_view(&body);
        rc = client_call(c, &request, &frame, response, err);
    }
    buf_deinit(&body);
    mem_free(path);
    return rc;
}

/* The same; 204 is CLIENT_AGAIN. */
static int pull(struct client *c, const char *query, size_t total,
                bool maybe_partial, struct client_parameters *out,
                enum client_outcome *outcome, struct err *err)
{
    struct http_response response;
    int rc;

    memset(out, 0, sizeof(*out));
    *outcome = CLIENT_OK;
    rc = get_parameters(c, query,
                        total * sizeof(float) + HEAD_MAX +
                            (maybe_partial ? total / SHARD_MIN * RANGE_MAX : 0),
                        &response, err);
    if (response.status == 410) {
        *outcome = CLIENT_STOP;
        rc = 0;
    } else if (rc == 0 && response.status == 204) {
        *outcome = CLIENT_AGAIN;
    } else if (rc == 0) {
        rc = take_parameters(&response, total, maybe_partial, out, err);
    }
    if (rc != 0) {
        (void)err_wrap(err, "parameters of job %s", c->job);
    }
    http_response_deinit(&response);
    return rc;
}

int client_get_parameters(struct client *c, const char *query, size_t total,
                          struct client_parameters *out,
                          enum client_outcome *outcome, struct err *err)
{
    return pull(c, query, total, false, out, outcome, err);
}

int client_pull(struct client *c, size_t parameters,
                struct client_parameters *out, struct err *err)
{
    enum client_outcome outcome;
    int rc = pull(c, "", parameters, false, out, &outcome, err);

    if (rc == 0 && outcome != CLIENT_OK) {
        rc = err_set(err, ERR_STATE, "job %s has ended", c->job);
    }
    return rc;
}

int client_pull_step(struct client *c, uint64_t step, bool state, size_t total,
                     struct client_parameters *out,
                     enum client_outcome *outcome, struct err *err)
{
    char *query =
        mem_printf("partition=%" PRIu32 "&step=%" PRIu64 "%s&wait=%u",
                   c->partition, step, state ? "&state=1" : "", c->wait_s);
    int rc = query != NULL ? pull(c, query, total, false, out, outcome, err)
                           : err_nomem(err);

    mem_free(query);
    return rc;
}

int client_pull_changes(struct client *c, uint64_t step, uint64_t since,
                        uint64_t lineage, size_t parameters,
                        struct client_parameters *out,
                        enum client_outcome *outcome, struct err *err)
{
    char *query = mem_printf("partition=%" PRIu32 "&step=%" PRIu64
                             "&since=%" PRIu64 "&lineage=%" PRIu64 "&wait=%u",
                             c->partition, step, since, lineage, c->wait_s);
    int rc = query != NULL ? pull(c, query, parameters, true, out, outcome, err)
                           : err_nomem(err);

    mem_free(query);
    return rc;
}

int client_pull_epoch(struct client *c, uint64_t epochs, size_t parameters,
                      struct client_parameters *out,
                      enum client_outcome *outcome, struct err *err)
{
    char *query = mem_printf("epoch=%" PRIu64 "&wait=%u", epochs, c->wait_s);
    int rc = query != NULL
                 ? pull(c, query, parameters, false, out, outcome, err)
                 : err_nomem(err);

    mem_free(query);
    return rc;
}
