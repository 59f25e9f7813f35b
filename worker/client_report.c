/* SPDX-License-Identifier: MIT
 *
 * client_report: what a worker tells: that it joins, updates, results.
 * Metric states point straight into the totals; the floats of an update are
 * sent from where they lie.
 */
#include "worker/client.h"

#include "common/mem.h"
#include "common/wire.h"
#include "worker/client_internal.h"

#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define HEAD_MAX ((size_t)16 << 20)
#define ANSWER_MAX ((size_t)64 << 10)
#define REQUEST_MS 60000L
#define PROGRESS_MS 2000L

static const struct view nothing;

/* The states of all metrics as messages that borrow from totals. */
struct metric_messages {
    Elephas__V1__MetricState *states; /* owned */
    Elephas__V1__MetricState **list;  /* owned */
    size_t count;
};

static void metric_messages_deinit(struct metric_messages *m)
{
    mem_free(m->states);
    mem_free(m->list);
}

static int metric_messages_init(struct totals *totals,
                                struct metric_messages *m, struct err *err)
{
    memset(m, 0, sizeof(*m));
    if (totals == NULL) {
        return 0;
    }
    m->count = totals_count(totals);
    m->states = mem_array(m->count + 1, sizeof(*m->states));
    m->list = mem_array(m->count + 1, sizeof(*m->list));
    if (m->states == NULL || m->list == NULL) {
        metric_messages_deinit(m);
        return err_nomem(err);
    }
    for (size_t i = 0; i < m->count; i++) {
        Elephas__V1__MetricState *state = &m->states[i];

        elephas__v1__metric_state__init(state);
        state->name = (char *)(uintptr_t)totals_name(totals, i);
        state->values = totals_state(totals, i, &state->n_values);
        m->list[i] = state;
    }
    return 0;
}

/* POST of a message (and values behind it) to a route of the job. */
static int post(struct client *c, const char *route,
                const ProtobufCMessage *message, struct view values,
                long timeout_ms, bool retry, struct http_response *response,
                struct err *err)
{
    struct buf head;
    uint8_t header[WIRE_HEADER_MAX];
    char *path = mem_printf("%s/%s", c->path, route);
    int rc;

    memset(response, 0, sizeof(*response));
    buf_init(&head, HEAD_MAX);
    rc = path != NULL ? wire_pack(message, &head, err) : err_nomem(err);
    if (rc == 0 && values.data != NULL) {
        rc = buf_append(&head, header, wire_values_header(values.len, header),
                        err);
    }
    if (rc == 0) {
        const struct http_request request = {.method = "POST",
                                             .path = path,
                                             .content_type =
                                                 "application/x-protobuf",
                                             .body = {buf_view(&head), values},
                                             .timeout_ms = timeout_ms,
                                             .max_response = ANSWER_MAX};

        const struct frame_request frame = {
            .kind = FRAME_UPDATE,
            .body = {request.body[0], request.body[1]},
            .timeout_ms = timeout_ms,
            .max_response = ANSWER_MAX};

        rc = retry ? client_call(c, &request,
                                 strcmp(route, "updates") == 0 ? &frame : NULL,
                                 response, err)
                   : http_client_send(c->http, &request, response, err);
    }
    buf_deinit(&head);
    mem_free(path);
    return rc;
}

int client_post(struct client *c, const char *route,
                const ProtobufCMessage *message, struct view values,
                struct http_response *response, struct err *err)
{
    return post(c, route, message, values, REQUEST_MS, true, response, err);
}

int client_join(struct client *c, uint64_t samples, uint64_t validation_samples,
                struct client_assignment *out, enum client_outcome *outcome,
                struct err *err)
{
    Elephas__V1__Join join = ELEPHAS__V1__JOIN__INIT;
    struct http_response response;
    ProtobufCMessage *message = NULL;
    char host[256] = "";
    int rc;

    (void)gethostname(host, sizeof(host) - 1);
    join.job = c->job;
    join.partition = c->partition;
    join.attempt = c->attempt;
    join.stage = c->stage;
    join.samples = samples;
    join.validation_samples = validation_samples;
    join.host = host;
    join.pid = (uint64_t)getpid();
    *outcome = CLIENT_OK;
    *out = (struct client_assignment){0};
    rc = post(c, "partitions", &join.base, nothing, REQUEST_MS, true, &response,
              err);
    if (response.status == 410) {
        *outcome = CLIENT_STOP;
        rc = 0;
    } else if (rc == 0) {
        rc = wire_unpack(&elephas__v1__assignment__descriptor,
                         buf_view(&response.body), &message, err);
    }
    if (rc == 0 && message != NULL) {
        const Elephas__V1__Assignment *a =
            (const Elephas__V1__Assignment *)message;

        out->next_step = a->next_step;
        out->next_validation = a->next_validation;
        out->version = a->version;
        out->life = a->life;
        for (size_t i = 0; i < a->n_kept && i < 2; i++) {
            out->kept[out->kept_count++] = a->kept[i];
        }
        if (a->stop) {
            *outcome = strstr(a->detail, "newer") != NULL ? CLIENT_SUPERSEDED
                                                          : CLIENT_STOP;
        }
    }
    wire_free(&message);
    http_response_deinit(&response);
    return rc;
}

/* Reads an UpdateReply. */
static int take_reply(const struct http_response *response, uint64_t *next_step,
                      enum client_outcome *outcome, struct err *err)
{
    ProtobufCMessage *message = NULL;
    const Elephas__V1__UpdateReply *reply;
    int rc = wire_unpack(&elephas__v1__update_reply__descriptor,
                         buf_view(&response->body), &message, err);

    if (rc != 0) {
        return rc;
    }
    reply = (const Elephas__V1__UpdateReply *)message;
    switch (reply->status) {
    case ELEPHAS__V1__UPDATE_STATUS__UPDATE_STATUS_APPLIED:
    case ELEPHAS__V1__UPDATE_STATUS__UPDATE_STATUS_DUPLICATE:
        *outcome = CLIENT_OK;
        break;
    case ELEPHAS__V1__UPDATE_STATUS__UPDATE_STATUS_SUPERSEDED:
        *outcome = CLIENT_SUPERSEDED;
        break;
    case ELEPHAS__V1__UPDATE_STATUS__UPDATE_STATUS_STOP:
        *outcome = CLIENT_STOP;
        break;
    default:
        rc = err_set(err, ERR_PROTO, "an answer without a status");
        break;
    }
    if (next_step != NULL) {
        *next_step = reply->next_step;
    }
    wire_free(&message);
    return rc;
}

int client_push(struct client *c, const struct client_update *u,
                uint64_t *next_step, enum client_outcome *outcome,
                struct err *err)
{
    Elephas__V1__ParameterUpdate message = ELEPHAS__V1__PARAMETER_UPDATE__INIT;
    Elephas__V1__Range range = ELEPHAS__V1__RANGE__INIT;
    struct metric_messages metrics;
    struct http_response response;
    int rc = metric_messages_init(u->metrics, &metrics, err);

    if (rc != 0) {
        return rc;
    }
    range.end = u->count;
    message.job = c->job;
    message.partition = c->partition;
    message.attempt = c->attempt;
    message.stage = c->stage;
    message.step = u->step;
    message.base_version = u->base_version;
    message.kind = u->gradient ? ELEPHAS__V1__UPDATE_KIND__UPDATE_KIND_GRADIENT
                               : ELEPHAS__V1__UPDATE_KIND__UPDATE_KIND_DELTA;
    message.range = &range;
    message.samples = u->samples;
    message.iterations = u->iterations;
    message.optimizer_scalars = (double *)(uintptr_t)u->scalars;
    message.n_optimizer_scalars = u->scalars != NULL ? u->scalar_count : 0;
    message.metrics = metrics.list;
    message.n_metrics = metrics.count;
    message.first_loss = u->first_loss;
    message.keep = u->keep;
    *outcome = CLIENT_OK;
    *next_step = u->step + 1;
    message.encoding = (Elephas__V1__Encoding)u->encoding;
    rc = post(c, "updates", &message.base,
              u->encoding != 0 ? u->encoded
                               : (struct view){(const uint8_t *)u->values,
                                               u->count * sizeof(*u->values)},
              REQUEST_MS, true, &response, err);
    if (response.status == 410) {
        *outcome = CLIENT_STOP;
        rc = 0;
    } else if (rc == 0) {
        rc = take_reply(&response, next_step, outcome, err);
    }
    if (rc != 0) {
        (void)err_wrap(err, "update %llu of partition %u",
                       (unsigned long long)u->step, c->partition);
    }
    http_response_deinit(&response);
    metric_messages_deinit(&metrics);
    return rc;
}

static int send_result(struct client *c, uint64_t epoch, uint64_t samples,
                       struct totals *totals, bool progress,
                       enum client_outcome *outcome, struct err *err)
{
    Elephas__V1__Result message = ELEPHAS__V1__RESULT__INIT;
    struct metric_messages metrics;
    struct http_response response;
    int rc = metric_messages_init(totals, &metrics, err);

    if (rc != 0) {
        return rc;
    }
    message.job = c->job;
    message.partition = c->partition;
    message.attempt = c->attempt;
    message.stage = c->stage;
    message.epoch = epoch;
    message.samples = samples;
    message.metrics = metrics.list;
    message.n_metrics = metrics.count;
    message.progress = progress;
    *outcome = CLIENT_OK;
    rc = post(c, "results", &message.base, nothing,
              progress ? PROGRESS_MS : REQUEST_MS, !progress, &response, err);
    if (response.status == 410) {
        *outcome = CLIENT_STOP;
        rc = 0;
    } else if (rc == 0) {
        rc = take_reply(&response, NULL, outcome, err);
    }
    http_response_deinit(&response);
    metric_messages_deinit(&metrics);
    return rc;
}

int client_result(struct client *c, uint64_t epoch, uint64_t samples,
                  struct totals *metrics, enum client_outcome *outcome,
                  struct err *err)
{
    int rc = send_result(c, epoch, samples, metrics, false, outcome, err);

    return rc == 0 ? 0 : err_wrap(err, "result of partition %u", c->partition);
}

void client_progress(struct client *c, uint64_t epoch, uint64_t samples,
                     struct totals *metrics)
{
    enum client_outcome outcome;

    if (send_result(c, epoch, samples, metrics, true, &outcome, NULL) != 0) {
        return; /* nobody sees this report; the next one may get through */
    }
}
